//! Status lines and field lines of answers, as strict as those of requests.

use super::{Case, broken_off, case, ok, passage, passed, refused};

pub(super) fn status_line() -> Vec<Case> {
    let line = |id, line: &str| refused(id, format!("{line}\r\nContent-Length: 5\r\n\r\nhello"));
    let good = |id, line: &str| passed(id, format!("{line}\r\nContent-Length: 5\r\n\r\nhello"), "hello");
    vec![
        line("status-two-digits", "HTTP/1.1 20 OK"),
        line("status-four-digits", "HTTP/1.1 2000 OK"),
        line("status-letters", "HTTP/1.1 abc OK"),
        line("status-plus", "HTTP/1.1 +20 OK"),
        line("status-below-100", "HTTP/1.1 099 OK"),
        line("status-missing", "HTTP/1.1"),
        line("version-2.0", "HTTP/2.0 200 OK"),
        line("version-10.1", "HTTP/10.1 200 OK"),
        line("version-lowercase", "http/1.1 200 OK"),
        line("version-prefix", "ICY 200 OK"),
        line("version-prefix", " HTTP/1.1 200 OK"),
        line("two-spaces", "HTTP/1.1  200 OK"),
        line("tab-separator", "HTTP/1.1\t200 OK"),
        line("reason-ctl", "HTTP/1.1 200 O\u{1}K"),
        line("reason-nul", "HTTP/1.1 200 O\0K"),
        refused("http09", "<html>hello</html>\r\n\r\n").finished(),
        good("reason-empty", "HTTP/1.1 200 "),
        good("reason-of-its-own", "HTTP/1.1 200 Yes, of course"),
    ]
}

pub(super) fn line_ends() -> Vec<Case> {
    let chunked = |id, body: &str| broken_off(id, ok("Transfer-Encoding: chunked\r\n", body));
    let head = |id, head: &str| refused(id, format!("{head}hello"));
    vec![
        head("lf-request-line", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n"),
        head("lf-header", "HTTP/1.1 200 OK\r\nContent-Length: 5\nX: y\r\n\r\n"),
        head("lf-header", "HTTP/1.1 200 OK\nContent-Length: 5\n\n"),
        head("lf-end-of-headers", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\n"),
        head("cr-request-line", "HTTP/1.1 200 OK\rContent-Length: 5\r\n\r\n"),
        head("cr-header-value", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 5\r\n\r\n"),
        head("cr-header-name", "HTTP/1.1 200 OK\r\nX\rY: b\r\nContent-Length: 5\r\n\r\n"),
        head("crcr-lf", "HTTP/1.1 200 OK\r\nX: y\r\r\nContent-Length: 5\r\n\r\n"),
        chunked("lf-chunk-size", "5\nhello\r\n0\r\n\r\n"),
        chunked("cr-chunk-size", "5\rhello\r\n0\r\n\r\n"),
        chunked("lf-chunk-data-end", "5\r\nhello\n0\r\n\r\n"),
        chunked("lf-trailer", "0\r\nA: b\n\r\n"),
        chunked("cr-trailer", "0\r\nA: b\rc\r\n\r\n"),
        head("leading-lf", "\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        head("leading-crlf-many", "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    ]
}

pub(super) fn header_syntax() -> Vec<Case> {
    let line = |id, line: &[u8]| refused(id, ok([line, b"\r\nContent-Length: 5\r\n"].concat(), "hello"));
    let many = |count: usize, bytes: usize| {
        let lines: String = (0..count).map(|n| format!("X-{n}: {}\r\n", "v".repeat(bytes))).collect();
        ok(lines + "Content-Length: 5\r\n", "hello")
    };
    let kept = |id, lines: &[u8]| {
        case(id, ok([lines, b"Content-Length: 5\r\n"].concat(), "hello"), passage("hello", lines))
    };
    vec![
        line("nul-value", b"X: a\0b"),
        line("nul-name", b"X\0: a"),
        line("cr-value", b"X: a\r b"),
        line("lf-value", b"X: a\n b"),
        line("ctl-value", b"X: a\x01b"),
        line("ctl-value", b"X: a\x7fb"),
        line("name-empty", b": a"),
        line("no-colon", b"X a"),
        refused("first-header-folded", ok("X:\r\n y\r\nContent-Length: 5\r\n", "hello")),
        refused("first-header-leading-space", ok(" X: y\r\nContent-Length: 5\r\n", "hello")),
        line("obs-fold", b"X: a\r\n b"),
        line("name-space", b"X Y: z"),
        line("name-space", b"X : z"),
        line("name-non-token", b"X(Y): z"),
        line("name-8bit", b"X\xe9: z"),
        refused("block-too-big", many(100, 1000)),
        refused("count-too-big", many(300, 1)),
        refused("line-too-long", many(1, 40_000)),
        kept("obs-text-kept", b"X: \xe9\x80\xff\r\n"),
        kept("order-and-spelling-kept", b"Set-Cookie: a=1\r\nx-LOWER:2\r\nset-cookie: b=2\r\nX-Empty:\r\n"),
    ]
}
