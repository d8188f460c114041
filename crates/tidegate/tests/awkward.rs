//! Peers that do the unusual at a bad moment: a backend that resets with a request half read, a client that reads
//! nothing while an interim answer is due, expectations that nobody met, protocols that nobody offered.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::{Connection, Gateway, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(3);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A backend that reads the head of a POST and resets the connection before its kernel has acknowledged a byte. It
/// may have acted upon what it read.
fn resetting_half_read(seen: &Arc<AtomicUsize>) -> RawBackend {
    let seen = seen.clone();
    RawBackend::start(move |visit| {
        let mut head = [0; 64];
        loop {
            // A connection that has answered several times acknowledges with its answers: no bare ones in between.
            let Ok(count) = visit.connection.stream().read(&mut head) else { return };
            if count == 0 {
                return;
            }
            if head.starts_with(b"POST") {
                seen.fetch_add(1, Ordering::SeqCst);
                visit.play(vec![Act::Reset]);
                return;
            }
            let mut rest = [0; 4096];
            let _ = visit.connection.stream().read(&mut rest);
            visit.connection.send(OK);
        }
    })
}

#[test]
fn a_post_that_was_read_and_reset_is_not_sent_again() {
    let seen = Arc::new(AtomicUsize::new(0));
    let backend = resetting_half_read(&seen);
    let gateway = Setup::new(BIN).workers(1).start(&everything_to(&[backend.address], ""));
    let mut client = gateway.connect();
    for round in 1..=20 {
        for _ in 0..3 {
            client.send(get("/"));
            assert_eq!(client.final_response("GET").unwrap().1.status(), 200);
        }
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        let (_, answer) = client.final_response("POST").unwrap();
        assert_eq!(
            (answer.status(), seen.load(Ordering::SeqCst)),
            (502, round),
            "seen by the backend so often"
        );
    }
    gateway.stop();
}

/// The client's side is full when interim answers come: all of them reach it once it reads, although nothing else is
/// written behind them.
#[test]
fn interim_answers_wait_for_a_client_that_reads_late() {
    const INTERIMS: usize = 16;
    let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: </{}>\r\n\r\n", "a".repeat(30_000));
    let are_read = Arc::new(AtomicBool::new(false));
    let backend = RawBackend::start({
        let are_read = are_read.clone();
        move |visit| {
            if visit.request().is_some() {
                visit.connection.send(hints.repeat(INTERIMS));
                await_true("they reach the client", SOON, || are_read.load(Ordering::SeqCst));
                visit.connection.send(OK);
            }
        }
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = Connection::narrow(gateway.http).with_patience(SOON);
    client.send(get("/"));
    // Most of them come before the first is read.
    std::thread::sleep(Duration::from_millis(300));
    for number in 0..INTERIMS {
        let interim = client.response("GET").unwrap_or_else(|lost| panic!("the {number}th: {:?}", lost.how));
        assert_eq!(interim.status(), 103);
    }
    are_read.store(true, Ordering::SeqCst);
    assert_eq!(client.response("GET").unwrap().body, b"ok");
    gateway.stop();
}

/// Whoever was not told to go on may leave the body out: what follows could be either.
#[test]
fn an_answer_to_a_client_that_waits_for_100_ends_the_connection() {
    let config = everything_to(&[([127, 0, 0, 1], 1).into()], "")
        .replace("match: \"/**\", to: origin", "match: \"/**\", to: { respond: { status: 200, body: ok } }");
    let gateway = Setup::new(BIN).start(&config);
    let post = |expect: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: 37\r\n\r\n");
    let mut client = gateway.connect();
    client.send(post("Expect: 100-continue\r\n"));
    let (interim, answer) = client.final_response("POST").unwrap();
    assert_eq!((interim.len(), answer.status(), answer.says_close()), (0, 200, true));
    assert!(client.is_ended_within(SOON));
    // One that sends its body unasked goes on.
    let mut client = gateway.connect();
    client.send(post("")).send(vec![b'x'; 37]).send(get("/"));
    assert!(!client.final_response("POST").unwrap().1.says_close());
    assert_eq!(client.final_response("GET").unwrap().1.body, b"ok");
    gateway.stop();
}

#[test]
fn a_switch_to_a_protocol_that_was_not_offered_is_a_bad_answer() {
    let backend = RawBackend::by_request(|request| {
        let protocol = request.target().trim_start_matches('/').to_owned();
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ";
        vec![Act::Send(format!("{head}{protocol}\r\n\r\n").into_bytes()), Act::AwaitEnd]
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    for (protocol, status) in [("WebSocket", 101), ("chat", 502), ("websocket/13", 502)] {
        let offer = "Host: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let mut client = gateway.connect();
        let answer = client.send(format!("GET /{protocol} HTTP/1.1\r\n{offer}")).response("GET").unwrap();
        assert_eq!(answer.status(), status, "{protocol}");
        client.reset();
    }
    gateway.stop();
}

/// What is answered while the gateway ends says that the connection does, too.
#[test]
fn an_answer_given_while_ending_says_that_the_connection_closes() {
    let backend =
        RawBackend::by_request(|_| vec![Act::Pause(Duration::from_millis(700)), Act::Send(OK.to_vec())]);
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = gateway.connect();
    client.send(get("/"));
    await_true("the backend is asked", SOON, || !backend.take_arrivals().is_empty());
    let address = gateway.http;
    gateway.begin_stop();
    await_true("nobody listens any more", SOON, || std::net::TcpStream::connect(address).is_err());
    let (_, answer) = client.final_response("GET").unwrap();
    assert!(answer.body == b"ok" && answer.says_close());
    assert!(client.is_ended_within(SOON));
    gateway.await_stop(SOON);
}

/// Trailers are for the receiver that was told of them, and no way around what the operator says about a field.
#[test]
fn only_announced_trailers_reach_a_backend_and_none_that_an_edit_names() {
    let backend = RawBackend::answering(OK);
    let config = everything_to(&[backend.address], "").replace(
        "to: origin",
        "to: origin, headers: { request: { set: { X-User: nobody }, remove: [X-Role] } }",
    );
    let gateway = Setup::new(BIN).start(&config);
    let trailers = "X-Sum: 1\r\nX-Also: 2\r\nx-user: root\r\nX_User: root\r\nX-ROLE: admin\r\n";
    for (announced, expected) in [
        ("", ""),
        ("Trailer: x-sum\r\n", "X-Sum: 1\r\n"),
        (
            "Trailer: x-user\r\nTrailer: x_user, x-role\r\nTrailer: X-Also,X-Sum\r\n",
            "X-Sum: 1\r\nX-Also: 2\r\n",
        ),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{announced}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(gateway.ask(format!("{head}5\r\nhello\r\n0\r\n{trailers}\r\n")).body, b"ok");
        let request = backend.take_arrivals().remove(0).request.unwrap();
        assert_eq!(request.body, b"hello");
        assert_eq!(String::from_utf8_lossy(&request.trailers), expected, "{announced:?}");
    }
    gateway.stop();
}
