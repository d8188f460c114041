//! Where a body ends: Content-Length, Transfer-Encoding, and both at once. Anything that two readers could
//! measure differently is refused (RFC 9112 §6.3, §11.2).

use super::{After, Case, Outcome, Reaches, carried, case, get, passage, post, refusal, refused, refused_as};

/// A coding that we do not know may be called so, or malformed.
const CODING: &[u16] = &[400, 501];
/// A body that is a request to a reader who loses count. No case has this path: it arrives nowhere.
const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
/// A chunked body of `hello`.
const CHUNKED: &str = "5\r\nhello\r\n0\r\n\r\n";
/// The same request as it is handed on.
const HELLO_CHUNKED: &str =
    "POST /ID HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const HELLO_COUNTED: &str = "POST /ID HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello";

pub(super) fn length_against_coding() -> Vec<Case> {
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let http10 = |fields: &str| format!("POST /ID HTTP/1.0\r\nHost: a\r\n{fields}\r\n{CHUNKED}");
    let hidden_chunk = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    let with_body = |method: &str| {
        (
            format!("{method} /ID HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
            format!("{method} /ID HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello"),
        )
    };
    let carried_body = |id, method| {
        let (sent, reaches) = with_body(method);
        carried(id, sent, reaches)
    };
    vec![
        refused("cl-te", post(both, "0\r\n\r\n")),
        refused("te-cl", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n")),
        refused("cl-te", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", CHUNKED)),
        refused_as(
            "te-te",
            CODING,
            post("Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n", CHUNKED),
        ),
        cl_zero(),
        unread_body("zero-cl", &format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN),
        unread_body("te-zero", "Transfer-Encoding: chunked\r\n", &hidden_chunk),
        refused("http10-te", http10("Transfer-Encoding: chunked\r\n")),
        refused("http10-te-keepalive", http10("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n")),
        refused("cl-te-http10", http10(both)),
        carried_body("get-with-cl", "GET"),
        carried_body("head-with-body", "HEAD"),
        carried_body("options-with-body", "OPTIONS"),
        carried_body("delete-with-body", "DELETE"),
        carried(
            "get-with-chunked",
            get("Transfer-Encoding: chunked\r\n").into_iter().chain(CHUNKED.bytes()).collect::<Vec<_>>(),
            HELLO_CHUNKED.replace("POST", "GET"),
        ),
    ]
}

/// A body that looks like a request is a body, whatever the backend makes of it.
fn cl_zero() -> Case {
    let sent = post(format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN);
    let head = format!("POST /ID HTTP/1.1\r\nHost: a\r\ncontent-length: {}\r\n\r\n", HIDDEN.len());
    carried("cl-zero", sent, head + HIDDEN)
}

/// The gateway itself answers without a use for the body: it is thrown away, not read as a request.
fn unread_body(id: &'static str, fields: &str, body: &str) -> Case {
    let sent = format!("POST /respond/ID HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
    let outcome =
        Outcome { answers: vec![&[200]], reaches: Reaches::Exactly(Vec::new()), after: After::Kept };
    case(id, sent, outcome)
}

pub(super) fn content_length() -> Vec<Case> {
    let value = |id, value: &str| refused(id, post(format!("Content-Length: {value}\r\n"), "hello"));
    vec![
        refused("cl-dup-same", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
        refused("cl-dup-differ", post("Content-Length: 5\r\nContent-Length: 0\r\n", "hello")),
        value("cl-list-same", "5, 5"),
        value("cl-list-differ", "5, 0"),
        value("cl-plus", "+5"),
        value("cl-minus-zero", "-0"),
        value("cl-negative", "-5"),
        value("cl-hex", "0x5"),
        value("cl-underscore", "5_0"),
        // Plain digits by the grammar, so they may be taken, but then as one number and written anew.
        case("cl-leading-zeros", post("Content-Length: 0005\r\n", "hello"), passage(HELLO_COUNTED))
            .or(refusal(&[400])),
        value("cl-inner-space", "5 0"),
        value("cl-empty", ""),
        value("cl-only-comma", ","),
        value("cl-trailing-comma", "5,"),
        value("cl-overflow-u64", "18446744073709551616"),
        value("cl-overflow-u64", "18446744073709551621"),
        value("cl-overflow-u64", &"9".repeat(100)),
        value("cl-fraction", "5.0"),
        value("cl-unicode-digit", "５"),
        value("cl-quoted", "\"5\""),
        carried("cl-plain", post("Content-Length: 5\r\n", "hello"), HELLO_COUNTED),
        carried("cl-spaces", post("Content-Length:   5 \r\n", "hello"), HELLO_COUNTED),
    ]
}

pub(super) fn transfer_encoding() -> Vec<Case> {
    let line = |id, line: &[u8]| refused_as(id, CODING, post([line, b"\r\n"].concat(), CHUNKED));
    let value = |id, value: &[u8]| line(id, &[b"Transfer-Encoding: ", value].concat());
    let strict = |id, line: &[u8]| refused(id, post([line, b"\r\n"].concat(), CHUNKED));
    vec![
        value("te-leading-comma", b",chunked"),
        value("te-trailing-comma", b"chunked,"),
        value("te-xchunked", b"xchunked"),
        value("te-identity", b"identity"),
        value("te-identity-chunked", b"identity, chunked"),
        value("te-chunked-gzip", b"chunked, gzip"),
        refused_as("te-gzip-chunked", &[501], post("Transfer-Encoding: gzip, chunked\r\n", CHUNKED)),
        refused_as("te-gzip", &[501], post("Transfer-Encoding: gzip\r\n", CHUNKED)),
        value("te-chunked-param", b"chunked;p=1"),
        value("te-chunked-twice", b"chunked, chunked"),
        line("te-dup-header", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        line("te-dup-mixed", b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        value("te-empty", b""),
        value("te-quoted", b"\"chunked\""),
        value("te-single-quoted", b"'chunked'"),
        carried("te-case", post("tRANSFER-eNCODING: cHUNKED\r\n", CHUNKED), HELLO_CHUNKED),
        value("te-vtab-before", b"\x0bchunked"),
        value("te-vtab-after", b"chunked\x0b"),
        value("te-formfeed", b"\x0cchunked"),
        value("te-nul", b"chunked\0"),
        value("te-0xff", b"\xffchunked"),
        value("te-0xa0", b"\xa0chunked"),
        // A tab is white space around a value (RFC 9110 §5.6.3), but not every reader knows.
        case("te-tab-value", post("Transfer-Encoding:\tchunked\r\n", CHUNKED), passage(HELLO_CHUNKED))
            .or(refusal(&[400])),
        strict("te-space-before-colon", b"Transfer-Encoding : chunked"),
        strict("te-tab-before-colon", b"Transfer-Encoding\t: chunked"),
        strict("te-obs-fold", b"Transfer-Encoding:\r\n chunked"),
        strict("te-name-underscore", b"Transfer_Encoding: chunked"),
        strict("cl-name-underscore", b"Content_Length: 5"),
        strict("te-name-prefix-space", b" Transfer-Encoding: chunked"),
        strict("te-name-cr", b"Transfer-Encoding\r: chunked"),
        strict("te-name-cr", b"\rTransfer-Encoding: chunked"),
    ]
}

/// Every byte at every edge of `Transfer-Encoding: chunked`. Where it makes another name, the line is an
/// unknown field and what follows the head is no body; else it is refused, or is white space around a value.
pub(super) fn sweep() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in 0..=255_u8 {
        cases.push(swept_name(&[&[byte], &b"Transfer-Encoding"[..]].concat(), byte));
        cases.push(swept_name(&[&b"Transfer-Encoding"[..], &[byte]].concat(), byte));
        cases.push(swept_value(&[&[byte], &b"chunked"[..]].concat(), byte));
        cases.push(swept_value(&[&b"chunked"[..], &[byte]].concat(), byte));
    }
    cases
}

fn swept_name(name: &[u8], byte: u8) -> Case {
    let line = [name, b": chunked\r\n"].concat();
    let case = refused_as("te-bytes-sweep", CODING, [get(&line), CHUNKED.into()].concat());
    if !tidegate_testkit::message::is_token(byte) {
        return case;
    }
    // The request has no body, so the chunk that follows is taken for a request and refused.
    let answers: Vec<&[u16]> = vec![&[200], &[400]];
    let reaches = Reaches::Exactly(vec![get(&line)]);
    case.or(Outcome { answers, reaches, after: After::Closed })
}

fn swept_value(value: &[u8], byte: u8) -> Case {
    let sent = post([b"Transfer-Encoding: ", value, b"\r\n"].concat(), CHUNKED);
    match byte {
        b' ' => carried("te-bytes-sweep", sent, HELLO_CHUNKED),
        b'\t' => case("te-bytes-sweep", sent, passage(HELLO_CHUNKED)).or(refusal(&[400])),
        _ => refused_as("te-bytes-sweep", CODING, sent),
    }
}
