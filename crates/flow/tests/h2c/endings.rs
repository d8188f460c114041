//! Streams that do not end well: backends that break off, clients that leave before, during and after the head, and
//! connections that close under their streams. Each ending is told to the other side, and to nobody else.

use h2::Reason;
use http::header::{CONTENT_LENGTH, HeaderValue};
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tidegate_core::name::Method;
use tidegate_testkit::connection::How;
use tidegate_testkit::{Act, Framing, RawBackend, Visit};

use crate::client::{Client, next, request, run, until};
use crate::gateway::{API, Gateway};

/// Longer than a test runs, so that a wait for it ends the test.
const LONG: Duration = Duration::from_secs(60);

/// Sends a head and a part of its body, and waits for the end of the connection, which nobody needs to break.
const PART: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
/// The same for a body without a length, such as a stream of events.
const EVENT: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";

async fn end_of(backend: &RawBackend, connection: usize) -> How {
    until(|| backend.ended_within(connection, Duration::ZERO).is_some()).await;
    backend.end_of(connection)
}

#[test]
fn a_backend_that_breaks_off_resets_its_stream_alone() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = Mutex::new(wait);
    let backend = RawBackend::start(move |visit: &mut Visit| {
        while let Some(request) = visit.request() {
            let (part, end) = match request.target() {
                "/api/reset" => (PART, Act::Reset),
                "/api/close" => (PART, Act::Close),
                "/api/event" => (EVENT, Act::Reset),
                "/api/garbage" => (EVENT, Act::Send(b"zz\r\n".to_vec())),
                _ => (tidegate_testkit::backend::OK, Act::Send(Vec::new())),
            };
            visit.play(vec![Act::Send(part.to_vec())]);
            if part == PART || part == EVENT {
                wait.lock().unwrap().recv_timeout(LONG).unwrap();
            }
            if !visit.play(vec![end]) {
                return;
            }
        }
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        for path in ["/api/reset", "/api/close", "/api/event", "/api/garbage"] {
            let (response, _) = client.send(request("GET", path)).await;
            let response = response.await.expect("an answer");
            assert_eq!(response.status(), 200, "{path}");
            let mut body = response.into_body();
            assert_eq!(next(&mut body).await.expect("a part").expect("no reset"), "part", "{path}");
            go.send(()).unwrap();
            let error = next(&mut body).await.expect("not an end").expect_err("a reset");
            assert!(error.is_remote() && error.is_reset(), "{path}: {error}");
            assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{path}");
            assert_eq!(client.ask("GET", "/api/").await.body, b"ok", "the connection goes on after {path}");
        }
    });
}

#[test]
fn a_client_that_resets_its_stream_ends_the_backends_work() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/api/head" => vec![Act::AwaitEnd],
        "/api/part" => vec![Act::Send(PART.to_vec()), Act::AwaitEnd],
        "/api/event" => vec![Act::Send(EVENT.to_vec()), Act::AwaitEnd],
        _ => vec![Act::Send(tidegate_testkit::backend::OK.to_vec())],
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        for (connection, path) in ["/api/head", "/api/part", "/api/event"].into_iter().enumerate() {
            let (response, mut stream) = client.send(request("GET", path)).await;
            until(|| gateway.in_flight() == 1).await;
            if path == "/api/head" {
                until(|| !backend.take_arrivals().is_empty()).await;
            } else {
                let mut body = response.await.expect("an answer").into_body();
                assert_eq!(next(&mut body).await.expect("a part").expect("no reset"), "part");
            }
            stream.send_reset(Reason::CANCEL);
            assert_eq!(end_of(&backend, connection).await, How::Closed, "{path}");
            until(|| gateway.in_flight() == 0).await;
        }
        assert_eq!(client.ask("GET", "/api/").await.body, b"ok", "the connection goes on");
        let counts = [(Method::Get, 499, 1), (Method::Get, 200, 3)];
        until(|| gateway.counts(API) == counts).await;
    });
}

#[test]
fn a_client_that_resets_while_it_sends_has_sent_no_request() {
    let (came, has_come) = sync_channel(1);
    let backend = RawBackend::start(move |visit: &mut Visit| {
        let head = visit.connection.request_head().expect("a head");
        let part = if head.framing == Framing::Chunked { "4\r\npart\r\n" } else { "part" };
        assert_eq!(visit.connection.bytes(part.len()).expect("a part"), part.as_bytes());
        came.send(()).unwrap();
        let rest = visit.connection.rest();
        visit.record(Err(rest));
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        for (connection, stated) in [Some(100), None].into_iter().enumerate() {
            let mut asked = request("POST", "/api/");
            asked.headers_mut().extend(stated.map(|bytes| (CONTENT_LENGTH, HeaderValue::from(bytes))));
            let (_response, mut stream) = client.begin(asked).await;
            stream.send_data("part".into(), false).expect("send a part");
            until(|| has_come.try_recv().is_ok()).await;
            stream.send_reset(Reason::CANCEL);
            assert_eq!(end_of(&backend, connection).await, How::Closed, "{stated:?}");
            until(|| gateway.in_flight() == 0).await;
        }
        until(|| gateway.counts(API) == [(Method::Post, 499, 2)]).await;
    });
    let rest = backend.take_arrivals();
    assert!(rest.is_empty(), "an end must not be made up: {rest:?}");
}

#[test]
fn a_body_that_is_not_as_long_as_its_head_says_is_no_request() {
    let backend = RawBackend::by_request(|_| vec![Act::Send(tidegate_testkit::backend::OK.to_vec())]);
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        // Longer is the dangerous one: behind a gateway that does not count, the rest would be a request of its own.
        for body in ["nine byte", "eleven byte"] {
            let mut asked = request("POST", "/api/");
            asked.headers_mut().insert("content-length", 10.into());
            let (response, mut stream) = client.begin(asked).await;
            stream.send_data(body.into(), true).expect("send the body");
            let error = response.await.expect_err("a reset");
            assert_eq!((error.is_remote(), error.reason()), (true, Some(Reason::PROTOCOL_ERROR)), "{body}");
            until(|| gateway.in_flight() == 0).await;
        }
        until(|| gateway.counts(API) == [(Method::Post, 499, 2)]).await;
        assert_eq!(client.ask("GET", "/api/").await.body, b"ok", "the connection goes on");
    });
    let whole: Vec<_> =
        backend.take_arrivals().into_iter().filter_map(|arrival| arrival.request.ok()).collect();
    assert!(whole.len() == 1 && whole[0].method() == "GET", "{whole:?}");
}

#[test]
fn a_connection_that_closes_ends_the_work_of_all_its_streams() {
    let backends = [0, 1].map(|_| {
        RawBackend::by_request(|request| match request.target() {
            "/api/event" => vec![Act::Send(EVENT.to_vec()), Act::AwaitEnd],
            _ => vec![Act::AwaitEnd],
        })
    });
    let gateway = Gateway::before(&[&backends[0], &backends[1]]);
    run(async {
        let client = Client::to(&gateway).await;
        let other = Client::to(&gateway).await;
        let waiting = client.send(request("GET", "/api/head")).await;
        let stays = other.send(request("GET", "/api/head")).await;
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let (response, _) = client.send(request("GET", "/api/event")).await;
            let mut body = response.await.expect("an answer").into_body();
            assert_eq!(next(&mut body).await.expect("a part").expect("no reset"), "part");
            bodies.push(body);
        }
        until(|| backends.iter().all(|backend| backend.connections() == 2)).await;
        client.cut();
        until(|| gateway.in_flight() == 1).await;
        assert!(waiting.0.await.is_err() && next(&mut bodies[0]).await.is_none_or(|end| end.is_err()));
        drop(stays);
        until(|| gateway.in_flight() == 0).await;
        for backend in &backends {
            for connection in 0..2 {
                assert_eq!(end_of(backend, connection).await, How::Closed);
            }
        }
    });
}
