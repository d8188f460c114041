//! Requests whose body a policy sees before a backend does: what is refused ends its stream, and no other.

use std::time::Duration;

use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, RawBackend, Setup};

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, Outcome, PING, Peer, Said, block, frame,
};

fn gateway(backend: &RawBackend) -> Gateway {
    let address = backend.address;
    Setup::new(env!("CARGO_BIN_EXE_tidegate")).workers(1).protocols("[h2]").start(&format!(
        "services: {{ origin: {{ backends: [\"{address}\"] }} }}\n\
         routes: [{{ match: /**, to: origin, shield: {{ body: 1KiB }}, body_max: 100KiB }}]"
    ))
}

/// Begins a request with a body, and says which stream it is on.
fn post(peer: &mut Peer, more: &[(&str, &str)]) -> u32 {
    let stream = peer.stream();
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "api.test"),
        (":path", "/a"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    peer.send(&frame(HEADERS, END_HEADERS, stream, &block(&[&usual[..], more].concat())));
    stream
}

fn status(peer: &mut Peer, stream: u32) -> u16 {
    match peer.outcome(stream) {
        (Outcome::Status(status), _) => status,
        other => panic!("stream {stream} ends with {other:?}"),
    }
}

/// That the connection goes on, and what it has said before: nothing but the end of this stream, without an error.
fn assert_goes_on(peer: &mut Peer, refused: u32) {
    peer.send(&frame(PING, 0, 0, &[1; 8]));
    loop {
        match peer.next() {
            Said::Pong => break,
            Said::Reset(stream, NO_ERROR) if stream == refused => {}
            other => panic!("{other:?}"),
        }
    }
    let stream = post(peer, &[]);
    peer.send(&frame(DATA, END_STREAM, stream, b"name=O%27Brien"));
    assert_eq!(status(peer, stream), 200);
}

const ATTACK: &[u8] = b"id=1'+or+1=1--";

#[test]
fn a_refused_body_ends_its_stream_and_the_connection_goes_on() {
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&backend);
    let mut peer = Peer::to(gateway.http);
    let many = ATTACK.repeat(200);
    // Whole, byte by byte, and longer than is looked at: that one is answered before it has ended.
    let bytes: Vec<&[u8]> = ATTACK.chunks(1).collect();
    for (pieces, ends) in [(vec![ATTACK], true), (bytes, true), (vec![&many[..]], false)] {
        let stream = post(&mut peer, &[]);
        for (at, piece) in pieces.iter().enumerate() {
            let is_last = ends && at + 1 == pieces.len();
            peer.send(&frame(DATA, if is_last { END_STREAM } else { 0 }, stream, piece));
        }
        assert_eq!(status(&mut peer, stream), 403);
        assert_goes_on(&mut peer, stream);
    }
    for (length, sent, expected) in [("200000", 0, 413), ("5", 9, 0)] {
        let stream = post(&mut peer, &[("content-length", length)]);
        peer.send(&frame(DATA, 0, stream, &b"name=x&a=b"[..sent]));
        match peer.outcome(stream).0 {
            Outcome::Status(status) => assert_eq!(status, expected, "{length}"),
            // More than was stated: malformed, so not answered (RFC 9113 §8.1.1).
            Outcome::Reset(_) => assert_eq!(expected, 0, "{length}"),
            other => panic!("{length}: {other:?}"),
        }
        assert_goes_on(&mut peer, stream);
    }
    assert_eq!(backend.take_arrivals().len(), 5, "nothing that was refused reaches a backend");
    gateway.stop();
}

/// Ten seconds pass before a rate is judged, so this takes a little more.
#[test]
fn streams_that_do_nothing_do_not_divide_what_an_awaited_body_owes() {
    /// A hundredth of the least rate for each, if they shared it.
    const STREAMS: usize = 90;
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&backend);
    let mut peer = Peer::to(gateway.http);
    let streams: Vec<u32> = (0..STREAMS).map(|_| post(&mut peer, &[])).collect();
    // 20 bytes a second each: above the 11 that are their part of 1000, below what such a body owes.
    let mut waited = 0;
    let said = loop {
        streams.iter().for_each(|stream| {
            peer.send(&frame(DATA, 0, *stream, &[b'x'; 10]));
        });
        match peer.next_within(Duration::from_millis(500)) {
            Said::Nothing => waited += 1,
            other => break other,
        }
        assert!(waited < 45, "still waited for");
    };
    assert!(matches!(said, Said::Head(_, 408, _)), "{said:?}");
    assert!(waited >= 10, "judged after {waited} half seconds");
    drop(peer);
    await_true("nothing is under way", Duration::from_secs(5), || {
        gateway.metric("tidegate_requests_in_flight", &[]) == 0.0
    });
    gateway.stop();
}
