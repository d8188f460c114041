//! The request line, its target and Host (RFC 9112 §3): one method, one target, one version, one space
//! between them, and one host that both sides of us understand alike.

use super::{After, Case, Outcome, Reaches, carried, case, get, passage, refused, refused_as};

const VERSION: &[u16] = &[400, 505];

pub(super) fn request_line() -> Vec<Case> {
    let line = |id, line: &[u8]| refused(id, [line, b"\r\nHost: a\r\n\r\n"].concat());
    let version = |id, text: &str| refused_as(id, VERSION, format!("GET /ID {text}\r\nHost: a\r\n\r\n"));
    let pipe = "|GET /ID HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        version("version-lowercase", "http/1.1"),
        version("version-1.2", "HTTP/1.2"),
        version("version-2.0", "HTTP/2.0"),
        version("version-10.1", "HTTP/10.1"),
        version("version-10.1", "HTTP/1.10"),
        version("version-10.1", "HTTP/1."),
        line("version-missing", b"GET /ID"),
        line("version-missing", b"GET /ID "),
        version("version-prefix", "XHTTP/1.1"),
        version("version-prefix", "HTTP /1.1"),
        version("version-suffix", "HTTP/1.1 "),
        line("method-prefix-tab", b"\tGET /ID HTTP/1.1"),
        line("method-prefix-space", b" GET /ID HTTP/1.1"),
        // `|` may stand in a token, so this is a method that we do not know.
        case("method-prefix-pipe", pipe, passage(pipe)).or(super::refusal(&[400, 501])),
        line("method-non-token", b"GE(T /ID HTTP/1.1"),
        line("method-missing", b" /ID HTTP/1.1"),
        // Methods are compared with case: `get` is not GET, and a backend may yet read it so.
        line("method-lowercase-get", b"get /ID HTTP/1.1"),
        line("two-spaces", b"GET  /ID HTTP/1.1"),
        line("two-spaces", b"GET /ID  HTTP/1.1"),
        line("tab-separator", b"GET\t/ID\tHTTP/1.1"),
        line("tab-separator", b"GET /ID\tHTTP/1.1"),
        line("target-space", b"GET /ID/a b HTTP/1.1"),
        line("target-ctl", b"GET /ID\x01 HTTP/1.1"),
        line("target-ctl", b"GET /ID\x7f HTTP/1.1"),
        line("target-ctl", b"GET /ID\0 HTTP/1.1"),
        line("target-ctl", b"GET /ID?q=\x1b HTTP/1.1"),
        line("target-fragment", b"GET /ID#x HTTP/1.1"),
        line("target-fragment", b"GET /ID?q#x HTTP/1.1"),
        line("target-nonascii", b"GET /ID\xc3\xa9 HTTP/1.1"),
        line("target-nonascii", b"GET /ID?\xff HTTP/1.1"),
        line("target-empty", b"GET  HTTP/1.1"),
        line("target-relative", b"GET ID HTTP/1.1"),
        line("target-relative", b"GET ?ID HTTP/1.1"),
        line("asterisk-get", b"GET * HTTP/1.1"),
        asterisk_options(),
        refused_as(
            "uri-too-long",
            &[414],
            format!("GET /ID/{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000)),
        ),
        refused_as("uri-too-long", &[414], format!("GET /ID/{}", "a".repeat(9000))),
    ]
}

/// `OPTIONS *` asks about the server itself.
fn asterisk_options() -> Case {
    let sent = "OPTIONS * HTTP/1.1\r\nHost: a\r\nX: /ID\r\n\r\n";
    let answered =
        Outcome { answers: vec![&[204]], reaches: Reaches::Exactly(Vec::new()), after: After::Kept };
    case("asterisk-options", sent, answered)
}

pub(super) fn host_and_target() -> Vec<Case> {
    let host = |id, lines: &[u8]| refused(id, [b"GET /ID HTTP/1.1\r\n", lines, b"\r\n"].concat());
    let target = |id, target: &str| refused(id, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let as_sent = |id, host: &str| {
        let request = format!("GET /ID HTTP/1.1\r\nHost: {host}\r\n\r\n");
        carried(id, &request, &request)
    };
    let absolute = |id, target: &str, reaches: &str| {
        carried(id, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), format!("{reaches}\r\n\r\n"))
    };
    vec![
        host("host-missing", b"X: y\r\n"),
        host("host-dup-same", b"Host: a\r\nHost: a\r\n"),
        host("host-dup-differ", b"Host: a\r\nhost: b\r\n"),
        host("host-comma", b"Host: a,b\r\n"),
        host("host-comma", b"Host: a, b\r\n"),
        host("host-userinfo", b"Host: user@a\r\n"),
        host("host-path", b"Host: a/b\r\n"),
        host("host-path", b"Host: http://a\r\n"),
        host("host-port-bad", b"Host: a:x\r\n"),
        host("host-port-bad", b"Host: a:65536\r\n"),
        host("host-port-bad", b"Host: a:1:2\r\n"),
        host("host-port-bad", b"Host: a:-1\r\n"),
        host("host-empty", b"Host:\r\n"),
        host("host-empty", b"Host: :80\r\n"),
        host("host-space", b"Host: a b\r\n"),
        host("host-space", b"Host: a\tb\r\n"),
        host("host-8bit", b"Host: \xc3\xa9\r\n"),
        host("host-query", b"Host: a?b\r\n"),
        host("host-backslash", b"Host: a\\b\r\n"),
        as_sent("host-with-port", "a:8080"),
        as_sent("host-upper-case", "EXAMPLE.com"),
        as_sent("host-final-dot", "example.com."),
        as_sent("host-ipv6", "[::1]:8080"),
        host("host-ipv6-bad", b"Host: [::1\r\n"),
        host("host-ipv6-bad", b"Host: ::1\r\n"),
        absolute("abs-form-vs-host", "http://b/ID", "GET /ID HTTP/1.1\r\nHost: b"),
        absolute("abs-form-vs-host", "http://b:81/ID?q=1", "GET /ID?q=1 HTTP/1.1\r\nHost: b:81"),
        absolute("abs-form-vs-host", "HTTP://b/ID", "GET /ID HTTP/1.1\r\nHost: b"),
        absolute("abs-form-empty-path", "http://b?/ID", "GET /?/ID HTTP/1.1\r\nHost: b"),
        absolute("abs-form-canonical", "http://b/x/../ID/%61", "GET /ID/a HTTP/1.1\r\nHost: b"),
        target("abs-form-bad-scheme", "ftp://a/ID"),
        target("abs-form-bad-scheme", "file:///ID"),
        target("abs-form-bad-scheme", "http:/ID"),
        target("abs-form-userinfo", "http://user@a/ID"),
        target("abs-form-no-host", "http:///ID"),
        refused("abs-form-host-missing", "GET http://a/ID HTTP/1.1\r\n\r\n"),
        refused("abs-form-host-dup", "GET http://a/ID HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        target("authority-form-get", "a:80"),
        host("encoded-slash-host", b"Host: a%2fb\r\n"),
        target("encoded-slash-host", "http://a%2fb/ID"),
        carried(
            "host-is-first",
            "GET /ID HTTP/1.1\r\nX: y\r\nHost: a\r\nZ: z\r\n\r\n",
            get("X: y\r\nZ: z\r\n"),
        ),
    ]
}
