//! Where the body of an answer ends, with the same faults as in requests.

use super::{Case, broken_off, case, last_passage, ok, passage, passed, refused};

const CHUNKED: &str = "5\r\nhello\r\n0\r\n\r\n";
const FIELDS: &str = "Transfer-Encoding: chunked\r\n";

pub(super) fn content_length() -> Vec<Case> {
    let value = |id, value: &str| refused(id, ok(format!("Content-Length: {value}\r\n"), "hello"));
    vec![
        refused("cl-dup-same", ok("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
        refused("cl-dup-differ", ok("Content-Length: 5\r\nContent-Length: 0\r\n", "hello")),
        value("cl-list-same", "5, 5"),
        value("cl-list-differ", "5, 0"),
        value("cl-plus", "+5"),
        value("cl-minus-zero", "-0"),
        value("cl-negative", "-5"),
        value("cl-hex", "0x5"),
        value("cl-underscore", "5_0"),
        value("cl-leading-zeros", "0005").or(passage("hello", "")),
        value("cl-inner-space", "5 0"),
        value("cl-empty", ""),
        value("cl-only-comma", ","),
        value("cl-trailing-comma", "5,"),
        value("cl-overflow-u64", "18446744073709551616"),
        value("cl-overflow-u64", "18446744073709551621"),
        value("cl-fraction", "5.0"),
        value("cl-unicode-digit", "５"),
        value("cl-quoted", "\"5\""),
        refused("cl-te", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKED)),
        refused("te-cl", ok("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", CHUNKED)),
        broken_off("cl-short", ok("Content-Length: 5\r\n", "hel")).finished(),
        case("cl-surplus", ok("Content-Length: 5\r\n", "hello!"), last_passage("hello")),
        passed("cl-plain", ok("Content-Length: 5\r\n", "hello"), "hello"),
        passed("cl-none", ok("Content-Length: 0\r\n", ""), ""),
    ]
}

pub(super) fn transfer_encoding() -> Vec<Case> {
    let line = |id, line: &[u8]| refused(id, ok([line, b"\r\n"].concat(), CHUNKED)).finished();
    let value = |id, value: &[u8]| line(id, &[b"Transfer-Encoding: ", value].concat());
    // To a reader of the grammar another field, whose answer ends with its connection.
    let other_name = |id, name: &[u8]| line(id, name).or(last_passage(CHUNKED));
    vec![
        value("te-leading-comma", b",chunked"),
        value("te-trailing-comma", b"chunked,"),
        value("te-xchunked", b"xchunked"),
        value("te-identity", b"identity"),
        value("te-identity-chunked", b"identity, chunked"),
        value("te-chunked-gzip", b"chunked, gzip"),
        value("te-gzip-chunked", b"gzip, chunked"),
        value("te-chunked-param", b"chunked;p=1"),
        value("te-chunked-twice", b"chunked, chunked"),
        line("te-dup-header", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        line("te-dup-mixed", b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        value("te-empty", b""),
        value("te-quoted", b"\"chunked\""),
        value("te-single-quoted", b"'chunked'"),
        passed("te-case", ok("tRANSFER-eNCODING: cHUNKED\r\n", CHUNKED), "hello"),
        value("te-vtab-before", b"\x0bchunked"),
        value("te-vtab-after", b"chunked\x0b"),
        value("te-formfeed", b"\x0cchunked"),
        value("te-nul", b"chunked\0"),
        value("te-0xff", b"\xffchunked"),
        value("te-0xa0", b"\xa0chunked"),
        refused("te-tab-value", ok("Transfer-Encoding:\tchunked\r\n", CHUNKED)).or(passage("hello", "")),
        line("te-space-before-colon", b"Transfer-Encoding : chunked"),
        line("te-tab-before-colon", b"Transfer-Encoding\t: chunked"),
        line("te-obs-fold", b"Transfer-Encoding:\r\n chunked"),
        other_name("te-name-underscore", b"Transfer_Encoding: chunked"),
        other_name("cl-name-underscore", b"Content_Length: 5"),
        line("te-name-prefix-space", b" Transfer-Encoding: chunked"),
        line("te-name-cr", b"Transfer-Encoding\r: chunked"),
        refused("http10-te", format!("HTTP/1.0 200 OK\r\n{FIELDS}\r\n{CHUNKED}")).finished(),
    ]
}

/// Every byte at every edge of `Transfer-Encoding: chunked`, as with requests.
pub(super) fn sweep() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in 0..=255_u8 {
        let is_token = tidegate_testkit::message::is_token(byte);
        for name in
            [[&[byte], &b"Transfer-Encoding"[..]].concat(), [&b"Transfer-Encoding"[..], &[byte]].concat()]
        {
            let case =
                refused("te-bytes-sweep", ok([&name[..], b": chunked\r\n"].concat(), CHUNKED)).finished();
            cases.push(if is_token { case.or(last_passage(CHUNKED)) } else { case });
        }
        for value in [[&[byte], &b"chunked"[..]].concat(), [&b"chunked"[..], &[byte]].concat()] {
            let answer = ok([b"Transfer-Encoding: ", &value[..], b"\r\n"].concat(), CHUNKED);
            cases.push(match byte {
                b' ' => passed("te-bytes-sweep", answer, "hello"),
                b'\t' => refused("te-bytes-sweep", answer).or(passage("hello", "")),
                _ => refused("te-bytes-sweep", answer).finished(),
            });
        }
    }
    cases
}

pub(super) fn chunks() -> Vec<Case> {
    let bad = |id, body: &str| broken_off(id, ok(FIELDS, body));
    let size = |id, size: &str| bad(id, &format!("{size}\r\nhello\r\n0\r\n\r\n"));
    let good = |id, body: &str| passed(id, ok(FIELDS, body), "hello");
    let trailer = |id, line: &str| bad(id, &format!("5\r\nhello\r\n0\r\n{line}\r\n\r\n"));
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
        size("chunk-17-digits", "00000000000000005"),
        size("chunk-ext-cr", "5;a\rb"),
        size("chunk-ext-lf", "5;a\nb"),
        size("chunk-ext-ctl", "5;a\u{1}b"),
        size("chunk-ext-64k", &format!("5;a={}", "b".repeat(64 << 10))),
        size("chunk-ext-quoted-crlf", "5;a=\"\r\n\""),
        bad("chunk-missing-crlf", "5\r\nhello0\r\n\r\n"),
        bad("chunk-spill", "5\r\nhello!!\r\n0\r\n\r\n"),
        bad("chunk-crlf-x", "5\r\nhello\r\n0\r\n\rX"),
        bad("chunk-short", "5\r\nhel").finished(),
        bad("chunk-no-last", "5\r\nhello\r\n").finished(),
        case("chunk-bytes-after-last", ok(FIELDS, format!("{CHUNKED}X")), last_passage("hello")),
        trailer("trailer-cl", "Content-Length: 5"),
        trailer("trailer-te", "Transfer-Encoding: chunked"),
        trailer("trailer-no-colon", "X"),
        trailer("trailer-too-big", &format!("X: {}", "y".repeat(9000))),
        good("chunk-extension-dropped", "5;a=b\r\nhello\r\n0;last\r\n\r\n"),
        good("chunk-leading-zeros", "05\r\nhello\r\n000\r\n\r\n"),
        good("chunk-split", "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n"),
        good("trailer-undeclared", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        case("close-delimited", ok("", "hello"), last_passage("hello")).finished(),
        case("http10-close", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", last_passage("hello")),
        passed(
            "http10-keep-alive",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
            "hello",
        )
        .or(last_passage("hello")),
        case("conn-close", ok("Connection: close\r\nContent-Length: 5\r\n", "hello"), last_passage("hello")),
        case(
            "conn-close-sticky",
            ok("Connection: close\r\nConnection: keep-alive\r\nContent-Length: 5\r\n", "hello"),
            last_passage("hello"),
        ),
    ]
}
