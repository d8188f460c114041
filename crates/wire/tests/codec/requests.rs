//! Requests that must be taken, and what is then sent to a backend.

use tidegate_core::head::{Length, RequestHead};
use tidegate_core::limits::HeadLimits;
use tidegate_wire::http1::encode::{RequestFraming, write_request_head};
use tidegate_wire::http1::invariants;
use tidegate_wire::http1::request::{RequestParser, Version};

/// Id, bytes, facts, and the head as it is sent on.
pub(crate) const TAKEN: &[(&str, &[u8], &str, &[u8])] = &[
    ("plain", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "plain-fields",
        b"GET /a?b=c HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\nUser-Agent: x\r\n\r\n",
        "1.1 keep Empty",
        b"GET /a?b=c HTTP/1.1\r\nhost: a.example:8080\r\nAccept: */*\r\nUser-Agent: x\r\n\r\n",
    ),
    (
        "fields-as-spelled",
        b"GET / HTTP/1.1\r\nX-a:b\r\nhOsT:   a  \r\nX-B: \t c \t\r\nX-Empty:\r\nX-Odd!#$%&'*+-.^_`|~: \x80\xff\"\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\nX-a:b\r\nX-B: \t c \t\r\nX-Empty:\r\nX-Odd!#$%&'*+-.^_`|~: \x80\xff\"\r\n\r\n",
    ),
    ("leading-crlf", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "leading-crlf-dots",
        b"\r\nGET /b/../%61 HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "1.1 keep Empty",
        b"GET /a HTTP/1.1\r\nhost: h\r\nX: y\r\n\r\n",
    ),
    // Methods are tokens, and know their case.
    ("method-prefix-pipe", b"|GET / HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"|GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("method-lowercase-unknown", b"fetch / HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"fetch / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "method-32-bytes",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\nHost: a\r\n\r\n",
        "1.1 keep Empty",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    ("method-trace", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"TRACE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    // Framing.
    (
        "get-with-cl",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "1.1 keep Exact(5)",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "get-with-chunked",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "1.1 keep Streamed",
        b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    (
        "head-with-body",
        b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "1.1 keep Exact(5)",
        b"HEAD / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "options-with-body",
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "1.1 keep Exact(5)",
        b"OPTIONS / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "delete-with-body",
        b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "1.1 keep Exact(5)",
        b"DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "te-case",
        b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING: cHunKed \r\n\r\n0\r\n\r\n",
        "1.1 keep Streamed",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    (
        "post-without-length",
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        "1.1 keep Empty",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "put-without-length",
        b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n",
        "1.1 keep Empty",
        b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "patch-without-length",
        b"PATCH / HTTP/1.1\r\nHost: a\r\n\r\n",
        "1.1 keep Empty",
        b"PATCH / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ),
    ("delete-plain", b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"DELETE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "get-with-cl-zero",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "1.1 keep Exact(0)",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "cl-zero",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
        "1.1 keep Exact(34)",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 34\r\n\r\n",
    ),
    (
        "zero-cl",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /admin HTTP/1.1\r\n",
        "1.1 keep Exact(0)",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "te-zero",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n",
        "1.1 keep Streamed",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    (
        "cl-largest",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
        "1.1 keep Exact(9223372036854775807)",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9223372036854775807\r\n\r\n",
    ),
    // Versions and the connection.
    ("http10", b"GET / HTTP/1.0\r\n\r\n", "1.0 close Empty", b"GET / HTTP/1.1\r\nhost: \r\n\r\n"),
    ("http10-host-empty", b"GET / HTTP/1.0\r\nHost:\r\n\r\n", "1.0 close Empty", b"GET / HTTP/1.1\r\nhost: \r\n\r\n"),
    (
        "http10-keep-alive",
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
        "1.0 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "http10-close-and-keep-alive",
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
        "1.0 close Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "http10-post",
        b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
        "1.0 close Exact(2)",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n",
    ),
    (
        "conn-close",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n",
        "1.1 close Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "conn-close-sticky",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
        "1.1 close Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "conn-close-last",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x,\t close ,,\r\n\r\n",
        "1.1 close Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "conn-empty",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection:\r\nConnection: ,\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "conn-most-options",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d,e,f,g,h\r\nConnection: i,j,k,l,m,n,o,p\r\nP: 1\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "conn-nominates-real-ip",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 1.2.3.4\r\nConnection: X-Real-IP\r\nX: y\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\nX: y\r\n\r\n",
    ),
    (
        "conn-nominates-host",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "conn-nominates-cl",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: content-length\r\n\r\nhello",
        "1.1 keep Exact(5)",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "conn-nominates-te",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "1.1 keep Streamed",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    (
        "conn-nominates-auth",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: AUTHORIZATION, close\r\nAuthorization: x\r\nauthorization: y\r\n\r\n",
        "1.1 close Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "conn-nominates-absent",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Absent\r\nX-Absen: 1\r\nX-Absentt: 2\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\nX-Absen: 1\r\nX-Absentt: 2\r\n\r\n",
    ),
    (
        "proxy-connection",
        b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "keep-alive-params",
        b"GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: timeout=5, max=100\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "hop-by-hop-stripped",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nTE: trailers\r\nTrailer: x\r\nB: 2\r\nUpgrade: websocket\r\n\
          Proxy-Authenticate: x\r\nProxy-Authorization: x\r\nKeep-Alive: 1\r\nHTTP2-Settings: AAAA\r\nC: 3\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
    ),
    (
        "mimic-forwarded",
        b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\nX-Forwarded_Host: b\r\nUSER_AGENT: c\r\nX.Forwarded.For: 1\r\nX_Own: d\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\nX_Own: d\r\n\r\n",
    ),
    // Expect.
    (
        "expect-100",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n",
        "1.1 keep Exact(5) expects",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
    ),
    (
        "expect-100-body-sent-early",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "1.1 keep Exact(5) expects",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
    ),
    (
        "expect-without-body",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "1.1 keep Empty",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "expect-http10",
        b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n\r\na",
        "1.0 close Exact(1)",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n",
    ),
    // Upgrade.
    (
        "upgrade",
        b"GET /w HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n",
        "1.1 keep Empty upgrade",
        b"GET /w HTTP/1.1\r\nhost: a\r\nSec-WebSocket-Key: k\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\n",
    ),
    (
        "upgrade-with-version",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: TLS/1.0\r\nConnection: upgrade\r\n\r\n",
        "1.1 keep Empty upgrade",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: TLS/1.0\r\n\r\n",
    ),
    (
        "upgrade-not-nominated",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "upgrade-nominated-only",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "upgrade-h2c",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAAA\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "upgrade-list",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "upgrade-twice",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "upgrade-http10",
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n",
        "1.0 keep Empty",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "upgrade-with-cl",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
        "1.1 keep Exact(5)",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    ),
    (
        "upgrade-with-chunked",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1.1 keep Streamed",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    // Targets.
    (
        "abs-form-vs-host",
        b"GET http://b.example:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
        "1.1 keep Empty",
        b"GET /x?y HTTP/1.1\r\nhost: b.example:81\r\n\r\n",
    ),
    (
        "abs-form-https",
        b"GET HTTPS://b/x HTTP/1.1\r\nHost: b\r\n\r\n",
        "1.1 keep Empty",
        b"GET /x HTTP/1.1\r\nhost: b\r\n\r\n",
    ),
    (
        "abs-form-http10",
        b"GET http://b/%7ex HTTP/1.0\r\n\r\n",
        "1.0 close Empty",
        b"GET /~x HTTP/1.1\r\nhost: b\r\n\r\n",
    ),
    (
        "abs-form-no-path",
        b"GET http://b HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: b\r\nX: y\r\n\r\n",
    ),
    (
        "abs-form-query-only",
        b"GET http://b?c HTTP/1.1\r\nHost: b\r\n\r\n",
        "1.1 keep Empty",
        b"GET /?c HTTP/1.1\r\nhost: b\r\n\r\n",
    ),
    (
        "abs-form-options",
        b"OPTIONS http://b:80 HTTP/1.1\r\nHost: b\r\n\r\n",
        "1.1 keep Empty",
        b"OPTIONS * HTTP/1.1\r\nhost: b:80\r\n\r\n",
    ),
    (
        "abs-form-options-query",
        b"OPTIONS http://b? HTTP/1.1\r\nHost: b\r\n\r\n",
        "1.1 keep Empty",
        b"OPTIONS /? HTTP/1.1\r\nhost: b\r\n\r\n",
    ),
    ("asterisk-options", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "target-double-slash",
        b"GET //b/c;d=e HTTP/1.1\r\nHost: a\r\n\r\n",
        "1.1 keep Empty",
        b"GET /b/c;d=e HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "target-canonical",
        b"GET /b/./%63/../%7e%c3%a9?../%2F%zz?[] HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        "1.1 keep Empty",
        b"GET /b/~%C3%A9?../%2F%zz?[] HTTP/1.1\r\nhost: a\r\nX: y\r\n\r\n",
    ),
    ("target-empty-query", b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "1.1 keep Empty", b"GET /? HTTP/1.1\r\nhost: a\r\n\r\n"),
    // Hosts.
    ("host-ipv6", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "1.1 keep Empty", b"GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n"),
    ("host-ipv4", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "1.1 keep Empty", b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"),
    (
        "host-final-dot",
        b"GET / HTTP/1.1\r\nHost: A_b.example.:65535\r\n\r\n",
        "1.1 keep Empty",
        b"GET / HTTP/1.1\r\nhost: A_b.example.:65535\r\n\r\n",
    ),
];

/// What of the head says how to go on.
fn check(id: &str, bytes: &[u8], facts: &str, sent: &[u8]) {
    let mut head = RequestHead::default();
    let verdict = RequestParser::default().parse(bytes, &HeadLimits::REQUEST, &mut head);
    let Ok(Some(parsed)) = verdict else { panic!("{id}: {verdict:?}") };
    let version = if parsed.version == Version::Http11 { "1.1" } else { "1.0" };
    let keep = if parsed.is_keep_alive { "keep" } else { "close" };
    let mut found = format!("{version} {keep} {:?}", parsed.length);
    found += if parsed.expects_continue { " expects" } else { "" };
    found += if parsed.upgrade.is_some() { " upgrade" } else { "" };
    assert_eq!(found, facts, "{id}");
    assert!(bytes[..parsed.bytes].ends_with(b"\r\n\r\n"), "{id}");

    let upgrade = parsed.upgrade.map(|u| u.of(head.fields.text()));
    let framing =
        RequestFraming { length: parsed.length, upgrade, expects_continue: parsed.expects_continue };
    let mut out = Vec::new();
    write_request_head(&mut out, &head, head.host_bytes(), framing);
    assert_eq!(out.escape_ascii().to_string(), sent.escape_ascii().to_string(), "{id}");
    assert_eq!(invariants::request(bytes), Ok(()), "{id}");
}

#[test]
fn sound_requests_are_taken_and_sent_on_in_one_form() {
    for &(id, bytes, facts, sent) in TAKEN {
        check(id, bytes, facts, sent);
    }
}

#[test]
fn an_unfinished_head_asks_for_more() {
    let whole = b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    let mut parser = RequestParser::default();
    let mut head = RequestHead::default();
    for shown in 0..whole.len() {
        assert_eq!(parser.parse(&whole[..shown], &HeadLimits::REQUEST, &mut head), Ok(None), "{shown}");
    }
    assert!(parser.parse(whole, &HeadLimits::REQUEST, &mut head).is_ok_and(|p| p.is_some()));
}

#[test]
fn one_parser_and_one_head_serve_request_after_request() {
    let mut parser = RequestParser::default();
    let mut head = RequestHead::default();
    let first = b"POST /%61?b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\nX: y\r\n\r\nabc";
    let parsed = parser.parse(first, &HeadLimits::REQUEST, &mut head).unwrap().unwrap();
    assert_eq!((parsed.length, &first[parsed.bytes..]), (Length::Exact(3), &b"abc"[..]));
    assert_eq!((head.path_bytes(), head.query_bytes()), (&b"/a"[..], Some(&b"b"[..])));

    let second = b"GET /c HTTP/1.1\r\nHost: h\r\n\r\n";
    let parsed = parser.parse(second, &HeadLimits::REQUEST, &mut head).unwrap().unwrap();
    assert_eq!((parsed.length, parsed.bytes, parsed.version), (Length::Empty, second.len(), Version::Http11));
    assert_eq!((head.path_bytes(), head.query_bytes(), head.host_bytes()), (&b"/c"[..], None, &b"h"[..]));
    assert_eq!(head.fields.list().len(), 1);
}

#[test]
fn reset_forgets_a_refused_head() {
    let mut parser = RequestParser::default();
    let mut head = RequestHead::default();
    assert!(
        parser.parse(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", &HeadLimits::REQUEST, &mut head).is_err()
    );
    parser.reset();
    let next = b"GET / HTTP/1.1\r\nHost: b\r\n\r\n";
    assert!(parser.parse(next, &HeadLimits::REQUEST, &mut head).is_ok_and(|p| p.is_some()));
    assert_eq!(head.host_bytes(), b"b");
}
