//! A made-up policy that asks for request bodies in memory: it sees what it asked for, and whether that is all; what
//! it lets through reaches the backend byte for byte, framed as it came, also at a second try.

use std::net::SocketAddr;

use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{
    BodyNeed, Kind, Needs, Phase, Policy, Reply, RequestBody, RequestView, ResponseView, Verdict,
};
use tidegate_core::settings;
use tidegate_core::settings::Setting;
use tidegate_testkit::backend::OK;
use tidegate_testkit::{Connection, Framing, Message, Random, RawBackend, ports};

use crate::{Gateway, read};

/// What it asks for.
const ASKED: usize = 16 << 10;
/// What it turns away.
const UNWANTED: &[u8] = b"unwanted";

/// Tells the backend what it has seen of a body.
struct Reader;

settings! {
    /// Nothing.
    struct ReaderSettings {}
}

const READER: Kind = Kind {
    name: "reader",
    doc: "Reads bodies.",
    shape: ReaderSettings::shape,
    build: |_, _| vec![Box::new(Reader)],
};

impl Policy for Reader {
    fn phase(&self) -> Phase {
        Phase::Guard
    }

    fn needs(&self) -> Needs {
        Needs { request: BodyNeed::Buffer(ASKED), response: BodyNeed::None }
    }

    fn wants_body(&self, request: &tidegate_core::head::RequestHead) -> bool {
        request.fields.find(b"x-stream").is_none()
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        *view.note = 7;
        Verdict::Continue
    }

    fn request_body<'a>(&'a self, view: RequestView<'a>, body: RequestBody<'a>) -> Verdict<'a> {
        if body.bytes.windows(UNWANTED.len()).any(|part| part == UNWANTED) {
            let reply =
                Reply { status: 403, outcome: Outcome::Forbidden, reason: None, fields: vec![], body: None };
            return Verdict::Reply(Box::new(reply));
        }
        let seen = format!("{} {} {}", body.bytes.len(), body.is_whole, view.note);
        view.head.fields.push("x-seen", seen.as_bytes());
        Verdict::Continue
    }

    fn response(&self, _: ResponseView<'_>) {}
}

/// A gateway whose route reads bodies, before these backends.
fn gateway(backends: &[SocketAddr], keys: &str) -> Gateway {
    let backends: Vec<String> = backends.iter().map(|address| format!("\"{address}\"")).collect();
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\n\
         services: {{ origin: {{ backends: [{}], balance: round-robin }} }}\n\
         routes: [{{ match: /**, to: origin, reader: {{}}{keys} }}]\n",
        backends.join(", ")
    );
    Gateway::start(&read(&text, &[READER], &[]).unwrap_or_else(|problems| panic!("{problems}")))
}

fn chunked(body: &[u8], random: &mut Random, trailers: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = body;
    for size in random.pieces(body.len(), 20) {
        let (chunk, after) = rest.split_at(size);
        bytes.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = after;
    }
    bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    bytes
}

/// A request with this body: with a length, or in chunks with a trailer behind them.
fn request(framing: Framing, fields: &str, body: &[u8], random: &mut Random) -> Vec<u8> {
    let head = format!("PUT /x HTTP/1.1\r\nHost: a\r\n{fields}");
    match framing {
        Framing::Chunked => {
            let head = format!("{head}Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n");
            [head.as_bytes(), &chunked(body, random, "x-sum: 5\r\nx-other: 6\r\n")].concat()
        }
        _ => [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat(),
    }
}

/// The one request that has reached a backend.
fn arrived(backend: &RawBackend) -> Message {
    let mut arrivals = backend.take_arrivals();
    assert_eq!(arrivals.len(), 1);
    arrivals.remove(0).request.expect("a whole request")
}

#[test]
fn a_gathered_body_reaches_the_backend_as_it_came() {
    let mut random = Random::announced("gathered");
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&[backend.address], "");
    let mut client = Connection::to(gateway.address);
    for size in [0, 1, 100, 4096, ASKED - 1, ASKED, ASKED + 1, 40_000, 70_000, 300_000, 1_000_000] {
        let body = random.bytes(size);
        for framing in [Framing::Length(0), Framing::Chunked] {
            let what = format!("{size} bytes, {framing:?}");
            let bytes = request(framing, "", &body, &mut random);
            let pieces = random.pieces(bytes.len(), 6);
            client.send_pieces(&bytes, &pieces);
            let (_, answer) = client.final_response("PUT").unwrap_or_else(|lost| panic!("{what}: {lost}"));
            assert_eq!(answer.status(), 200, "{what}");
            let request = arrived(&backend);
            assert!(request.body == body, "{what}: {} bytes came", request.body.len());
            let seen = format!("{} {} 7", size.min(ASKED), size <= ASKED);
            assert_eq!(request.value("x-seen"), seen, "{what}");
            match framing {
                Framing::Chunked => {
                    assert_eq!(request.framing, Framing::Chunked, "{what}");
                    let trailers = String::from_utf8_lossy(&request.trailers).into_owned();
                    assert!(
                        trailers.contains("x-sum: 5") && !trailers.contains("x-other"),
                        "{what}: {trailers}"
                    );
                }
                _ => assert_eq!(request.value("content-length"), size.to_string(), "{what}"),
            }
        }
    }
}

#[test]
fn what_is_turned_away_no_backend_sees() {
    let mut random = Random::announced("turned away");
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&[backend.address], "");
    for (before, is_seen) in [(0, true), (ASKED - UNWANTED.len(), true), (ASKED, false)] {
        let body = [&vec![b'.'; before], UNWANTED, &[b'.'; 5000]].concat();
        for framing in [Framing::Length(0), Framing::Chunked] {
            let mut client = Connection::to(gateway.address);
            client.send(request(framing, "", &body, &mut random));
            let (_, answer) = client.final_response("PUT").expect("an answer");
            assert_eq!(answer.status(), if is_seen { 403 } else { 200 }, "{before} bytes before it");
            assert_eq!(backend.take_arrivals().len(), usize::from(!is_seen));
            // The connection serves on.
            client.send(request(framing, "", b"fine", &mut random));
            let (_, answer) = client.final_response("PUT").expect("an answer to the next one");
            assert_eq!(answer.status(), 200);
            assert_eq!(arrived(&backend).body, b"fine");
        }
    }
}

#[test]
fn a_body_that_was_gathered_is_sent_again() {
    let mut random = Random::announced("again");
    let nobody = SocketAddr::from(([127, 0, 0, 1], ports::claim()));
    for framing in [Framing::Length(0), Framing::Chunked] {
        // The first backend refuses connections, the second ends those it gets without an answer.
        let (lost, good) = (RawBackend::start(|visit| drop(visit.request())), RawBackend::answering(OK));
        let gateway = gateway(&[nobody, lost.address, good.address], "");
        for _ in 0..6 {
            let body = random.bytes(ASKED - 100);
            let (_, answer) = Connection::to(gateway.address)
                .send(request(framing, "", &body, &mut random))
                .final_response("PUT")
                .expect("an answer");
            assert_eq!(answer.status(), 200, "{framing:?}");
            assert!(arrived(&good).body == body, "{framing:?}");
        }
        assert!(lost.connections() > 0);
    }
}

#[test]
fn a_client_that_waits_is_told_to_go_on_and_the_backend_has_nothing_to_say_to_it() {
    let mut random = Random::announced("go on");
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&[backend.address], "");
    let mut client = Connection::to(gateway.address);
    let body = random.bytes(5000);
    let bytes = request(Framing::Length(0), "Expect: 100-continue\r\n", &body, &mut random);
    let (head, body_sent) = bytes.split_at(bytes.len() - body.len());
    client.send(head);
    assert_eq!(client.response_head("PUT").expect("an interim answer").status(), 100);
    assert!(backend.take_arrivals().is_empty());
    client.send(body_sent);
    let (interim, answer) = client.final_response("PUT").expect("an answer");
    assert_eq!((interim.len(), answer.status()), (0, 200));
    let arrived = arrived(&backend);
    assert!(arrived.body == body);
    assert!(arrived.values("expect").is_empty());
}

#[test]
fn bounds_hold_while_a_body_is_gathered() {
    let mut random = Random::announced("bounds");
    let backend = RawBackend::answering(OK);
    let small = gateway(&[backend.address], ", body_max: 1000B");
    for (size, framing, status) in [
        (1000, Framing::Length(0), 200),
        (1001, Framing::Length(0), 413),
        (1000, Framing::Chunked, 200),
        (1001, Framing::Chunked, 413),
        (100_000, Framing::Chunked, 413),
    ] {
        let bytes = request(framing, "", &random.bytes(size), &mut random);
        let (_, answer) = Connection::to(small.address).send(bytes).final_response("PUT").expect("an answer");
        assert_eq!(answer.status(), status, "{size} {framing:?}");
        assert_eq!(backend.take_arrivals().len(), usize::from(status == 200));
    }
    let brief = gateway(&[backend.address], ", timeout: 200ms");
    let mut client = Connection::to(brief.address);
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(client.final_response("PUT").expect("an answer").1.status(), 504);
    assert!(backend.take_arrivals().is_empty());
}

#[test]
fn a_body_that_is_not_wanted_is_not_waited_for() {
    let backend = RawBackend::start(|visit| {
        let head = visit.connection.request_head().expect("a head");
        visit.connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let rest = visit.connection.rest_of(head);
        visit.record(rest);
    });
    let gateway = gateway(&[backend.address], "");
    let mut client = Connection::to(gateway.address);
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nX-Stream: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    assert_eq!(client.response("PUT").expect("an answer before the end").status(), 200);
    client.send("1\r\nb\r\n0\r\n\r\n");
}
