//! Uploads that no backend takes: what connections hold of them stays within a bound, whatever frames it came in, and
//! clients at other addresses are served. The backend takes not even the connection, so that no socket holds a part.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidegate_testkit::backend::{OK, full_listener};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, RawBackend, Setup};

use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Outcome, Peer, Said, block, frame};

/// Where the crowd is.
const CROWD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// What one address may have us hold.
const SHARE_KIB: u64 = 32 << 10;
/// What else it may cost: connections, streams, what is read in a turn.
const ELSE_KIB: u64 = 16 << 10;
const STREAM_WINDOW: usize = 64 << 10;
const CONNECTION_WINDOW: usize = 1 << 20;
const FRAME_BYTES: usize = 16 << 10;

/// `/stuck` leads to a backend that takes nothing, `/good` to one that does.
fn gateway(good: &RawBackend, stuck: SocketAddr) -> Gateway {
    let setup = Setup::new(env!("CARGO_BIN_EXE_tidegate")).workers(1).protocols("[h2]");
    setup.start(&format!(
        "services:\n\
         \x20 good: {{ backends: [\"{}\"] }}\n\
         \x20 stuck: {{ backends: [\"{stuck}\"], timeouts: {{ connect: 1m }} }}\n\
         routes:\n\
         \x20 - {{ match: /good, to: good }}\n\
         \x20 - {{ match: /stuck, to: stuck, body_max: 1GiB }}",
        good.address
    ))
}

/// Begins an upload.
fn post(peer: &mut Peer, path: &str) -> u32 {
    let stream = peer.stream();
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "api.test"), (":path", path)];
    peer.send(&frame(HEADERS, END_HEADERS, stream, &block(&fields)));
    stream
}

/// Uploads of a connection's whole window, a stream's to each.
fn fill(peer: &mut Peer) -> Vec<u32> {
    let streams: Vec<u32> = (0..CONNECTION_WINDOW / STREAM_WINDOW).map(|_| post(peer, "/stuck")).collect();
    while peer.window(0) < CONNECTION_WINDOW {
        assert_eq!(peer.next_within(Duration::from_millis(1)), Said::Nothing);
    }
    let piece = [b'x'; FRAME_BYTES];
    for stream in &streams {
        for _ in 0..STREAM_WINDOW / FRAME_BYTES {
            peer.send(&frame(DATA, 0, *stream, &piece));
        }
    }
    streams
}

/// The statuses that were answered by now.
fn answered(peer: &mut Peer) -> Vec<u16> {
    let mut statuses = Vec::new();
    loop {
        match peer.next_within(Duration::from_millis(20)) {
            Said::Head(_, status, _) => statuses.push(status),
            Said::Nothing => return statuses,
            Said::Data(..) | Said::Reset(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn assert_serves(peer: &mut Peer) {
    /// Within every window.
    const BYTES: usize = 60_000;
    let stream = post(peer, "/good");
    for piece in vec![b'g'; BYTES].chunks(FRAME_BYTES) {
        peer.send(&frame(DATA, 0, stream, piece));
    }
    peer.send(&frame(DATA, END_STREAM, stream, &[]));
    assert_eq!(peer.outcome(stream).0, Outcome::Status(200));
}

#[test]
fn what_a_crowd_has_us_hold_stays_within_its_share() {
    /// Twice the share.
    const CONNECTIONS: usize = 64;
    let (address, _full) = full_listener();
    let good = RawBackend::answering(OK);
    let gateway = gateway(&good, address);
    assert_serves(&mut Peer::to(gateway.http));
    let before = gateway.process().pss_kib();
    let mut crowd: Vec<Peer> = (0..CONNECTIONS).map(|_| Peer::from(CROWD, gateway.http)).collect();
    let streams: usize = crowd.iter_mut().map(|peer| fill(peer).len()).sum();
    let statuses: Vec<u16> = crowd.iter_mut().flat_map(answered).collect();
    assert_serves(&mut Peer::to(gateway.http));
    let grown = gateway.process().pss_kib().saturating_sub(before);
    println!("{streams} uploads: {} refused, memory +{grown} KiB", statuses.len());
    assert!(grown <= SHARE_KIB + ELSE_KIB, "memory has grown by {grown} KiB");
    assert!(statuses.iter().all(|status| *status == 429), "{statuses:?}");
    let counted = &["policy=\"body_memory\"", "reason=\"client_share\""];
    assert_eq!(gateway.metric("tidegate_refusals_total", counted), statuses.len() as f64);
    // Within the share nothing is lost, and beyond it nothing is held.
    let held = (streams - statuses.len()) * STREAM_WINDOW;
    let share = (SHARE_KIB as usize) << 10;
    assert!((share * 3 / 4..=share).contains(&held), "{held} bytes are held");
    drop(crowd);
    await_true("the crowd has gone", Duration::from_secs(10), || {
        gateway.metric("tidegate_requests_in_flight", &[]) == 0.0
    });
    // All of it was given back.
    let mut again = Peer::from(CROWD, gateway.http);
    fill(&mut again);
    assert!(answered(&mut again).is_empty());
    drop(again);
    gateway.stop();
}

/// What one byte lies in when it is read is not held for it: a client would have us keep thousands of times what its
/// windows say, with frames beside it that count for nothing.
#[test]
fn frames_of_a_byte_hold_little_more_than_a_byte() {
    const CONNECTIONS: usize = 6;
    const ROUNDS: usize = 1500;
    /// As much as is read at once.
    const BESIDE: usize = 8 << 10;
    let (address, _full) = full_listener();
    let good = RawBackend::answering(OK);
    let gateway = gateway(&good, address);
    assert_serves(&mut Peer::to(gateway.http));
    let before = gateway.process().pss_kib();
    let peers: Vec<Peer> = (0..CONNECTIONS)
        .map(|_| {
            let mut peer = Peer::from(CROWD, gateway.http);
            let stuck = post(&mut peer, "/stuck");
            // Answered with 404, and read away.
            let beside = post(&mut peer, "/missing");
            for sent in 0..ROUNDS {
                while peer.window(beside).min(peer.window(0)) < (sent + 2) * (BESIDE + 1) {
                    peer.next_within(Duration::from_millis(1));
                }
                peer.send(&frame(DATA, 0, stuck, b"x"));
                peer.send(&frame(DATA, 0, beside, &[b'y'; BESIDE]));
            }
            peer
        })
        .collect();
    assert_serves(&mut Peer::to(gateway.http));
    let grown = gateway.process().pss_kib().saturating_sub(before);
    println!("{} frames of a byte: memory +{grown} KiB", CONNECTIONS * ROUNDS);
    assert!(grown <= ELSE_KIB, "memory has grown by {grown} KiB");
    drop(peers);
    gateway.stop();
}
