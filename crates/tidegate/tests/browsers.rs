//! What browsers are told: who may read an answer, and how careful to be with it.

use tidegate_testkit::{Message, RawBackend, Setup, ports, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const APP: &str = "https://app.example.com";

/// The CORS fields of an answer and what it hangs on.
fn told(answer: &Message) -> [&str; 4] {
    [
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-allow-methods",
        "vary",
    ]
    .map(|name| answer.value(name))
}

#[test]
fn pages_of_allowed_origins_read_every_answer_and_others_none() {
    let backend = RawBackend::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nVary: accept\r\nContent-Length: 2\r\n\r\nok",
    );
    let cors = format!("cors: {{ origins: [\"{APP}\"], credentials: true }}");
    let gateway = Setup::new(BIN).workers(1).start(&format!(
        "services:\n  origin: \"{}\"\n  gone: \"127.0.0.1:{}\"\nroutes:\n\
         \x20 - {{ match: {{ path: /a, methods: [GET, PUT] }}, to: origin, {cors} }}\n\
         \x20 - {{ match: /gone, to: gone, {cors} }}\n\
         \x20 - {{ match: /small, to: origin, body_max: 1B, {cors} }}\n\
         \x20 - {{ match: /closed, to: origin, maintenance: true, {cors} }}\n",
        backend.address,
        ports::claim(),
    ));
    let ask = |method: &str, path: &str, fields: &str| {
        gateway.ask(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    };
    let page = format!("Origin: {APP}\r\n");
    let preflight = |method: &str, origin: &str| {
        format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: x-a\r\n"
        )
    };
    let answer = ask("GET", "/a", &page);
    assert_eq!((answer.status(), told(&answer)), (200, [APP, "true", "", "accept, origin"]));
    let other = ask("GET", "/a", "Origin: https://evil.example\r\n");
    assert_eq!((other.status(), told(&other)), (200, ["", "", "", "accept, origin"]));
    assert_eq!(backend.take_arrivals().len(), 2);

    let vary = "access-control-request-method, access-control-request-headers, origin";
    let allowed = ask("OPTIONS", "/a", &preflight("PUT", APP));
    assert_eq!((allowed.status(), told(&allowed)), (204, [APP, "true", "PUT", vary]));
    assert_eq!(
        (allowed.value("access-control-allow-headers"), allowed.value("access-control-max-age")),
        ("x-a", "600")
    );
    assert_eq!(
        (allowed.value("content-type"), allowed.value("content-length"), allowed.body.len()),
        ("", "", 0)
    );
    let denied = ask("OPTIONS", "/a", &preflight("PUT", "https://evil.example"));
    assert_eq!((denied.status(), told(&denied)), (403, ["", "", "", vary]));
    assert_eq!(problem::code(&denied).as_deref(), Ok("forbidden"));
    let count = gateway.metric("tidegate_refusals_total", &["policy=\"cors\"", "reason=\"origin\""]);
    assert_eq!(count, 1.0);
    assert_eq!(ask("OPTIONS", "/a", &preflight("DELETE", APP)).status(), 405, "no route takes DELETE");
    assert_eq!(backend.take_arrivals().len(), 0, "preflights are answered here");

    for (path, status) in [("/gone", 502), ("/small", 413), ("/closed", 503)] {
        let answer =
            gateway.ask(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{page}Content-Length: 2\r\n\r\nab"));
        assert_eq!((answer.status(), told(&answer)), (status, [APP, "true", "", "origin"]), "{path}");
    }
    assert_eq!(
        ask("OPTIONS", "/closed", &preflight("GET", APP)).status(),
        204,
        "so that the page sees the 503"
    );
    gateway.stop();
}

#[test]
fn careful_fields_are_on_every_answer_and_makers_are_hidden() {
    let backend = RawBackend::answering(
        "HTTP/1.1 200 OK\r\nServer: a/1\r\nX-Powered-By: b\r\nReferrer-Policy: origin\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = Setup::new(BIN).workers(1).start(&format!(
        "services:\n  origin: \"{}\"\n  gone: \"127.0.0.1:{}\"\nroutes:\n\
         \x20 - {{ match: /a, to: origin, security_headers: {{ hide_server: true, content_security_policy: \"default-src 'self'\" }} }}\n\
         \x20 - {{ match: /gone, to: gone, security_headers: true }}\n\
         \x20 - {{ match: /off, to: origin, security_headers: false }}\n",
        backend.address,
        ports::claim(),
    ));
    let seen = |path: &str| {
        let answer = gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        [
            "x-content-type-options",
            "x-frame-options",
            "referrer-policy",
            "content-security-policy",
            "server",
            "x-powered-by",
        ]
        .map(|name| answer.value(name).to_owned())
    };
    assert_eq!(seen("/a"), ["nosniff", "DENY", "origin", "default-src 'self'", "", ""]);
    assert_eq!(seen("/gone"), ["nosniff", "DENY", "no-referrer", "", "", ""]);
    assert_eq!(seen("/off"), ["", "", "origin", "", "a/1", "b"]);
    gateway.stop();
}
