//! What is tried again, where, and how often at most: refused connections, answers that are as good as none, and the
//! budget.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::everything_to;
use tidegate_testkit::load::Load;
use tidegate_testkit::{Gateway, RawBackend, Setup, ports};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy";

/// An address where nothing listens.
fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], ports::claim()).into()
}

fn request(method: &str, body: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn retries(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("tidegate_retries_total", &[&format!("result=\"{result}\"")])
}

/// A connection that is refused costs the request nothing, so it goes on until somebody takes it: whatever its method,
/// and however few attempts are allowed.
#[test]
fn refused_connections_are_followed_to_the_backend_that_takes_one() {
    for balancer in ["ewma", "least-request", "round-robin"] {
        for (method, attempts) in [("GET", 0), ("POST", 1)] {
            let good = RawBackend::answering(OK);
            let backends = [nobody(), nobody(), good.address, nobody(), nobody()];
            let service = format!("balance: {balancer}, retry: {{ attempts: {attempts}, budget: 0% }}");
            let gateway = Setup::new(BIN).start(&everything_to(&backends, &service));
            // Each request of a new gateway may be the first to meet an absent one.
            for _ in 0..5 {
                assert_eq!(gateway.ask(request(method, "hello")).status(), 200, "{method} {service}");
            }
            assert_eq!(good.take_arrivals().len(), 5);
            assert_eq!(retries(&gateway, "budget"), 0.0);
            gateway.stop();
        }
    }
}

/// Nobody takes it: each backend was asked once, and then the client is told.
#[test]
fn a_request_that_all_refuse_ends_after_each_was_asked() {
    let backends = [nobody(), nobody(), nobody()];
    let gateway = Setup::new(BIN).start(&everything_to(&backends, "retry: { attempts: 10 }"));
    let answer = gateway.ask(request("GET", ""));
    assert_eq!((answer.status(), answer.value("content-type")), (502, "application/problem+json"));
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""code":"connect_failed""#));
    let tried = gateway.metric("tidegate_backend_requests_total", &[]);
    assert_eq!(tried, 3.0, "each once");
    gateway.stop();
}

#[test]
fn listed_statuses_are_asked_again_elsewhere_while_that_is_safe() {
    // Causes, method, what the client gets: the good backend's 200, or the bad one's own answer.
    let cases = [
        ("[503]", "GET", "", 200),
        ("[502, 503, 504]", "PUT", "hello", 200),
        ("[connect, reset, 503]", "DELETE", "", 200),
        ("[503]", "POST", "hello", 503),
        ("[502, 504]", "GET", "", 503),
        ("[connect, reset]", "GET", "", 503),
    ];
    for (on, method, body, status) in cases {
        let bad = RawBackend::answering(UNAVAILABLE);
        let good = RawBackend::answering(OK);
        let service = format!("balance: round-robin, retry: {{ on: {on} }}");
        let gateway = Setup::new(BIN).start(&everything_to(&[bad.address, good.address], &service));
        let answers: Vec<_> = (0..4).map(|_| gateway.ask(request(method, body))).collect();
        let bad_ones = answers.iter().filter(|answer| answer.status() != 200).count();
        assert_eq!(bad_ones > 0, status == 503, "{on} {method}");
        for answer in answers.iter().filter(|answer| answer.status() != 200) {
            assert_eq!((answer.status(), &answer.body[..]), (503, &b"busy"[..]), "the backend's own answer");
        }
        let (bad, good) = (bad.take_arrivals(), good.take_arrivals());
        assert!(!bad.is_empty(), "the bad one was never asked, so nothing was shown");
        assert_eq!(bad.len() + good.len(), 4 + if status == 200 { bad.len() } else { 0 });
        for arrival in bad.iter().chain(&good) {
            assert_eq!(arrival.request.as_ref().unwrap().body, body.as_bytes(), "whole each time");
        }
        gateway.stop();
    }
}

/// The connection of an answer that was not wanted serves the next request.
#[test]
fn answers_set_aside_keep_their_connection() {
    let bad = RawBackend::answering(UNAVAILABLE);
    let service = "retry: { attempts: 3, on: [503], budget: 100% }";
    let gateway = Setup::new(BIN).workers(1).start(&everything_to(&[bad.address], service));
    for _ in 0..3 {
        assert_eq!(gateway.ask(request("GET", "")).body, b"busy");
    }
    assert_eq!(bad.take_arrivals().len(), 12);
    // A client may be back before the connection of its last answer is: one for each client at most, not one a try.
    assert!(bad.connections() <= 3, "{}", bad.connections());
    assert_eq!(retries(&gateway, "failed"), 9.0);
    gateway.stop();
}

/// An outage of everything: backends see at most a fifth more than clients ask, and ten a second.
#[test]
fn retries_stay_within_the_budget() {
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let bad = || {
        let count = count.clone();
        RawBackend::by_request(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            vec![Act::Send(UNAVAILABLE.to_vec())]
        })
    };
    let (one, other) = (bad(), bad());
    let service = "retry: { attempts: 3, on: [503] }";
    let start = Instant::now();
    let gateway = Setup::new(BIN).start(&everything_to(&[one.address, other.address], service));
    let request = request("GET", "").into_bytes();
    let load =
        Load { address: gateway.http, request, rate: 500, time: Duration::from_secs(3), connections: 8 };
    let answers = load.run();
    let other: Vec<_> =
        answers.iter().filter(|answer| answer.outcome != Ok((503, b"busy".to_vec()))).collect();
    assert!(other.is_empty(), "{} answers were not the backends' own: {:?}", other.len(), other.first());
    let made = count.load(Ordering::Relaxed) - answers.len();
    println!("{made} retries of {} requests", answers.len());
    // Ten for each second of the gateway's life, the one under way included, and those of its start.
    let floor = 10 * (start.elapsed().as_secs() as usize + 2);
    assert!(made >= answers.len() / 5, "{made} retries: the share was not given");
    assert!(made <= answers.len() / 5 + floor, "{made} retries");
    assert_eq!(retries(&gateway, "failed") as usize, made);
    assert!(retries(&gateway, "budget") > 0.0);
    gateway.stop();
}

/// A backend that takes requests and never answers.
fn silent() -> RawBackend {
    RawBackend::by_request(|_| vec![Act::AwaitEnd])
}

#[test]
fn a_timeout_is_asked_again_elsewhere_only_if_listed_and_safe() {
    // Causes, method, what the client gets when the silent backend is asked first.
    for (on, method, status) in
        [("[timeout]", "GET", 200), ("[timeout]", "POST", 504), ("[reset]", "GET", 504)]
    {
        let (slow, good) = (silent(), RawBackend::answering(OK));
        let service = format!("balance: round-robin, timeouts: {{ response: 200ms }}, retry: {{ on: {on} }}");
        let gateway = Setup::new(BIN).start(&everything_to(&[slow.address, good.address], &service));
        let statuses = [0, 1].map(|_| gateway.ask(request(method, "")).status());
        assert_eq!(statuses.iter().max(), Some(&status), "{on} {method}");
        let (slow, good) = (slow.take_arrivals().len(), good.take_arrivals().len());
        assert!(slow > 0, "the silent one was never asked, so nothing was shown");
        assert_eq!(slow + good, if status == 200 { 2 + slow } else { 2 });
        gateway.stop();
    }
}

/// However many tries there are, the route's `timeout` is the end of all of them.
#[test]
fn a_route_s_timeout_is_over_all_tries() {
    let (one, other) = (silent(), silent());
    let service = "timeouts: { response: 200ms }, retry: { attempts: 10, on: [timeout], budget: 100% }";
    let config = everything_to(&[one.address, other.address], service)
        .replace("to: origin }", "to: origin, timeout: 500ms }");
    let gateway = Setup::new(BIN).start(&config);
    let start = Instant::now();
    let answer = gateway.ask(request("GET", ""));
    let took = start.elapsed();
    assert_eq!(answer.status(), 504);
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""code":"backend_timeout""#));
    assert!(took >= Duration::from_millis(490) && took < Duration::from_secs(3), "{took:?}");
    let tries = one.take_arrivals().len() + other.take_arrivals().len();
    assert_eq!((tries, retries(&gateway, "failed")), (3, 2.0), "at 0, 200 and 400 ms");
    gateway.stop();
}

/// An interim answer that went to the client is a beginning: nothing is tried again after it.
#[test]
fn nothing_is_asked_again_once_an_answer_has_begun() {
    // What the backend does after its interim answer, and what the client gets.
    let endings =
        [(vec![Act::Send(UNAVAILABLE.to_vec())], 503), (vec![Act::Close], 502), (vec![Act::AwaitEnd], 504)];
    for (ending, status) in endings {
        let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
        let acts: Vec<Act> = [Act::Send(early)].into_iter().chain(ending).collect();
        let backend = RawBackend::by_request(move |_| acts.clone());
        let service = "timeouts: { response: 300ms }, retry: { attempts: 3, on: [reset, timeout, 503] }";
        let gateway = Setup::new(BIN).start(&everything_to(&[backend.address], service));
        let mut client = gateway.connect();
        let (interims, answer) = client.send(request("GET", "")).final_response("GET").expect("an answer");
        assert_eq!((interims.len(), answer.status()), (1, status));
        assert_eq!(backend.take_arrivals().len(), 1, "{status}");
        gateway.stop();
    }
}
