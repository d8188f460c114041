//! Interim answers, expectations, upgrades, and what the gateway tells backends about the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::connection::shown;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, How, Message, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
const SOON: Duration = Duration::from_secs(3);
/// Long enough for a byte that should not be sent to have come.
const A_WHILE: Duration = Duration::from_millis(150);

fn before(backend: &RawBackend) -> Gateway {
    Gateway::before(BIN, &[backend.address])
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn answering_after(interim: &str) -> RawBackend {
    RawBackend::answering([interim.as_bytes(), OK].concat())
}

#[test]
fn interim_answers_reach_http11_clients_and_no_others() {
    let backend = answering_after(&HINTS.repeat(3));
    let gateway = before(&backend);
    let (interim, answer) = gateway.connect().send(get("/")).final_response("GET").unwrap();
    assert_eq!(interim.len(), 3);
    for hints in interim {
        assert_eq!((hints.status(), hints.value("link")), (103, "</a.css>; rel=preload"));
    }
    assert_eq!(answer.body, b"ok");

    let old = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    let (interim, answer) = gateway.connect().send(old).final_response("GET").unwrap();
    assert_eq!((interim.len(), answer.body.as_slice()), (0, &b"ok"[..]));
    gateway.stop();
}

#[test]
fn early_hints_lose_what_the_gateway_decides_about_and_nothing_else() {
    let fields =
        "Link: </a.css>\r\nSet-Cookie: a=1\r\nX-Request-Id: theirs\r\nX-Inner: 1\r\nX-Other: 2\r\n\r\n";
    let interim =
        ["102 Processing", "103 Early Hints"].map(|status| format!("HTTP/1.1 {status}\r\n{fields}"));
    let backend = answering_after(&interim.concat());
    let gateway = Setup::new(BIN).start(&format!(
        "services: {{ origin: \"{}\" }}\n\
         routes: [{{ match: /**, to: origin, headers: {{ response: {{ remove: [x-inner] }} }} }}]",
        backend.address
    ));
    let (interim, answer) = gateway.connect().send(get("/")).final_response("GET").unwrap();
    let told = |message: &Message| {
        let names = ["link", "set-cookie", "x-request-id", "x-inner", "x-other"];
        (message.status(), names.map(|name| message.value(name).to_owned()))
    };
    let texts = |values: [&str; 5]| values.map(str::to_owned);
    let expected =
        [(102, texts(["</a.css>", "a=1", "theirs", "1", "2"])), (103, texts(["</a.css>", "", "", "", "2"]))];
    assert_eq!(interim.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(answer.body, b"ok");
    gateway.stop();
}

/// `resp-1xx-flood`
#[test]
fn more_than_sixteen_interim_answers_are_a_bad_answer() {
    let most = answering_after(&HINTS.repeat(16));
    let gateway = before(&most);
    let (interim, answer) = gateway.connect().send(get("/")).final_response("GET").unwrap();
    assert_eq!((interim.len(), answer.status()), (16, 200));
    gateway.stop();

    let flood = answering_after(&HINTS.repeat(17));
    let gateway = before(&flood);
    let (_, answer) = gateway.connect().send(get("/")).final_response("GET").unwrap();
    assert_eq!(answer.status(), 502);
    flood.end_of(0);
    gateway.stop();
}

/// `resp-101-unasked` `resp-1xx-with-body`
#[test]
fn interim_answers_that_are_none_are_bad_answers() {
    let bad = [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\nLink: x\r\n\r\n",
    ];
    for interim in bad {
        let backend = answering_after(interim);
        let gateway = before(&backend);
        let (_, answer) = gateway.connect().send(get("/")).final_response("GET").unwrap();
        assert_eq!(answer.status(), 502, "{interim:?}");
        backend.end_of(0);
        gateway.stop();
    }
}

/// `resp-100-after-final`
#[test]
fn an_interim_answer_after_the_final_one_is_surplus() {
    let backend = RawBackend::answering([OK, b"HTTP/1.1 100 Continue\r\n\r\n"].concat());
    let gateway = before(&backend);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(get("/"));
        let (interim, answer) = client.final_response("GET").unwrap();
        assert_eq!((interim.len(), answer.body.as_slice()), (0, &b"ok"[..]));
    }
    assert_eq!(backend.connections(), 3, "none is used again");
    gateway.stop();
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on() {
    let backend = RawBackend::start(|visit| {
        while visit.request_continued().is_some() {
            visit.connection.send(OK);
        }
    });
    let gateway = before(&backend);
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.response("POST").unwrap().status(), 100);
        client.send("hello");
        assert_eq!(client.final_response("POST").unwrap().1.body, b"ok");
    }
    let bodies: Vec<_> =
        backend.take_arrivals().into_iter().map(|arrival| arrival.request.unwrap().body).collect();
    assert_eq!(bodies, [b"hello", b"hello"]);
    gateway.stop();
}

#[test]
fn a_client_that_waits_for_100_may_get_its_final_answer_instead() {
    let backend = RawBackend::start(|visit| {
        if visit.connection.request_head().is_ok() {
            visit.connection.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
            drop(visit.connection.rest());
        }
    });
    let gateway = before(&backend);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let (_, answer) = client.final_response("POST").unwrap();
    assert_eq!(answer.status(), 401);
    gateway.stop();
}

/// Asks for a WebSocket; what follows the head comes in the same packet.
fn upgrade(after: &str) -> String {
    let asking = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    format!("GET /ws HTTP/1.1\r\nHost: a\r\n{asking}\r\n{after}")
}

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A backend that waits before it switches, notes whether a byte came in that time, then echoes.
fn switching_late(has_early_bytes: Arc<AtomicBool>) -> RawBackend {
    RawBackend::start(move |visit| {
        let Some(_) = visit.request() else { return };
        let patience = visit.connection.set_patience(A_WHILE);
        has_early_bytes.store(!visit.connection.rest().partial.is_empty(), Ordering::SeqCst);
        visit.connection.set_patience(patience);
        visit.connection.send(SWITCHING);
        while let Ok(byte) = visit.connection.bytes(1) {
            visit.connection.send(byte);
        }
        visit.connection.send("bye");
    })
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways_and_none_before_101() {
    let has_early_bytes = Arc::new(AtomicBool::new(false));
    let backend = switching_late(has_early_bytes.clone());
    let gateway = before(&backend);
    let mut client = gateway.connect();
    client.send(upgrade("early "));
    let answer = client.response("GET").unwrap();
    let accept = answer.value("sec-websocket-accept");
    assert_eq!((answer.status(), accept), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(answer.value("upgrade").eq_ignore_ascii_case("websocket"), "{}", shown(&answer.head));
    assert!(answer.value("connection").eq_ignore_ascii_case("upgrade"), "{}", shown(&answer.head));
    assert_eq!(client.bytes(6).unwrap(), b"early ", "held, then handed on");
    assert!(!has_early_bytes.load(Ordering::SeqCst), "the backend got bytes before it had agreed");
    let frame = b"\0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n\xff";
    for _ in 0..3 {
        client.send(frame);
        assert_eq!(client.bytes(frame.len()).unwrap(), frame);
    }
    client.finish();
    assert_eq!(client.rest().partial, b"bye", "the other direction goes on until it is done");
    assert_eq!(backend.end_of(0), How::Closed);
    assert_eq!(backend.take_arrivals().len(), 1);
    gateway.stop();
}

#[test]
fn an_upgraded_connection_ends_with_either_side() {
    let backend = RawBackend::start(|visit| {
        if visit.request().is_some() {
            visit.connection.send(SWITCHING);
            let _ = visit.connection.bytes(1);
        }
    });
    let gateway = before(&backend);
    let mut client = gateway.connect();
    client.send(upgrade(""));
    client.response("GET").unwrap();
    client.reset();
    assert!(backend.ended_within(0, SOON).is_some(), "the client's end reaches the backend");

    let mut client = gateway.connect();
    client.send(upgrade("x"));
    client.response("GET").unwrap();
    assert!(client.is_ended_within(SOON), "the backend's end reaches the client");
    drop(client);
    gateway.stop();
}

/// `upgrade-pipelined-then-200` `upgrade-no-101`
#[test]
fn a_declined_upgrade_leaves_an_ordinary_connection() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/ws" => vec![Act::Pause(A_WHILE), Act::Send(OK.to_vec())],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let gateway = before(&backend);
    let mut client = gateway.connect();
    client.send(upgrade(&get("/behind")));
    assert_eq!(client.final_response("GET").unwrap().1.body, b"ok");
    match client.final_response("GET") {
        Ok((_, answer)) => assert_eq!(answer.body, b"ok"),
        Err(lost) => assert!(lost.partial.is_empty() && lost.how != How::Silent, "{lost}"),
    }
    gateway.stop();
    for arrival in backend.take_arrivals() {
        let request = arrival.request.expect("only whole requests");
        assert!(!request.value("x-request-id").is_empty(), "read as a request: {}", shown(&request.bytes()));
    }
}

#[test]
fn backends_are_told_who_asks_by_us_alone() {
    let backend = RawBackend::answering(OK);
    let gateway = before(&backend);
    let check = |more: &str| {
        let claims = "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\n\
                      X-Request-Id: mine\r\nVia: 1.1 elsewhere\r\nX-FORWARDED-FOR: 7.7.7.7\r\n";
        let answer = gateway.ask(format!("GET / HTTP/1.1\r\nHost: shop.example:8080\r\n{claims}{more}\r\n"));
        let request = backend.take_arrivals().remove(0).request.unwrap();
        assert_eq!(request.value("x-forwarded-for"), "127.0.0.1");
        assert_eq!(request.value("x-forwarded-proto"), "http");
        assert_eq!(request.value("x-forwarded-host"), "shop.example:8080");
        let id = request.value("x-request-id");
        assert!(!id.is_empty() && id != "mine", "{id}");
        assert_eq!(answer.value("x-request-id"), id, "client and backend are told the same id");
        let via = request.value("via");
        assert!(!via.is_empty() && !via.contains("elsewhere"), "{via}");
    };
    check("");
    check("Connection: x-forwarded-for, x-request-id, via, x-forwarded-proto, x-forwarded-host\r\n");
    gateway.stop();
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let backend = RawBackend::answering(OK);
    let gateway = before(&backend);
    let mut client = gateway.connect();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..100 {
        client.send(get("/"));
        let (_, answer) = client.final_response("GET").unwrap();
        assert!(ids.insert(answer.value("x-request-id").to_owned()));
    }
    await_true("all arrive", SOON, || backend.take_arrivals().len() == 100);
    gateway.stop();
}
