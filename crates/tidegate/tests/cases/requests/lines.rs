//! Where lines end and what may stand in them: CRLF and nothing else (RFC 9112 §2.2), names that are tokens,
//! values without controls (RFC 9110 §5.5), and how much of it we take.

use super::{Case, broken_off, carried, get, post, refused, refused_as};

pub(super) fn line_ends() -> Vec<Case> {
    let chunked = |id, body: &str| broken_off(id, post("Transfer-Encoding: chunked\r\n", body));
    vec![
        refused("lf-request-line", "GET /ID HTTP/1.1\nHost: a\r\n\r\n"),
        refused("lf-header", get("X: y\nZ: z\r\n")),
        refused("lf-header", "GET /ID HTTP/1.1\r\nHost: a\nX: y\n\n"),
        refused("lf-end-of-headers", "GET /ID HTTP/1.1\r\nHost: a\r\n\n"),
        refused("cr-request-line", "GET /ID HTTP/1.1\rHost: a\r\n\r\n"),
        refused("cr-request-line", "GET /ID\r HTTP/1.1\r\nHost: a\r\n\r\n"),
        refused("cr-header-value", get("X: a\rb\r\n")),
        refused("cr-header-value", get("X: a\rY: b\r\n")),
        refused("cr-header-name", get("X\rY: z\r\n")),
        refused("crcr-lf", get("X: y\r\r\n")),
        refused("crcr-lf", "GET /ID HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        chunked("lf-chunk-size", "5\nhello\r\n0\r\n\r\n"),
        chunked("lf-chunk-size", "5\r\nhello\r\n0\n\r\n"),
        chunked("cr-chunk-size", "5\rhello\r\n0\r\n\r\n"),
        chunked("lf-chunk-data-end", "5\r\nhello\n0\r\n\r\n"),
        chunked("lf-chunk-data-end", "5\r\nhello\n\n0\r\n\r\n"),
        chunked("lf-trailer", "0\r\nA: b\n\r\n"),
        chunked("lf-trailer", "0\r\n\n"),
        chunked("cr-trailer", "0\r\nA: b\rc\r\n\r\n"),
        chunked("cr-trailer", "0\r\nA\r: b\r\n\r\n"),
        refused("leading-lf", "\nGET /ID HTTP/1.1\r\nHost: a\r\n\r\n"),
        refused("leading-crlf-many", "\r\n\r\n\r\nGET /ID HTTP/1.1\r\nHost: a\r\n\r\n"),
        carried("leading-crlf-one", "\r\nGET /ID HTTP/1.1\r\nHost: a\r\n\r\n", get("")),
    ]
}

pub(super) fn header_syntax() -> Vec<Case> {
    let line = |id, line: &[u8]| refused(id, get([line, b"\r\n"].concat()));
    let many = |count: usize, bytes: usize| {
        (0..count).map(|n| format!("X-{n}: {}\r\n", "v".repeat(bytes))).collect::<String>()
    };
    let kept = "x-lower: 1\r\nX-UPPER:2\r\nX-Spaces: \t a b \t\r\nX-Empty:\r\nX-Lower: 1\r\nCookie: a=b\r\n";
    vec![
        line("nul-value", b"X: a\0b"),
        line("nul-name", b"X\0: a"),
        line("cr-value", b"X: a\r b"),
        line("lf-value", b"X: a\n b"),
        line("ctl-value", b"X: a\x01b"),
        line("ctl-value", b"X: a\x7fb"),
        line("ctl-value", b"X: a\x0bb"),
        line("name-empty", b": a"),
        line("no-colon", b"X a"),
        line("no-colon", b"X"),
        refused("first-header-folded", "GET /ID HTTP/1.1\r\nHost:\r\n a\r\n\r\n"),
        refused("first-header-leading-space", "GET /ID HTTP/1.1\r\n Host: a\r\n\r\n"),
        refused("first-header-leading-space", "GET /ID HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n"),
        line("obs-fold", b"X: a\r\n b"),
        line("obs-fold", b"X: a\r\n\t"),
        line("name-space", b"X Y: z"),
        line("name-space", b"X : z"),
        line("name-non-token", b"X(Y): z"),
        line("name-non-token", b"X@Y: z"),
        line("name-non-token", b"\"X\": z"),
        line("name-8bit", b"X\xe9: z"),
        line("name-8bit", b"X\xc3\xa9: z"),
        refused_as("block-too-big", &[431], get(many(40, 1000))),
        refused_as("count-too-big", &[431], get(many(101, 1))),
        refused_as("line-too-long", &[431], get(many(1, 9000))),
        carried("count-at-limit", get(many(90, 1)), get(many(90, 1))),
        carried("line-at-limit", get(many(1, 8000)), get(many(1, 8000))),
        carried("obs-text-kept", get(b"X: \xe9\x80\xff\r\n"), get(b"X: \xe9\x80\xff\r\n")),
        carried("order-and-spelling-kept", get(kept), get(kept)),
    ]
}
