//! What the encoders write beyond what comes from a parser: the gateway's own answers and edited heads.

use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::limits::HeadLimits;
use tidegate_core::name::Name;
use tidegate_wire::http1::encode::{
    Connection, RequestFraming, ResponseFraming, chunk_head, write_request_head, write_response_head,
};
use tidegate_wire::http1::request::RequestParser;

fn check(status: u16, framing: ResponseFraming<'_>, expected: &str) {
    let mut head = ResponseHead { status, ..ResponseHead::default() };
    head.fields.push("x", b"y");
    let mut out = Vec::new();
    write_response_head(&mut out, &head, framing);
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn responses_are_framed_as_decided() {
    let plain = ResponseFraming {
        length: Length::Empty,
        stated_length: None,
        connection: Connection::KeepAlive11,
        chunked: true,
    };
    let exact = ResponseFraming { length: Length::Exact(1_234_567_890), ..plain };
    let streamed = ResponseFraming { length: Length::Streamed, ..plain };
    check(200, plain, "HTTP/1.1 200 OK\r\nx: y\r\n\r\n");
    check(200, exact, "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 1234567890\r\n\r\n");
    check(200, streamed, "HTTP/1.1 200 OK\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n");
    let until_close = ResponseFraming { chunked: false, connection: Connection::Close, ..streamed };
    check(200, until_close, "HTTP/1.1 200 OK\r\nx: y\r\nconnection: close\r\n\r\n");
    let for_http10 =
        ResponseFraming { length: Length::Exact(0), connection: Connection::KeepAlive10, ..plain };
    check(
        404,
        for_http10,
        "HTTP/1.1 404 Not Found\r\nx: y\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
    );
    let stated = ResponseFraming { stated_length: Some(u64::MAX), ..plain };
    check(200, stated, "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 18446744073709551615\r\n\r\n");
    check(
        304,
        ResponseFraming { stated_length: Some(7), ..exact },
        "HTTP/1.1 304 Not Modified\r\nx: y\r\ncontent-length: 7\r\n\r\n",
    );
    check(
        101,
        ResponseFraming { connection: Connection::Upgrade(b"websocket"), ..plain },
        "HTTP/1.1 101 Switching Protocols\r\nx: y\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    check(799, plain, "HTTP/1.1 799 \r\nx: y\r\n\r\n");
}

/// RFC 9110 §8.6, RFC 9112 §6.1: whatever the caller says.
#[test]
fn statuses_without_a_body_never_carry_framing() {
    for status in [100, 103, 204] {
        for length in [Length::Empty, Length::Exact(5), Length::Streamed] {
            let framing = ResponseFraming {
                length,
                stated_length: Some(5),
                connection: Connection::KeepAlive11,
                chunked: true,
            };
            let mut out = Vec::new();
            write_response_head(&mut out, &ResponseHead { status, ..ResponseHead::default() }, framing);
            let text = String::from_utf8_lossy(&out);
            assert!(!text.contains("content-length") && !text.contains("transfer-encoding"), "{text}");
        }
    }
}

#[test]
fn edits_come_out_in_place_of_what_they_replace() {
    let bytes =
        b"GET /%61 HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nb: 3\r\nC: 4\r\nUser-Agent: u\r\nD: 5\r\n\r\n";
    let mut head = RequestHead::default();
    let parsed = RequestParser::default().parse(bytes, &HeadLimits::REQUEST, &mut head);
    assert!(parsed.is_ok_and(|p| p.is_some()));
    head.fields.remove(Name::UserAgent);
    head.fields.set("b", b"6");
    head.fields.add(Name::Via, b"1.1 tidegate");
    let mut out = Vec::new();
    let framing = RequestFraming { length: Length::Empty, upgrade: None, expects_continue: false };
    write_request_head(&mut out, &head, b"backend:80", framing);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "GET /a HTTP/1.1\r\nhost: backend:80\r\nA: 1\r\nC: 4\r\nD: 5\r\nb: 6\r\nvia: 1.1 tidegate\r\n\r\n"
    );
}

#[test]
fn chunk_heads_are_lower_case_and_short() {
    for (bytes, expected) in [
        (1, "1\r\n"),
        (15, "f\r\n"),
        (16, "10\r\n"),
        (0xdead_beef, "deadbeef\r\n"),
        (usize::MAX, "ffffffffffffffff\r\n"),
    ] {
        assert_eq!(chunk_head(bytes).as_bytes(), expected.as_bytes());
    }
}
