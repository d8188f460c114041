//! Chunked bodies (RFC 9112 §7.1) and what may follow their last chunk. The head may be on its way to the
//! backend when the fault shows; then the request breaks off, and the backend never sees its end.

use super::{After, Case, Outcome, Reaches, broken_off, broken_off_as, carried, case, post};

const FIELDS: &str = "Transfer-Encoding: chunked\r\n";
const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

fn handed_on(body: &str) -> String {
    format!("POST /ID HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}")
}

pub(super) fn chunks() -> Vec<Case> {
    let bad = |id, body: &str| broken_off(id, post(FIELDS, body));
    let size = |id, size: &str| bad(id, &format!("{size}\r\nhello\r\n0\r\n\r\n"));
    let good = |id, body: &str| carried(id, post(FIELDS, body), handed_on(HELLO));
    vec![
        size("chunk-plus", "+5"),
        size("chunk-minus", "-5"),
        size("chunk-0x", "0x5"),
        size("chunk-underscore", "0_5"),
        size("chunk-leading-space", " 5"),
        size("chunk-trailing-space", "5 "),
        size("chunk-trailing-tab", "5\t"),
        size("chunk-empty", ""),
        size("chunk-overflow-u64", "10000000000000005"),
        size("chunk-overflow-u64", "fffffffffffffffff"),
        size("chunk-17-digits", "00000000000000005"),
        size("chunk-ext-cr", "5;a\rb"),
        size("chunk-ext-lf", "5;a\nb"),
        size("chunk-ext-ctl", "5;a\u{1}b"),
        size("chunk-ext-64k", &format!("5;a={}", "b".repeat(64 << 10))),
        size("chunk-ext-quoted-crlf", "5;a=\"\r\n\""),
        size("chunk-letter", "g"),
        bad("chunk-missing-crlf", "5\r\nhello0\r\n\r\n"),
        bad("chunk-spill", "5\r\nhello!!\r\n0\r\n\r\n"),
        bad("chunk-crlf-x", "5\r\nhello\r\n0\r\n\rX"),
        bad("chunk-crlf-x", "5\r\nhello\rX0\r\n\r\n"),
        cut("chunk-short", "5\r\nhel"),
        cut("chunk-no-last", "5\r\nhello\r\n"),
        bytes_after_last(),
        good("chunk-extension-dropped", "5;a=b\r\nhello\r\n0;last\r\n\r\n"),
        good("chunk-leading-zeros", "005\r\nhello\r\n000\r\n\r\n"),
        good("chunk-split", "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n"),
        carried(
            "chunk-upper-case",
            post(FIELDS, format!("A\r\n{0}\r\n0\r\n\r\n", "h".repeat(10))),
            handed_on(&format!("a\r\n{}\r\n0\r\n\r\n", "h".repeat(10))),
        ),
        carried("chunk-none", post(FIELDS, "0\r\n\r\n"), handed_on("0\r\n\r\n")),
    ]
}

/// The client is done before its body is: it may be told so, or only be left.
fn cut(id: &'static str, body: &str) -> Case {
    let closed = |answers| Outcome { answers, reaches: Reaches::NeverWhole, after: After::Closed };
    case(id, post(FIELDS, body), closed(vec![&[400]])).or(closed(Vec::new())).finished()
}

/// What follows the last chunk is the next request, here a bad one.
fn bytes_after_last() -> Case {
    let outcome = Outcome {
        answers: vec![&[200], &[400]],
        reaches: Reaches::Exactly(vec![handed_on(HELLO).into_bytes()]),
        after: After::Closed,
    };
    case("chunk-bytes-after-last", post(FIELDS, format!("{HELLO}X\r\n\r\n")), outcome)
}

pub(super) fn trailers() -> Vec<Case> {
    let with = |line: &str| post(FIELDS, format!("5\r\nhello\r\n0\r\n{line}\r\n\r\n"));
    let bad = |id, line: &str| broken_off(id, with(line));
    let handed_on_with = |lines: &str| handed_on(&format!("5\r\nhello\r\n0\r\n{lines}\r\n"));
    // An undeclared trailer may be handed on or dropped, but not half.
    let either = |id, sent: Vec<u8>, lines: &str| {
        carried(id, sent, handed_on(HELLO)).or(super::passage(handed_on_with(lines)))
    };
    vec![
        bad("trailer-cl", "Content-Length: 5"),
        bad("trailer-te", "Transfer-Encoding: chunked"),
        bad("trailer-host", "Host: b"),
        bad("trailer-auth", "Authorization: Basic YTpi"),
        bad("trailer-pseudo", ":path: /b"),
        bad("trailer-no-colon", "X"),
        bad("trailer-space", "X : y"),
        broken_off_as("trailer-too-big", &[400, 431], with(&format!("X: {}", "y".repeat(9000)))),
        broken_off_as("trailer-too-big", &[400, 431], with(&["X: y"; 64].join("\r\n"))),
        either("trailer-undeclared", with("X-Sum: 1"), "X-Sum: 1\r\n"),
        either("trailer-undeclared", with("X-Sum: 1\r\nX-Also: 2"), "X-Sum: 1\r\nX-Also: 2\r\n"),
    ]
}
