//! SIGTERM: what is under way is finished, what waits for nothing is closed, and then the process ends well.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, RawBackend};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
/// A tenth of the time that requests under way are given: whoever waits for nothing must not take it.
const AT_ONCE: Duration = Duration::from_secs(3);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn connections_without_a_request_do_not_hold_the_end_up() {
    let backend = RawBackend::answering(OK);
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut unused = gateway.connect();
    let mut used = gateway.connect();
    used.send(get("/"));
    assert_eq!(used.response("GET").unwrap().status(), 200);
    let start = Instant::now();
    gateway.begin_stop();
    assert!(used.is_ended_within(AT_ONCE), "a connection between requests");
    assert!(unused.is_ended_within(AT_ONCE), "a connection that has never sent anything");
    gateway.await_stop(AT_ONCE);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn requests_under_way_are_answered_and_no_others_taken() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/slow" => vec![Act::Pause(Duration::from_millis(700)), Act::Send(OK.to_vec())],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = gateway.connect();
    client.send(get("/slow"));
    await_true("the backend is asked", AT_ONCE, || !backend.take_arrivals().is_empty());
    let address = gateway.http;
    gateway.begin_stop();
    await_true("nobody listens any more", AT_ONCE, || TcpStream::connect(address).is_err());
    client.send(get("/behind"));
    let answer = client.response("GET").expect("the answer to what was under way");
    assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"ok"[..]));
    assert!(client.is_ended_within(AT_ONCE), "nothing more is served");
    gateway.await_stop(AT_ONCE);
}
