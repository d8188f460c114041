//! Responses of backends: those that must be refused, and what clients are sent of the others.

use tidegate_core::head::ResponseHead;
use tidegate_core::limits::HeadLimits;
use tidegate_core::name::Method;
use tidegate_wire::http1::encode::{Connection, ResponseFraming, write_response_head};
use tidegate_wire::http1::invariants;
use tidegate_wire::http1::response::ResponseParser;

use crate::field_lines::REFUSED;
use crate::response_with;

/// Id and bytes of what must be refused as an answer to GET.
pub(crate) fn refused() -> Vec<(String, Vec<u8>)> {
    let whole = BAD.iter().map(|&(id, bytes)| (id.to_owned(), bytes.to_vec()));
    let lines = REFUSED.iter().map(|&(id, lines, _)| (format!("resp-{id}"), response_with(lines)));
    whole.chain(lines).collect()
}

const BAD: &[(&str, &[u8])] = &[
    ("resp-lf-status-line", b"HTTP/1.1 200 OK\nX: y\r\n\r\n"),
    ("resp-cr-status-line", b"HTTP/1.1 200 OK\rX: y\r\n\r\n"),
    ("resp-lf-end-of-headers", b"HTTP/1.1 200 OK\r\nX: y\r\n\n"),
    ("resp-crcr-lf-status-line", b"HTTP/1.1 200 OK\r\r\n\r\n"),
    ("resp-leading-crlf", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ("resp-leading-space", b" HTTP/1.1 200 OK\r\n\r\n"),
    ("resp-nul-reason", b"HTTP/1.1 200 O\0K\r\n\r\n"),
    ("resp-version-0.9", b"hello world, this is no head\r\n\r\n"),
    ("resp-version-1.2", b"HTTP/1.2 200 OK\r\n\r\n"),
    ("resp-version-2.0", b"HTTP/2.0 200 OK\r\n\r\n"),
    ("resp-version-lowercase", b"http/1.1 200 OK\r\n\r\n"),
    ("resp-version-other", b"ICY 200 OK      \r\n\r\n"),
    ("resp-version-missing", b"200 OK\r\n\r\n"),
    ("resp-version-only", b"HTTP/1.1\r\n\r\n"),
    ("resp-two-spaces", b"HTTP/1.1  200 OK\r\n\r\n"),
    ("resp-tab-separator", b"HTTP/1.1\t200 OK\r\n\r\n"),
    ("resp-tab-after-code", b"HTTP/1.1 200\tOK\r\n\r\n"),
    ("resp-code-two-digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    ("resp-code-four-digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ("resp-code-zero-first", b"HTTP/1.1 099 OK\r\n\r\n"),
    ("resp-code-sign", b"HTTP/1.1 +20 OK\r\n\r\n"),
    ("resp-code-letters", b"HTTP/1.1 2xx OK\r\n\r\n"),
    ("resp-code-missing", b"HTTP/1.1 \r\n\r\n"),
    ("resp-http10-te", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("resp-http10-1xx", b"HTTP/1.0 100 Continue\r\n\r\n"),
    ("resp-1xx-with-body", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello"),
    ("resp-1xx-with-te", b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("resp-204-with-cl", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    ("resp-204-with-te", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("resp-101-without-upgrade", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n"),
    ("resp-101-not-nominated", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
    ("resp-101-h2c", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
    (
        "resp-101-with-cl",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
    ),
    (
        "resp-101-list",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket, x\r\n\r\n",
    ),
];

/// Id, method, bytes, facts, and the head as an HTTP/1.1 client gets it.
type Taken = (&'static str, Method, &'static [u8], &'static str, &'static [u8]);

pub(crate) const TAKEN: &[Taken] = &[
    (
        "resp-plain",
        Method::Get,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
        "Exact(5) keep",
        b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "resp-fields-as-spelled",
        Method::Get,
        b"HTTP/1.1 299 \x80 odd\treason\r\ncontent-LENGTH: 0\r\nx-A:b\r\nSet-Cookie:  c \r\nSet-Cookie: d\r\nE:\r\n\r\n",
        "Exact(0) keep",
        b"HTTP/1.1 299 \x80 odd\treason\r\nx-A:b\r\nSet-Cookie:  c \r\nSet-Cookie: d\r\nE:\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "resp-chunked",
        Method::Get,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
        "Streamed keep",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    (
        "resp-reason-empty",
        Method::Get,
        b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
        "Exact(0) keep",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "resp-reason-missing",
        Method::Get,
        b"HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n",
        "Exact(0) keep",
        b"HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "resp-status-999",
        Method::Get,
        b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
        "Exact(0) keep",
        b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n",
    ),
    // The end of the connection ends the body.
    (
        "resp-close-delimited",
        Method::Get,
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        "Streamed close delimited",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ),
    (
        "resp-close-delimited-keep-alive",
        Method::Get,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
        "Streamed close delimited",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ),
    // The connection.
    (
        "resp-http10",
        Method::Get,
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "Exact(5) close",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n",
    ),
    (
        "resp-http10-keepalive",
        Method::Get,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        "Exact(5) keep",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "resp-close-sticky",
        Method::Get,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "Exact(0) close",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ),
    (
        "resp-hop-by-hop",
        Method::Get,
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nA: 1\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\n\
          Proxy-Authenticate: x\r\nTrailer: t\r\nTE: x\r\nUpgrade: h2c\r\nB: 2\r\nContent-Length: 0\r\n\r\n",
        "Exact(0) keep",
        b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\ncontent-length: 0\r\n\r\n",
    ),
    // No body whatever the fields say.
    (
        "resp-head-with-body",
        Method::Head,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "Empty keep states 5",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "resp-head-chunked",
        Method::Head,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Empty keep",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ),
    ("resp-head-bare", Method::Head, b"HTTP/1.1 200 OK\r\n\r\n", "Empty keep", b"HTTP/1.1 200 OK\r\n\r\n"),
    (
        "resp-304-with-body",
        Method::Get,
        b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\nhello",
        "Empty keep states 5",
        b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\ncontent-length: 5\r\n\r\n",
    ),
    ("resp-304", Method::Get, b"HTTP/1.1 304 \r\n\r\n", "Empty keep", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ("resp-204", Method::Get, b"HTTP/1.1 204 No Content\r\n\r\n", "Empty keep", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (
        "resp-204-cl-zero",
        Method::Get,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        "Empty keep",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ),
    (
        "resp-205",
        Method::Get,
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        "Exact(0) keep",
        b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n",
    ),
    // Interim and final.
    ("resp-100", Method::Post, b"HTTP/1.1 100 Continue\r\n\r\n", "Empty keep interim", b"HTTP/1.1 100 Continue\r\n\r\n"),
    (
        "resp-103",
        Method::Get,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "Empty keep interim",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    ),
    (
        "resp-101",
        Method::Get,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n\x81\x00",
        "Empty close upgrade",
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ),
];

fn check(id: &str, method: Method, bytes: &[u8], facts: &str, sent: &[u8]) {
    let mut head = ResponseHead::default();
    let verdict = ResponseParser::default().parse(bytes, method, &HeadLimits::RESPONSE, &mut head);
    let Ok(Some(parsed)) = verdict else { panic!("{id}: {verdict:?}") };
    let keep = if parsed.is_keep_alive { "keep" } else { "close" };
    let mut found = format!("{:?} {keep}", parsed.length);
    found += if parsed.is_close_delimited { " delimited" } else { "" };
    found += if parsed.is_interim { " interim" } else { "" };
    found += if parsed.upgrade.is_some() { " upgrade" } else { "" };
    found += &parsed.stated_length.map_or(String::new(), |n| format!(" states {n}"));
    assert_eq!(found, facts, "{id}");
    assert!(bytes[..parsed.bytes].ends_with(b"\r\n\r\n"), "{id}");

    let connection = match parsed.upgrade {
        Some(protocol) => Connection::Upgrade(protocol.of(head.fields.text())),
        None if parsed.is_keep_alive => Connection::KeepAlive11,
        None => Connection::Close,
    };
    let framing = ResponseFraming {
        length: parsed.length,
        stated_length: parsed.stated_length,
        connection,
        chunked: !parsed.is_close_delimited,
    };
    let mut out = Vec::new();
    write_response_head(&mut out, &head, framing);
    assert_eq!(out.escape_ascii().to_string(), sent.escape_ascii().to_string(), "{id}");
    assert_eq!(invariants::response(bytes), Ok(()), "{id}");
}

#[test]
fn sound_responses_are_taken_and_sent_on_in_one_form() {
    for &(id, method, bytes, facts, sent) in TAKEN {
        check(id, method, bytes, facts, sent);
    }
}

#[test]
fn ambiguous_responses_are_bad() {
    for (id, bytes) in refused() {
        let mut head = ResponseHead::default();
        let verdict = ResponseParser::default().parse(&bytes, Method::Get, &HeadLimits::RESPONSE, &mut head);
        assert!(verdict.is_err(), "{id}: {verdict:?}");
        assert_eq!(invariants::response(&bytes), Ok(()), "{id}");
    }
}

#[test]
fn an_unfinished_head_asks_for_more() {
    let whole = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 1\r\n\r\n";
    let mut parser = ResponseParser::default();
    let mut head = ResponseHead::default();
    for shown in 0..whole.len() {
        let verdict = parser.parse(&whole[..shown], Method::Get, &HeadLimits::RESPONSE, &mut head);
        assert_eq!(verdict, Ok(None), "{shown}");
    }
    let parsed = parser.parse(whole, Method::Get, &HeadLimits::RESPONSE, &mut head);
    assert!(parsed.is_ok_and(|p| p.is_some_and(|p| p.bytes == whole.len())));
}

#[test]
fn interim_and_final_follow_each_other_in_one_parser() {
    let both =
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut parser = ResponseParser::default();
    let mut head = ResponseHead::default();
    let first = parser.parse(both, Method::Get, &HeadLimits::RESPONSE, &mut head).unwrap().unwrap();
    assert!(first.is_interim && head.status == 103);
    let rest = &both[first.bytes..];
    let last = parser.parse(rest, Method::Get, &HeadLimits::RESPONSE, &mut head).unwrap().unwrap();
    assert_eq!((last.is_interim, head.status, &rest[last.bytes..]), (false, 200, &b"ok"[..]));
    assert_eq!(head.fields.count(), 0, "the fields of the interim response are gone, framing is not kept");
}
