//! Requests that must be refused: request line, target, Host, Expect, and every line of `field_lines`.

use tidegate_core::head::RequestHead;
use tidegate_core::limits::HeadLimits;
use tidegate_wire::http1::invariants;
use tidegate_wire::http1::request::RequestParser;

use crate::field_lines::REFUSED;
use crate::request_with;

/// Id, bytes, status.
pub(crate) fn cases() -> Vec<(String, Vec<u8>, u16)> {
    let whole = WHOLE.iter().map(|&(id, bytes, status)| (id.to_owned(), bytes.to_vec(), status));
    let lines =
        REFUSED.iter().map(|&(id, lines, status)| (id.to_owned(), request_with("POST", lines), status));
    whole.chain(lines).collect()
}

const WHOLE: &[(&str, &[u8], u16)] = &[
    // Framing in HTTP/1.0.
    ("http10-te", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("http10-te-keepalive", b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("cl-te-http10", b"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    // Line ends.
    ("lf-request-line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("lf-only", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    ("lf-end-of-headers", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("lf-last-header", b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    ("cr-request-line", b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    ("cr-in-target", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("crcr-lf-request-line", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    ("cr-end-of-headers", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400),
    ("leading-lf", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("leading-crlf-many", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("leading-cr", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("leading-space", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("first-line-field", b"Host: a\r\n\r\n", 400),
    ("host-after-fold", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    // A known method but for its case.
    ("method-lowercase-get", b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method-mixed-case", b"Post / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // Version.
    ("version-lowercase", b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("version-1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("version-0.9", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("version-2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("version-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("version-10.1", b"GET / HTTP/10.1\r\nHost: a\r\n\r\n", 400),
    ("version-1.10", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    ("version-01.1", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400),
    ("version-one-digit", b"GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
    ("version-comma", b"GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400),
    ("version-missing", b"GET /\r\nHost: a\r\n\r\n", 400),
    ("version-empty", b"GET / \r\nHost: a\r\n\r\n", 400),
    ("version-prefix", b"GET / XHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("version-suffix", b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400),
    ("version-trailing-space", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("version-trailing-tab", b"GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", 400),
    ("version-other-protocol", b"GET / RTSP/1.0\r\nHost: a\r\n\r\n", 400),
    // Method.
    ("method-prefix-tab", b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method-empty", b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method-non-token", b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method-8bit", b"G\xc9T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method-ctl", b"GE\x00T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method-33-bytes", b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method-only", b"GET\r\nHost: a\r\n\r\n", 400),
    ("method-connect", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
    ("connect-path", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("connect-with-cl", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello", 405),
    ("connect-early-data", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nGET / HTTP/1.1\r\n", 405),
    ("trace-with-body", b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("trace-with-chunked", b"TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    // Separators and target.
    ("two-spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("two-spaces-before-version", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("tab-separator", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("tab-before-version", b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("formfeed-separator", b"GET\x0c/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-space", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-tab", b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-second-version", b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-ctl", b"GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-nul", b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-del", b"GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-fragment", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-query-fragment", b"GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-nonascii", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-query-nonascii", b"GET /?\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-empty", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-no-slash", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-only-query", b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-encoded-slash", b"GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-encoded-nul", b"GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-backslash", b"GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-climbs", b"GET /a/../../b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-climbs-encoded", b"GET /%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("target-bad-escape", b"GET /%g0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("asterisk-get", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("asterisk-more", b"OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("authority-form-get", b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    ("abs-form-bad-scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("abs-form-ws-scheme", b"GET ws://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("abs-form-no-host", b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("abs-form-userinfo", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("abs-form-bad-port", b"GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("abs-form-backslash", b"GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("abs-form-host-missing", b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    ("abs-form-host-empty", b"GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("abs-form-host-dup", b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("encoded-slash-host", b"GET http://a%2Fb/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // Host.
    ("host-missing", b"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    ("host-missing-no-fields", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("host-dup-same", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("host-dup-differ", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("host-dup-case", b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", 400),
    ("host-dup-http10", b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("host-comma", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("host-comma-only", b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
    ("host-userinfo", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    ("host-userinfo-password", b"GET / HTTP/1.1\r\nHost: u:p@a\r\n\r\n", 400),
    ("host-path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("host-query", b"GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", 400),
    ("host-fragment", b"GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", 400),
    ("host-scheme", b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", 400),
    ("host-backslash", b"GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", 400),
    ("host-port-bad", b"GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400),
    ("host-port-empty", b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400),
    ("host-port-large", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    ("host-port-long", b"GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n", 400),
    ("host-port-sign", b"GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n", 400),
    ("host-port-twice", b"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400),
    ("host-only-port", b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    ("host-empty", b"GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
    ("host-space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("host-tab", b"GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n", 400),
    ("host-space-before-colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("host-nonascii", b"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400),
    ("host-escape", b"GET / HTTP/1.1\r\nHost: %61\r\n\r\n", 400),
    ("host-dots", b"GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400),
    ("host-dot-first", b"GET / HTTP/1.1\r\nHost: .a\r\n\r\n", 400),
    ("host-ipv6-bare", b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400),
    ("host-ipv6-open", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    ("host-ipv6-bad", b"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", 400),
    ("host-ipv6-zone", b"GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", 400),
    ("host-ipv6-trail", b"GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400),
    ("host-obs-fold", b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    // Expect.
    ("expect-unknown", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417),
    ("expect-empty", b"POST / HTTP/1.1\r\nHost: a\r\nExpect:\r\nContent-Length: 1\r\n\r\na", 417),
    ("expect-list", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\nContent-Length: 1\r\n\r\na", 417),
    (
        "expect-dup",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        400,
    ),
    // Not HTTP at all.
    ("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("garbage", b"hello world\r\n\r\n", 400),
];

fn check(id: &str, bytes: &[u8], status: u16) {
    let mut head = RequestHead::default();
    let verdict = RequestParser::default().parse(bytes, &HeadLimits::REQUEST, &mut head);
    let refusal = verdict.expect_err(id);
    assert_eq!(refusal.status, status, "{id}: {}", refusal.reason);
    assert_eq!(invariants::request(bytes), Ok(()), "{id}");
}

#[test]
fn ambiguous_requests_are_refused() {
    for (id, bytes, status) in cases() {
        check(&id, &bytes, status);
    }
}
