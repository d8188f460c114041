//! The whole way from the text of a file and the bytes of a request to the route that takes it (configuration, codec,
//! router, conditions, routing step), against the rules read literally. Random routes, random requests, a printed seed.

mod lenient;
mod rules;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use tidegate_config::{Families, Workshop, compile, from_text};
use tidegate_core::entry::NameBook;
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::limits::HeadLimits;
use tidegate_core::meters::Meters;
use tidegate_core::service::CellBook;
use tidegate_flow::{End, Worker, rehearse};
use tidegate_testkit::Random;
use tidegate_wire::http1::request::RequestParser;

use rules::{Outcome, Request, Route};

/// Files of routes, and requests to each: 40,000 in all.
const FILES: usize = 400;
const REQUESTS: usize = 100;

const METHODS: [&str; 5] = ["GET", "POST", "PURGE", "OPTIONS", "TRACE"];
const LISTENERS: [&str; 2] = ["http", "inner"];

fn one<T: Copy>(random: &mut Random, of: &[T]) -> T {
    of[random.below(of.len())]
}

/// Some of them, each once, in any order.
fn some<T: Copy>(random: &mut Random, of: &[T], most: usize) -> Vec<T> {
    let mut left = of.to_vec();
    (0..random.below(most + 1)).map(|_| left.swap_remove(random.below(left.len()))).collect()
}

fn random_route(random: &mut Random) -> Route {
    let mut path = String::new();
    for depth in 0..random.below(4) {
        path += "/";
        match random.below(10) {
            0..3 => path += &format!("{{p{depth}}}"),
            _ => path += one(random, &["a", "a", "b", "%7ex", "c%20d", "e!", "%40f"]),
        }
    }
    if path.is_empty() || random.below(3) == 0 {
        path += one(random, &["/**", "/**", "/"]);
    }
    let headers =
        [("x-a", "1"), ("X-A", "2"), ("x-A", "*"), ("x-b", ""), ("x-b", "b c"), ("User-Agent", "p")];
    let query = [("k", "1"), ("k", "*"), ("k", ""), ("k k", "v+v"), ("k k", "v v"), ("é", "*"), ("x", "%")];
    let mut route = Route {
        host: one(random, &["", "", "", "x.org", "a.x.org", "*.x.org", "*.a.x.org", "*.org"]),
        path,
        methods: some(random, &METHODS, 2),
        headers: if random.below(2) == 0 { some(random, &headers, 2) } else { Vec::new() },
        query: if random.below(2) == 0 { some(random, &query, 2) } else { Vec::new() },
        listeners: if random.below(4) == 0 { some(random, &LISTENERS, 2) } else { Vec::new() },
    };
    // A map has each key once.
    let mut seen = BTreeSet::new();
    route.headers.retain(|(name, _)| seen.insert(name.to_ascii_lowercase()));
    route.query.retain(|(key, _)| seen.insert(format!("?{key}")));
    route
}

fn random_request(random: &mut Random) -> Request {
    let path = (0..1 + random.below(4)).map(|_| {
        let usual = [
            "a", "a", "a", "b", "%61", "~x", "%7Ex", "c%20d", "", "a;", "a;b=c", "b%3b", "e!", "e%21;x",
            "@f", "%40f", ".", "..", "%2e", "%2E.",
        ];
        match random.below(60) {
            0 => one(random, &["%2f", "%5C", "\\", "%00", "%zz", "%2", ";", "%3Bx", ".;", "%2e.%3b"]),
            _ => one(random, &usual),
        }
    });
    let path: String = path.map(|segment| format!("/{segment}")).collect();
    let pairs = [
        "k=1",
        "k=2",
        "k",
        "k=",
        "K=1",
        "%6b=1",
        "k+k=v%2Bv",
        "k%20k=v+v",
        "%C3%a9",
        "x=%",
        "x=%25",
        "",
        "k=%zz",
    ];
    let headers = [
        ("X-A", "1"),
        ("x-a", "2"),
        ("x-a", ""),
        ("X-B", ""),
        ("x-b", "b c"),
        ("X_A", "1"),
        ("User-Agent", "p"),
        ("Origin", "null"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let host =
        one(random, &["x.org", "x.org", "a.x.org", "b.a.x.org", "c.b.a.x.org", "org", "y.com", "xx.org"]);
    Request {
        method: one(random, &["GET", "HEAD", "POST", "PUT", "PURGE", "MERGE", "OPTIONS", "TRACE"]),
        host: match random.below(4) {
            0 => format!("{}:8080", host.to_uppercase()),
            1 => format!("{host}."),
            _ => host.into(),
        },
        path,
        query: (random.below(3) > 0).then(|| some(random, &pairs, 3).join("&")),
        headers: some(random, &headers, 5),
        listener: one(random, &LISTENERS),
    }
}

/// The file as an operator would write it.
fn written(routes: &[Route]) -> String {
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| format!("\"{key}\": \"{value}\"")).collect::<Vec<_>>().join(", ")
    };
    let mut text =
        String::from("version: 1\nlisten: { http: \"127.0.0.1:0\", inner: \"127.0.0.1:0\" }\nroutes:\n");
    for (index, route) in routes.iter().enumerate() {
        let mut condition = format!("path: \"{}\"", route.path);
        if !route.host.is_empty() {
            write!(condition, ", host: \"{}\"", route.host).unwrap();
        }
        if !route.methods.is_empty() {
            write!(condition, ", methods: [{}]", route.methods.join(", ")).unwrap();
        }
        if !route.headers.is_empty() {
            write!(condition, ", headers: {{ {} }}", map(&route.headers)).unwrap();
        }
        if !route.query.is_empty() {
            write!(condition, ", query: {{ {} }}", map(&route.query)).unwrap();
        }
        let listeners = match route.listeners.is_empty() {
            true => String::new(),
            false => format!("listeners: [{}], ", route.listeners.join(", ")),
        };
        writeln!(
            text,
            "  - {{ name: r{index}, match: {{ {condition} }}, {listeners}to: {{ respond: 204 }} }}"
        )
        .unwrap();
    }
    text
}

fn worker(text: &str) -> Worker {
    let families = Families::new(tidegate_policies::ALL, tidegate_upstreams::balancers::ALL);
    let config =
        from_text("f.yaml", text, Path::new("/"), &families).unwrap_or_else(|p| panic!("{p}\nin\n{text}"));
    let (cells, names, meters) = (CellBook::new(1), NameBook::default(), Meters::new(1));
    let workshop = Workshop { cells: &cells, names: &names, meters: &meters, previous: None };
    let snapshot = compile(&config, 1, &workshop);
    Worker::new(0, 1, "test", Arc::new(snapshot.unwrap_or_else(|p| panic!("{p}\nin\n{text}"))), 1)
}

/// What the gateway makes of the bytes of a request.
fn found(runtime: &tokio::runtime::Runtime, worker: &Worker, request: &Request) -> Outcome {
    found_with_path(runtime, worker, request).0
}

/// The same, and the path a backend would be asked for.
fn found_with_path(
    runtime: &tokio::runtime::Runtime,
    worker: &Worker,
    request: &Request,
) -> (Outcome, String) {
    let target = match &request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.clone(),
    };
    let mut bytes = format!("{} {target} HTTP/1.1\r\nHost: {}\r\n", request.method, request.host);
    for (name, value) in &request.headers {
        write!(bytes, "{name}: {value} \r\n").unwrap();
    }
    bytes += "\r\n";
    let mut head = RequestHead::default();
    let parsed = match RequestParser::default().parse(bytes.as_bytes(), &HeadLimits::REQUEST, &mut head) {
        Ok(parsed) => parsed.expect("the head is whole"),
        Err(refusal) => {
            assert_eq!(refusal.status, 400, "{refusal:?}");
            return (Outcome::BadRequest, String::new());
        }
    };
    let path = String::from_utf8_lossy(head.path_sent_bytes()).into_owned();
    let client = Client {
        address: None,
        listener: request.listener.into(),
        is_secure: false,
        trusted: None,
        door: None,
    };
    let rehearsal = runtime.block_on(rehearse(worker, &mut head, &parsed, client, b""));
    let End::Answered { head, .. } = rehearsal.end else { panic!("there are no services") };
    let outcome = match (rehearsal.route, head.status) {
        (Some(name), 204) => Outcome::Route(name[1..].parse().expect("the number of a route")),
        (None, 404) => Outcome::NotFound,
        (None, 405) => {
            let allowed = String::from_utf8_lossy(head.fields.find(b"allow").expect("Allow")).into_owned();
            Outcome::MethodNotAllowed(allowed.split(", ").map(String::from).collect())
        }
        (route, status) => panic!("{status} by {route:?}"),
    };
    (outcome, path)
}

#[test]
fn a_request_takes_the_route_that_the_rules_say() {
    let mut random = Random::announced("which route");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("make a runtime");
    let (mut outcomes, mut by_condition) = ([0; 4], [0; 4]);
    for _ in 0..FILES {
        let mut routes: Vec<Route> = Vec::new();
        for _ in 0..1 + random.below(25) {
            let route = random_route(&mut random);
            if routes.iter().all(|other| other.takes() != route.takes()) {
                routes.push(route);
            }
        }
        let text = written(&routes);
        let worker = worker(&text);
        for _ in 0..REQUESTS {
            let request = random_request(&mut random);
            let expected = rules::outcome(&routes, &request);
            assert_eq!(found(&runtime, &worker, &request), expected, "{request:#?}\namong\n{text}");
            match expected {
                Outcome::Route(index) => {
                    outcomes[0] += 1;
                    let Route { methods, headers, query, listeners, .. } = &routes[index];
                    let are_there =
                        [!methods.is_empty(), !headers.is_empty(), !query.is_empty(), !listeners.is_empty()];
                    for (count, is_there) in by_condition.iter_mut().zip(are_there) {
                        *count += usize::from(is_there);
                    }
                }
                Outcome::MethodNotAllowed(_) => outcomes[1] += 1,
                Outcome::NotFound => outcomes[2] += 1,
                Outcome::BadRequest => outcomes[3] += 1,
            }
        }
    }
    // The test says something only if it meets every outcome, and a winner by every kind of condition, often.
    assert!(outcomes.iter().all(|&count| count > FILES * REQUESTS / 50), "{outcomes:?}");
    assert!(by_condition.iter().all(|&count| count > FILES * REQUESTS / 200), "{by_condition:?}");
    println!("{outcomes:?} {by_condition:?}");
}

#[test]
fn the_order_that_the_guide_shows_is_the_order() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/routes.md");
    let guide = std::fs::read_to_string(guide).expect("read the guide");
    let (_, table) = guide.split_once("from the most to the least specific:").expect("the table of an order");
    let rows =
        table.lines().skip_while(|line| !line.starts_with("| `{")).take_while(|line| line.starts_with('|'));
    let matches: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert!(matches.len() >= 5, "{matches:?}");
    let request = Request {
        method: "GET",
        host: "api.example.com".into(),
        path: "/orders/7".into(),
        query: None,
        headers: vec![("X-Beta", "1")],
        listener: "http",
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("make a runtime");
    for first in 0..matches.len() {
        let mut text = written(&[]);
        // The last one first: what wins must not win by its place in the file.
        for (index, condition) in matches.iter().enumerate().skip(first).rev() {
            writeln!(text, "  - {{ name: r{index}, match: {condition}, to: {{ respond: 204 }} }}").unwrap();
        }
        assert_eq!(found(&runtime, &worker(&text), &request), Outcome::Route(first), "{text}");
    }
}
