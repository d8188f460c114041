//! What a line says of requests that were answered, refused or lost, whatever bytes they were made of.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_core::{clock, date};
use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::ask;
use tidegate_testkit::{RawBackend, Setup};

use crate::{BIN, LogFile};

/// A service with the backend, and a route for each thing that can become of a request.
fn config(log: &LogFile, backend: SocketAddr, gone: SocketAddr) -> String {
    format!(
        "{}\nservices:\n  api: {{ backends: [\"{backend}\"], timeouts: {{ response: 300ms }} }}\n\
         \x20 gone: {{ backends: [\"{gone}\"] }}\n\
         routes:\n  - {{ name: items, match: \"/items/**\", to: api, body_max: 1KiB }}\n\
         \x20 - {{ match: {{ path: /only-get, methods: [GET] }}, to: {{ respond: {{ status: 204 }} }} }}\n\
         \x20 - {{ name: gone, match: /gone, to: gone }}\n",
        log.config()
    )
}

/// A port of this machine that refuses connections.
fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

fn backend() -> RawBackend {
    RawBackend::by_request(|request| match request.target() {
        "/items/slow" => vec![Act::Pause(Duration::from_millis(60)), Act::Send(OK.to_vec())],
        "/items/stuck" => vec![Act::AwaitEnd],
        "/items/torn" => vec![
            Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
            Act::Pause(Duration::from_millis(50)),
            Act::Close,
        ],
        "/items/rubbish" => vec![Act::Send(b"rubbish\r\n\r\n".to_vec()), Act::Close],
        _ => vec![Act::Send(OK.to_vec())],
    })
}

/// Those of the fields that are named, as one object.
fn picked(line: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), line[*name].clone())).collect()
}

#[test]
fn a_line_says_what_became_of_a_request() {
    let (log, backend, gone) = (LogFile::new(), backend(), nobody());
    let address = backend.address.to_string();
    let gateway = Setup::new(BIN).start(&config(&log, backend.address, gone));
    let cases: [(&str, Value); 10] = [
        (
            "GET /items/1?q=s HTTP/1.1\r\nHost: A.example:81\r\nUser-Agent: test/1\r\nConnection: close\r\n\r\n",
            json!({"route": "items", "service": "api", "backend": address, "client_ip": "127.0.0.1",
                "method": "GET", "host": "A.example:81", "path": "/items/1", "query_bytes": 3,
                "protocol": "HTTP/1.1", "status": 200, "outcome": "ok", "bytes_in": 0, "bytes_out": 2,
                "retries": 0, "attempt": 1, "user_agent": "test/1", "listener": "http"}),
        ),
        (
            "POST /items/%7e/../2 HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
            json!({"method": "POST", "path": "/items/2", "host": null, "protocol": "HTTP/1.0", "bytes_in": 5,
                "status": 200, "user_agent": null, "query_bytes": 0}),
        ),
        (
            "GET /only-get HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            json!({"route": "GET /only-get", "service": "none", "backend": null, "status": 204, "outcome": "ok",
                "bytes_out": 0, "queued": null, "connected": null, "first_byte": null, "attempt": null}),
        ),
        (
            "DELETE /only-get HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            json!({"route": "none", "service": "none", "status": 405, "outcome": "method_not_allowed"}),
        ),
        (
            "BREW /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            json!({"route": "none", "method": "BREW", "path": "/nowhere", "status": 404, "outcome": "no_route"}),
        ),
        (
            "POST /items/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n",
            json!({"route": "items", "status": 413, "outcome": "too_large", "backend": null}),
        ),
        (
            "GET /gone HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            json!({"route": "gone", "service": "gone", "backend": gone.to_string(), "status": 502,
                "outcome": "connect_failed", "connected": null, "first_byte": null, "attempt": null}),
        ),
        (
            "GET /items/stuck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            json!({"status": 504, "outcome": "backend_timeout", "first_byte": null, "attempt": null}),
        ),
        (
            "GET /items/rubbish HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            json!({"status": 502, "outcome": "backend_error"}),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            json!({"route": "none", "service": "none", "method": null, "path": null, "host": null,
                "query_bytes": null, "protocol": null, "status": 400, "outcome": "bad_request",
                "duration": null, "client_ip": "127.0.0.1", "listener": "http", "user_agent": null}),
        ),
    ];
    for (number, (request, expected)) in cases.iter().enumerate() {
        let before = stamp();
        let answer = gateway.ask(request);
        let line = log.await_lines(number + 1).pop().expect("a line");
        let names: Vec<&str> = expected.as_object().expect("fields").keys().map(String::as_str).collect();
        assert_eq!(&picked(&line, &names), expected, "{request}");
        assert_eq!(line["status"], answer.status(), "{request}");
        assert_eq!(line["request_id"], answer.value("x-request-id"), "{request}");
        let time = line["time"].as_str().expect("a time").to_owned();
        assert!(before <= time && time <= stamp(), "{before} <= {time}");
        assert_eq!(
            picked(&line, &["trace_id", "consumer", "cache"]),
            json!({"trace_id": null, "consumer": null, "cache": null})
        );
    }
    gateway.stop();
}

fn stamp() -> String {
    String::from_utf8_lossy(&date::stamp(clock::exact())).into_owned()
}

#[test]
fn times_follow_the_way_of_a_request() {
    let (log, backend) = (LogFile::new(), backend());
    let gateway = Setup::new(BIN).start(&config(&log, backend.address, nobody()));
    gateway.ask("GET /items/slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let line = log.await_lines(1).pop().expect("a line");
    let [queued, connected, first_byte, duration] =
        ["queued", "connected", "first_byte", "duration"].map(|name| line[name].as_f64().expect(name));
    assert!(
        0.0 <= queued && queued <= connected && connected <= first_byte && first_byte <= duration,
        "{line}"
    );
    assert!(first_byte - connected >= 0.060, "the backend waits for 60 ms: {line}");
    gateway.stop();
}

#[test]
fn an_answer_that_broke_off_keeps_its_status_and_says_why() {
    let (log, backend) = (LogFile::new(), backend());
    let gateway = Setup::new(BIN).start(&config(&log, backend.address, nobody()));
    let mut client = gateway.connect();
    client.send("GET /items/torn HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.response("GET").is_err());
    let mut lines = log.await_lines(1);
    let mut client = gateway.connect();
    client.send("GET /items/stuck HTTP/1.1\r\nHost: a\r\n\r\n");
    let is_asked = || {
        backend
            .take_arrivals()
            .iter()
            .any(|arrival| arrival.request.as_ref().is_ok_and(|request| request.target() == "/items/stuck"))
    };
    tidegate_testkit::gateway::await_true("the backend is asked", crate::SOON, is_asked);
    client.reset();
    lines.push(log.await_lines(2).pop().expect("a line"));
    let said: Vec<_> = lines.iter().map(|line| picked(line, &["status", "outcome", "bytes_out"])).collect();
    let expected = [
        json!({"status": 200, "outcome": "backend_reset", "bytes_out": 4}),
        json!({"status": 499, "outcome": "client_gone", "bytes_out": 0}),
    ];
    assert_eq!(said, expected);
    gateway.stop();
}

#[test]
fn a_retried_request_names_the_backend_and_the_try_that_answered() {
    let (log, good, gone) = (LogFile::new(), backend(), nobody());
    let config = format!(
        "{}\nservices: {{ api: {{ backends: [\"{gone}\", \"{}\"], balance: round-robin }} }}\n\
         routes: [{{ match: \"/**\", to: api }}]",
        log.config(),
        good.address
    );
    let gateway = Setup::new(BIN).workers(1).start(&config);
    for _ in 0..2 {
        gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    let lines = log.await_lines(2);
    let retried =
        lines.iter().find(|line| line["retries"] == 1).expect("one of two met the dead backend first");
    assert_eq!(retried["backend"], good.address.to_string());
    assert_eq!((&retried["attempt"], &retried["status"]), (&json!(2), &json!(200)));
    gateway.stop();
}

#[test]
fn whatever_clients_send_a_line_is_one_line_of_json_without_their_secrets() {
    let (log, backend) = (LogFile::new(), backend());
    let gateway = Setup::new(BIN).start(&config(&log, backend.address, nobody()));
    let long_path = format!("/items/{}", "x".repeat(4000));
    let long_agent = "é".repeat(300);
    let secrets = "?token=hunter2&x=%22";
    let cases: [(String, &[u8], &str, &str); 4] = [
        (
            format!("/items/a{secrets}"),
            b"caf\xe9 \xff\xfe\t\"quoted\" \\",
            "/items/a",
            "caf\u{fffd} \u{fffd}\u{fffd}\t\"quoted\" \\",
        ),
        ("/items/%22%5b%E6%97%A5".into(), "日本".as_bytes(), "/items/%22%5B%E6%97%A5", "日本"),
        (long_path.clone(), b"plain", "", "plain"),
        ("/items/b".into(), long_agent.as_bytes(), "/items/b", ""),
    ];
    for (number, (target, agent, path, shown)) in cases.iter().enumerate() {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nCookie: id=hunter2\r\nAuthorization: hunter2\r\nUser-Agent: "
        );
        let request = [head.as_bytes(), agent, b"\r\nConnection: close\r\n\r\n"].concat();
        assert_eq!(gateway.ask(request).status(), 200);
        let line = log.await_lines(number + 1).pop().expect("a line");
        let is = |field: &str, expected: &str, cut: &str| match expected {
            "" => assert_eq!(line[field], format!("{cut}…"), "cut at its bound"),
            _ => assert_eq!(line[field], expected),
        };
        is("path", path, &long_path[..2048]);
        is("user_agent", shown, &"é".repeat(128));
    }
    let text = std::fs::read_to_string(log.path()).expect("the log");
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(log.lines()[0]["query_bytes"], secrets.len() - 1);
    gateway.stop();
}

#[test]
fn a_rewritten_path_and_a_redirect_are_logged_as_the_client_asked() {
    let (log, backend) = (LogFile::new(), backend());
    let gateway = Setup::new(BIN).workers(1).listener("inner").start(&format!(
        "{}\nservices: {{ api: {{ backends: [\"{}\"] }} }}\nroutes:\n\
         \x20 - {{ name: old, match: \"/old/{{x}}\", to: api, rewrite: \"/items/{{x}}\" }}\n\
         \x20 - {{ name: moved, match: /moved/**, to: {{ redirect: \"/new/{{rest}}\" }}, listeners: [inner] }}\n",
        log.config(),
        backend.address
    ));
    gateway.ask("GET /old/a%20b?c HTTP/1.1\r\nHost: h\r\n\r\n");
    ask(gateway.listener("inner"), b"GET /moved/x HTTP/1.1\r\nHost: h\r\n\r\n");
    let lines = log.await_lines(2);
    let names = ["listener", "route", "path", "status", "outcome"];
    assert_eq!(
        lines.iter().map(|line| picked(line, &names)).collect::<Vec<_>>(),
        [
            json!({"listener": "http", "route": "old", "path": "/old/a%20b", "status": 200, "outcome": "ok"}),
            json!({"listener": "inner", "route": "moved", "path": "/moved/x", "status": 308, "outcome": "ok"}),
        ]
    );
    let seen = backend.take_arrivals().remove(0).request.expect("a whole request");
    assert_eq!(seen.target(), "/items/a%20b?c");
    gateway.stop();
}
