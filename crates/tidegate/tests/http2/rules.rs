//! What RFC 9113 forbids, and what it allows and HTTP/1 could read in two ways: how it ends for the client, and byte
//! for byte what a backend of HTTP/1 gets of it, if it gets anything. The connection is fit for the next request in
//! each case but those that end it. The names of the cases are those that the field uses.

use tidegate_testkit::RawBackend;
use tidegate_testkit::backend::{Arrival, OK};
use tidegate_testkit::connection::shown;

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, Outcome, PROTOCOL_ERROR, Peer, block, frame, get,
};

/// A request, and what may become of it.
struct Case {
    id: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    /// DATA frames; the head ends the stream when there are none.
    data: &'static [&'static str],
    trailers: Option<&'static [(&'static str, &'static str)]>,
    expected: Expected,
}

enum Expected {
    /// It reaches no backend as a whole: it is reset as malformed, or answered with one of these.
    Refused(&'static [u16]),
    /// The same, with the whole connection: `h2` takes for broken compression what no field can hold.
    Ends,
    /// The backend answers it, and got these bytes, but for the fields that the gateway adds.
    Arrives(&'static str),
}
use Expected::{Arrives, Ends, Refused};

/// Never a request, so never answered.
const RESET: Expected = Refused(&[]);
/// Reset, or answered as a request that cannot be taken.
const BAD: Expected = Refused(&[400]);
const HELLO: &[&str] = &["hello"];
const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "api.test"), (":path", "/a")];
const ARRIVES: Expected = Arrives("GET /a HTTP/1.1\r\nhost: api.test\r\n\r\n");

/// A GET with these fields behind the usual ones.
fn with(id: &'static str, fields: &[(&'static str, &'static str)], expected: Expected) -> Case {
    of(id, &[&get("/a"), fields].concat(), expected)
}

/// A request of these fields and no others.
fn of(id: &'static str, fields: &[(&'static str, &'static str)], expected: Expected) -> Case {
    Case { id, fields: fields.to_vec(), data: &[], trailers: None, expected }
}

/// A POST with these fields behind the usual ones.
fn post(
    id: &'static str,
    fields: &[(&'static str, &'static str)],
    data: &'static [&'static str],
    expected: Expected,
) -> Case {
    Case { data, ..of(id, &[&POST, fields].concat(), expected) }
}

/// The usual fields with another one in the place of its like.
fn but(id: &'static str, field: (&'static str, &'static str), expected: Expected) -> Case {
    let replaced = get("/a").map(|usual| if usual.0 == field.0 { field } else { usual });
    of(id, &replaced, expected)
}

#[rustfmt::skip] // a table
fn framing() -> Vec<Case> {
    const CL: &str = "content-length";
    vec![
        post("h2-te-chunked", &[("transfer-encoding", "chunked")], HELLO, RESET),
        post("h2-te-gzip", &[("transfer-encoding", "gzip")], HELLO, RESET),
        with("h2-te-of-the-hop", &[("te", "gzip")], RESET),
        with("h2-te-trailers", &[("te", "trailers")], ARRIVES),
        with("h2-connection", &[("connection", "close")], RESET),
        with("h2-proxy-connection", &[("proxy-connection", "keep-alive")], RESET),
        with("h2-keep-alive", &[("keep-alive", "timeout=5")], RESET),
        with("h2-upgrade", &[("upgrade", "websocket")], RESET),
        post("h2-cl-gt-data", &[(CL, "10")], HELLO, BAD),
        post("h2-cl-gt-nothing", &[(CL, "10")], &[], BAD),
        post("h2-cl-lt-data", &[(CL, "3")], HELLO, BAD),
        post("h2-cl-dup", &[(CL, "5"), (CL, "6")], HELLO, BAD),
        post("h2-cl-dup-same", &[(CL, "5"), (CL, "5")], HELLO, BAD),
        post("h2-cl-list", &[(CL, "5, 5")], HELLO, BAD),
        post("h2-cl-sign", &[(CL, "+5")], HELLO, BAD),
        post("h2-cl-zero", &[(CL, "05")], HELLO, BAD),
        post("h2-cl-hex", &[(CL, "0x5")], HELLO, BAD),
        post("h2-cl-mimicked", &[("content_length", "3")], HELLO, BAD),
        post("h2-te-mimicked", &[("transfer_encoding", "chunked")], HELLO, BAD),
        post("h2-cl", &[(CL, "5")], HELLO,
            Arrives("POST /a HTTP/1.1\r\nhost: api.test\r\ncontent-length: 5\r\n\r\nhello")),
        post("h2-cl-none", &[], &["hello", ""],
            Arrives("POST /a HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")),
        post("h2-cl-no-body", &[], &[],
            Arrives("POST /a HTTP/1.1\r\nhost: api.test\r\ncontent-length: 0\r\n\r\n")),
        with("h2-expect-unknown", &[("expect", "200-ok")], Refused(&[417])),
    ]
}

#[rustfmt::skip] // a table
fn names_and_values() -> Vec<Case> {
    vec![
        with("h2-name-cr", &[("x\rx", "1")], Ends),
        with("h2-name-lf", &[("x\nx", "1")], Ends),
        with("h2-name-nul", &[("x\0x", "1")], Ends),
        with("h2-name-colon", &[("x:x", "1")], Ends),
        with("h2-name-space", &[("x x", "1")], Ends),
        with("h2-name-upper", &[("X-Upper", "1")], Ends),
        with("h2-name-empty", &[("", "1")], Ends),
        with("h2-name-line", &[("x: 1\r\ntransfer-encoding", "chunked")], Ends),
        with("h2-name-high", &[("x\u{e9}x", "1")], Ends),
        with("h2-value-cr", &[("x", "1\r2")], Ends),
        with("h2-value-lf", &[("x", "1\n2")], Ends),
        with("h2-value-nul", &[("x", "1\x002")], Ends),
        with("h2-value-del", &[("x", "1\x7f2")], Ends),
        with("h2-value-line", &[("x", "1\r\ncontent-length: 44")], Ends),
        with("h2-value-request", &[("x", "1\r\n\r\nGET /evil HTTP/1.1\r\nhost: evil\r\n\r\n")], Ends),
        with("h2-value-space-before", &[("x", " 1")], BAD),
        with("h2-value-tab-after", &[("x", "1\t")], BAD),
        with("h2-value-tab", &[("x", "1\t2")],
            Arrives("GET /a HTTP/1.1\r\nhost: api.test\r\nx: 1\t2\r\n\r\n")),
        with("h2-value-high", &[("x", "\u{e9}")],
            Arrives("GET /a HTTP/1.1\r\nhost: api.test\r\nx: \u{e9}\r\n\r\n")),
        with("h2-value-empty", &[("x", "")],
            Arrives("GET /a HTTP/1.1\r\nhost: api.test\r\nx: \r\n\r\n")),
        with("h2-cookie-crumbs", &[("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("cookie", "c=3")],
            Arrives("GET /a HTTP/1.1\r\nhost: api.test\r\nx: 1\r\ncookie: a=1; b=2; c=3\r\n\r\n")),
        with("h2-forwarded-mimicked", &[("x_forwarded_for", "6.6.6.6")], ARRIVES),
    ]
}

#[rustfmt::skip] // a table
fn pseudo() -> Vec<Case> {
    const METHOD: (&str, &str) = (":method", "GET");
    const SCHEME: (&str, &str) = (":scheme", "http");
    const AUTHORITY: (&str, &str) = (":authority", "api.test");
    const PATH: (&str, &str) = (":path", "/a");
    vec![
        but("h2-method-space", (":method", "GE T"), Ends),
        but("h2-method-crlf", (":method", "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"), Ends),
        but("h2-method-empty", (":method", ""), Ends),
        but("h2-method-long", (":method", "AVERYLONGMETHODTHATNOBODYHASEVERHEARDOF"), BAD),
        but("h2-path-space", (":path", "/a b"), BAD),
        but("h2-path-crlf", (":path", "/a HTTP/1.1\r\nhost: evil\r\n\r\n"), BAD),
        but("h2-path-escaped-nul", (":path", "/a%00b"), BAD),
        but("h2-path-backslash", (":path", "/a\\b"), BAD),
        but("h2-path-above", (":path", "/../a"), BAD),
        but("h2-path-empty", (":path", ""), BAD),
        but("h2-path-abs", (":path", "http://evil.test/a"), BAD),
        but("h2-path-fragment", (":path", "/a#b"), BAD),
        but("h2-path-query-fragment", (":path", "/a?b=1#c"), BAD),
        but("h2-authority-fragment", (":authority", "api.test#x"), BAD),
        but("h2-authority-query", (":authority", "api.test?x"), BAD),
        but("h2-path-relative", (":path", "a"), BAD),
        but("h2-path-star", (":path", "*"), BAD),
        but("h2-path-escaped", (":path", "/%61/%c3%a9/./%3f?q=%0d%0a"),
            Arrives("GET /a/%C3%A9/%3F?q=%0d%0a HTTP/1.1\r\nhost: api.test\r\n\r\n")),
        but("h2-scheme-crlf", (":scheme", "http://x/\r\ny"), RESET),
        but("h2-scheme-other", (":scheme", "https"), ARRIVES),
        but("h2-authority-userinfo", (":authority", "user@api.test"), BAD),
        but("h2-authority-crlf", (":authority", "api.test\r\nx: y"), RESET),
        but("h2-authority-path", (":authority", "api.test/x"), BAD),
        but("h2-authority-empty", (":authority", ""), BAD),
        but("h2-authority-port", (":authority", "api.test:99999"), BAD),
        with("h2-authority-vs-host", &[("host", "evil.test")], BAD),
        with("h2-authority-and-host", &[("host", "api.test")], ARRIVES),
        with("h2-host-twice", &[("host", "api.test"), ("host", "api.test")], BAD),
        of("h2-host-alone", &[METHOD, SCHEME, PATH, ("host", "api.test")], ARRIVES),
        of("h2-host-missing", &[METHOD, SCHEME, PATH], BAD),
        of("h2-pseudo-dup", &[METHOD, SCHEME, AUTHORITY, PATH, PATH], RESET),
        of("h2-pseudo-dup-method", &[METHOD, SCHEME, AUTHORITY, PATH, (":method", "POST")], RESET),
        of("h2-pseudo-missing", &[METHOD, AUTHORITY, PATH], RESET),
        of("h2-pseudo-after-regular", &[METHOD, SCHEME, AUTHORITY, ("x", "1"), PATH], RESET),
        of("h2-pseudo-unknown", &[METHOD, SCHEME, AUTHORITY, PATH, (":x", "1")], Ends),
        of("h2-status-request", &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")], RESET),
        of("h2-connect-with-path", &[(":method", "CONNECT"), SCHEME, AUTHORITY, PATH], Refused(&[405])),
        of("h2-connect", &[(":method", "CONNECT"), AUTHORITY], Refused(&[405])),
        of("h2-ext-connect-off", &[(":method", "CONNECT"), SCHEME, AUTHORITY, PATH, (":protocol", "websocket")],
            Refused(&[400, 405])),
    ]
}

#[rustfmt::skip] // a table
fn trailers() -> Vec<Case> {
    const ARRIVES_CHUNKED: &str =
        "POST /a HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";
    const ALONE: &str =
        "POST /a HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let ending = |id, announced: &[(&'static str, &'static str)], trailers, expected| {
        Case { trailers: Some(trailers), ..post(id, announced, HELLO, expected) }
    };
    vec![
        // Malformed by RFC 9113 §8.1.
        ending("h2-pseudo-trailer", &[], &[(":method", "GET")], BAD),
        ending("h2-pseudo-trailer-beside", &[], &[("x-sum", "1"), (":path", "/b")], BAD),
        ending("h2-trailer-connection", &[], &[("connection", "close")], RESET),
        ending("h2-trailer-framing", &[], &[("content-length", "5")], BAD),
        ending("h2-trailer-host", &[], &[("host", "evil.test")], BAD),
        ending("h2-trailer-crlf", &[], &[("x", "1\r\n\r\n")], Ends),
        ending("h2-trailer-announced", &[("trailer", "x-sum")], &[("x-sum", "1"), ("x-other", "2")], Arrives(ARRIVES_CHUNKED)),
        ending("h2-trailer-unannounced", &[], &[("x-sum", "1")], Arrives(ALONE)),
    ]
}

#[test]
fn what_could_be_read_in_two_ways_never_becomes_http1() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{}");
    let mut wrong = Vec::new();
    for case in [framing(), names_and_values(), pseudo(), trailers()].into_iter().flatten() {
        if let Err(what) = play(&case, &backend, &mut Peer::to(gateway.http)) {
            wrong.push(format!("{}: {what}", case.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    gateway.stop();
}

fn play(case: &Case, backend: &RawBackend, peer: &mut Peer) -> Result<(), String> {
    let outcome = ask(case, peer);
    if !matches!(case.expected, Ends) {
        // Behind it on the same connection: what became of the one has not harmed the other.
        let after = peer.ask("/after");
        if after != Outcome::Status(200) {
            return Err(format!("{outcome:?}, and the request behind it ended with {after:?}"));
        }
    }
    let mut arrivals = backend.take_arrivals();
    arrivals.retain(|arrival| !arrival.request.as_ref().is_ok_and(|request| request.target() == "/after"));
    let is_expected = match (&case.expected, &outcome) {
        (Refused(statuses), Outcome::Status(status)) => statuses.contains(status),
        (Refused(_), Outcome::Reset(PROTOCOL_ERROR)) | (Ends, Outcome::GoAway(PROTOCOL_ERROR)) => true,
        (Arrives(_), Outcome::Status(200)) => true,
        _ => false,
    };
    // The beginning of one that broke off may have come; never a whole one, nor anything else.
    let whole: Vec<_> = arrivals.iter().filter(|arrival| arrival.request.is_ok()).map(text).collect();
    let has_arrived = match case.expected {
        Arrives(expected) => whole == [shown(expected.as_bytes())] && arrivals.len() == 1,
        Refused(_) | Ends => whole.is_empty(),
    };
    match is_expected && has_arrived {
        true => Ok(()),
        false => Err(format!("{outcome:?}, and the backend got {whole:?}")),
    }
}

fn ask(case: &Case, peer: &mut Peer) -> Outcome {
    let stream = peer.stream();
    let last = |is_last: bool| if is_last { END_STREAM } else { 0 };
    let flags = END_HEADERS | last(case.data.is_empty() && case.trailers.is_none());
    let mut bytes = frame(HEADERS, flags, stream, &block(&case.fields));
    for (index, data) in case.data.iter().enumerate() {
        let flags = last(index + 1 == case.data.len() && case.trailers.is_none());
        bytes.extend_from_slice(&frame(DATA, flags, stream, data.as_bytes()));
    }
    if let Some(trailers) = case.trailers {
        bytes.extend_from_slice(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(trailers)));
    }
    peer.send(&bytes);
    peer.outcome(stream).0
}

/// What arrived, without the fields that the gateway adds.
fn text(arrival: &Arrival) -> String {
    const ADDED: [&str; 5] =
        ["x-forwarded-for:", "x-forwarded-proto:", "x-forwarded-host:", "x-request-id:", "via:"];
    let bytes = match &arrival.request {
        Ok(request) => request.bytes(),
        Err(lost) => lost.partial.clone(),
    };
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let is_added = |line: &&[u8]| !ADDED.iter().any(|added| line.starts_with(added.as_bytes()));
    shown(&lines.filter(is_added).flatten().copied().collect::<Vec<u8>>())
}
