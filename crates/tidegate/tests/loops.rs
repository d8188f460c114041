//! A request that comes back to the gateway it went through ends there, whoever led it back.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::{Gateway, Message, RawBackend, Setup, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(5);

fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn only_request(backend: &RawBackend) -> Message {
    let mut arrivals = backend.take_arrivals();
    assert_eq!(arrivals.len(), 1);
    arrivals.remove(0).request.expect("a whole request")
}

/// What the gateway signs with, from a request it has sent on.
fn node(gateway: &Gateway, backend: &RawBackend) -> String {
    gateway.ask(get(""));
    let request = only_request(backend);
    let node = request.value("via").strip_prefix("1.1 ").expect("a signature").to_owned();
    assert!(request.values("cdn-loop").is_empty(), "a request that came from no gateway");
    let digits = node.strip_prefix("tidegate-").unwrap_or_default();
    assert!(digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{node}");
    node
}

#[test]
fn what_was_sent_on_is_not_taken_back() {
    let backend = RawBackend::answering(OK);
    let gateway = Setup::new(BIN).start(&everything_to(&[backend.address], ""));
    gateway.ask(get(""));
    let sent_on = only_request(&backend);
    let answer = gateway.ask(sent_on.bytes());
    assert_eq!((answer.status(), problem::code(&answer).as_deref()), (508, Ok("loop")));
    assert_eq!(backend.take_arrivals().len(), 0, "it ends here");
    gateway.stop();
}

#[test]
fn a_loop_of_one_gateway_ends_after_one_round() {
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Setup::new(BIN).start(&everything_to(&[relay.local_addr().unwrap()], ""));
    let back_to = gateway.http;
    let relaying = std::thread::spawn(move || relay_one(&relay, back_to));
    let answer = gateway.ask(get("Connection: close\r\n"));
    // The document is that of the second round, passed on as any backend's.
    let document = String::from_utf8_lossy(&answer.body);
    assert_eq!((answer.status(), document.contains(r#""code":"loop""#)), (508, true), "{document}");
    let refused = || gateway.metric("tidegate_requests_total", &[r#"code="508""#]);
    await_true("the second round and the first are counted", SOON, || refused() == 2.0);
    gateway.stop();
    relaying.join().unwrap();
}

/// Passes the bytes of one connection on, both ways, to its end.
fn relay_one(relay: &TcpListener, to: SocketAddr) {
    let (near, _) = relay.accept().unwrap();
    let far = TcpStream::connect(to).unwrap();
    let pass = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    let there = pass(near.try_clone().unwrap(), far.try_clone().unwrap());
    let back = pass(far, near);
    there.join().unwrap();
    back.join().unwrap();
}

#[test]
fn a_request_of_other_gateways_passes_and_is_signed() {
    let backend = RawBackend::answering(OK);
    let gateway = Setup::new(BIN).start(&everything_to(&[backend.address], ""));
    let node = node(&gateway, &backend);
    let fields =
        "Via: 1.1 tidegate-zzzzzzzz, 2 other (of another)\r\nCDN-Loop: one.example; a=b\r\nCDN-Loop: two\r\n";
    assert_eq!(gateway.ask(get(fields)).status(), 200);
    let request = only_request(&backend);
    assert_eq!(request.value("cdn-loop"), format!("one.example; a=b, two, {node}"), "kept, whoever sent it");
    assert_eq!(
        request.value("via"),
        format!("1.1 {node}"),
        "those of a client that is not trusted are dropped"
    );
    let hidden = get(&format!("CDN-Loop: x, {node}\r\nConnection: cdn-loop\r\n"));
    assert_eq!(gateway.ask(hidden).status(), 508, "nobody can hide it");
    gateway.stop();
}

#[test]
fn one_gateway_may_stand_before_another() {
    let backend = RawBackend::answering(OK);
    let inner = Setup::new(BIN).start(&everything_to(&[backend.address], ""));
    let outer = Setup::new(BIN).start(&everything_to(&[inner.http], ""));
    assert_eq!(outer.ask(get("")).status(), 200);
    let request = only_request(&backend);
    assert_eq!(
        request.value("via"),
        format!("1.1 {}", request.value("cdn-loop")),
        "the inner one signs twice"
    );
    outer.stop();
    inner.stop();
}
