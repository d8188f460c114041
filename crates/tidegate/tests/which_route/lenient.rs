//! What lenient backends make of the path they are sent, and that it changes nothing: the plain spelling of the resource
//! they find is routed to the very route that judged the request. The models are held against nginx itself.

use std::fmt::Write;

use tidegate_testkit::Random;
use tidegate_testkit::gateway::ask;
use tidegate_testkit::peers::Nginx;

use super::rules::{Outcome, Request, Route};
use super::{found_with_path, one, worker, written};

/// Files of routes, and paths for each: 40,000 in all.
const FILES: usize = 400;
const PATHS: usize = 100;

/// The bytes of a text with every escape decoded; `None` where one is none, or is NUL.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'%' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let digits = std::str::from_utf8(text.get(at + 1..at + 3)?).ok()?;
        let byte =
            u8::from_str_radix(digits, 16).ok().filter(|&byte| byte != 0 && !digits.starts_with('+'))?;
        out.push(byte);
        at += 3;
    }
    Some(out)
}

/// Merges slashes, then resolves dot segments; `None` for what climbs above the root.
fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    let all: Vec<&[u8]> = path.strip_prefix(b"/")?.split(|&b| b == b'/').collect();
    let mut kept: Vec<&[u8]> = Vec::new();
    for (index, segment) in all.iter().enumerate() {
        let is_last = index + 1 == all.len();
        match *segment {
            b"" if !is_last => continue,
            b"." => {}
            b".." => drop(kept.pop()?),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push(b"");
        }
    }
    Some([b"/", &kept.join(&b'/')[..]].concat())
}

/// nginx (`ngx_http_parse_complex_uri`): decodes everything once, then merges and resolves what came of it.
fn nginx(path: &[u8]) -> Option<Vec<u8>> {
    resolved(&decoded(path)?)
}

/// A servlet container, as lenient as one can be set (Tomcat's `CoyoteAdapter`, Jetty's `HttpURI`): cuts parameters off
/// each segment, decodes, takes a backslash for a slash, merges and resolves.
fn servlet(path: &[u8]) -> Option<Vec<u8>> {
    let names =
        path.split(|&b| b == b'/').map(|segment| segment.split(|&b| b == b';').next().unwrap_or_default());
    let path = decoded(&names.collect::<Vec<_>>().join(&b'/'))?;
    let path: Vec<u8> = path.into_iter().map(|byte| if byte == b'\\' { b'/' } else { byte }).collect();
    resolved(&path)
}

/// A servlet container behind an nginx that passes on what it has read: it escapes what would end a path
/// (`NGX_ESCAPE_URI`) and nothing else.
fn servlet_behind_nginx(path: &[u8]) -> Option<Vec<u8>> {
    let mut passed = String::new();
    for byte in nginx(path)? {
        match byte {
            b' ' | b'#' | b'%' | b'?' | 0..0x20 | 0x7f.. => write!(passed, "%{byte:02X}").ok()?,
            byte => passed.push(char::from(byte)),
        }
    }
    servlet(passed.as_bytes())
}

type Model = (&'static str, fn(&[u8]) -> Option<Vec<u8>>);

const MODELS: [Model; 3] =
    [("nginx", nginx), ("a servlet container", servlet), ("both in turn", servlet_behind_nginx)];

/// A resource as whoever asks for it plainly would write it, with a `;` in its name as it is or escaped.
fn plain(resource: &[u8], semicolon: &str) -> String {
    let mut text = String::new();
    for &byte in resource {
        match byte {
            b';' => text.push_str(semicolon),
            _ if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,=:@".contains(&byte) => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").expect("write to a text"),
        }
    }
    text
}

/// Pieces of which paths are made that somebody sends who looks for a way past.
const PIECES: [&str; 34] = [
    "/", "/", "/", "/", "/", "//", "/./", "/../", "/..", "/.", "/%2e/", "/.%2E/", ";", ";a=b", "%3b", "%3B;",
    "/..;/", "/;/", "%252e", "%2500", "%25", "%2f", "%5c", "admin", "admin", "%61dmin", "a", "b!", "b%21",
    "%20", "%C3%A9", "%3F", "..", ".",
];

fn random_path(random: &mut Random) -> String {
    std::iter::once("/").chain((0..random.below(9)).map(|_| one(random, &PIECES))).collect()
}

fn random_routes(random: &mut Random) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for _ in 0..2 + random.below(8) {
        let mut path = String::new();
        for depth in 0..random.below(4) {
            path += "/";
            match random.below(4) {
                0 => path += &format!("{{p{depth}}}"),
                _ => path += one(random, &["admin", "admin", "a", "b!", "%20", "é", "a.", "%25", "%252e"]),
            }
        }
        path += one(random, &["/**", "/**", "/", ""]);
        if path.is_empty() {
            path += "/";
        }
        let route = Route {
            host: "",
            path,
            methods: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
            listeners: Vec::new(),
        };
        if routes.iter().all(|other| other.takes() != route.takes()) {
            routes.push(route);
        }
    }
    routes
}

fn asking(path: String) -> Request {
    Request { method: "GET", host: "h".into(), path, query: None, headers: Vec::new(), listener: "http" }
}

#[test]
fn whatever_a_backend_makes_of_a_path_its_plain_spelling_takes_the_same_route() {
    let mut random = Random::announced("lenient backends");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("make a runtime");
    let (mut judged, mut refused, mut differing) = (0, 0, 0);
    for _ in 0..FILES {
        let routes = random_routes(&mut random);
        let text = written(&routes);
        let worker = worker(&text);
        for _ in 0..PATHS {
            let asked = random_path(&mut random);
            let (outcome, sent) = found_with_path(&runtime, &worker, &asking(asked.clone()));
            if outcome == Outcome::BadRequest {
                refused += 1;
                continue;
            }
            judged += 1;
            for (who, model) in MODELS {
                let Some(resource) = model(sent.as_bytes()) else {
                    panic!("{who} refuses {sent}, of {asked}")
                };
                for plain in [plain(&resource, ";"), plain(&resource, "%3B")] {
                    differing += usize::from(plain != asked);
                    let (other, _) = found_with_path(&runtime, &worker, &asking(plain.clone()));
                    assert_eq!(
                        other, outcome,
                        "{asked} is sent as {sent}, which {who} reads as {plain}, in\n{text}"
                    );
                }
            }
        }
    }
    println!("{judged} {refused} {differing}");
    assert!(judged > FILES * PATHS / 5 && refused > FILES * PATHS / 5 && differing > judged);
}

#[test]
fn nginx_reads_paths_as_its_model_does() {
    let server = Nginx::start("merge_slashes on; location / { return 200 \"=$uri\"; }");
    let mut random = Random::announced("paths for nginx");
    let mut taken = 0;
    for _ in 0..2000 {
        let path = random_path(&mut random);
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let answer = ask(server.address, request.as_bytes());
        let found =
            (answer.status() == 200).then(|| answer.body.strip_prefix(b"=").expect("the path").to_vec());
        assert_eq!(found, nginx(path.as_bytes()), "{path} is answered with {}", answer.status());
        taken += usize::from(found.is_some());
    }
    assert!(taken > 500, "{taken}");
}
