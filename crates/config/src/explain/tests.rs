//! What is told about a request: who takes it and why, what it would be answered otherwise, what others lack.

use super::*;
use crate::{Families, Workshop, compile, from_text};
use std::fmt::Write;
use std::path::Path;
use tidegate_core::balance::{self, Balancer, Build, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::entry::NameBook;
use tidegate_core::meters::Meters;
use tidegate_core::service::{CellBook, Roster};

#[derive(Debug)]
struct First;

impl Balancer for First {
    fn pick(&self, _: &Roster, _: Pick) -> Option<usize> {
        Some(0)
    }

    fn observe(&self, _: &Roster, _: usize, _: Nanos, _: Sample) {}
}

const FIRST: balance::Kind =
    balance::Kind { name: "first", doc: "The first.", build: Build::Plain(|| Box::new(First)) };

const FILE: &str = r#"
version: 1
listen: { http: "127.0.0.1:0" }
services: { a: { backends: ["127.0.0.1:1"] }, b: { backends: ["127.0.0.1:2"] } }
routes:
  - { name: one-order, match: { path: "/orders/{id}", methods: [GET] }, to: a }
  - { name: orders, match: /orders/**, to: { a: 95, b: 5 } }
  - { name: api, match: { host: api.example.com, path: "/v1/{x}/y" }, to: b }
  - { name: all-hosts, match: { host: "*.example.com", path: "/v1/**", methods: [GET] }, to: b }
  - { name: gone, match: { path: /old, methods: [PUT, POST] }, to: { respond: 410 } }
  - { name: "gone-too", match: { path: /old, methods: [DELETE] }, to: { respond: 410 } }
"#;

fn told(method: &str, url: &str, headers: &[(String, String)]) -> String {
    let families = Families::new(&[], &[FIRST]);
    let config = from_text("file", FILE, Path::new("/"), &families).unwrap();
    let (cells, meters) = (CellBook::new(1), Meters::new(1));
    let snapshot = compile(
        &config,
        1,
        &Workshop { cells: &cells, names: &NameBook::default(), meters: &meters, previous: None },
    )
    .unwrap();
    let explanation = match explain(&config, &snapshot, Asked { method, url, headers, listener: "" }) {
        Ok(explanation) => explanation,
        Err(problem) => return problem.to_string(),
    };
    let mut text = match &explanation.verdict {
        Verdict::Route(chosen) => {
            let params: Vec<_> =
                chosen.params.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{}{}: {}: {:?}", chosen.name, params.concat(), chosen.why, chosen.leads)
        }
        Verdict::MethodNotAllowed { allow } => format!("405 {allow}"),
        Verdict::NotFound => "404".to_owned(),
        Verdict::BadRequest { reason } => format!("400 {reason}"),
    };
    for other in &explanation.others {
        write!(text, "\n{}: {}", other.name, other.because.join("; ")).unwrap();
    }
    text
}

fn check(method: &str, url: &str, expected: &[&str]) {
    let told = told(method, url, &[]);
    let lines: Vec<&str> = told.lines().take(expected.len()).collect();
    assert_eq!(lines, expected, "{method} {url} in\n{told}");
}

#[test]
fn the_route_is_told_with_what_it_won_by() {
    let split = r#"Services([("a", 95), ("b", 5)])"#;
    check(
        "GET",
        "/orders/a%20b",
        &[
            r#"one-order id=a b: before `orders`, which matches too: its path has more segments: Services([("a", 1)])"#,
            "orders: `one-order` wins: its path has more segments",
            "gone: its path is `/old`; it takes POST, PUT",
        ],
    );
    check(
        "POST",
        "http://x/orders/7",
        &[&format!("orders: no other route matches: {split}"), "one-order: it takes GET, HEAD"],
    );
    check(
        "GET",
        "https://api.example.com:8443?q",
        &["404", "api: its path is `/v1/{x}/y`", "all-hosts: its path is `/v1/**`"],
    );
    check(
        "GET",
        "https://API.example.com./v1/z/y",
        &[
            r#"api x=z: before `all-hosts`, which matches too: its host is more specific: Services([("b", 1)])"#,
            "all-hosts: `api` wins: its host is more specific",
        ],
    );
    check(
        "PUT",
        "/old#fragment",
        &["gone: no other route matches: Answer(410)", "gone-too: it takes DELETE"],
    );
}

#[test]
fn what_no_route_takes_is_told_with_what_is_lacking() {
    check("GET", "/old", &["405 POST, PUT, DELETE", "gone: it takes POST, PUT", "gone-too: it takes DELETE"]);
    check("GET", "/v1/z/y", &["404", "api: its host is `api.example.com`, and the request has none"]);
    check("GET", "http://other/v1/z/y", &["404", "api: its host is `api.example.com`"]);
    let host = [("HOST".to_owned(), "x.example.com".to_owned())];
    assert!(told("GET", "/v1/z", &host).starts_with("all-hosts: no other route matches"));
}

#[test]
fn paths_are_brought_into_the_form_the_router_sees() {
    check("POST", "/x/../%6frders", &[r#"orders: no other route matches: Services([("a", 95), ("b", 5)])"#]);
    check("GET", "/a%2Fb", &["400 encoded slash in path"]);
    check("GET", "/..", &["400 path climbs above the root"]);
}

#[test]
fn what_is_no_request_is_refused_with_a_hint() {
    for (method, url, said) in [
        ("GET", "orders/7", "`orders/7` is not a URL\n  hint: write `https://host/path`, or `/path` alone"),
        ("GET", "ftp://x/", "`ftp://x/` has a scheme the gateway does not speak"),
        ("GET", "http:///x", "`http:///x` has no host a request can have"),
        ("GET", "http://a@b/x", "`http://a@b/x` has no host a request can have"),
        ("GET", "", "`` is not a URL"),
        ("get", "/", "method names are case-sensitive: write `GET`"),
        ("G T", "/", "`G T` is not a method name"),
    ] {
        let told = told(method, url, &[]);
        assert!(told.starts_with(said), "{method} {url}: {told}");
    }
}

#[test]
fn what_other_conditions_lack_is_told_and_they_decide() {
    let told = |url: &str, headers: &[(&str, &str)], listener: &str| {
        let families = Families::new(&[], &[FIRST]);
        let file = r#"
version: 1
listen: { http: "127.0.0.1:0", inner: "127.0.0.1:0" }
routes:
  - { name: beta, match: { path: /a, headers: { x-beta: "1" }, query: { v: "*" } }, to: { redirect: /b } }
  - { name: plain, match: /a, to: { respond: 201 }, listeners: [inner] }
"#;
        let config = from_text("file", file, Path::new("/"), &families).unwrap_or_else(|p| panic!("{p}"));
        let (cells, meters) = (CellBook::new(1), Meters::new(1));
        let snapshot = compile(
            &config,
            1,
            &Workshop { cells: &cells, names: &NameBook::default(), meters: &meters, previous: None },
        )
        .unwrap();
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        match explain(&config, &snapshot, Asked { method: "GET", url, headers: &headers, listener }) {
            Ok(told) => {
                let verdict = match &told.verdict {
                    Verdict::Route(chosen) => format!("{} {:?}", chosen.name, chosen.leads),
                    other => format!("{other:?}"),
                };
                let others = told.others.iter().map(|o| format!("; {}: {}", o.name, o.because.join(", ")));
                verdict + &others.collect::<String>()
            }
            Err(problem) => problem.to_string(),
        }
    };
    let beta = [("X-Beta", "1")];
    assert_eq!(
        told("/a", &[], "http"),
        "NotFound; plain: it takes requests of `inner`; \
         beta: it needs the header `x-beta: 1`, it needs `v=*` in the query"
    );
    assert_eq!(told("/a?v", &beta, ""), "beta Answer(308); plain: it takes requests of `inner`");
    assert_eq!(told("/a?v", &beta, "inner"), "beta Answer(308); plain: `beta` wins: it has more conditions");
    assert_eq!(told("/a?w", &beta, "inner"), "plain Answer(201); beta: it needs `v=*` in the query");
    assert!(told("/a", &[("x beta", "1")], "").starts_with("`x beta: 1` is not a header"));
}
