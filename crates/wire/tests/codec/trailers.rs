//! Trailers: what is kept of them, their bounds, and the declaration in the head.

use tidegate_core::head::RequestHead;
use tidegate_core::limits::{HeadLimits, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX};
use tidegate_wire::http1::chunked::drop_undeclared;
use tidegate_wire::http1::encode::write_trailers;
use tidegate_wire::http1::invariants;
use tidegate_wire::http1::request::RequestParser;

use crate::chunks::read;

#[test]
fn trailers_are_written_as_they_came() {
    let bytes = b"1;ext\r\nx\r\n0\r\nX-Sum: 5 \r\ngrpc-status:0\r\n\r\n";
    let read = read(bytes);
    let found: Vec<_> = read.trailers.iter().collect();
    assert_eq!(found, [(&b"X-Sum"[..], &b"5"[..]), (b"grpc-status", b"0")]);
    let mut out = Vec::new();
    write_trailers(&mut out, &read.trailers);
    assert_eq!(out, b"0\r\nX-Sum: 5 \r\ngrpc-status:0\r\n\r\n");
}

#[test]
fn undeclared_trailers_can_be_dropped() {
    let mut head = RequestHead::default();
    let bytes = b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: x-a , X-B\r\nTrailer: x-c\r\nTransfer-Encoding: chunked\r\n\r\n";
    let parsed = RequestParser::default().parse(bytes, &HeadLimits::REQUEST, &mut head);
    assert!(parsed.is_ok_and(|p| p.is_some()));
    let mut trailers = read(b"0\r\nX-A: 1\r\nX-Other: 2\r\nx-b: 3\r\nX-C: 4\r\nX: 5\r\n\r\n").trailers;
    drop_undeclared(&mut trailers, &head.fields);
    let names: Vec<_> = trailers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"X-A"[..], b"x-b", b"X-C"]);
}

#[test]
fn a_trailer_section_is_bounded_in_bytes_and_fields() {
    let section =
        |value_bytes: usize| [b"0\r\nX: ".to_vec(), vec![b'a'; value_bytes], b"\r\n\r\n".to_vec()].concat();
    let most = TRAILER_BYTES_MAX - b"X: ".len();
    for (bytes, is_taken) in [(most - 2, true), (most, true), (most + 1, false), (most + 1000, false)] {
        let section = section(bytes);
        assert_eq!(read(&section).end.is_ok(), is_taken, "trailer-too-big with {bytes}");
        assert_eq!(invariants::chunks(&section), Ok(()), "{bytes}");
    }
    // An endless line is refused before its end.
    let open = [b"0\r\nX: ".to_vec(), vec![b'a'; TRAILER_BYTES_MAX]].concat();
    assert_eq!(read(&open).end, Err("trailers too large"));

    for (fields, is_taken) in [(TRAILER_FIELDS_MAX, true), (TRAILER_FIELDS_MAX + 1, false)] {
        let section = [&b"0\r\n"[..], &b"X: y\r\n".repeat(fields), b"\r\n"].concat();
        assert_eq!(read(&section).end.is_ok(), is_taken, "{fields} trailers");
        assert_eq!(invariants::chunks(&section), Ok(()), "{fields}");
    }
}
