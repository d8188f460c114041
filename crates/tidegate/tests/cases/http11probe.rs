//! The cases of Http11Probe (MDA2AV/Http11Probe, MIT) by their names, in requests of our own, and what each is answered here.
//! Where that is not what the probe asks for, the case stands in `OTHERWISE`, with the reason.

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// An answer with this status.
    A(u16),
    /// Nothing: the gateway waits for the rest of the request.
    Silence,
}

use Said::{A, Silence};

/// What fails there, since a limit of ours answers before the question is asked.
pub(crate) const OTHERWISE: [(&str, &str); 2] = [
    ("MAL-LONG-METHOD", "the request line is too long, whatever its first word is: 414 for 400"),
    ("MAL-POST-CL-HUGE-NO-BODY", "a body that is announced larger than `body_max` is not waited for: 413"),
];

/// A name, a request, and what comes back. In requests `{7900}` stands for so many letters, and `{10000 fields}` for so many
/// field lines.
pub(crate) type Case = (&'static str, &'static [u8], Said);

/// The request as it is sent.
pub(crate) fn sent((_, request, _): Case) -> Vec<u8> {
    let Some((open, close)) =
        request.iter().position(|&b| b == b'{').zip(request.iter().position(|&b| b == b'}'))
    else {
        return request.to_vec();
    };
    let what = str::from_utf8(&request[open + 1..close]).expect("a number");
    let filled = match what.split_once(' ') {
        Some((count, _)) => {
            (0..count.parse().expect("a number")).map(|n: u32| format!("X-{n}: 1\r\n")).collect::<String>()
        }
        None => "a".repeat(what.parse().expect("a number")),
    };
    [&request[..open], filled.as_bytes(), &request[close + 1..]].concat()
}

#[rustfmt::skip] // a table
pub(crate) const CASES: &[Case] = &[
    // Lines and heads.
    ("COMP-BASELINE", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("RFC9112-2.2-BARE-LF-REQUEST-LINE", b"GET / HTTP/1.1\nHost: a\r\n\r\n", A(400)),
    ("RFC9112-2.2-BARE-LF-HEADER", b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", A(400)),
    ("RFC9112-5.1-OBS-FOLD", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", A(400)),
    ("RFC9110-5.6.2-SP-BEFORE-COLON", b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", A(400)),
    ("RFC9112-3-MULTI-SP-REQUEST-LINE", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("RFC9112-7.1-MISSING-HOST", b"GET / HTTP/1.1\r\n\r\n", A(400)),
    ("RFC9112-2.3-INVALID-VERSION", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", A(505)),
    ("RFC9112-5-EMPTY-HEADER-NAME", b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", A(400)),
    ("RFC9112-3-CR-ONLY-LINE-ENDING", b"GET / HTTP/1.1\rHost: a\r\n\r\n", A(400)),
    ("RFC9112-3-MISSING-TARGET", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("RFC9112-3.2-FRAGMENT-IN-TARGET", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("RFC9112-2.3-HTTP09-REQUEST", b"GET /\r\n", A(400)),
    ("RFC9112-5-INVALID-HEADER-NAME", b"GET / HTTP/1.1\r\nHost: a\r\nA[B: 1\r\n\r\n", A(400)),
    ("RFC9112-5-HEADER-NO-COLON", b"GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n", A(400)),
    ("RFC9110-5.4-DUPLICATE-HOST", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", A(400)),
    ("COMP-DUPLICATE-HOST-SAME", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-WHITESPACE-BEFORE-HEADERS", b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", A(400)),
    ("COMP-HOST-WITH-USERINFO", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", A(400)),
    ("COMP-HOST-WITH-PATH", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", A(400)),
    ("COMP-HOST-EMPTY-VALUE", b"GET / HTTP/1.1\r\nHost: \r\n\r\n", A(400)),
    ("SMUG-MULTIPLE-HOST-COMMA", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", A(400)),
    ("COMP-ASTERISK-WITH-GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-OPTIONS-STAR", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", A(204)),
    ("COMP-LEADING-CRLF", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-ABSOLUTE-FORM", b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("SMUG-ABSOLUTE-URI-HOST-MISMATCH", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("COMP-METHOD-CASE", b"get / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-REQUEST-LINE-TAB", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-VERSION-MISSING-MINOR", b"GET / HTTP/1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-VERSION-LEADING-ZEROS", b"GET / HTTP/01.01\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-VERSION-WHITESPACE", b"GET / HTTP/ 1.1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-VERSION-CASE", b"GET / http/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-HTTP12-VERSION", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", A(505)),
    ("COMP-SPACE-IN-TARGET", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("COMP-LONG-URL-OK", b"GET /{7900} HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("SMUG-BARE-CR-HEADER-VALUE", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n", A(400)),
    ("SMUG-HEADER-INJECTION", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nInjected: 2\r\n\r\n", A(200)),
    // Methods and fields that pass.
    ("COMP-METHOD-CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", A(405)),
    ("COMP-METHOD-TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", A(405)),
    ("COMP-TRACE-SENSITIVE", b"TRACE / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n", A(405)),
    ("COMP-TRACE-WITH-BODY", b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("COMP-UNKNOWN-METHOD", b"FOOBAR / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("COMP-405-ALLOW", b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("COMP-OPTIONS-ALLOW", b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("COMP-EXPECT-UNKNOWN", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", A(417)),
    ("COMP-RANGE-INVALID", b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=abc-xyz\r\n\r\n", A(200)),
    ("MAL-RANGE-OVERLAPPING", b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-,0-,0-,0-,0-\r\n\r\n", A(200)),
    ("COMP-ACCEPT-NONSENSE", b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/x-nonsense\r\n\r\n", A(200)),
    ("COMP-RANGE-POST", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nRange: bytes=0-10\r\n\r\nhello", A(200)),
    ("COMP-DUPLICATE-CT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\nhello", A(200)),
    ("COMP-POST-UNSUPPORTED-CT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Type: application/x-nonsense\r\n\r\nhello", A(200)),
    ("COMP-UPGRADE-POST", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", A(200)),
    ("COMP-UPGRADE-MISSING-CONN", b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", A(200)),
    ("COMP-UPGRADE-UNKNOWN", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: made-up/1.0\r\n\r\n", A(200)),
    ("COMP-UPGRADE-INVALID-VER", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99\r\n\r\n", A(200)),
    ("COMP-UPGRADE-HTTP10", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", A(200)),
    ("COMP-CONNECTION-CLOSE", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", A(200)),
    ("COMP-HTTP10-DEFAULT-CLOSE", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", A(200)),
    ("COMP-HTTP10-NO-HOST", b"GET / HTTP/1.0\r\n\r\n", A(200)),
    ("COMP-HEAD-NO-BODY", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    // Bodies.
    ("COMP-POST-CL-BODY", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", A(200)),
    ("COMP-POST-CL-ZERO", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", A(200)),
    ("COMP-POST-NO-CL-NO-TE", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("COMP-POST-CL-UNDERSEND", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello", Silence),
    ("COMP-CHUNKED-BODY", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", A(200)),
    ("COMP-CHUNKED-MULTI", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", A(200)),
    ("COMP-CHUNKED-EMPTY", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", A(200)),
    ("COMP-CHUNKED-NO-FINAL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Silence),
    ("COMP-CHUNKED-EXTENSION", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", A(200)),
    ("COMP-CHUNKED-TRAILER-VALID", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n", A(200)),
    ("COMP-CHUNKED-HEX-UPPERCASE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nhelloworld\r\n0\r\n\r\n", A(200)),
    ("COMP-GET-WITH-CL-BODY", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", A(200)),
    ("COMP-NO-1XX-HTTP10", b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", A(200)),
    ("SMUG-EXPECT-100-CL", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", A(200)),
    ("SMUG-HEAD-CL-BODY", b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", A(200)),
    ("SMUG-OPTIONS-CL-BODY", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", A(200)),
    ("COMP-UNKNOWN-TE-501", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", A(501)),
    // Lengths that could be read in two ways.
    ("RFC9112-6.1-CL-NON-NUMERIC", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\nhello", A(400)),
    ("RFC9112-6.1-CL-PLUS-SIGN", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", A(400)),
    ("SMUG-CL-LEADING-ZEROS", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello", A(400)),
    ("SMUG-CL-NEGATIVE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nhello", A(400)),
    ("SMUG-CL-OCTAL", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0o5\r\n\r\nhello", A(400)),
    ("SMUG-CL-HEX-PREFIX", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", A(400)),
    ("SMUG-CL-INTERNAL-SPACE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\nhello12345", A(400)),
    ("SMUG-CL-UNDERSCORE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\nhello12345", A(400)),
    ("SMUG-CL-NEGATIVE-ZERO", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\nhello", A(400)),
    ("SMUG-CL-DOUBLE-ZERO", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\nhello", A(400)),
    ("SMUG-CL-COMMA-DIFFERENT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 10\r\n\r\nhello", A(400)),
    ("SMUG-CL-COMMA-SAME", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", A(400)),
    ("SMUG-CL-COMMA-TRIPLE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5, 5\r\n\r\nhello", A(400)),
    ("MAL-CL-EMPTY", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nhello", A(400)),
    ("SMUG-CL-TRAILING-SPACE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 \r\n\r\nhello", A(200)),
    ("SMUG-CL-EXTRA-LEADING-SP", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  5\r\n\r\nhello", A(200)),
    ("MAL-CL-TAB-BEFORE-VALUE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5\r\n\r\nhello", A(400)),
    ("SMUG-CL-LEADING-ZEROS-OCTAL", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0200\r\n\r\n{200}", A(400)),
    ("SMUG-DUPLICATE-CL", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 10\r\n\r\nhelloworld", A(400)),
    ("SMUG-DUPLICATE-CL-SMUGGLED-GET", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 31\r\n\r\nPINGGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CL0-BODY-POISON", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nXGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    // Codings that could be read in two ways.
    ("SMUG-CL-TE-BOTH", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CLTE-PIPELINE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", A(400)),
    ("SMUG-TECL-PIPELINE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n0\r\n\r\n", A(400)),
    ("SMUG-CLTE-CONN-CLOSE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-TECL-CONN-CLOSE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-DESYNC", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", A(400)),
    ("SMUG-TECL-DESYNC", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n0\r\n\r\nX", A(400)),
    ("SMUG-CLTE-SMUGGLED-GET", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nTransfer-Encoding: chunked \r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-SMUGGLED-GET-CL-PLUS", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +32\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-CLTE-SMUGGLED-HEAD", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("SMUG-TECL-SMUGGLED-GET", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1b\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n", A(400)),
    ("SMUG-TE-XCHUNKED", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello", A(501)),
    ("SMUG-TE-TRAILING-SPACE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-DOUBLE-CHUNKED", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-CASE-MISMATCH", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-EMPTY-VALUE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-LEADING-COMMA", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-TRAILING-COMMA", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-IDENTITY", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-CHUNKED-WITH-PARAMS", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-VTAB", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-FORMFEED", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0cchunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-NULL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\0\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-TAB-BEFORE-VALUE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-SP-BEFORE-COLON", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-OBS-FOLD", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-OPTIONS-TE-OBS-FOLD", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-DUPLICATE-HEADERS", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TE-NOT-FINAL-CHUNKED", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", A(400)),
    ("SMUG-TE-HTTP10", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("SMUG-TRANSFER_ENCODING", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    // Chunks that could be read in two ways.
    ("SMUG-CHUNK-BARE-SEMICOLON", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-EXT-INVALID-TOKEN", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a[=b\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-UNDERSCORE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\nhelloworld123456\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-HEX-PREFIX", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-SIZE-PLUS", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-SIZE-TRAILING-OWS", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-LEADING-SP", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-MISSING-TRAILING-CRLF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-EXT-LF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-SPILL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!!\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-LF-TERM", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-EXT-CTRL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\0a\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-EXT-CR", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rX\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-LF-TRAILER", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\n", A(400)),
    ("SMUG-CHUNK-NEGATIVE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-BARE-CR-TERM", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\rhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-CHUNK-INVALID-SIZE-DESYNC", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("MAL-CHUNK-SIZE-OVERFLOW", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", A(400)),
    ("MAL-CHUNK-EXT-64K", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a={70000}\r\nhello\r\n0\r\n\r\n", A(400)),
    ("SMUG-TRAILER-CL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", A(400)),
    ("SMUG-TRAILER-TE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", A(400)),
    ("SMUG-TRAILER-HOST", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nHost: b\r\n\r\n", A(400)),
    ("SMUG-TRAILER-AUTH", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n", A(400)),
    ("SMUG-TRAILER-CONTENT-TYPE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Type: text/html\r\n\r\n", A(400)),
    // Malformed, or too much.
    ("MAL-BINARY-GARBAGE", b"\x01\x9e\x03\xf7\0\x11garbage\xff\r\n\r\n", A(400)),
    ("MAL-LONG-URL", b"GET /{100000} HTTP/1.1\r\nHost: a\r\n\r\n", A(414)),
    ("MAL-LONG-HEADER-VALUE", b"GET / HTTP/1.1\r\nHost: a\r\nX: {100000}\r\n\r\n", A(431)),
    ("MAL-LONG-HEADER-NAME", b"GET / HTTP/1.1\r\nHost: a\r\n{100000}: 1\r\n\r\n", A(431)),
    ("MAL-MANY-HEADERS", b"GET / HTTP/1.1\r\nHost: a\r\n{10000 fields}\r\n", A(431)),
    ("MAL-LONG-METHOD", b"{100000} / HTTP/1.1\r\nHost: a\r\n\r\n", A(414)),
    ("MAL-NUL-IN-URL", b"GET /\0a HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("MAL-NUL-IN-HEADER-VALUE", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", A(400)),
    ("MAL-CONTROL-CHARS-HEADER", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x07\x08\x0bb\r\n\r\n", A(400)),
    ("MAL-INCOMPLETE-REQUEST", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1", Silence),
    ("MAL-EMPTY-REQUEST", b"", Silence),
    ("MAL-NON-ASCII-HEADER-NAME", b"GET / HTTP/1.1\r\nHost: a\r\nX-T\xc3\xab: 1\r\n\r\n", A(400)),
    ("MAL-NON-ASCII-URL", b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("MAL-CL-OVERFLOW", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", A(400)),
    ("MAL-POST-CL-HUGE-NO-BODY", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", A(413)),
    ("MAL-WHITESPACE-ONLY-LINE", b"   \r\n\r\n", A(400)),
    ("MAL-H2-PREFACE", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", A(505)),
    ("MAL-URL-BACKSLASH", b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("MAL-URL-OVERLONG-UTF8", b"GET /\xc0\xaf HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("MAL-URL-PERCENT-NULL", b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", A(400)),
    ("MAL-URL-PERCENT-CRLF", b"GET /a%0d%0aX:%201 HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    // Cookies and names as they come.
    ("COOK-EMPTY", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: \r\n\r\n", A(200)),
    ("COOK-MALFORMED", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ===;;;\r\n\r\n", A(200)),
    ("COOK-MULTI-HEADER", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n", A(200)),
    ("COOK-CONTROL-CHARS", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=\x01\x02\r\n\r\n", A(400)),
    ("COOK-NUL", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=\0b\r\n\r\n", A(400)),
    ("COOK-OVERSIZED", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a={64000}\r\n\r\n", A(431)),
    ("COOK-ECHO", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\n\r\n", A(200)),
    ("COOK-MANY-PAIRS", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: {7000}=1; b=2; c=3\r\n\r\n", A(200)),
    ("COOK-PARSED-BASIC", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\n\r\n", A(200)),
    ("COOK-PARSED-EMPTY-VAL", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=\r\n\r\n", A(200)),
    ("COOK-PARSED-MULTI", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2; c=3\r\n\r\n", A(200)),
    ("COOK-PARSED-SPECIAL", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=two words; b=c=d\r\n\r\n", A(200)),
    ("NORM-CASE-TE", b"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", A(200)),
    ("NORM-SP-BEFORE-COLON-CL", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", A(400)),
    ("NORM-TAB-IN-NAME", b"POST / HTTP/1.1\r\nHost: a\r\nContent\t-Length: 5\r\n\r\nhello", A(400)),
    ("NORM-UNDERSCORE-CL", b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("NORM-UNDERSCORE-TE", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", A(400)),
    ("COMP-DATE-HEADER", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
    ("COMP-DATE-FORMAT", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", A(200)),
];

/// A name, requests on one connection, and what they are answered: so many answers and no more.
#[rustfmt::skip] // a table
pub(crate) const SEQUENCES: &[(&str, &[u8], &[u16])] = &[
    ("SMUG-PIPELINE-SAFE", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
    ("SMUG-EXPECT-100-CL-DESYNC", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
    ("SMUG-GET-CL-BODY-DESYNC", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
    ("SMUG-GET-CL-PREFIX-DESYNC", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
    ("SMUG-OPTIONS-CL-BODY-DESYNC", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
    ("COMP-NO-CL-IN-204", b"GET /204 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[204, 200]),
];
