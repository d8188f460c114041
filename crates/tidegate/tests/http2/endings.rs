//! How connections and streams end: by number, by time, by drain, by slowness, by a client that leaves; and what goes
//! on beside them.

use std::time::Duration;

use tidegate_testkit::backend::OK;
use tidegate_testkit::connection::How;
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::{Act, Connection, Gateway, RawBackend, Setup};

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, NO_ERROR, Outcome, PREFACE, Peer, RST_STREAM,
    Said, WINDOW_UPDATE, block, frame, get,
};

/// Answers after a while, but for `/now`.
fn slow(time: Duration) -> RawBackend {
    RawBackend::by_request(move |request| match request.target() {
        "/now" => vec![Act::Send(OK.to_vec())],
        _ => vec![Act::Pause(time), Act::Send(OK.to_vec())],
    })
}

#[test]
fn both_protocols_are_told_apart_on_one_listener_however_their_bytes_come() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{ head_time: 300ms }");
    assert_eq!(gateway.ask("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status(), 200);
    // POST and PRI begin alike.
    for first in ["P", "PO", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r"] {
        let whole = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
        let mut client = gateway.connect();
        client.send_pieces(whole.as_bytes(), &[first.len()]);
        assert_eq!(client.response("POST").expect("an answer").status(), 200, "{first}");
    }
    for cut in [1, 3, 4, 5, 23, 24, 30] {
        let mut peer = Peer::in_pieces(gateway.http, cut);
        assert_eq!(peer.ask("/b"), Outcome::Status(200), "cut at {cut}");
    }
    // Neither goes on: it ends in time.
    assert_ne!(gateway.connect().send("PR").rest().how, How::Silent);
    assert_ne!(gateway.connect().send(&PREFACE[..20]).rest().how, How::Silent);
    gateway.stop();
}

#[test]
fn a_listener_speaks_what_it_says() {
    let backend = RawBackend::answering(OK);
    let start = |protocols: &str| {
        let setup = Setup::new(env!("CARGO_BIN_EXE_tidegate")).protocols(protocols);
        setup.start(&everything_to(&[backend.address], ""))
    };
    let http1 = start("[h1]");
    assert_eq!(http1.connect().send(PREFACE).response("PRI").expect("an answer").status(), 505);
    http1.stop();
    let http2 = start("[h2]");
    assert_eq!(Peer::to(http2.http).ask("/a"), Outcome::Status(200));
    let mut client = http2.connect();
    assert!(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").response("GET").is_err());
    http2.stop();
    assert_eq!(backend.take_arrivals().len(), 1);
}

#[test]
fn after_so_many_requests_the_client_is_told_to_leave_and_none_is_lost() {
    let backend = slow(Duration::from_millis(100));
    let gateway = crate::gateway(&backend, "{ requests: 3 }");
    let mut peer = Peer::to(gateway.http);
    let streams = [peer.get("/a"), peer.get("/b"), peer.get("/c")];
    let mut answered = Vec::new();
    let mut codes = Vec::new();
    loop {
        match peer.next() {
            Said::Head(stream, 200, _) => answered.push(stream),
            Said::GoAway(_, code) => codes.push(code),
            Said::Data(..) | Said::Pong => {}
            Said::End => break,
            other => panic!("{other:?}"),
        }
    }
    answered.sort_unstable();
    assert_eq!((answered, codes.first()), (streams.to_vec(), Some(&NO_ERROR)));
    gateway.stop();
}

#[test]
fn an_idle_connection_is_ended_with_a_word() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{ idle: 200ms }");
    let mut peer = Peer::to(gateway.http);
    assert_eq!(peer.ask("/a"), Outcome::Status(200));
    assert_eq!(peer.goodbye(), [NO_ERROR]);
    gateway.stop();
}

#[test]
fn a_head_that_does_not_end_ends_the_connection() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{ head_time: 200ms }");
    let whole = frame(HEADERS, END_HEADERS | END_STREAM, 3, &block(&get("/a")));
    for begun in [frame(HEADERS, END_STREAM, 3, &block(&get("/a"))), whole[..20].to_vec()] {
        let mut peer = Peer::to(gateway.http);
        assert_eq!(peer.ask("/before"), Outcome::Status(200));
        peer.send(&begun);
        assert_eq!(peer.goodbye(), [ENHANCE_YOUR_CALM]);
    }
    assert_eq!(backend.take_arrivals().len(), 2);
    gateway.stop();
}

#[test]
fn a_gateway_that_ends_lets_streams_end_and_waiting_connections_go() {
    let backend = slow(Duration::from_millis(500));
    let gateway = crate::gateway(&backend, "{}");
    let mut idle = Peer::to(gateway.http);
    assert_eq!(idle.ask("/now"), Outcome::Status(200));
    let mut busy = Peer::to(gateway.http);
    let stream = busy.get("/slow");
    await_true("the request is under way", Duration::from_secs(5), || {
        gateway.metric("tidegate_requests_in_flight", &[]) == 1.0
    });
    gateway.begin_stop();
    assert!(idle.goodbye().iter().all(|code| *code == NO_ERROR));
    assert_eq!(busy.outcome(stream).0, Outcome::Status(200));
    assert!(busy.goodbye().iter().all(|code| *code == NO_ERROR));
    gateway.await_stop(Duration::from_secs(10));
}

#[test]
fn a_stream_that_is_reset_ends_its_backends_work_and_no_other() {
    let backend = RawBackend::start(|visit| match visit.request() {
        Some(request) if request.target() == "/held" => drop(visit.play(vec![Act::AwaitEnd])),
        Some(_) => drop(visit.play(vec![Act::Pause(Duration::from_millis(300)), Act::Send(OK.to_vec())])),
        None => {}
    });
    let gateway = crate::gateway(&backend, "{}");
    let mut peer = Peer::to(gateway.http);
    let held = peer.get("/held");
    await_true("the request arrives", Duration::from_secs(5), || backend.connections() == 1);
    let other = peer.get("/other");
    peer.send(&frame(RST_STREAM, 0, held, &[0, 0, 0, 8]));
    assert_eq!(backend.end_of(0), How::Closed);
    assert_eq!(peer.outcome(other).0, Outcome::Status(200));
    drop(peer);
    await_true("it is counted", Duration::from_secs(5), || {
        gateway.metric("tidegate_requests_total", &["code=\"499\""]) == 1.0
    });
    gateway.stop();
}

#[test]
fn a_stream_that_is_too_slow_is_ended_and_no_other() {
    let big = [b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", &[b'x'; 300_000][..]].concat();
    let backend = RawBackend::by_request(move |request| match request.target() {
        "/big" => vec![Act::Send(big.clone())],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let gateway = crate::gateway(&backend, "{}");
    let mut peer = Peer::to(gateway.http);
    // The connection's window is not what is in the way.
    peer.send(&frame(WINDOW_UPDATE, 0, 0, &[0, 16, 0, 0]));
    // Of one nothing more comes than its head announces, of the other nothing is taken.
    let upload = peer.stream();
    let head = [&get("/upload")[..], &[("content-length", "100")]].concat();
    peer.send(&frame(HEADERS, END_HEADERS, upload, &block(&head)));
    peer.send(&frame(DATA, 0, upload, b"some"));
    let download = peer.get("/big");
    let mut ends = Vec::new();
    while ends.len() < 2 {
        match peer.next_within(Duration::from_secs(25)) {
            Said::Head(stream, 408, _) if stream == upload => ends.push(stream),
            Said::Reset(stream, _) if stream == download => ends.push(stream),
            Said::End | Said::Nothing => panic!("only {ends:?} have ended"),
            _ => {}
        }
    }
    assert_eq!(peer.ask("/now"), Outcome::Status(200));
    gateway.stop();
}

#[test]
fn an_answer_before_the_body_ends_tells_the_client_to_stop() {
    let backend = RawBackend::start(|visit| {
        if visit.connection.request_head().is_ok() {
            visit.connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
            visit.play(vec![Act::AwaitEnd]);
        }
    });
    let gateway = crate::gateway(&backend, "{}");
    let mut peer = Peer::to(gateway.http);
    let stream = peer.stream();
    let fields = [&get("/a")[..], &[("content-length", "100000")]].concat();
    peer.send(&frame(HEADERS, END_HEADERS, stream, &block(&fields)));
    assert_eq!(peer.outcome(stream), (Outcome::Status(403), b"no".to_vec()));
    assert_eq!(peer.next(), Said::Reset(stream, NO_ERROR));
    gateway.stop();
}

#[test]
fn requests_are_logged_and_counted_like_any_other() {
    let backend = RawBackend::answering(OK);
    let gateway: Gateway = crate::gateway(&backend, "{}");
    let text = gateway.configuration();
    gateway.reload(&format!("{text}telemetry: {{ access_log: {{ to: ./access.log }} }}\n"));
    let mut peer = Peer::to(gateway.http);
    assert_eq!(peer.ask("/a?x=1"), Outcome::Status(200));
    let stream = peer.stream();
    let fields = [&get("/b")[..], &[("host", "other.test")]].concat();
    peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields)));
    assert_eq!(peer.outcome(stream).0, Outcome::Status(400));
    let read = || std::fs::read_to_string(gateway.folder().join("access.log")).unwrap_or_default();
    await_true("both are logged", Duration::from_secs(5), || read().lines().count() == 2);
    let log = read();
    assert!(log.contains("\"protocol\":\"HTTP/2\"") && log.contains("\"path\":\"/a\""), "{log}");
    assert!(log.contains("\"outcome\":\"bad_request\""), "{log}");
    assert_eq!(gateway.metric("tidegate_requests_total", &["code=\"200\""]), 1.0);
    assert_eq!(gateway.metric("tidegate_requests_total", &["code=\"400\""]), 1.0);
    assert_eq!(gateway.metric("tidegate_connections", &["listener=\"http\""]), 1.0);
    drop(peer);
    let _ = Connection::to(gateway.http);
    await_true("it is over", Duration::from_secs(5), || {
        gateway.metric("tidegate_connections", &["listener=\"http\""]) == 0.0
    });
    gateway.stop();
}
