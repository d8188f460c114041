//! Bodies of every size and framing, both ways: byte for byte, as they come, and never more of them in memory
//! than a reader is behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tidegate_testkit::backend::Visit;
use tidegate_testkit::gateway::everything_to;
use tidegate_testkit::{Connection, Framing, Gateway, How, Message, Random, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const MIB: usize = 1 << 20;

/// Sizes around every power of two at which buffers and chunks end, and some by chance.
fn sizes(random: &mut Random) -> Vec<usize> {
    let mut sizes = vec![0, 1, 2, 3, 300 << 10];
    for power in 4..=18 {
        sizes.extend([(1 << power) - 1, 1 << power, (1 << power) + 1]);
    }
    sizes.extend((0..20).map(|_| random.below(300 << 10)));
    sizes
}

/// The body as chunks of random sizes.
fn chunked(body: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 1024);
    let mut rest = body;
    for size in random.pieces(body.len(), 20) {
        let (chunk, after) = rest.split_at(size);
        bytes.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = after;
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// A head up to its framing, framed, with the body behind it. `Close` is told by the connection's end.
fn framed(head: &str, framing: Framing, body: &[u8], random: &mut Random) -> Vec<u8> {
    match framing {
        Framing::Length(_) => {
            [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
        }
        Framing::Chunked => {
            [format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes(), &chunked(body, random)].concat()
        }
        Framing::None | Framing::Close => [format!("{head}\r\n").as_bytes(), body].concat(),
    }
}

/// Answers every request with its body, framed as the path asks, in pieces.
fn echo(seed: u64) -> RawBackend {
    RawBackend::start(move |visit| {
        let mut random = Random::new(seed ^ visit.number as u64);
        while let Some(request) = visit.request() {
            let framing = match request.target() {
                "/length" => Framing::Length(0),
                "/chunked" => Framing::Chunked,
                _ => Framing::Close,
            };
            let bytes = framed("HTTP/1.1 200 OK\r\n", framing, &request.body, &mut random);
            let pieces = random.pieces(bytes.len(), 6);
            visit.connection.send_pieces(&bytes, &pieces);
            if framing == Framing::Close {
                return;
            }
        }
    })
}

#[test]
fn bodies_of_every_size_and_framing_are_carried_exactly() {
    let mut random = Random::announced("bodies");
    let backend = echo(random.bits());
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = gateway.connect();
    for size in sizes(&mut random) {
        let body = random.bytes(size);
        for asked in [Framing::Length(0), Framing::Chunked] {
            for answered in ["/length", "/chunked", "/close"] {
                let what = format!("{size} bytes, {asked:?}, {answered}");
                let head = format!("POST {answered} HTTP/1.1\r\nHost: a\r\n");
                let bytes = framed(&head, asked, &body, &mut random);
                let pieces = random.pieces(bytes.len(), 6);
                client.send_pieces(&bytes, &pieces);
                let (_, answer) =
                    client.final_response("POST").unwrap_or_else(|lost| panic!("{what}: {lost}"));
                assert!(
                    answer.status() == 200 && answer.body == body,
                    "{what}: {} bytes came",
                    answer.body.len()
                );
                if answer.says_close() {
                    client = gateway.connect();
                }
            }
        }
    }
    gateway.stop();
}

/// An HTTP/1.0 client cannot read chunks: it is told a length, or the end of the connection tells it.
#[test]
fn http10_clients_get_bodies_without_chunks() {
    let mut random = Random::announced("HTTP/1.0");
    let backend = echo(random.bits());
    let gateway = Gateway::before(BIN, &[backend.address]);
    for size in [0, 1, 1000, 65_536, 200_000] {
        let body = random.bytes(size);
        for answered in ["/length", "/chunked", "/close"] {
            for keep_alive in ["", "Connection: keep-alive\r\n"] {
                let what = format!("{size} bytes, {answered}, {keep_alive:?}");
                let head = format!("POST {answered} HTTP/1.0\r\nHost: a\r\n{keep_alive}");
                let mut client = gateway.connect();
                client.send(framed(&head, Framing::Length(0), &body, &mut random));
                let answer = client.response("POST").unwrap_or_else(|lost| panic!("{what}: {lost}"));
                assert!(answer.values("transfer-encoding").is_empty(), "{what}");
                assert!(answer.body == body, "{what}: {} bytes came", answer.body.len());
                let may_be_kept = !keep_alive.is_empty() && matches!(answer.framing, Framing::Length(_));
                assert!(may_be_kept || client.is_ended_within(Duration::from_secs(3)), "{what}: left open");
            }
        }
    }
    gateway.stop();
}

#[test]
fn eight_mebibytes_arrive_in_both_directions() {
    let mut random = Random::announced("8 MiB");
    let backend = echo(random.bits());
    let gateway = Gateway::before(BIN, &[backend.address]);
    let body = random.bytes(8 * MIB);
    for (asked, answered) in [(Framing::Length(0), "/chunked"), (Framing::Chunked, "/length")] {
        let head = format!("PUT {answered} HTTP/1.1\r\nHost: a\r\n");
        let mut client = gateway.connect();
        client.send(framed(&head, asked, &body, &mut random));
        let (_, answer) = client.final_response("PUT").unwrap();
        assert!(answer.body == body, "{asked:?}: {} bytes came", answer.body.len());
    }
    gateway.stop();
}

/// Answers without a body between answers with one, on one connection.
#[test]
fn answers_without_a_body_leave_the_next_one_readable() {
    let backend = RawBackend::by_request(|request| {
        let text = match (request.method(), request.target()) {
            ("HEAD", "/chunked") => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            ("HEAD", _) => "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
            (_, "/204") => "HTTP/1.1 204 No Content\r\n\r\n",
            (_, "/304") => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 12345\r\n\r\n",
            (_, "/empty") => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        };
        vec![tidegate_testkit::Act::Send(text.into())]
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = gateway.connect();
    let mut ask = |method: &str, path: &str| -> Message {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.final_response(method).unwrap_or_else(|lost| panic!("{method} {path}: {lost}")).1
    };
    for _ in 0..5 {
        assert_eq!(ask("HEAD", "/").value("content-length"), "12345");
        assert_eq!(ask("GET", "/").body, b"body");
        assert_eq!(ask("HEAD", "/chunked").status(), 200);
        let no_content = ask("GET", "/204");
        assert!(
            no_content.values("content-length").is_empty()
                && no_content.values("transfer-encoding").is_empty()
        );
        assert_eq!(ask("GET", "/304").value("etag"), "\"a\"");
        assert_eq!(ask("GET", "/empty").value("content-length"), "0");
        assert_eq!(ask("GET", "/").body, b"body");
    }
    gateway.stop();
}

/// Sixteen requests with bodies in one go, cut anywhere.
#[test]
fn pipelined_bodies_are_told_apart() {
    let mut random = Random::announced("pipeline");
    let backend = echo(random.bits());
    let gateway = Gateway::before(BIN, &[backend.address]);
    for _ in 0..20 {
        let sizes: Vec<usize> = (0..16).map(|_| random.below(3000)).collect();
        let bodies: Vec<Vec<u8>> = sizes.into_iter().map(|size| random.bytes(size)).collect();
        let mut bytes = Vec::new();
        for body in &bodies {
            let (path, framing) = match random.below(2) {
                0 => ("/length", Framing::Chunked),
                _ => ("/chunked", Framing::Length(0)),
            };
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n");
            bytes.extend(framed(&head, framing, body, &mut random));
        }
        let pieces = random.pieces(bytes.len(), 8);
        let mut client = gateway.connect();
        client.send_pieces(&bytes, &pieces);
        for (number, body) in bodies.iter().enumerate() {
            let (_, answer) = client.final_response("POST").unwrap_or_else(|lost| panic!("{number}: {lost}"));
            assert!(
                answer.body == *body,
                "answer {number} has {} bytes of {}",
                answer.body.len(),
                body.len()
            );
        }
    }
    gateway.stop();
}

/// Nothing waits for the end of a body: each piece is handed on before the next one is made.
#[test]
fn pieces_are_handed_on_as_they_come() {
    let (to_client, from_test) = mpsc::sync_channel::<()>(1);
    let from_test = std::sync::Mutex::new(from_test);
    let backend = RawBackend::start(move |visit| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let Ok(request) = visit.connection.request_head() else { return };
        assert_eq!(request.framing, Framing::Chunked);
        for piece in ["one", "two"] {
            // What the client sends arrives before it sends more.
            assert_eq!(visit.connection.bytes(8).unwrap(), format!("3\r\n{piece}\r\n").as_bytes());
            visit.connection.send(if piece == "one" { head } else { "" }).send(format!("3\r\n{piece}\r\n"));
            let _ = from_test.lock().unwrap().recv();
        }
        assert_eq!(visit.connection.bytes(5).unwrap(), b"0\r\n\r\n");
        visit.connection.send("0\r\n\r\n");
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    client.response_head("POST").expect("the head comes before the body's end");
    assert_eq!(client.bytes(8).unwrap(), b"3\r\none\r\n");
    to_client.send(()).unwrap();
    client.send("3\r\ntwo\r\n");
    assert_eq!(client.bytes(8).unwrap(), b"3\r\ntwo\r\n");
    to_client.send(()).unwrap();
    client.send("0\r\n\r\n");
    assert_eq!(client.bytes(5).unwrap(), b"0\r\n\r\n");
    drop(client);
    gateway.stop();
}

/// Sends a body in pieces and counts what the other side has taken.
fn pour(visit: &mut Visit, total: usize, poured: &AtomicUsize) {
    let piece = vec![b'x'; 64 << 10];
    let mut left = total;
    while left > 0 && visit.connection.try_send(&piece[..left.min(piece.len())]).is_ok() {
        poured.fetch_add(left.min(piece.len()), Ordering::SeqCst);
        left = left.saturating_sub(piece.len());
    }
}

/// Waits until a count has stood still for a while, and says where.
fn standstill(count: &AtomicUsize) -> usize {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = usize::MAX;
    loop {
        let now = count.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return now;
        }
        assert!(Instant::now() < deadline, "still moving at {now}");
        last = now;
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Twenty clients that do not read cost twenty buffers, not twenty bodies.
#[test]
fn slow_readers_hold_the_backend_back() {
    const READERS: usize = 20;
    const BODY: usize = 32 * MIB;
    let poured = Arc::new(AtomicUsize::new(0));
    let backend = RawBackend::start({
        let poured = poured.clone();
        move |visit| {
            if visit.request().is_some() {
                visit.connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n"));
                pour(visit, BODY, &poured);
            }
        }
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    let before_kib = gateway.process().pss_kib();
    let mut clients: Vec<Connection> = (0..READERS).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let stopped_at = standstill(&poured);
    let grown_kib = gateway.process().pss_kib().saturating_sub(before_kib);
    // The kernel's buffers on both ways hold some megabytes of each body, the gateway 256 KiB at most.
    assert!(stopped_at < READERS * BODY / 2, "{stopped_at} bytes were taken from the backends");
    assert!(grown_kib < READERS as u64 * 512, "{grown_kib} KiB more for {READERS} slow readers");
    for client in clients.iter_mut().take(3) {
        assert_eq!(client.response("GET").unwrap().body.len(), BODY, "the rest comes when it is read");
    }
    drop(clients);
    gateway.stop();
}

/// A backend that does not read holds the client back.
#[test]
fn slow_backends_hold_the_client_back() {
    const BODY: usize = 64 * MIB;
    let (go_on, wait) = mpsc::sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let backend = RawBackend::start(move |visit| {
        while let Ok(head) = visit.connection.request_head() {
            if head.target() == "/slow" {
                let _ = wait.lock().unwrap().recv();
            }
            let whole = visit.connection.rest_of(head).map_or(0, |request| request.body.len());
            visit.connection.send(format!("HTTP/1.1 200 OK\r\nX-Seen: {whole}\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let config =
        everything_to(&[backend.address], "").replace("to: origin }", "to: origin, body_max: 100MiB }");
    let gateway = Setup::new(BIN).start(&config);
    let head = |path: &str, bytes: usize| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n")
    };
    // What one upload costs anyway: code and buffers that are touched for the first time.
    gateway.ask([head("/warm", MIB).as_bytes(), &vec![b'x'; MIB]].concat());
    let before_kib = gateway.process().pss_kib();
    let sent = AtomicUsize::new(0);
    let mut client = gateway.connect();
    client.send(head("/slow", BODY));
    let (stopped_at, grown_kib) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let piece = vec![b'x'; 64 << 10];
            while sent.load(Ordering::SeqCst) < BODY && client.try_send(&piece).is_ok() {
                sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
        });
        let seen = (standstill(&sent), gateway.process().pss_kib().saturating_sub(before_kib));
        go_on.send(()).unwrap();
        seen
    });
    assert!(stopped_at < BODY / 2, "{stopped_at} bytes were taken from the client");
    assert!(grown_kib < 1024, "{grown_kib} KiB more for one slow backend");
    assert_eq!(client.response("POST").unwrap().value("x-seen"), BODY.to_string());
    gateway.stop();
}

/// A body that ends before its length is an answer that broke off, and looks like one.
#[test]
fn a_body_cut_short_does_not_look_whole() {
    for (framing, part) in
        [("Content-Length: 10\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n")]
    {
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n{part}");
        let backend = RawBackend::start(move |visit| {
            if visit.request().is_some() {
                visit.connection.send(&answer);
            }
        });
        let gateway = Gateway::before(BIN, &[backend.address]);
        match gateway.connect().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET") {
            Err(lost) => assert!(lost.how != How::Silent, "{framing}: {lost}"),
            Ok(answer) => assert_eq!(answer.status(), 502, "{framing}"),
        }
        gateway.stop();
    }
}
