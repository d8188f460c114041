//! What the codec costs, in nanoseconds: the best of many rounds, as the rest is other people's noise.
//! Run: `cargo run --release -p tidegate-wire --example codec_cost`.

use std::hint::black_box;
use std::time::Instant;

use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::limits::HeadLimits;
use tidegate_core::name::Method;
use tidegate_wire::http1::chunked::{Decoder, Step};
use tidegate_wire::http1::encode::{
    Connection, RequestFraming, ResponseFraming, write_request_head, write_response_head,
};
use tidegate_wire::http1::request::RequestParser;
use tidegate_wire::http1::response::ResponseParser;

/// What a load generator sends.
const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8101\r\n\r\n";
/// What a browser sends to an API.
const BROWSER: &[u8] = b"GET /api/v1/orders/4711?expand=items HTTP/1.1\r\nHost: api.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://app.example.com/orders\r\n\
    Authorization: Bearer 0123456789abcdef0123456789abcdef0123456789abcdef\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\nConnection: keep-alive\r\n\
    Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-site\r\n\r\n";
/// Eight fields, as an application server answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 03:14:15 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 965\r\nConnection: keep-alive\r\n\
    Cache-Control: no-cache, private\r\nETag: \"5f3c-1a2b3c4d5e6f\"\r\nX-Request-Id: 0123456789abcdef\r\n\r\n";

/// Prints the nanoseconds that one call takes.
fn measure(what: &str, mut call: impl FnMut()) {
    const CALLS: u32 = 10_000;
    let round = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    let best = (0..200).map(|_| round(&mut call)).fold(f64::INFINITY, f64::min);
    println!("{what:<34} {best:>7.1} ns");
}

fn requests() {
    for (what, bytes) in [("small", SMALL), ("browser, 12 fields", BROWSER)] {
        let mut parser = RequestParser::default();
        let mut head = RequestHead::default();
        measure(&format!("parse request: {what}"), || {
            let parsed = parser.parse(black_box(bytes), &HeadLimits::REQUEST, &mut head);
            assert!(black_box(parsed).is_ok_and(|p| p.is_some()));
        });
        let mut out = Vec::new();
        let framing = RequestFraming { length: Length::Empty, upgrade: None, expects_continue: false };
        measure(&format!("write request: {what}"), || {
            out.clear();
            write_request_head(&mut out, black_box(&head), head.host_bytes(), framing);
            black_box(&out);
        });
    }
}

fn responses() {
    let mut parser = ResponseParser::default();
    let mut head = ResponseHead::default();
    measure("parse response: 8 fields", || {
        let parsed = parser.parse(black_box(ANSWER), Method::Get, &HeadLimits::RESPONSE, &mut head);
        assert!(black_box(parsed).is_ok_and(|p| p.is_some()));
    });
    let mut out = Vec::new();
    let framing = ResponseFraming {
        length: Length::Exact(965),
        stated_length: None,
        connection: Connection::KeepAlive11,
        chunked: false,
    };
    measure("write response: 8 fields", || {
        out.clear();
        write_response_head(&mut out, black_box(&head), framing);
        black_box(&out);
    });
}

fn chunks() {
    let body = [&b"3c5\r\n"[..], &[b'x'; 965], b"\r\n0\r\n\r\n"].concat();
    let mut decoder = Decoder::default();
    measure("decode a body of one chunk", || {
        decoder.reset();
        let mut used = 0;
        loop {
            match decoder.step(black_box(&body[used..])) {
                Ok(Step::Framing(n)) => used += n,
                Ok(Step::Data(n)) => {
                    decoder.taken(n);
                    used += n;
                }
                Ok(Step::End(_)) => break,
                other => panic!("a sound body is {other:?}"),
            }
        }
    });
}

fn main() {
    requests();
    responses();
    chunks();
}
