//! Settings as operators write them, and what answers say then.

use super::*;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::problem::{Place, Source};
use tidegate_core::template::Origin;

fn node(value: Value) -> Node {
    Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value }
}

fn word(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: false, is_resolved: false }))
}

fn set(entries: &[(&str, &str)]) -> Node {
    let entry = |(key, text): &(&str, &str)| {
        let value = word(text);
        Entry { key: (*key).into(), place: value.place.clone(), value }
    };
    node(Value::Map(entries.iter().map(entry).collect()))
}

fn built(settings: &Node) -> (Option<Box<dyn Policy>>, Vec<String>) {
    let mut alone = Alone::new("a", &[]);
    let policy = alone.build(|building| build(settings, building)).pop();
    (policy, alone.problems.iter().map(|problem| problem.reason.clone()).collect())
}

fn check(settings: &Node, backend: &[(&str, &str)], expected: &str) {
    let (policy, problems) = built(settings);
    assert_eq!(problems, [""; 0]);
    let client = Client { address: None, listener: "a".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let (request, mut head) = (RequestHead::default(), ResponseHead::default());
    backend.iter().for_each(|(name, value)| head.fields.push(name, value.as_bytes()));
    let view = ResponseView { head: &mut head, request: &request, origin, note: 0, length: Length::Empty };
    policy.unwrap().response(view);
    let mut out = Vec::new();
    head.fields.write_lines(&mut out);
    assert_eq!(String::from_utf8(out).unwrap().trim_end().replace("\r\n", " | "), expected);
}

#[test]
fn answers_say_what_is_set_and_keep_what_the_backend_says() {
    let usual = "x-content-type-options: nosniff | x-frame-options: DENY | referrer-policy: no-referrer";
    check(&word("true"), &[], usual);
    check(&set(&[]), &[("Server", "a")], &format!("Server: a | {usual}"));
    let own = [("X-Frame-Options", "SAMEORIGIN"), ("Server", "a"), ("x-powered-by", "b")];
    check(
        &word("true"),
        &own,
        "X-Frame-Options: SAMEORIGIN | Server: a | x-powered-by: b | x-content-type-options: nosniff | referrer-policy: no-referrer",
    );
    check(&set(&[("override", "true"), ("hide_server", "true")]), &own, usual);
    check(
        &set(&[
            ("content_type_options", "false"),
            ("frame_options", "sameorigin"),
            ("referrer_policy", "off"),
            ("content_security_policy", "default-src 'self'"),
            ("permissions_policy", "camera=()"),
        ]),
        &[],
        "x-frame-options: SAMEORIGIN | content-security-policy: default-src 'self' | permissions-policy: camera=()",
    );
}

#[test]
fn what_is_wrong_is_told_and_false_is_nothing() {
    assert!(built(&word("false")).0.is_none());
    for (settings, reason) in [
        (set(&[("frame_options", "allow")]), "`allow` is not known here"),
        (set(&[("referrer_policy", "always")]), "`always` is not known here"),
        (set(&[("hsts", "1y")]), "unknown key `hsts`"),
    ] {
        assert_eq!(built(&settings).1, [reason]);
    }
}
