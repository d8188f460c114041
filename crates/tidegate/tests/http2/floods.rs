//! Clients that cost much and pay nothing. Each flood is bounded here and must be bounded there: the gateway's memory
//! grows by no more than `GROWTH_KIB_MAX`, the flooding connection is told to calm down where it breaks a rule, and
//! every request of a client beside it is answered. How long those took is printed, not judged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, RawBackend, Setup};

use crate::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Outcome, PING, Peer, RST_STREAM,
    SETTINGS, Said, WINDOW_UPDATE, block, frame, get,
};

/// What a flood may cost in memory.
const GROWTH_KIB_MAX: u64 = 64 << 10;
/// Between two requests of the client beside it.
const GOOD_PAUSE: Duration = Duration::from_millis(5);

/// Runs a flood beside a good client.
fn beside_a_good_client(name: &str, gateway: &Gateway, flood: impl FnOnce(SocketAddr)) {
    let mut calm = Peer::to(gateway.http);
    let alone = percentile(&(0..100).map(|_| one(&mut calm)).collect::<Vec<_>>());
    drop(calm);
    let before = gateway.process().pss_kib();
    let is_over = &AtomicBool::new(false);
    let (took, most) = std::thread::scope(|scope| {
        let good = scope.spawn(|| {
            let mut peer = Peer::to(gateway.http);
            let mut took = Vec::new();
            while !is_over.load(Relaxed) {
                if took.len() % 500 == 499 {
                    peer = Peer::to(gateway.http);
                }
                took.push(one(&mut peer));
                std::thread::sleep(GOOD_PAUSE);
            }
            took
        });
        let memory = scope.spawn(|| {
            let mut most = 0;
            while !is_over.load(Relaxed) {
                most = most.max(gateway.process().pss_kib());
                std::thread::sleep(Duration::from_millis(20));
            }
            most.max(gateway.process().pss_kib())
        });
        let over = Over(is_over);
        flood(gateway.http);
        drop(over);
        (good.join().expect("every good request is answered"), memory.join().expect("memory is read"))
    });
    let grown = most.saturating_sub(before);
    println!(
        "{name}: {} good requests, p99 {:?} beside the flood and {alone:?} without; memory +{grown} KiB",
        took.len(),
        percentile(&took)
    );
    assert!(grown <= GROWTH_KIB_MAX, "{name}: memory has grown by {grown} KiB");
}

/// Says that the flood is over, also when it has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn one(peer: &mut Peer) -> Duration {
    let start = Instant::now();
    assert_eq!(peer.ask("/good"), Outcome::Status(200));
    start.elapsed()
}

fn percentile(took: &[Duration]) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
}

/// Sends what `next` makes, in pieces of some KiB and on as many connections as it takes, until so many frames were
/// sent. Says how many connections were told to calm down.
fn send_all(address: SocketAddr, frames: usize, mut next: impl FnMut(&mut Peer, &mut Vec<u8>)) -> usize {
    /// Frames in one write.
    const AT_ONCE: usize = 200;
    let mut sent = 0;
    let mut calmed = 0;
    while sent < frames {
        let mut peer = Peer::to(address);
        loop {
            let mut bytes = Vec::new();
            (0..AT_ONCE).for_each(|_| next(&mut peer, &mut bytes));
            sent += AT_ONCE;
            let mut is_open = peer.send(&bytes);
            while is_open {
                match peer.next_within(Duration::from_millis(1)) {
                    Said::GoAway(_, ENHANCE_YOUR_CALM) => calmed += 1,
                    Said::Nothing => break,
                    Said::End => is_open = false,
                    _ => {}
                }
            }
            if !is_open {
                break;
            }
            if sent >= frames {
                break;
            }
        }
    }
    calmed
}

#[test]
fn a_hundred_thousand_resets() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{}");
    beside_a_good_client("rapid reset", &gateway, |address| {
        let calmed = send_all(address, 100_000, |peer, bytes| {
            let stream = peer.stream();
            bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&get("/reset"))));
            bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        });
        assert!(calmed > 10, "only {calmed} connections were told");
    });
    await_nothing_under_way(&gateway);
    gateway.stop();
}

#[test]
fn a_hundred_thousand_frames_that_ask_for_nothing() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{}");
    for (name, flood) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("unknown", frame(0xfa, 0, 0, &[0; 16])),
    ] {
        beside_a_good_client(name, &gateway, |address| {
            let calmed = send_all(address, 100_000, |_, bytes| bytes.extend_from_slice(&flood));
            assert!(calmed > 10, "only {calmed} connections were told");
        });
    }
    gateway.stop();
}

#[test]
fn a_head_of_a_hundred_thousand_frames() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{}");
    for (name, payload) in
        [("CONTINUATION, empty", vec![]), ("CONTINUATION", block(&[("x-pad", "0123456789")]))]
    {
        beside_a_good_client(name, &gateway, |address| {
            send_all(address, 100_000, |peer, bytes| {
                let is_begun = peer.stream() > 1;
                if !is_begun {
                    bytes.extend(frame(HEADERS, END_STREAM, 1, &block(&get("/endless"))));
                }
                bytes.extend(frame(CONTINUATION, 0, 1, &payload));
            });
        });
    }
    assert!(
        backend
            .take_arrivals()
            .iter()
            .all(|arrival| { arrival.request.as_ref().is_ok_and(|request| request.target() == "/good") })
    );
    gateway.stop();
}

#[test]
fn heads_that_are_large_once_they_are_unpacked() {
    let backend = RawBackend::answering(OK);
    let gateway = crate::gateway(&backend, "{}");
    // A field of 4,000 bytes goes into the table (RFC 7541 §6.2.1), and is then named by one byte each.
    let mut bomb = block(&get("/bomb"));
    bomb.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0x81, 0x1e]);
    bomb.extend_from_slice(&[b'v'; 4000]);
    bomb.extend_from_slice(&[0xbe; 12_000]);
    beside_a_good_client("HPACK bomb", &gateway, |address| {
        for _ in 0..10 {
            let mut peer = Peer::with_settings(address, &[]);
            for _ in 0..100 {
                let stream = peer.stream();
                if !peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &bomb)) {
                    break;
                }
                let (outcome, _) = peer.outcome(stream);
                assert_ne!(outcome, Outcome::Status(200));
                if matches!(outcome, Outcome::GoAway(_) | Outcome::Lost) {
                    break;
                }
            }
        }
    });
    gateway.stop();
}

/// Answers with a mebibyte, but for `/good`.
fn generous() -> RawBackend {
    static BODY: [u8; 1 << 20] = [b'x'; 1 << 20];
    RawBackend::start(|visit| {
        while let Some(request) = visit.request() {
            if request.target() == "/good" {
                visit.connection.send(OK);
            } else {
                visit.connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len()));
                visit.connection.send(BODY);
            }
        }
    })
}

/// Streams of a connection, and connections: a thousand streams, and room for the good client.
const STREAMS: usize = 99;
const CONNECTIONS: usize = 10;

#[test]
fn a_thousand_streams_that_want_a_mebibyte_and_open_no_window() {
    let backend = generous();
    let gateway = crate::gateway(&backend, "{}");
    beside_a_good_client("zero windows", &gateway, |address| {
        let peers: Vec<Peer> = (0..CONNECTIONS)
            .map(|_| {
                let mut peer = Peer::with_settings(address, &[(4, 0)]);
                for _ in 0..STREAMS {
                    peer.get("/big");
                }
                let mut heads = 0;
                while heads < STREAMS {
                    match peer.next() {
                        Said::Head(_, 200, false) => heads += 1,
                        other => panic!("{other:?} after {heads} heads"),
                    }
                }
                peer
            })
            .collect();
        std::thread::sleep(SETTLE_TIME);
        drop(peers);
    });
    await_nothing_under_way(&gateway);
    gateway.stop();
}

#[test]
fn a_thousand_streams_that_want_a_mebibyte_of_a_client_that_does_not_read() {
    let backend = generous();
    let gateway = crate::gateway(&backend, "{}");
    beside_a_good_client("open windows, nothing read", &gateway, |address| {
        let peers: Vec<Peer> = (0..CONNECTIONS)
            .map(|_| {
                let mut peer = Peer::with_settings(address, &[(4, 0x7fff_ffff)]);
                peer.send(&frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]));
                for _ in 0..STREAMS {
                    peer.get("/big");
                }
                peer
            })
            .collect();
        await_true("the backends are asked", Duration::from_secs(20), || {
            backend.connections() > CONNECTIONS * STREAMS / 2
        });
        std::thread::sleep(SETTLE_TIME);
        drop(peers);
    });
    await_nothing_under_way(&gateway);
    gateway.stop();
}

/// The same of an answer that the gateway gives by itself, so that nothing slows it down.
#[test]
fn a_thousand_streams_of_a_fixed_answer_of_a_client_that_does_not_read() {
    let backend = RawBackend::answering(OK);
    let body = "x".repeat(60_000);
    let gateway =
        Setup::new(env!("CARGO_BIN_EXE_tidegate")).workers(1).protocols("[h1, h2]").start(&format!(
            "services: {{ origin: \"{}\" }}\nroutes:\n  - {{ match: /good, to: origin }}\n\
         \x20 - {{ match: /fixed, to: {{ respond: {{ body: {body} }} }} }}",
            backend.address
        ));
    beside_a_good_client("fixed answers, nothing read", &gateway, |address| {
        let peers: Vec<Peer> = (0..CONNECTIONS)
            .map(|_| {
                let mut peer = Peer::with_settings(address, &[(4, 0x7fff_ffff)]);
                peer.send(&frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]));
                let asked: Vec<u8> = (0..STREAMS)
                    .flat_map(|_| {
                        let stream = peer.stream();
                        frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&get("/fixed")))
                    })
                    .collect();
                peer.send(&asked);
                peer
            })
            .collect();
        // What the sockets' buffers take is answered.
        await_true("answers are under way", Duration::from_secs(20), || {
            gateway.metric("tidegate_requests_total", &["route=\"/fixed\""]) >= 50.0
        });
        std::thread::sleep(SETTLE_TIME);
        drop(peers);
    });
    await_nothing_under_way(&gateway);
    gateway.stop();
}

/// What the backends go on to send has come as far as it gets: nothing says so, and what is measured is a most.
const SETTLE_TIME: Duration = Duration::from_millis(500);

fn await_nothing_under_way(gateway: &Gateway) {
    await_true("nothing is under way", Duration::from_secs(5), || {
        gateway.metric("tidegate_requests_in_flight", &[]) == 0.0
    });
}
