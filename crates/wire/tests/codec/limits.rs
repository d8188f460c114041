//! The bounds of a head, to the byte, on whole and on unfinished input.

use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::limits::{FIELD_NAME_BYTES_MAX, HeadLimits};
use tidegate_core::name::Method;
use tidegate_core::outcome::Refusal;
use tidegate_wire::http1::invariants;
use tidegate_wire::http1::request::RequestParser;
use tidegate_wire::http1::response::ResponseParser;

use crate::bytes;

const LIMITS: HeadLimits =
    HeadLimits { line_bytes_max: 40, head_bytes_max: 120, fields_max: 4, ..HeadLimits::REQUEST };

/// The status of a refusal; 200 for a head that is taken, 0 while it is unfinished. The same however it is cut.
fn check(request: &[u8], expected: u16) {
    for piece in [request.len(), 1, 7] {
        let mut parser = RequestParser::default();
        let mut head = RequestHead::default();
        let mut found = 0;
        for shown in (piece..request.len() + piece).step_by(piece) {
            let shown = shown.min(request.len());
            found = match parser.parse(&request[..shown], &LIMITS, &mut head) {
                Ok(None) => continue,
                Ok(Some(_)) => 200,
                Err(Refusal { status, .. }) => status,
            };
            break;
        }
        assert_eq!(found, expected, "in pieces of {piece}: {}", request.escape_ascii());
    }
    assert_eq!(invariants::request(request), Ok(()));
}

fn request_line(bytes: usize) -> Vec<u8> {
    let target = "a".repeat(bytes - b"GET / HTTP/1.1".len());
    format!("GET /{target} HTTP/1.1\r\n").into_bytes()
}

fn field_line(bytes: usize) -> Vec<u8> {
    format!("X: {}\r\n", "a".repeat(bytes - 3)).into_bytes()
}

#[test]
fn the_request_line_is_bounded() {
    let host = b"Host: a\r\n\r\n";
    check(&bytes(&[&request_line(40), host]), 200);
    check(&bytes(&[&request_line(41), host]), 414);
    check(&bytes(&[b"\r\n", &request_line(40), host]), 200);
    check(&bytes(&[b"\r\n", &request_line(41), host]), 414);
    check(&[b'a'; 40], 0);
    check(&[b'a'; 41], 414);
    // What is wrong behind the bound does not count: the verdict is the same however the bytes arrive.
    check(&bytes(&[&[b'a'; 41], b"\n"]), 414);
    check(&bytes(&[&[b'a'; 40], b"\n"]), 400);
}

#[test]
fn field_lines_are_bounded() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\n";
    check(&bytes(&[start, &field_line(40), b"\r\n"]), 200);
    check(&bytes(&[start, &field_line(41), b"\r\n"]), 431);
    check(&bytes(&[start, &[b'a'; 40]]), 0);
    check(&bytes(&[start, &[b'a'; 41]]), 431);
}

#[test]
fn heads_are_bounded() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\n";
    let filler = bytes(&[&field_line(40), &field_line(40)]);
    let rest = 120 - start.len() - filler.len() - 2;
    check(&bytes(&[start, &filler, &field_line(rest - 2), b"\r\n"]), 200);
    check(&bytes(&[b"\r\n", start, &filler, &field_line(rest - 2), b"\r\n"]), 200);
    check(&bytes(&[start, &filler, &field_line(rest - 1), b"\r\n"]), 431);
    check(&bytes(&[start, &filler, &field_line(rest), b"\r\n"]), 431);
    check(&bytes(&[start, &filler, &field_line(rest + 1), b"\r\n"]), 431);
    let open = bytes(&[start, &filler, &[b'a'; 30]]);
    check(&open[..119], 0);
    check(&open[..120], 431);
    // The body does not count.
    check(&bytes(&[b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n", &[b'a'; 500]]), 200);
}

#[test]
fn fields_are_counted() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\n";
    check(&bytes(&[start, b"X:\r\nX:\r\nX:\r\n\r\n"]), 200);
    check(&bytes(&[start, b"X:\r\nX:\r\nX:\r\nX:\r\n\r\n"]), 431);
    check(&bytes(&[start, b"X:\r\nX:\r\nX:\r\nX:\r\n"]), 431);
}

#[test]
fn field_names_are_bounded() {
    for (name_bytes, status) in [(FIELD_NAME_BYTES_MAX, None), (FIELD_NAME_BYTES_MAX + 1, Some(431))] {
        let name = "a".repeat(name_bytes);
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: x\r\n\r\n");
        let mut head = RequestHead::default();
        let verdict = RequestParser::default().parse(request.as_bytes(), &HeadLimits::REQUEST, &mut head);
        assert_eq!(verdict.err().map(|r| r.status), status, "{name_bytes}");
    }
}

#[test]
fn hosts_are_bounded() {
    for (label_bytes, is_taken) in [(255, true), (256, false)] {
        let host = "a".repeat(label_bytes);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}:80\r\n\r\n");
        let mut head = RequestHead::default();
        let verdict = RequestParser::default().parse(request.as_bytes(), &HeadLimits::REQUEST, &mut head);
        assert_eq!(verdict.is_ok(), is_taken, "{label_bytes}");
    }
}

#[test]
fn the_usual_bounds_are_kept() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\n";
    let line = |bytes: usize| [b"X: ".to_vec(), vec![b'a'; bytes - 3], b"\r\n".to_vec()].concat();
    for (id, request, status) in [
        ("uri-too-long", bytes(&[b"GET /", &vec![b'a'; 8 << 10], b" HTTP/1.1\r\nHost: a\r\n\r\n"]), 414),
        ("line-too-long", bytes(&[start, &line((8 << 10) + 1), b"\r\n"]), 431),
        (
            "block-too-big",
            bytes(&[start, &line(8 << 10), &line(8 << 10), &line(8 << 10), &line(8 << 10), b"\r\n"]),
            431,
        ),
        ("count-too-big", bytes(&[start, &b"X: y\r\n".repeat(100), b"\r\n"]), 431),
    ] {
        let mut head = RequestHead::default();
        let verdict = RequestParser::default().parse(&request, &HeadLimits::REQUEST, &mut head);
        assert_eq!(verdict.err().map(|r| r.status), Some(status), "{id}");
        assert_eq!(invariants::request(&request), Ok(()), "{id}");
    }
}

#[test]
fn responses_are_bounded_too() {
    let start = b"HTTP/1.1 200 OK\r\n";
    for (id, response, is_taken) in [
        ("line", bytes(&[start, &field_line(40), b"\r\n"]), true),
        ("resp-line-too-long", bytes(&[start, &field_line(41), b"\r\n"]), false),
        ("resp-status-line-too-long", bytes(&[b"HTTP/1.1 200 ", &[b'a'; 28]]), false),
        ("fields", bytes(&[start, b"X:\r\nX:\r\nX:\r\nX:\r\n\r\n"]), true),
        ("resp-count-too-big", bytes(&[start, b"X:\r\nX:\r\nX:\r\nX:\r\nX:\r\n"]), false),
        ("resp-block-too-big", bytes(&[start, &field_line(40), &field_line(40), &[b'a'; 20]]), false),
    ] {
        let mut head = ResponseHead::default();
        let verdict = ResponseParser::default().parse(&response, Method::Get, &LIMITS, &mut head);
        assert_eq!(verdict.is_ok(), is_taken, "{id}: {verdict:?}");
        assert_eq!(invariants::response(&response), Ok(()), "{id}");
    }
}
