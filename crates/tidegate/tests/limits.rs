//! What the gateway takes from clients and waits for from backends, and what it answers when there is more.

use std::time::{Duration, Instant};

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::{Connection, Gateway, How, Message, RawBackend, Setup, ports, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(5);

fn limited(limits: &str, backend: &RawBackend) -> Gateway {
    Setup::new(BIN).workers(1).limits(limits).start(&everything_to(&[backend.address], ""))
}

fn get(more: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n")
}

/// Asks on a connection of its own; the status and, for failures, the code of the problem document.
fn ask(gateway: &Gateway, request: &str) -> (u16, String) {
    outcome(&gateway.ask(request))
}

fn outcome(answer: &Message) -> (u16, String) {
    match answer.status() {
        status @ 400.. => (status, problem::code(answer).unwrap_or_else(|reason| panic!("{reason}"))),
        status => (status, "ok".into()),
    }
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.into())
}

#[test]
fn heads_are_bounded_by_line_whole_and_count() {
    let backend = RawBackend::answering(OK);
    let gateway = limited("{ line: 1KiB, head: 4KiB, fields: 10 }", &backend);
    let lines = |count: usize, bytes: usize| {
        (0..count).map(|n| format!("X-{n}: {}\r\n", "v".repeat(bytes))).collect::<String>()
    };
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(bytes));
    let status = |request: &str| ask(&gateway, request).0;
    assert_eq!(status(&target(900)), 200);
    assert_eq!(status(&target(1100)), 414);
    assert_eq!(status(&get(&lines(1, 900))), 200);
    assert_eq!(status(&get(&lines(1, 1100))), 431);
    assert_eq!(status(&get(&lines(4, 900))), 200);
    assert_eq!(status(&get(&lines(5, 900))), 431);
    assert_eq!(status(&get(&lines(9, 1))), 200);
    assert_eq!(status(&get(&lines(10, 1))), 431);
    assert_eq!(backend.take_arrivals().len(), 4, "what is refused reaches nobody");
    gateway.stop();
}

#[test]
fn a_head_that_does_not_end_is_408_however_it_trickles() {
    let backend = RawBackend::answering(OK);
    let gateway = limited("{ head_time: 400ms }", &backend);
    let start = Instant::now();
    let mut client = gateway.connect().with_patience(Duration::from_millis(20));
    let mut request = get("X-Slow: yes\r\n").into_bytes().into_iter().take(40).cycle();
    let answer = loop {
        client.send([request.next().unwrap_or(b'x')]);
        match client.response("GET") {
            Err(lost) if lost.how == How::Silent => assert!(start.elapsed() < SOON, "no answer"),
            other => break other.expect("an answer before the end"),
        }
    };
    assert_eq!(outcome(&answer), is(408, "bad_request"));
    assert!(start.elapsed() >= Duration::from_millis(400), "after {:?}", start.elapsed());
    assert!(client.is_ended_within(SOON));
    assert_eq!(backend.connections(), 0);
    gateway.stop();
}

#[test]
fn idle_connections_close_without_a_word() {
    let backend = RawBackend::answering(OK);
    let gateway = limited("{ idle: 300ms }", &backend);
    let mut unused = gateway.connect();
    let mut used = gateway.connect();
    used.send(get(""));
    used.response("GET").unwrap();
    let start = Instant::now();
    assert!(used.is_ended_within(SOON), "nothing but the end comes");
    assert!(start.elapsed() >= Duration::from_millis(200), "after {:?}", start.elapsed());
    assert!(unused.is_ended_within(SOON));
    gateway.stop();
}

#[test]
fn a_connection_ends_after_its_requests_and_says_so() {
    let backend = RawBackend::answering(OK);
    let gateway = limited("{ requests: 3 }", &backend);
    let mut client = gateway.connect();
    client.send(get("").repeat(4));
    let closes: Vec<bool> = (0..3).map(|_| client.response("GET").unwrap().says_close()).collect();
    assert_eq!(closes, [false, false, true]);
    assert!(client.is_ended_within(SOON));
    assert_eq!(backend.take_arrivals().len(), 3);
    gateway.stop();
}

#[test]
fn connections_beyond_the_bound_are_not_served_until_one_ends() {
    for limits in ["{ connections: 2 }", "{ per_ip: 2 }"] {
        let backend = RawBackend::answering(OK);
        let gateway = limited(limits, &backend);
        let mut clients: Vec<Connection> = (0..2).map(|_| gateway.connect()).collect();
        for client in &mut clients {
            client.send(get(""));
            assert_eq!(client.response("GET").unwrap().status(), 200, "{limits}");
        }
        let mut third = gateway.connect();
        match third.send(get("")).response("GET") {
            Ok(answer) => assert_eq!(answer.status(), 503, "{limits}"),
            Err(lost) => assert!(lost.partial.is_empty() && lost.how != How::Silent, "{limits}: {lost}"),
        }
        clients.pop();
        let is_served = || {
            let mut client = gateway.connect();
            client.send(get("")).response("GET").is_ok_and(|answer| answer.status() == 200)
        };
        await_true("a place is free again", SOON, is_served);
        gateway.stop();
    }
}

#[test]
fn bodies_beyond_the_bound_are_413_and_never_whole() {
    let backend = RawBackend::answering(OK);
    let config =
        everything_to(&[backend.address], "").replace("to: origin }", "to: origin, body_max: 1KiB }");
    let gateway = Setup::new(BIN).start(&config);
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}");
    let counted = |bytes: usize| post(&format!("Content-Length: {bytes}"), &"x".repeat(bytes));
    let chunked = |bytes: usize| {
        post("Transfer-Encoding: chunked", &format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes)))
    };
    assert_eq!(ask(&gateway, &counted(1024)).0, 200);
    assert_eq!(ask(&gateway, &chunked(1024)).0, 200);
    assert_eq!(backend.take_arrivals().len(), 2);

    assert_eq!(ask(&gateway, &counted(1025)), is(413, "too_large"));
    assert_eq!(ask(&gateway, &post("Content-Length: 1000000000000", "")), is(413, "too_large"));
    assert_eq!(ask(&gateway, &chunked(1025)), is(413, "too_large"));
    let in_many = format!("{}0\r\n\r\n", "a\r\n0123456789\r\n".repeat(200));
    assert_eq!(ask(&gateway, &post("Transfer-Encoding: chunked", &in_many)), is(413, "too_large"));

    let expecting = post("Content-Length: 2000\r\nExpect: 100-continue", "");
    assert_eq!(ask(&gateway, &expecting), is(413, "too_large"), "without being asked for the body");
    gateway.stop();
    let whole: Vec<_> =
        backend.take_arrivals().into_iter().filter_map(|arrival| arrival.request.ok()).collect();
    assert!(whole.is_empty(), "nothing whole arrives: {whole:?}");
}

/// Ten seconds pass before a rate is judged, so this takes a little more. Both directions at once.
#[test]
fn peers_slower_than_min_rate_lose_their_connection() {
    let backend = RawBackend::by_request(|_| {
        let body = vec![b'x'; 16 << 20];
        vec![
            Act::Send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into()),
            Act::Send(body),
        ]
    });
    let gateway = limited("{ min_rate: 1000B/s }", &backend);
    let patience = Duration::from_secs(25);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = gateway.connect().with_patience(Duration::from_millis(500));
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
            let start = Instant::now();
            let answer = loop {
                client.send("x");
                match client.response("POST") {
                    Err(lost) if lost.how == How::Silent => {
                        assert!(start.elapsed() < patience, "still served")
                    }
                    other => break other.expect("an answer before the end"),
                }
            };
            assert_eq!(answer.status(), 408);
            assert!(start.elapsed() > SOON, "judged after {:?}", start.elapsed());
        });
        scope.spawn(|| {
            let mut client = gateway.connect();
            client.send(get(""));
            // The end of the connection is queued behind what the client has not read; we know before it does.
            let is_over = || gateway.metric("tidegate_connections", &[]) == 0.0;
            await_true("both connections are open", SOON, || {
                gateway.metric("tidegate_connections", &[]) == 2.0
            });
            let took = await_true("both connections end", patience, is_over);
            assert!(took > SOON, "judged after {took:?}");
            let lost = client.response("GET").expect_err("an answer that breaks off");
            assert!(lost.how != How::Silent, "{:?}", lost.how);
        });
    });
    gateway.stop();
}

/// A gateway with one backend, no second try, and these timeouts.
fn waiting(backend: std::net::SocketAddr, timeouts: &str, route: &str) -> Gateway {
    let service = format!("timeouts: {timeouts}, retry: {{ attempts: 0 }}");
    let config =
        everything_to(&[backend], &service).replace("to: origin }", &format!("to: origin{route} }}"));
    Setup::new(BIN).start(&config)
}

#[test]
fn backends_that_do_not_answer_in_time_are_504() {
    let backend = RawBackend::by_request(|_| vec![Act::AwaitEnd]);
    for (timeouts, route) in [("{ response: 300ms }", ""), ("{ response: 10s }", ", timeout: 300ms")] {
        let gateway = waiting(backend.address, timeouts, route);
        let start = Instant::now();
        assert_eq!(ask(&gateway, &get("")), is(504, "backend_timeout"), "{timeouts} {route}");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(290) && took < SOON, "{timeouts} {route}: {took:?}");
        let last = backend.connections() - 1;
        assert!(backend.ended_within(last, SOON).is_some(), "its connection is not used again");
        gateway.stop();
    }
}

#[test]
fn an_answer_that_stops_in_the_middle_breaks_off() {
    let part = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
    let backend = RawBackend::by_request(move |_| vec![Act::Send(part.clone()), Act::AwaitEnd]);
    let gateway = waiting(backend.address, "{ idle: 300ms }", "");
    let lost = gateway.connect().send(get("")).response("GET").expect_err("no whole answer");
    assert!(lost.how != How::Silent && lost.partial.ends_with(b"hello"), "{lost}");
    assert!(backend.ended_within(0, SOON).is_some());
    gateway.stop();
}

#[test]
fn each_way_in_which_a_backend_fails_has_its_name() {
    let resetting = RawBackend::by_request(|_| vec![Act::Reset]);
    let gateway = waiting(resetting.address, "{}", "");
    assert_eq!(ask(&gateway, &get("")), is(502, "backend_reset"));
    gateway.stop();

    let closing = RawBackend::by_request(|_| vec![Act::Close]);
    let gateway = waiting(closing.address, "{}", "");
    assert_eq!(ask(&gateway, &get("")), is(502, "backend_reset"));
    assert_eq!(closing.take_arrivals().len(), 1);
    gateway.stop();

    let cut =
        RawBackend::by_request(|_| vec![Act::Send(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), Act::Close]);
    let gateway = waiting(cut.address, "{}", "");
    let (status, code) = ask(&gateway, &get(""));
    assert!(status == 502 && ["backend_reset", "backend_error"].contains(&code.as_str()), "{status} {code}");
    gateway.stop();

    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], ports::claim()));
    let gateway = waiting(nobody, "{}", "");
    assert_eq!(ask(&gateway, &get("")), is(502, "connect_failed"));
    gateway.stop();
}

/// A listener whose queue is full takes no connection and refuses none.
#[test]
fn a_backend_that_takes_no_connection_is_504() {
    let (address, _full) = tidegate_testkit::backend::full_listener();
    let gateway = waiting(address, "{ connect: 300ms }", "");
    let start = Instant::now();
    let (status, code) = ask(&gateway, &get(""));
    assert!(
        status == 504 && ["connect_failed", "backend_timeout"].contains(&code.as_str()),
        "{status} {code}"
    );
    assert!(start.elapsed() < SOON);
    gateway.stop();
}

#[test]
fn requests_without_a_route_and_methods_without_one_are_told_so() {
    let backend = RawBackend::answering(OK);
    let config = everything_to(&[backend.address], "")
        .replace("match: \"/**\"", "match: { path: \"/here/**\", methods: [GET, POST] }");
    let gateway = Setup::new(BIN).start(&config);
    let request = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(ask(&gateway, &request("GET", "/here/x")).0, 200);
    assert_eq!(ask(&gateway, &request("GET", "/elsewhere")), is(404, "no_route"));
    let answer = gateway.ask(request("PUT", "/here"));
    assert_eq!(outcome(&answer), is(405, "method_not_allowed"));
    let mut allowed: Vec<&str> = answer.value("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);

    let mut client = gateway.connect();
    client.send(request("HEAD", "/elsewhere")).send(request("GET", "/here"));
    assert_eq!(client.response("HEAD").unwrap().status(), 404);
    assert_eq!(client.response("GET").unwrap().body, b"ok", "a refused HEAD has no body");
    gateway.stop();
}
