//! What a connection may be used for after an exchange: a backend's connection only after a whole, exact one;
//! a client's connection only when its body has been read. And what happens when either side leaves early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::{Gateway, Message, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
/// An answer that nobody asked for.
const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
const SOON: Duration = Duration::from_secs(3);

/// One worker has one pool: a connection that may be used again is used again.
fn before(backend: &RawBackend) -> Gateway {
    Setup::new(BIN).workers(1).start(&everything_to(&[backend.address], ""))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A backend that answers `/first` with these bytes and everything else well.
fn first_answered_with(answer: impl Into<Vec<u8>>) -> RawBackend {
    let answer = answer.into();
    RawBackend::by_request(move |request| match request.target() {
        "/first" => vec![Act::Send(answer.clone())],
        _ => vec![Act::Send(OK.to_vec())],
    })
}

/// Asks `first`, then `/second`, and says whether the backend's connection was used for both.
fn ask_twice(backend: &RawBackend, first: &str) -> (Message, bool) {
    let gateway = before(backend);
    let answer = gateway.ask(first);
    assert_eq!(gateway.ask(get("/second")).body, b"ok", "the next request has its own answer");
    let connections: Vec<usize> = backend.take_arrivals().iter().map(|arrival| arrival.connection).collect();
    assert_eq!(connections.len(), 2, "each request reaches the backend once");
    let is_reused = connections[0] == connections[1];
    if !is_reused {
        backend.end_of(connections[0]);
    }
    gateway.stop();
    (answer, is_reused)
}

/// A plain exchange, without which the rest of this file would prove nothing.
#[test]
fn a_whole_exact_exchange_lets_the_connection_be_used_again() {
    let (answer, is_reused) = ask_twice(&first_answered_with(OK), &get("/first"));
    assert_eq!(answer.body, b"ok");
    assert!(is_reused);
}

/// `resp-extra-bytes-idle`
#[test]
fn a_backend_that_speaks_on_an_idle_connection_loses_it() {
    let has_spoken = Arc::new(AtomicBool::new(false));
    let backend = RawBackend::start({
        let has_spoken = has_spoken.clone();
        move |visit| {
            while let Some(request) = visit.request() {
                visit.connection.send(OK);
                if request.target() == "/first" {
                    // Long enough for the answer to have been handed on and the connection to be idle.
                    std::thread::sleep(Duration::from_millis(50));
                    visit.connection.send(EVIL);
                    has_spoken.store(true, Ordering::SeqCst);
                }
            }
        }
    });
    let gateway = before(&backend);
    assert_eq!(gateway.ask(get("/first")).body, b"ok");
    await_true("the backend has spoken", SOON, || has_spoken.load(Ordering::SeqCst));
    assert_eq!(gateway.ask(get("/second")).body, b"ok");
    let connections: Vec<usize> = backend.take_arrivals().iter().map(|arrival| arrival.connection).collect();
    assert_eq!(connections, [0, 1]);
    backend.end_of(0);
    gateway.stop();
}

/// `resp-extra-bytes-after-body`
#[test]
fn bytes_after_an_answer_are_never_the_next_answer() {
    let surplus = [OK, EVIL.as_bytes()].concat();
    let (answer, is_reused) = ask_twice(&first_answered_with(surplus), &get("/first"));
    assert_eq!(answer.body, b"ok");
    assert!(!is_reused);
}

/// A second answer that comes late, while the connection is under way again, is what no look can tell from the answer to that
/// request. A backend that has given itself away is not asked again on a connection that has not rested.
#[test]
fn a_backend_that_has_said_too_much_once_is_not_believed_at_once_again() {
    const SECOND: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond";
    // With the first answer, so that it is seen; later, behind the next request's head.
    let backend = RawBackend::by_request(|request| match request.target() {
        "/both" => vec![Act::Send([OK, SECOND].concat())],
        _ => vec![Act::Send(OK.to_vec()), Act::Pause(Duration::from_millis(2)), Act::Send(SECOND.to_vec())],
    });
    let gateway = before(&backend);
    let mut client = gateway.connect();
    assert_eq!(client.send(get("/both")).final_response("GET").unwrap().1.body, b"ok");
    for _ in 0..100 {
        assert_eq!(client.send(get("/late")).final_response("GET").unwrap().1.body, b"ok");
    }
    gateway.stop();
}

/// `resp-close-delimited-reused`
#[test]
fn an_answer_without_length_ends_with_its_connection() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/first" => vec![Act::Send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec()), Act::Finish],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let (answer, is_reused) = ask_twice(&backend, &get("/first"));
    assert_eq!(answer.body, b"until the end");
    assert_eq!(answer.value("transfer-encoding"), "chunked", "the client's connection can go on");
    assert!(!is_reused);
}

/// `resp-304-with-body`
#[test]
fn a_304_has_no_body_whatever_it_sends() {
    let answer = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n";
    let (seen, is_reused) = ask_twice(&first_answered_with(format!("{answer}hello")), &get("/first"));
    assert_eq!((seen.status(), seen.value("etag")), (304, "\"x\""));
    assert!(!is_reused, "what it sent as a body is surplus");

    let (seen, is_reused) = ask_twice(&first_answered_with(answer), &get("/first"));
    assert_eq!(
        (seen.status(), seen.value("content-length")),
        (304, "5"),
        "the length of the 200 it stands for"
    );
    assert!(is_reused);
}

/// `resp-204-with-cl`
#[test]
fn a_204_with_a_length_is_refused_or_has_none() {
    let answer = "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello";
    let (seen, is_reused) = ask_twice(&first_answered_with(answer), &get("/first"));
    assert!(!is_reused);
    match seen.status() {
        502 => {}
        204 => assert_eq!((seen.value("content-length"), seen.value("transfer-encoding")), ("", "")),
        status => panic!("{status}"),
    }
    let (seen, is_reused) =
        ask_twice(&first_answered_with("HTTP/1.1 204 No Content\r\n\r\n"), &get("/first"));
    assert_eq!((seen.status(), is_reused), (204, true));
}

/// `resp-head-with-body`
#[test]
fn an_answer_to_head_has_no_body_whatever_it_sends() {
    let head = "HEAD /first HTTP/1.1\r\nHost: a\r\n\r\n";
    let (seen, is_reused) = ask_twice(&first_answered_with(OK), head);
    assert_eq!((seen.status(), seen.value("content-length")), (200, "2"));
    assert!(!is_reused, "what it sent as a body is surplus");

    let (seen, is_reused) = ask_twice(&first_answered_with(&OK[..OK.len() - 2]), head);
    assert_eq!((seen.status(), seen.value("content-length")), (200, "2"));
    assert!(is_reused);
}

/// `resp-http10-keepalive`
#[test]
fn an_http10_backend_keeps_its_connection_only_when_it_says_so() {
    let plain = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (seen, is_reused) = ask_twice(&first_answered_with(plain), &get("/first"));
    assert_eq!((seen.body.as_slice(), is_reused), (&b"ok"[..], false));
    assert!(seen.head.starts_with(b"HTTP/1.1 200 "), "the version is ours");
    let kept = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
    let (seen, _) = ask_twice(&first_answered_with(kept), &get("/first"));
    assert_eq!((seen.body.as_slice(), seen.value("connection")), (&b"ok"[..], ""));
}

/// `client-gone-mid-body`
#[test]
fn a_request_whose_client_leaves_mid_body_breaks_off_at_the_backend() {
    let backend = RawBackend::answering(OK);
    let gateway = before(&backend);
    let part =
        format!("POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(70_000));
    let mut client = gateway.connect();
    client.send(part);
    await_true("the backend is reached", SOON, || backend.connections() == 1);
    client.reset();
    backend.end_of(0);
    assert_eq!(gateway.ask(get("/second")).body, b"ok");
    let arrivals = backend.take_arrivals();
    assert_eq!(arrivals.len(), 2);
    assert!(arrivals[0].request.is_err(), "the first never becomes whole");
    assert_eq!(arrivals[1].connection, 1);
    gateway.stop();
}

/// A client that resets wants no answer: the work behind it is called off.
#[test]
fn a_client_that_resets_calls_the_backend_off() {
    let backend = RawBackend::by_request(|_| vec![Act::AwaitEnd]);
    let gateway = before(&backend);
    let mut client = gateway.connect();
    client.send(get("/slow"));
    await_true("the backend is reached", SOON, || backend.connections() == 1);
    client.reset();
    assert!(backend.ended_within(0, SOON).is_some(), "the backend is told that nobody waits");
    gateway.stop();
}

/// A client that is only done with sending still waits for its answer.
#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let backend =
        RawBackend::by_request(|_| vec![Act::Pause(Duration::from_millis(200)), Act::Send(OK.to_vec())]);
    let gateway = before(&backend);
    let mut client = gateway.connect();
    client.send(get("/slow")).finish();
    assert_eq!(client.final_response("GET").unwrap().1.body, b"ok");
    assert!(client.is_ended_within(SOON));
    gateway.stop();
}

/// `early-reply-unread-body`
#[test]
fn a_backend_that_answers_before_the_body_is_not_used_again_with_the_rest_of_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let backend = RawBackend::start({
        let seen = seen.clone();
        move |visit| {
            while let Ok(head) = visit.connection.request_head() {
                seen.lock().unwrap().push(head.target().to_owned());
                visit.connection.send(OK);
                if visit.connection.rest_of(head).is_err() {
                    return;
                }
            }
        }
    });
    let gateway = before(&backend);
    let body = get("/smuggled").repeat(100);
    let mut client = gateway.connect();
    client.send(format!("POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
    assert_eq!(client.final_response("POST").unwrap().1.body, b"ok", "the answer does not wait for the body");
    client.send(&body).send(get("/second"));
    match client.final_response("GET") {
        Ok((_, answer)) => assert_eq!(answer.body, b"ok"),
        Err(lost) => assert!(lost.partial.is_empty(), "closed instead of reading the rest: {lost}"),
    }
    assert_eq!(gateway.ask(get("/third")).body, b"ok");
    gateway.stop();
    let seen = seen.lock().unwrap().join(" ");
    assert!(["/first /third", "/first /second /third"].contains(&seen.as_str()), "{seen}");
}

/// The same for a body too long to be thrown away.
#[test]
fn a_long_body_that_nobody_reads_closes_the_connection() {
    let backend = RawBackend::answering(OK);
    let config = everything_to(&[backend.address], "")
        .replace("match: \"/**\", to: origin", "match: \"/**\", to: { respond: { status: 200, body: ok } }");
    let gateway = Setup::new(BIN).start(&config);
    let head = |bytes: usize| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");

    let mut client = gateway.connect();
    client.send(head(60_000)).send("x".repeat(60_000)).send(get("/second"));
    assert_eq!(client.final_response("POST").unwrap().1.status(), 200);
    assert_eq!(client.final_response("GET").unwrap().1.status(), 200, "a short one is thrown away");

    let mut client = gateway.connect();
    client.send(head(1_000_000)).send("x".repeat(100_000));
    assert_eq!(client.final_response("POST").unwrap().1.status(), 200);
    assert!(client.is_ended_within(SOON));
    assert_eq!(backend.connections(), 0);
    gateway.stop();
}

/// A backend that has heard enough answers, finishes, and reads no more.
#[test]
fn an_early_refusal_of_a_long_body_reaches_the_client() {
    let backend = RawBackend::start(|visit| {
        if visit.connection.request_head().is_ok() {
            let refusal =
                "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch";
            visit.connection.send(refusal).finish();
            drop(visit.connection.rest());
        }
    });
    let gateway = before(&backend);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n").send(vec![b'x'; 300_000]);
    let (_, answer) = client.final_response("POST").expect("the backend's answer");
    assert_eq!((answer.status(), answer.body.as_slice()), (413, &b"much"[..]));
    assert!(client.is_ended_within(SOON), "the rest of the body cannot be read as a request");
    gateway.stop();
}

/// Several requests on one connection, each on its own merits.
#[test]
fn a_client_connection_serves_answers_of_every_kind_in_order() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/length" => vec![Act::Send(OK.to_vec())],
        "/chunked" => vec![Act::Send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec(),
        )],
        "/close" => vec![Act::Send(b"HTTP/1.1 200 OK\r\n\r\nok".to_vec()), Act::Close],
        "/bad" => vec![Act::Send(b"HTTP/1.1 banana\r\n\r\n".to_vec())],
        _ => vec![Act::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())],
    });
    let gateway = before(&backend);
    let mut client = gateway.connect();
    let rounds =
        [("/length", 200), ("/chunked", 200), ("/close", 200), ("/bad", 502), ("/none", 204)].repeat(3);
    for (path, status) in &rounds {
        client.send(get(path));
        let (_, answer) = client.final_response("GET").unwrap_or_else(|lost| panic!("{path}: {lost}"));
        assert_eq!(answer.status(), *status, "{path}");
        assert!(*status != 200 || answer.body == b"ok", "{path}");
    }
    assert_eq!(backend.take_arrivals().len(), rounds.len());
    gateway.stop();
}
