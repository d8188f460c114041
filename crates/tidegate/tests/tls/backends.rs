//! Backends over TLS: whom the gateway trusts, what it shows, what it makes of an end.

use super::{BIN, PATIENCE};
use std::net::TcpListener;
use std::path::Path;
use tidegate_testkit::authority::Authority;
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::peers::Nginx;
use tidegate_testkit::secure::serve_until_the_end;
use tidegate_testkit::{Connection, Setup};

/// An nginx with a certificate for these names; `more` are directives.
fn nginx(authority: &Authority, name: &str, names: &[&str], more: &str) -> Nginx {
    let pair = authority.pair(name, names);
    let (cert, key) = (pair.cert.display(), pair.key.display());
    Nginx::secure(&format!(
        "ssl_certificate {cert}; ssl_certificate_key {key}; {more} \
         location / {{ return 200 \"$ssl_server_name $ssl_client_s_dn $ssl_session_reused\"; }}"
    ))
}

fn service(name: &str, address: &str, tls: &str) -> String {
    format!("  {name}: {{ backends: [\"https://{address}\"], retry: 0{tls} }}\n")
}

#[test]
fn a_backend_has_to_prove_who_it_is() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let by_address = nginx(&authority, "address", &["127.0.0.1"], "");
    let by_name = nginx(&authority, "name", &["api.example"], "");
    let asking = format!("ssl_client_certificate {}; ssl_verify_client on;", authority.ca().display());
    let asking = nginx(&authority, "asking", &["127.0.0.1"], &asking);
    let shown = authority.pair("gateway", &["gateway.example"]);
    let trust = |ca: &Path, more: &str| format!(", tls: {{ ca: \"{}\"{more} }}", ca.display());
    let (ca, other) = (authority.ca(), stranger.ca());
    let pair = format!(", cert: \"{}\", key: \"{}\"", shown.cert.display(), shown.key.display());
    let at = |nginx: &Nginx| nginx.address.to_string();
    let cases = [
        ("address", service("address", &at(&by_address), &trust(&ca, "")), 200, ""),
        ("named", service("named", &at(&by_name), &trust(&ca, ", sni: api.example")), 200, "api.example"),
        ("shown", service("shown", &at(&asking), &trust(&ca, &pair)), 200, "CN=gateway"),
        ("hidden", service("hidden", &at(&asking), &trust(&ca, "")), 400, ""),
        ("stranger", service("stranger", &at(&by_address), &trust(&other, "")), 502, "connect_failed"),
        ("misnamed", service("misnamed", &at(&by_name), &trust(&ca, "")), 502, "connect_failed"),
        ("system", service("system", &at(&by_address), ""), 502, "connect_failed"),
        ("anybody", service("anybody", &at(&by_name), ", tls: { verify: false }"), 200, ""),
    ];
    let services: String = cases.iter().map(|(_, text, ..)| text.as_str()).collect();
    let routes: String =
        cases.iter().map(|(name, ..)| format!("  - {{ match: /{name}, to: {name} }}\n")).collect();
    let mut gateway = Setup::new(BIN).workers(1).start(&format!("services:\n{services}routes:\n{routes}"));
    gateway.announce("backends need not prove who they are");
    for (name, _, status, body) in &cases {
        let answer = gateway.ask(format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status(), *status, "{name}: {text}");
        assert!(text.contains(body), "{name}: {text}");
    }
    let label = format!("backend=\"https://{}\"", by_address.address);
    assert!(gateway.metric("tidegate_backend_requests_total", &["service=\"address\"", &label]) >= 1.0);
    gateway.stop();
}

#[test]
fn checks_speak_tls_and_a_certificate_that_is_put_right_brings_a_backend_back() {
    let authority = Authority::new();
    let pair = authority.pair("site", &["wrong.example"]);
    let (cert, key) = (pair.cert.display(), pair.key.display());
    let mut backend = Nginx::secure(&format!(
        "ssl_certificate {cert}; ssl_certificate_key {key}; location / {{ return 200 fine; }}"
    ));
    let tls = format!(
        ", tls: {{ ca: \"{}\" }}, health: {{ path: /, every: 100ms, healthy: 1 }}",
        authority.ca().display()
    );
    let services = service("api", &backend.address.to_string(), &tls);
    let gateway = Setup::new(BIN).start(&format!("services:\n{services}routes: [{{ match: /**, to: api }}]"));
    let status = || gateway.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status();
    assert!(matches!(status(), 502 | 503), "its certificate is for somebody else");
    authority.pair("site", &["127.0.0.1"]);
    backend.kill();
    backend.revive();
    await_true("it is back", PATIENCE, || status() == 200);
    gateway.stop();
}

#[test]
fn an_answer_that_ends_without_a_word_is_not_whole() {
    let authority = Authority::new();
    let pair = authority.pair("site", &["127.0.0.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve_until_the_end(&listener, &pair, "the body"));
    let tls = format!(", tls: {{ ca: \"{}\" }}", authority.ca().display());
    let services = service("api", &address.to_string(), &tls);
    let gateway = Setup::new(BIN).start(&format!("services:\n{services}routes: [{{ match: /**, to: api }}]"));
    let whole = gateway.ask("GET /whole HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((whole.status(), &whole.body[..]), (200, &b"the body"[..]));
    let mut connection = Connection::to(gateway.http);
    let cut = connection.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n").response("GET");
    assert!(cut.is_err(), "a client must not take it for whole: {cut:?}");
    gateway.stop();
}

#[test]
fn connections_to_backends_are_kept() {
    let authority = Authority::new();
    let pair = authority.pair("address", &["127.0.0.1"]);
    let (cert, key) = (pair.cert.display(), pair.key.display());
    let backend = Nginx::secure(&format!(
        "ssl_certificate {cert}; ssl_certificate_key {key}; \
         location / {{ return 200 \"$connection $connection_requests $ssl_session_reused\"; }}"
    ));
    let origin = everything_to(&[backend.address], "")
        .replace(&backend.address.to_string(), &format!("https://{}", backend.address))
        .replace("backends:", &format!("tls: {{ ca: \"{}\" }}, backends:", authority.ca().display()));
    let gateway = Setup::new(BIN).workers(1).start(&origin);
    let answers: Vec<String> = (0..20)
        .map(|_| {
            let answer = gateway.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(answer.status(), 200);
            String::from_utf8_lossy(&answer.body).into_owned()
        })
        .collect();
    let connection = answers[0].split(' ').next().expect("a number");
    for (number, answer) in (1..).zip(&answers) {
        assert_eq!(
            *answer,
            format!("{connection} {number} ."),
            "one handshake for all, of which none is resumed"
        );
    }
    await_true("all are written down", PATIENCE, || backend.requests().len() == answers.len());
    gateway.stop();
}
