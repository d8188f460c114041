//! Requests without a body: what backends see of them, what clients get, and the answers that the gateway gives by
//! itself.

use http::{Request, Version};
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tidegate_core::name::Method;
use tidegate_testkit::{Act, Message, RawBackend};

use crate::client::{Answer, Client, request, run, until};
use crate::gateway::{API, Gateway, HELLO};

/// Streams at once in the test of many: half of what the codec allows.
const STREAMS: usize = 50;

fn answer(head: &str, body: &str) -> Vec<Act> {
    vec![Act::Send(format!("HTTP/1.1 {head}\r\n\r\n{body}").into_bytes())]
}

#[test]
fn a_request_reaches_a_backend_as_if_it_had_come_by_http_1() {
    let backend = RawBackend::by_request(|_| {
        answer("200 Fine\r\nContent-Length: 2\r\nX-Thing: a\r\nx-thing: b\r\nKeep-Alive: timeout=5", "ok")
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        let mut asked = request("GET", "/api/./a%2db/%c3?q=%2e&r");
        let fields = [
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("te", "trailers"),
            ("proxy-authorization", "Basic eDp5"),
            ("via", "1.1 liar"),
        ];
        for (name, value) in fields {
            asked.headers_mut().append(name, value.parse().unwrap());
        }
        let answer = Answer::to(client.send(asked).await.0).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok"[..]));
        assert_eq!(answer.value("content-length"), "2");
        let things: Vec<_> = answer.fields.get_all("x-thing").iter().collect();
        assert_eq!(things, ["a", "b"], "field names are lower case, and their order holds");
        assert!(!answer.fields.contains_key("keep-alive"));

        let arrivals = backend.take_arrivals();
        let [arrival] = &arrivals[..] else { panic!("{arrivals:?}") };
        let seen = arrival.request.as_ref().expect("a whole request");
        assert_eq!(seen.start_line(), b"GET /api/a-b/%C3?q=%2e&r HTTP/1.1");
        let values =
            ["host", "cookie", "te", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]
                .map(|name| seen.value(name));
        assert_eq!(values, ["api.test", "a=1; b=2", "", "2 tidegate", "127.0.0.1", "http", "api.test"]);
        let absent = ["content-length", "transfer-encoding", "proxy-authorization"];
        assert!(absent.iter().all(|name| seen.values(name).is_empty()), "{seen:?}");
        assert_eq!(seen.value("x-request-id"), answer.value("x-request-id"));
        assert_eq!(seen.value("x-request-id").len(), 32);
        until(|| gateway.counts(API) == [(Method::Get, 200, 1)]).await;
    });
}

#[test]
fn streams_in_turn_use_the_same_backend_connections() {
    let backends = [0, 1].map(|_| RawBackend::answering(tidegate_testkit::backend::OK));
    let gateway = Gateway::before(&[&backends[0], &backends[1]]);
    run(async {
        let client = Client::to(&gateway).await;
        for asked in 1..=6 {
            let answer = client.ask("GET", "/api/").await;
            assert_eq!((answer.status.as_u16(), answer.broken), (200, None));
            until(|| gateway.counts(API) == [(Method::Get, 200, asked)]).await;
        }
    });
    assert_eq!(backends.each_ref().map(RawBackend::connections), [1, 1]);
    assert_eq!(backends.each_ref().map(|backend| backend.take_arrivals().len()), [3, 3]);
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let cases = [
        ("HEAD", "200 OK\r\nContent-Length: 1234", "1234"),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked", ""),
        ("GET", "204 No Content", ""),
        ("GET", "204 No Content\r\nContent-Length: 0", ""),
        ("GET", "304 Not Modified\r\nETag: \"x\"", ""),
        ("GET", "304 Not Modified\r\nContent-Length: 99", "99"),
        ("GET", "200 OK\r\nContent-Length: 0", "0"),
        ("POST", "201 Created\r\nContent-Length: 0", "0"),
    ];
    let backend = RawBackend::by_request(move |request| {
        let index: usize = request.target().rsplit('/').next().unwrap().parse().unwrap();
        answer(cases[index].1, "")
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        for (index, (method, head, length)) in cases.into_iter().enumerate() {
            let (response, _) = client.send(request(method, &format!("/api/{index}"))).await;
            let (parts, body) = response.await.expect("an answer").into_parts();
            assert_eq!(parts.status.as_str(), &head[..3], "{method} {head}");
            assert!(body.is_end_stream(), "{method} {head}: END_STREAM stands on the head");
            let stated = parts.headers.get("content-length").map_or("", |value| value.to_str().unwrap());
            assert_eq!(stated, length, "{method} {head}");
        }
    });
    assert_eq!(backend.connections(), 1, "none of them leaves the backend's connection in doubt");
}

#[test]
fn an_answer_of_the_configuration_needs_no_backend() {
    let gateway = Gateway::before(&[]);
    run(async {
        let client = Client::to(&gateway).await;
        let text = "nothing but words at /hello\n";
        for (method, body) in [("GET", text), ("HEAD", ""), ("POST", text)] {
            let answer = client.ask(method, "/./hello").await;
            assert_eq!((answer.status.as_u16(), answer.broken), (200, None), "{method}");
            assert_eq!(answer.body, body.as_bytes(), "{method}");
            assert_eq!(
                (answer.value("content-length"), answer.value("x-asked")),
                ("28", "api.test"),
                "{method}"
            );
            assert_eq!(answer.value("x-request-id").len(), 32, "{method}");
        }
        let counts = [(Method::Get, 200, 1), (Method::Head, 200, 1), (Method::Post, 200, 1)];
        until(|| gateway.counts(HELLO) == counts).await;
    });
}

#[test]
fn failures_are_problem_documents_and_cost_one_stream() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/api/reset" => vec![Act::Reset],
        "/api/nonsense" => vec![Act::Send(b"SSH-2.0-x\r\n\r\n".to_vec())],
        "/quick/silent" => vec![Act::AwaitEnd],
        _ => answer("200 OK\r\nContent-Length: 2", "ok"),
    });
    let gateway = Gateway::before(&[&backend]);
    let cases = [
        ("GET", "/nowhere", 404, "no_route"),
        ("POST", "/api/reset", 502, "backend_reset"),
        ("GET", "/api/nonsense", 502, "backend_error"),
        ("GET", "/quick/silent", 504, "backend_timeout"),
        ("GET", "/api/a%2Fb", 400, "bad_request"),
        ("GET", "/../etc", 400, "bad_request"),
    ];
    run(async {
        let client = Client::to(&gateway).await;
        for (method, path, status, code) in cases {
            let answer = client.ask(method, path).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (status, code), "{method} {path}");
            let head = client.ask("HEAD", path).await;
            assert_eq!((head.body.len(), head.broken), (0, None), "HEAD {path}");
            assert_eq!(client.ask("GET", "/api/").await.body, b"ok", "the connection goes on after {path}");
        }
    });
    let arrivals = backend.take_arrivals();
    let seen: BTreeSet<_> =
        arrivals.iter().map(|arrival| arrival.request.as_ref().unwrap().target()).collect();
    let meant = ["/api/", "/api/nonsense", "/api/reset", "/quick/silent"];
    assert_eq!(Vec::from_iter(seen), meant, "what is refused reaches no backend");
}

#[test]
fn what_no_client_may_say_is_refused_by_the_same_handler() {
    let backend = RawBackend::answering(tidegate_testkit::backend::OK);
    let gateway = Gateway::before(&[&backend]);
    let get = || Request::get("http://api.test/api/");
    // Without an authority, as a client does that translates HTTP/1.
    let translated = || Request::get("/api/").version(Version::HTTP_11);
    let many = |count: usize| (0..count).fold(get(), |asked, n| asked.header(format!("x-{n}"), "x"));
    let cases = [
        (Request::get("http://api.test/api/\u{fc}"), 400, "bad_request"),
        (Request::get("http://api.test/api/?\u{fc}"), 400, "bad_request"),
        (Request::get("http://user@api.test/api/"), 400, "bad_request"),
        (get().header("host", "other.test"), 400, "bad_request"),
        (get().header("host", "api.test").header("host", "api.test"), 400, "bad_request"),
        (translated(), 400, "bad_request"),
        (get().header("x-thing", " x"), 400, "bad_request"),
        (get().method(&*"M".repeat(33)), 400, "bad_request"),
        (get().header("expect", "more"), 417, "bad_request"),
        (many(101), 431, "bad_request"),
        (Request::connect("api.test:443"), 405, "method_not_allowed"),
    ];
    let sound = [
        get().header("host", "API.test"),
        translated().header("host", "api.test"),
        get().method(&*"M".repeat(32)),
        many(100),
    ];
    run(async {
        let client = Client::to(&gateway).await;
        for (asked, status, code) in cases {
            let asked = asked.body(()).unwrap();
            let shown = format!("{asked:?}");
            let answer = Answer::to(client.send(asked).await.0).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (status, code), "{shown}");
        }
        assert!(backend.take_arrivals().is_empty(), "what is refused reaches no backend");
        for asked in sound {
            let asked = asked.body(()).unwrap();
            let shown = format!("{asked:?}");
            let answer = Answer::to(client.send(asked).await.0).await;
            assert_eq!((answer.status.as_u16(), answer.broken), (200, None), "{shown}");
            let seen = backend.take_arrivals().remove(0).request.expect("a whole request");
            assert!(seen.value("host").eq_ignore_ascii_case("api.test"), "{shown}");
        }
    });
}

#[test]
fn many_streams_are_served_side_by_side() {
    // Nobody is answered before everybody has asked.
    let asked = Arc::new((Mutex::new(0), Condvar::new()));
    let script = move |request: &Message| {
        let (count, all_came) = &*asked;
        let mut count = count.lock().unwrap();
        *count += 1;
        all_came.notify_all();
        let wait = all_came.wait_timeout_while(count, Duration::from_secs(10), |count| *count < STREAMS);
        let status = if wait.unwrap().1.timed_out() { "503 Alone" } else { "200 OK" };
        let body = request.target().to_owned();
        answer(&format!("{status}\r\nContent-Length: {}", body.len()), &body)
    };
    let backends = [RawBackend::by_request(script.clone()), RawBackend::by_request(script)];
    let gateway = Gateway::before(&[&backends[0], &backends[1]]);
    run(async {
        let client = Client::to(&gateway).await;
        let mut waiting = Vec::new();
        for number in 0..STREAMS {
            let path = format!("/api/{number}");
            waiting.push((client.send(request("GET", &path)).await.0, path));
        }
        for (response, path) in waiting {
            let answer = Answer::to(response).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, path.as_bytes()));
        }
        until(|| gateway.in_flight() == 0).await;
    });
    assert_eq!(backends.each_ref().map(RawBackend::connections), [STREAMS / 2; 2]);
}
