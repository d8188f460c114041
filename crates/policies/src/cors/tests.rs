//! Pages as browsers let them ask, and what they are told.

use super::*;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::{Length, ResponseHead};
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::problem::{Place, Source};
use tidegate_core::template::Origin;

fn node(value: Value) -> Node {
    Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value }
}

fn word(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: false, is_resolved: false }))
}

fn list(words: &[&str]) -> Node {
    node(Value::List(words.iter().map(|text| word(text)).collect()))
}

fn map(entries: &[(&str, Node)]) -> Node {
    let entry = |(key, value): &(&str, Node)| {
        let place = value.place.clone();
        Entry { key: (*key).into(), place, value: value.clone() }
    };
    node(Value::Map(entries.iter().map(entry).collect()))
}

fn built(settings: &Node) -> (Box<dyn Policy>, Vec<String>) {
    let mut alone = Alone::new("a", &[]);
    let policy = alone.build(|building| build(settings, building)).pop().unwrap();
    (policy, alone.problems.iter().map(|problem| problem.reason.clone()).collect())
}

/// What a request with these fields is told: the status if it is answered here, and the fields of its answer.
fn told(settings: &Node, method: Method, fields: &[(&str, &str)], backend: &[(&str, &str)]) -> (u16, String) {
    let (policy, problems) = built(settings);
    assert_eq!(problems, [""; 0]);
    let client = Client { address: None, listener: "a".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let mut request = RequestHead { method, ..RequestHead::default() };
    fields.iter().for_each(|(name, value)| request.fields.push(name, value.as_bytes()));
    let (mut note, mut head) = (0, ResponseHead::default());
    match policy.request(RequestView { head: &mut request, origin, note: &mut note }) {
        Verdict::Reply(reply) => {
            head.status = reply.status;
            assert_eq!(reply.reason.is_some(), reply.status == 403);
            reply.fields.iter().for_each(|(name, value)| head.fields.push(name, value.as_bytes()));
        }
        _ => backend.iter().for_each(|(name, value)| head.fields.push(name, value.as_bytes())),
    }
    // As an edit of the request does that stands after.
    request.fields.remove_named(b"origin");
    policy.response(ResponseView { head: &mut head, request: &request, origin, note, length: Length::Empty });
    let mut out = Vec::new();
    head.fields.write_lines(&mut out);
    let lines = String::from_utf8(out).unwrap().trim_end().replace("\r\n", " | ");
    (head.status, lines.replace("access-control-", "ac-"))
}

const APP: &str = "https://app.example.com";

#[test]
fn origins_are_what_browsers_say_and_nothing_that_looks_like_it() {
    for (pattern, origin, expected) in [
        ("*", APP, true),
        ("*", "null", true),
        (APP, APP, true),
        ("HTTPS://App.Example.com", APP, true),
        (APP, "http://app.example.com", false),
        (APP, "https://app.example.com:8443", false),
        (APP, "https://app.example.com.evil", false),
        (APP, "https://xapp.example.com", false),
        (APP, "null", false),
        ("null", "null", true),
        ("https://*.example.com", APP, true),
        ("https://*.example.com", "https://a.b.example.com", true),
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://.example.com", false),
        ("https://*.example.com", "https://evilexample.com", false),
        ("https://*.example.com", "https://evil/.example.com", false),
        ("https://*.example.com", "https://evil?.example.com", false),
        ("https://*.example.com", "https://evil:1.example.com", false),
        ("https://*.example.com", "https://a@b.example.com", false),
        ("https://*.example.com:81", "https://a.example.com:81", true),
        ("https://*.example.com:81", "https://a.example.com", false),
        ("http://localhost:3000", "http://localhost:3000", true),
        ("http://[::1]:3000", "http://[::1]:3000", true),
        ("capacitor://localhost", "capacitor://localhost", true),
        ("null", "", false),
    ] {
        let pattern = OriginPattern::parse(pattern).unwrap();
        assert_eq!(pattern.has(origin.as_bytes()), expected, "{pattern:?} {origin}");
    }
    for text in [
        "app.example.com",
        "https://",
        "https://app.example.com/",
        "https://a/b",
        "https://*",
        "https://*example.com",
        "https://a.*.com",
        "https://a.example.com:443",
        "http://a.example.com:80",
        "://a",
        "https://a b",
        "https://u@a",
        "",
    ] {
        assert!(OriginPattern::parse(text).is_err(), "{text}");
    }
}

#[test]
fn preflights_are_answered_here() {
    let plain = map(&[("origins", list(&[APP]))]);
    let full = map(&[
        ("origins", list(&["https://*.example.com"])),
        ("methods", list(&["GET", "PUT"])),
        ("headers", list(&["X-A", "content-type"])),
        ("expose", list(&["x-total"])),
        ("credentials", word("true")),
        ("max_age", word("1h")),
    ]);
    let asks = |origin| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", "DELETE"),
            ("access-control-request-headers", "x-b, x-c"),
        ]
    };
    let vary = "vary: access-control-request-method, access-control-request-headers";
    let options = Method::Options;
    assert_eq!(
        told(&plain, options, &asks(APP), &[]),
        (204, format!("ac-allow-methods: DELETE | ac-max-age: 600 | ac-allow-headers: x-b, x-c | {vary}, origin | ac-allow-origin: {APP}").replace("access-control-", "ac-"))
    );
    assert_eq!(
        told(&full, options, &asks(APP), &[]),
        (204, format!("ac-allow-methods: GET, PUT | ac-max-age: 3600 | ac-allow-headers: x-a, content-type | {vary}, origin | ac-allow-origin: {APP} | ac-allow-credentials: true").replace("access-control-", "ac-"))
    );
    assert_eq!(
        told(&word("*"), options, &asks("null"), &[]),
        (204, format!("ac-allow-methods: DELETE | ac-max-age: 600 | ac-allow-headers: x-b, x-c | {vary} | ac-allow-origin: *").replace("access-control-", "ac-"))
    );
    for origin in ["https://evil.example", "null", ""] {
        let refused = (403, format!("{vary}, origin").replace("access-control-", "ac-"));
        assert_eq!(told(&plain, options, &asks(origin), &[]), refused, "{origin}");
    }
    let twice = [("Origin", APP), ("Origin", APP), ("Access-Control-Request-Method", "GET")];
    assert_eq!(told(&plain, options, &twice, &[]).0, 403);
    for not_one in [&[("Origin", APP)][..], &[("Access-Control-Request-Method", "GET")], &[]] {
        assert_eq!(told(&plain, options, not_one, &[]).0, 0, "{not_one:?}: it goes on");
    }
    let odd = [
        ("Origin", APP),
        ("Access-Control-Request-Method", "GET"),
        ("access-control-request-headers", "a\tb"),
    ];
    assert!(!told(&plain, options, &odd, &[]).1.contains("allow-headers"));
}

#[test]
fn answers_say_who_may_read_them_whatever_the_backend_says() {
    let plain = map(&[("origins", list(&[APP])), ("expose", list(&["X-Total"]))]);
    let backend = [
        ("Access-Control-Allow-Origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("Vary", "accept"),
        ("x", "y"),
    ];
    let get = Method::Get;
    assert_eq!(
        told(&plain, get, &[("origin", APP)], &backend).1,
        format!("x: y | vary: accept, origin | ac-allow-origin: {APP} | ac-expose-headers: x-total")
    );
    for fields in [&[][..], &[("origin", "https://evil.example")], &[("origin", APP), ("origin", "null")]] {
        assert_eq!(told(&plain, get, fields, &backend).1, "x: y | vary: accept, origin", "{fields:?}");
    }
    assert_eq!(told(&word("*"), get, &[], &backend).1, "Vary: accept | x: y | ac-allow-origin: *");
    assert_eq!(
        told(&word(APP), get, &[("origin", APP)], &[]).1,
        format!("vary: origin | ac-allow-origin: {APP}")
    );
}

#[test]
fn what_contradicts_itself_is_told() {
    for (settings, reason) in [
        (map(&[("origins", list(&[]))]), "no origin is allowed"),
        (map(&[("origins", list(&["*", APP]))]), "`*` allows every origin, so the others say nothing"),
        (
            map(&[("origins", list(&["*"])), ("credentials", word("true"))]),
            "`*` does not go with `credentials`: every page could act for its visitor",
        ),
        (
            map(&[("origins", list(&[APP, "NULL"])), ("credentials", word("true"))]),
            "`null` does not go with `credentials`: a sandboxed frame of any page could act for its visitor",
        ),
        (map(&[]), "the key `origins` is missing"),
        (map(&[("origins", list(&["x"]))]), "`x` is not an origin"),
        (map(&[("origins", word(APP)), ("methods", word("get"))]), "`get` is not a method"),
        (map(&[("origins", word(APP)), ("expose", word("a b"))]), "`a b` is not the name of a header"),
    ] {
        assert_eq!(built(&settings).1, [reason]);
    }
}
