//! Bodies and trailers in both directions: every framing a backend or a client may choose, windows that hold back
//! whoever is faster, bounds, and bodies that are sent a second time.

use bytes::Bytes;
use http::header::{HOST, TRAILER};
use http::{HeaderMap, HeaderValue, Request};
use std::time::Duration;
use tidegate_core::name::Method;
use tidegate_testkit::connection::How;
use tidegate_testkit::{Act, Framing, Message, Random, RawBackend, Visit};

use crate::client::{Answer, Client, next, request, run, until, upload};
use crate::gateway::{API, Gateway, SMALL, SMALL_BYTES_MAX};

/// What a client may be sent, or may send, before it or we open a window: the default of RFC 9113 §6.9.2.
const WINDOW: usize = 65_535;

fn chunked(body: &[u8], trailers: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(50_000) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    out
}

fn echo(request: &Message) -> Vec<Act> {
    let head = match request.framing {
        Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
        _ => format!("Content-Length: {}", request.body.len()),
    };
    let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").into_bytes();
    vec![Act::Send(head), Act::Send(request.wire_body.clone())]
}

#[test]
fn an_answer_of_a_mebibyte_arrives_whole_however_it_is_framed() {
    let body = Random::announced("an answer's bytes").bytes(1 << 20);
    let exact =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
    let in_chunks =
        [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &chunked(&body, "")].concat();
    let until_close = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &body].concat();
    let backend = RawBackend::by_request(move |request| match request.target() {
        "/api/exact" => vec![Act::Send(exact.clone())],
        "/api/chunked" => vec![Act::Send(in_chunks.clone())],
        _ => vec![Act::Send(until_close.clone()), Act::Close],
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        let length = body.len().to_string();
        for (path, stated) in [("/api/exact", &*length), ("/api/chunked", ""), ("/api/close", "")] {
            let answer = client.ask("GET", path).await;
            assert_eq!((answer.status.as_u16(), answer.broken), (200, None), "{path}");
            assert_eq!(answer.value("content-length"), stated, "{path}");
            assert!(answer.body == body, "{path}: {} of {} bytes, or others", answer.body.len(), body.len());
        }
        until(|| gateway.counts(API) == [(Method::Get, 200, 3)]).await;
        assert_eq!(gateway.bytes(API), (0, 3 << 20));
    });
}

#[test]
fn a_body_of_300_kib_is_echoed_with_its_length_or_without() {
    let body = Random::announced("a request's bytes").bytes(300 << 10);
    let backend = RawBackend::by_request(echo);
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        for (stated, framing) in [(Some(body.len()), Framing::Length(body.len())), (None, Framing::Chunked)] {
            let mut asked = request("POST", "/api/echo");
            if let Some(bytes) = stated {
                asked.headers_mut().insert("content-length", bytes.into());
            }
            let answer = client.post(asked, &body).await;
            assert_eq!((answer.status.as_u16(), answer.broken), (200, None));
            assert!(answer.body == body, "{framing:?}: {} bytes, or others", answer.body.len());
            let arrivals = backend.take_arrivals();
            let seen = arrivals[0].request.as_ref().expect("a whole request");
            assert_eq!((arrivals.len(), seen.framing), (1, framing));
        }
        until(|| gateway.counts(API) == [(Method::Post, 200, 2)]).await;
        assert_eq!(gateway.bytes(API), (600 << 10, 600 << 10));
    });
    assert_eq!(backend.connections(), 1, "an echoed body leaves the backend's connection in step");
}

#[test]
fn a_client_that_opens_no_window_is_sent_no_more_than_it_has() {
    let backend = RawBackend::by_request(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 8 << 20);
        vec![Act::Send(head.into_bytes()), Act::Send(vec![b'x'; 8 << 20]), Act::AwaitEnd]
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        let (response, mut stream) = client.send(request("GET", "/api/")).await;
        let mut body = response.await.expect("an answer").into_body();
        let mut came = 0;
        while came < WINDOW {
            came += body.data().await.expect("more").expect("no reset").len();
        }
        stream.send_reset(h2::Reason::CANCEL);
        until(|| gateway.counts(API) == [(Method::Get, 200, 1)]).await;
        assert_eq!(gateway.bytes(API), (0, WINDOW as u64), "what was taken from the backend");
        until(|| backend.ended_within(0, Duration::ZERO).is_some()).await;
        assert_ne!(backend.end_of(0), How::Silent, "the backend is told at once");
    });
}

#[test]
fn both_directions_of_a_stream_move_at_once() {
    // Says back each chunk before it reads the next, as a conversation does.
    let backend = RawBackend::start(|visit: &mut Visit| {
        let head = visit.connection.request_head();
        visit.connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while let Ok(chunk) = visit.connection.bytes(b"4\r\nword\r\n".len()) {
            visit.connection.send(&chunk);
            if chunk.starts_with(b"4\r\nlast") {
                break;
            }
        }
        let end = visit.connection.bytes(b"0\r\n\r\n".len()).unwrap_or_default();
        visit.connection.send(end);
        visit.record(head);
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        let (response, mut stream) = client.begin(request("POST", "/api/")).await;
        let mut body = response.await.expect("an answer before the request has ended").into_body();
        for word in ["this", "goes", "back", "last"] {
            upload(&mut stream, word.as_bytes()).await.expect("send a word");
            assert_eq!(next(&mut body).await.expect("an echo").expect("no reset"), word);
        }
        stream.send_data(Bytes::new(), true).expect("end the request");
        assert!(next(&mut body).await.is_none());
        assert_eq!(body.trailers().await.expect("no reset"), None);
        until(|| gateway.counts(API) == [(Method::Post, 200, 1)]).await;
        assert_eq!(gateway.bytes(API), (16, 16));
    });
}

#[test]
fn trailers_pass_in_both_directions() {
    let backend = RawBackend::by_request(|request| {
        let seen = request.trailers.escape_ascii().to_string();
        let body = match request.target() {
            "/api/empty" => chunked(b"", &format!("X-Seen: {seen}\r\n")),
            _ => chunked(&request.body, &format!("X-Sum: 1\r\nX-Sum: 2\r\nX-Seen: {seen}\r\n")),
        };
        vec![Act::Send([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &body[..]].concat())]
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        for (path, body, sums) in [("/api/data", &b"data"[..], &["1", "2"][..]), ("/api/empty", b"", &[])] {
            let mut announcing = request("POST", path);
            announcing.headers_mut().insert(TRAILER, HeaderValue::from_static("x-check"));
            let (response, mut stream) = client.begin(announcing).await;
            upload(&mut stream, body).await.expect("send the body");
            let mut trailers = HeaderMap::new();
            trailers.insert("x-check", "sum of it".parse().unwrap());
            trailers.insert("x-silent", "nobody was told of it".parse().unwrap());
            stream.send_trailers(trailers).expect("send trailers");
            let answer = Answer::to(response).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..], answer.broken), (200, body, None));
            assert_eq!(answer.trailers["x-seen"], "x-check: sum of it\\r\\n", "{path}");
            assert_eq!(Vec::from_iter(answer.trailers.get_all("x-sum")), sums, "{path}");
        }
        let routes = HeaderMap::from_iter([(HOST, HeaderValue::from_static("other.test"))]);
        let many = (0..33).map(|n| (format!("x-{n}").parse().unwrap(), HeaderValue::from_static("x")));
        for (trailers, status) in [(routes, 400), (many.collect(), 431)] {
            let (response, mut stream) = client.begin(request("POST", "/api/refused")).await;
            stream.send_trailers(trailers).expect("send trailers");
            let answer = Answer::to(response).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (status, "bad_request"));
        }
    });
    let whole = backend.take_arrivals().iter().filter(|arrival| arrival.request.is_ok()).count();
    assert_eq!(whole, 2, "what is refused at its end is no request");
}

#[test]
fn a_body_over_the_bound_is_refused_and_costs_one_stream() {
    let backend = RawBackend::by_request(echo);
    let gateway = Gateway::before(&[&backend]);
    let most = SMALL_BYTES_MAX as usize;
    run(async {
        let client = Client::to(&gateway).await;
        let stated = |bytes: usize| {
            Request::post("http://api.test/small/").header("content-length", bytes).body(()).unwrap()
        };
        let unstated = || request("POST", "/small/");
        for asked in [stated(most), unstated()] {
            let answer = client.post(asked, &vec![b'x'; most]).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, most), "as much as is allowed");
        }
        assert_eq!(backend.take_arrivals().len(), 2);
        for asked in [stated(most + 1), unstated()] {
            let (response, mut stream) = client.begin(asked).await;
            upload(&mut stream, &vec![b'x'; most + 1]).await.expect("send the body");
            let answer = Answer::to(response).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (413, "too_large"));
            // The body has not ended: the client is told that no more of it is wanted, and that nothing is wrong.
            let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await.expect("a reset");
            assert_eq!(reason, h2::Reason::NO_ERROR);
        }
        assert_eq!(client.post(unstated(), b"x").await.body, b"x", "the connection goes on");
        // A length that is stated is judged before a backend is asked.
        let counts = [(Method::Post, 200, 3), (Method::Post, 413, 1), (Method::Post, 413, 1)];
        until(|| gateway.counts(SMALL) == counts).await;
    });
    let whole: Vec<_> =
        backend.take_arrivals().into_iter().filter_map(|arrival| arrival.request.ok()).collect();
    assert_eq!(whole.len(), 1, "no backend sees a whole request that was too large: {whole:?}");
}

#[test]
fn a_body_still_at_hand_is_sent_again_to_another_backend() {
    let broken = RawBackend::by_request(|_| vec![Act::Reset]);
    let backend = RawBackend::by_request(echo);
    // What lies beyond 48 KiB is not kept, so nobody else can be asked.
    for (bytes, status) in [(0, 200), (1, 200), (48 << 10, 200), ((48 << 10) + 1, 502)] {
        let gateway = Gateway::before(&[&broken, &backend]);
        let body = Random::announced("a request's bytes").bytes(bytes);
        run(async {
            let client = Client::to(&gateway).await;
            let answer = client.post(request("PUT", "/api/"), &body).await;
            assert_eq!((answer.status.as_u16(), answer.broken), (status, None), "{bytes} bytes");
            if status == 200 {
                assert!(answer.body == body, "{bytes} bytes: {} came back, or others", answer.body.len());
            }
        });
        assert_eq!(backend.take_arrivals().len(), usize::from(status == 200));
        assert_eq!(broken.take_arrivals().len(), 1, "{bytes} bytes: the first backend had it all");
    }
}
