//! Chunked bodies: those that must be refused, and what the others carry.

use tidegate_core::head::Fields;
use tidegate_wire::http1::chunked::{Decoder, Step};
use tidegate_wire::http1::invariants;

/// Id, bytes, payload, and how many bytes follow the body.
pub(crate) const TAKEN: &[(&str, &[u8], &[u8], usize)] = &[
    ("chunk-none", b"0\r\n\r\n", b"", 0),
    ("chunk-zeros", b"0000000000000000\r\n\r\n", b"", 0),
    ("chunk-one", b"5\r\nhello\r\n0\r\n\r\n", b"hello", 0),
    ("chunk-two", b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!", 0),
    ("chunk-hex", b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789", 0),
    ("chunk-leading-zeros", b"0000000000000005\r\nhello\r\n0\r\n\r\n", b"hello", 0),
    ("chunk-crlf-payload", b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", b"\r\n0\r\n\r", 0),
    ("chunk-ext", b"5;a\r\nhello\r\n0;b=c;d=\"e f\\\"\\\\;\"\r\n\r\n", b"hello", 0),
    ("chunk-ext-8bit", b"1;a=\"\xff\"\r\nx\r\n0\r\n\r\n", b"x", 0),
    ("chunk-bytes-after-last", b"0\r\n\r\nGET / HTTP/1.1\r\n", b"", 16),
    ("trailer-sound", b"1\r\nx\r\n0\r\nX-Sum: 5\r\ngrpc-status:0\r\n\r\n", b"x", 0),
];

/// Id, bytes, and whether the decoder refuses them; else it waits for more.
pub(crate) const REFUSED: &[(&str, &[u8])] = &[
    ("chunk-plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-minus", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-minus-zero", b"-0\r\n\r\n"),
    ("chunk-0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-leading-space", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-trailing-space", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("chunk-trailing-tab", b"5\t\r\nhello\r\n0\r\n\r\n"),
    ("chunk-empty", b"\r\nhello\r\n0\r\n\r\n"),
    ("chunk-empty-ext", b";a\r\nhello\r\n0\r\n\r\n"),
    ("chunk-empty-ext-last", b";a\r\n\r\n"),
    ("chunk-empty-last", b"\r\n\r\n"),
    ("chunk-overflow-u64", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("chunk-overflow-i64", b"8000000000000000\r\nhello\r\n0\r\n\r\n"),
    ("chunk-17-digits", b"00000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("chunk-letter", b"g\r\nhello\r\n0\r\n\r\n"),
    ("chunk-nul", b"5\0\r\nhello\r\n0\r\n\r\n"),
    ("chunk-comma", b"5,5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-fraction", b"5.0\r\nhello\r\n0\r\n\r\n"),
    ("chunk-8bit", b"\xb5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-cr", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-lf", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-lf-end", b"5;a\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-ctl", b"5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-nul", b"5;a\0\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-tab", b"5;a=\"\t\"\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-quoted-crlf", b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-escaped-cr", b"5;a=\"\\\r\n\"\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-bare", b"5;\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-no-name", b"5;=a\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-no-value", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-space", b"5; a\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-after-quote", b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
    ("chunk-ext-two-values", b"5;a=b=c\r\nhello\r\n0\r\n\r\n"),
    ("lf-chunk-size", b"5\nhello\r\n0\r\n\r\n"),
    ("cr-chunk-size", b"5\rhello\r\n0\r\n\r\n"),
    ("crcr-chunk-size", b"5\r\r\nhello\r\n0\r\n\r\n"),
    ("lf-chunk-data-end", b"5\r\nhello\n0\r\n\r\n"),
    ("cr-chunk-data-end", b"5\r\nhello\r0\r\n\r\n"),
    ("chunk-missing-crlf", b"5\r\nhello0\r\n\r\n"),
    ("chunk-spill", b"5\r\nhello!\r\n0\r\n\r\n"),
    ("chunk-short", b"6\r\nhello\r\n0\r\n\r\n"),
    ("chunk-crlf-x", b"5\r\nhello\r\n0\r\n\rX"),
    ("chunk-crlf-before", b"\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("chunk-crlf-between", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    ("lf-trailer", b"0\r\nX: y\n\r\n"),
    ("lf-trailer-end", b"0\r\nX: y\r\n\n"),
    ("lf-last-chunk", b"0\n\r\n"),
    ("cr-trailer", b"0\r\nX: y\rZ: w\r\n\r\n"),
    ("trailer-cl", b"0\r\nContent-Length: 5\r\n\r\n"),
    ("trailer-te", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("trailer-te-underscore", b"0\r\nTransfer_Encoding: chunked\r\n\r\n"),
    ("trailer-host", b"0\r\nHost: a\r\n\r\n"),
    ("trailer-auth", b"0\r\nAuthorization: x\r\n\r\n"),
    ("trailer-cookie", b"0\r\nCookie: x\r\n\r\n"),
    ("trailer-set-cookie", b"0\r\nSet-Cookie: x\r\n\r\n"),
    ("trailer-connection", b"0\r\nConnection: close\r\n\r\n"),
    ("trailer-upgrade", b"0\r\nUpgrade: h2c\r\n\r\n"),
    ("trailer-trailer", b"0\r\nTrailer: x\r\n\r\n"),
    ("trailer-expect", b"0\r\nExpect: 100-continue\r\n\r\n"),
    ("trailer-content-type", b"0\r\nContent-Type: x\r\n\r\n"),
    ("trailer-content-encoding", b"0\r\ncontent-encoding: gzip\r\n\r\n"),
    ("trailer-forwarded", b"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
    ("trailer-real-ip", b"0\r\nX-Real-IP: 1.2.3.4\r\n\r\n"),
    ("trailer-cache-control", b"0\r\nCache-Control: public\r\n\r\n"),
    ("trailer-pseudo", b"0\r\n:path: /\r\n\r\n"),
    ("trailer-fold", b"0\r\nX: y\r\n z\r\n\r\n"),
    ("trailer-nul", b"0\r\nX: a\0b\r\n\r\n"),
    ("trailer-no-colon", b"0\r\nX\r\n\r\n"),
    ("trailer-space-name", b"0\r\nX : y\r\n\r\n"),
];

/// Bodies that are not over.
pub(crate) const OPEN: &[(&str, &[u8])] = &[
    ("chunk-no-last", b"5\r\nhello\r\n"),
    ("chunk-open-size", b"5"),
    ("chunk-open-data", b"5\r\nhel"),
    ("chunk-open-end", b"0\r\n\r"),
    ("chunk-open-trailer", b"0\r\nX: y"),
    ("chunk-open-ext", b"0;a=\"b"),
];

/// How a body ended, its payload, and its trailers.
pub(crate) struct Read {
    pub(crate) end: Result<Option<usize>, &'static str>,
    pub(crate) payload: Vec<u8>,
    pub(crate) trailers: Fields,
}

/// Shows the decoder all bytes at once.
pub(crate) fn read(bytes: &[u8]) -> Read {
    let mut decoder = Decoder::default();
    let mut read = Read { end: Ok(None), payload: Vec::new(), trailers: Fields::default() };
    let mut used = 0;
    loop {
        match decoder.step(&bytes[used..]) {
            Ok(Step::Framing(n)) => used += n,
            Ok(Step::Data(n)) => {
                read.payload.extend_from_slice(&bytes[used..used + n]);
                decoder.taken(n);
                used += n;
            }
            Ok(Step::More) => break,
            Ok(Step::End(n)) => {
                read.end = Ok(Some(used + n));
                break;
            }
            Err(reason) => {
                read.end = Err(reason);
                break;
            }
        }
    }
    read.trailers = decoder.trailers;
    read
}

#[test]
fn sound_bodies_are_read_to_their_end_and_no_further() {
    for &(id, bytes, payload, after) in TAKEN {
        let read = read(bytes);
        assert_eq!(read.end, Ok(Some(bytes.len() - after)), "{id}");
        assert_eq!(read.payload, payload, "{id}");
        assert_eq!(invariants::chunks(bytes), Ok(()), "{id}");
    }
}

#[test]
fn ambiguous_bodies_are_refused() {
    for &(id, bytes) in REFUSED {
        let read = read(bytes);
        assert!(read.end.is_err(), "{id}: {:?}", read.end);
        assert_eq!(invariants::chunks(bytes), Ok(()), "{id}");
    }
}

#[test]
fn an_unfinished_body_asks_for_more() {
    for &(id, bytes) in OPEN {
        assert_eq!(read(bytes).end, Ok(None), "{id}");
        assert_eq!(invariants::chunks(bytes), Ok(()), "{id}");
    }
}

/// The whole budget of extensions is one body's, wherever they stand.
#[test]
fn extensions_are_bounded_over_the_whole_body() {
    let chunk = |name: usize| [b"1;".to_vec(), vec![b'a'; name], b"\r\nx\r\n".to_vec()].concat();
    for (first, second, is_taken) in [(127, 127, true), (127, 128, false), (255, 0, true), (256, 0, false)] {
        let mut body = chunk(first);
        body.extend_from_slice(if second > 0 { &b""[..] } else { b"0\r\n\r\n" });
        if second > 0 {
            body.extend(chunk(second));
            body.extend_from_slice(b"0\r\n\r\n");
        }
        assert_eq!(read(&body).end.is_ok(), is_taken, "{first} and {second}");
    }
    let flood = [b"1;".to_vec(), vec![b'a'; 64 << 10]].concat();
    assert_eq!(read(&flood).end, Err("chunk extensions too long"), "chunk-ext-64k");
}

#[test]
fn data_is_offered_no_further_than_the_chunk_and_may_be_taken_in_parts() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.step(b""), Ok(Step::More));
    assert_eq!(decoder.step(b"5\r\nhello\r\n"), Ok(Step::Framing(3)));
    assert_eq!(decoder.step(b"hello\r\n"), Ok(Step::Data(5)));
    decoder.taken(2);
    assert_eq!(decoder.step(b"l"), Ok(Step::Data(1)));
    decoder.taken(1);
    assert_eq!(decoder.step(b"lo\r\n0\r\n\r\nrest"), Ok(Step::Data(2)));
    decoder.taken(2);
    assert_eq!(decoder.step(b"\r\n0\r\n\r\nrest"), Ok(Step::End(7)));
    assert!(decoder.is_over());
    assert_eq!(decoder.step(b"rest"), Ok(Step::End(0)));
    decoder.reset();
    assert_eq!(decoder.step(b"0\r\n\r\n"), Ok(Step::End(5)));
}

#[test]
fn the_largest_chunk_is_offered_as_far_as_it_is_there() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.step(b"7fffffffffffffff\r\nabc"), Ok(Step::Framing(18)));
    assert_eq!(decoder.step(b"abc"), Ok(Step::Data(3)));
}
