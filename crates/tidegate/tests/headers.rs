//! Header edits and values of the request, as backends and clients see them through the real gateway.

use tidegate_testkit::message::split_field;
use tidegate_testkit::{Gateway, Message, RawBackend, Setup, ports, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// A gateway before `origin`, and `gone`, where nobody listens; with these routes.
fn started(backend: &RawBackend, routes: &str) -> Gateway {
    let services = format!("  origin: \"{}\"\n  gone: \"127.0.0.1:{}\"\n", backend.address, ports::claim());
    Setup::new(BIN).workers(1).start(&format!("services:\n{services}routes:\n{routes}"))
}

/// The field lines but those of these names, as they stood on the wire.
fn lines_but(message: &Message, names: &[&str]) -> Vec<String> {
    let is_other = |line: &&[u8]| {
        let name = split_field(line).map(|(name, _)| String::from_utf8_lossy(name).to_ascii_lowercase());
        name.is_some_and(|name| !names.contains(&name.as_str()))
    };
    message.field_lines().filter(is_other).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

fn only_request(backend: &RawBackend) -> Message {
    let mut arrivals = backend.take_arrivals();
    assert_eq!(arrivals.len(), 1);
    arrivals.remove(0).request.expect("a whole request")
}

#[test]
fn requests_reach_the_backend_edited_and_in_order() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let gateway = started(
        &backend,
        "  - match: /plain\n    to: origin\n\
         \x20 - match: /**\n    to: origin\n    headers:\n      request:\n\
         \x20       set: { x-env: prod, X-User: \"{client_ip}\", via: us, x-of: \"{host}|{path}|{request_id}\" }\n\
         \x20       remove: [cookie, X-Secret]\n",
    );
    let fields = "B: 1\r\nX_Secret: in\r\nCookie: c=1\r\nX-ENV: dev\r\nA: 2\r\nx_user: root\r\nB: 3\r\ncookie: d=2\r\n";
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: Example.com:81\r\n{fields}\r\n");
    let mut client = gateway.connect();
    let unedited = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "cdn-loop"];
    for path in ["/a/%7eb?q=1", "/c"] {
        assert_eq!(client.send(request(path)).response("GET").unwrap().status(), 204);
        let seen = only_request(&backend);
        let id = seen.value("x-request-id");
        assert_eq!(id.len(), 32);
        let canonical = if path == "/c" { "/c" } else { "/a/~b" };
        let of = format!("x-of: Example.com:81|{canonical}|{id}");
        let expected =
            ["host: Example.com:81", "B: 1", "A: 2", "B: 3", "x-env: prod", "x-user: 127.0.0.1", "via: us"];
        assert_eq!(lines_but(&seen, &unedited), [&expected[..], &[of.as_str()]].concat());
    }
    client.send(request("/plain")).response("GET").unwrap();
    let seen = only_request(&backend);
    let sent = ["B", "X_Secret", "Cookie", "X-ENV", "A", "x_user", "B", "cookie"];
    let kept = lines_but(&seen, &[&unedited[..], &["host", "via"]].concat());
    let names: Vec<&str> = kept.iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(names, sent, "a route without edits leaves all as it came");
    gateway.stop();
}

#[test]
fn answers_reach_the_client_edited_and_in_order() {
    let backend = RawBackend::answering(
        "HTTP/1.1 200 OK\r\nB: 1\r\nServer: x/1.2\r\nX-Frame: a\r\nA: 2\r\nx_frame: b\r\nContent-Length: 2\r\nserver: y\r\n\r\nok",
    );
    let gateway = started(
        &backend,
        "  - match: /**\n    to: origin\n    headers:\n      response:\n\
         \x20       remove: [server]\n        set: { x-frame: DENY, x-of: \"<{path}> {request_id} {client_ip}\" }\n",
    );
    for (method, body) in [("GET", "ok"), ("HEAD", "")] {
        let answer = gateway.ask(format!("{method} /p HTTP/1.1\r\nHost: a\r\nX-Frame: mine\r\n\r\n"));
        let of = format!("x-of: </p> {} 127.0.0.1", answer.value("x-request-id"));
        let expected = ["B: 1", "A: 2", "x_frame: b", "x-frame: DENY", of.as_str(), "content-length: 2"];
        assert_eq!(lines_but(&answer, &["x-request-id", "date"]), expected, "{method}");
        assert_eq!(answer.body, body.as_bytes());
        assert_eq!(only_request(&backend).value("x-frame"), "mine", "the request is not edited");
    }
    gateway.stop();
}

#[test]
fn answers_of_the_gateway_itself_are_edited_too() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let edits =
        "headers: { response: { set: { cache-control: no-store, x-path: \"{path}\" }, remove: [x-gone] } }";
    let gateway = started(
        &backend,
        &format!(
            "  - {{ match: /gone, to: gone, {edits} }}\n\
             \x20 - {{ match: /small, to: origin, body_max: 1B, {edits} }}\n\
             \x20 - {{ match: /fixed, to: {{ respond: {{ status: 201, headers: {{ x-gone: a, x-here: b }}, body: c }} }}, {edits} }}\n\
             \x20 - {{ match: /nameless, to: gone, headers: {{ response: {{ remove: [x-request-id] }} }} }}\n"
        ),
    );
    let ask =
        |path: &str| gateway.ask(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"));
    for (path, status, code) in [("/gone", 502, "connect_failed"), ("/small", 413, "too_large")] {
        let answer = ask(path);
        assert_eq!((answer.status(), problem::code(&answer).as_deref()), (status, Ok(code)));
        assert_eq!((answer.value("cache-control"), answer.value("x-path")), ("no-store", path));
    }
    let fixed = ask("/fixed");
    let expected = ["x-here: b", "cache-control: no-store", "x-path: /fixed", "content-length: 1"];
    assert_eq!(lines_but(&fixed, &["x-request-id", "date"]), expected);
    let unknown = ask("/unknown");
    assert_eq!((unknown.status(), unknown.value("cache-control")), (404, ""), "no route, no edits");
    let nameless = ask("/nameless");
    assert_eq!((nameless.status(), nameless.values("x-request-id").len()), (502, 0));
    assert_eq!(backend.connections(), 0);
    gateway.stop();
}

#[test]
fn fixed_answers_may_mention_the_request() {
    let backend = RawBackend::answering("");
    let gateway = started(
        &backend,
        "  - match: /json/**\n    to:\n      respond:\n        status: 410\n\
         \x20       headers: { content-type: application/json, x-of: \"https://{host}{path}\" }\n\
         \x20       body: '{\"gone\":\"{path}\",\"id\":\"{request_id}\",\"to\":{\"ip\":[\"{client_ip}\"]},\"e\":{}}'\n\
         \x20 - { match: /plain, to: { respond: { headers: { date: never }, body: \"{ host } {}\" } } }\n\
         \x20 - { match: /empty, to: { respond: { status: 204, headers: { x-of: \"{path}\" } } } }\n",
    );
    let ask = |method: &str, path: &str| {
        gateway.ask(format!("{method} {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"))
    };
    let answer = ask("GET", "/json/x");
    assert_eq!((answer.status(), answer.value("x-of")), (410, "https://a.example/json/x"));
    let id = answer.value("x-request-id");
    let body = format!(r#"{{"gone":"/json/x","id":"{id}","to":{{"ip":["127.0.0.1"]}},"e":{{}}}}"#);
    assert_eq!(String::from_utf8_lossy(&answer.body), body);
    assert!(answer.value("date").ends_with(" GMT"), "{answer:?}");
    let head = ask("HEAD", "/json/x");
    assert_eq!((head.value("content-length"), head.body.len()), (body.len().to_string().as_str(), 0));
    let longer = ask("GET", "/json/a-longer-path");
    assert_eq!(longer.body.len(), body.len() + "a-longer-path".len() - 1);
    let plain = ask("GET", "/plain");
    assert_eq!((&plain.body[..], plain.value("date")), (&b"{ host } {}"[..], "never"));
    let empty = ask("GET", "/empty");
    assert_eq!((empty.status(), empty.value("x-of"), empty.value("content-length")), (204, "/empty", ""));
    gateway.stop();
}

#[test]
fn what_clients_put_into_a_value_stays_in_it() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let gateway = started(
        &backend,
        "  - match: /**\n    to: origin\n    headers:\n      request: { set: { x-of: \"{host}{path}\" } }\n\
         \x20     response: { set: { x-of: \"{path}\" } }\n",
    );
    let mut refused = Vec::new();
    for path in ["/%0d%0aX-Bad:%201", "/{host}", "/a\"<b>'", "/:x-bad", "/%00", "/\u{e9}", "/a\tb"] {
        let answer = gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let arrivals = backend.take_arrivals();
        if answer.status() == 400 {
            assert_eq!(arrivals.len(), 0, "{path}");
            refused.push(path);
            continue;
        }
        let seen = path.replace("%0d%0a", "%0D%0A");
        assert_eq!((answer.status(), answer.value("x-of")), (204, seen.as_str()));
        let request = arrivals[0].request.as_ref().expect("a whole request");
        assert_eq!(request.value("x-of"), format!("a{seen}"));
        assert_eq!(request.values("x-bad").len() + answer.values("x-bad").len(), 0, "{path}");
    }
    assert_eq!(refused, ["/%00", "/\u{e9}", "/a\tb"], "what no value may hold is no path either");
    gateway.stop();
}
