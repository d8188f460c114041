//! Settings as operators write them, and the answers they make.

use super::*;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::name::Method;
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::Reply;
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

/// What a request is answered by a route with these keys; `None` if it goes on.
fn answer(settings: &Node, keys: &[&'static str], method: Method) -> Option<Reply> {
    let mut alone = Alone::new("a", keys);
    let policy = alone.build(|building| build(settings, building)).pop()?;
    assert_eq!(alone.problems.count(), 0);
    let client = Client { address: None, listener: "a".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let mut request = RequestHead { method, ..RequestHead::default() };
    request.fields.push("origin", b"https://a.example");
    request.fields.push("access-control-request-method", b"GET");
    match policy.request(RequestView { head: &mut request, origin, note: &mut 0 }) {
        Verdict::Reply(reply) => Some(*reply),
        _ => None,
    }
}

#[test]
fn every_request_is_answered_as_it_is_written() {
    for (settings, status, retry_after, body) in [
        (word("true"), 503, Some("60"), None),
        (set(&[]), 503, Some("60"), None),
        (set(&[("retry_after", "off")]), 503, None, None),
        (set(&[("retry_after", "10ms")]), 503, Some("1"), None),
        (set(&[("retry_after", "1h"), ("status", "404")]), 404, Some("3600"), None),
        (set(&[("body", "soon")]), 503, Some("60"), Some(("text/plain; charset=utf-8", "soon"))),
        (set(&[("body", "<p>"), ("content_type", "text/html")]), 503, Some("60"), Some(("text/html", "<p>"))),
    ] {
        let reply = answer(&settings, &[], Method::Get).unwrap();
        assert_eq!((reply.status, reply.outcome), (status, Outcome::Maintenance));
        assert_eq!(reply.reason.unwrap().code, "maintenance");
        let said: Vec<_> = reply.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(said, retry_after.map(|time| ("retry-after", time)).into_iter().collect::<Vec<_>>());
        let seen =
            reply.body.as_ref().map(|(kind, bytes)| (kind.as_str(), std::str::from_utf8(bytes).unwrap()));
        assert_eq!(seen, body);
    }
    assert!(answer(&word("false"), &[], Method::Get).is_none());
}

#[test]
fn preflights_go_on_where_somebody_answers_them() {
    assert!(answer(&word("true"), &["cors"], Method::Options).is_none());
    assert!(answer(&word("true"), &["cors"], Method::Get).is_some());
    assert!(answer(&word("true"), &[], Method::Options).is_some());
}
