//! The bounds of a request's head, and that the connection outlives a request beyond them.

use tidegate_testkit::RawBackend;
use tidegate_testkit::backend::OK;

use crate::frames::{END_HEADERS, END_STREAM, HEADERS, Outcome, Peer, block, frame, get};

/// Names and values.
type Fields = Vec<(String, String)>;

#[test]
fn a_head_beyond_a_bound_is_answered_and_costs_one_stream() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{ line: 2KiB, head: 8KiB, fields: 20 }");
    let path = |bytes: usize| format!("/{}", "a".repeat(bytes));
    let long = |bytes: usize| "v".repeat(bytes);
    let many = |count: usize, value: &str| -> Fields {
        (0..count).map(|n| (format!("x-{n}"), value.to_owned())).collect()
    };
    let cases: &[(&str, String, Fields, u16)] = &[
        ("a path of a line", path(2000), vec![], 200),
        ("a path beyond a line", path(2100), vec![], 414),
        ("a value of a line", path(1), vec![("x".into(), long(2000))], 200),
        ("a value beyond a line", path(1), vec![("x".into(), long(2100))], 431),
        ("cookies that are a line together", path(1), vec![("cookie".into(), long(900)); 2], 200),
        ("cookies beyond a line together", path(1), vec![("cookie".into(), long(1100)); 2], 431),
        ("as many fields as there may be", path(1), many(20, "1"), 200),
        ("one field too many", path(1), many(21, "1"), 431),
        ("a head beyond its bound", path(1), many(6, &long(1500)), 431),
    ];
    let mut peer = Peer::to(gateway.http);
    for (what, path, fields, expected) in cases {
        let stream = peer.stream();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let head = block(&[&get(path)[..], &fields].concat());
        peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        assert_eq!(peer.outcome(stream).0, Outcome::Status(*expected), "{what}");
    }
    assert_eq!(backend.take_arrivals().len(), 4);
    gateway.stop();
}
