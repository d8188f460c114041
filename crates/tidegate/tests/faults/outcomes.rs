//! Each request ends in one of the words of the contract, and the metrics count it under that word. What the page says is
//! read as Prometheus reads it.

use std::io::Write;
use std::process::{Command, Stdio};

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, RawBackend, Setup, ports, problem};

use crate::{BIN, SOON, page};

/// A gateway whose routes end in one outcome each, and the backend that must outlive it.
fn gateway() -> (RawBackend, Gateway) {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/reset" => vec![Act::Reset],
        "/bad" => vec![Act::Send(b"SSH-2.0-x\r\n\r\n".to_vec()), Act::Close],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let (at, nobody) = (backend.address, ports::claim());
    let mut gateway = Setup::new(BIN).start(&format!(
        "services:\n  api: {{ backends: \"{at}\", retry: 0 }}\n  gone: \"127.0.0.1:{nobody}\"\n\
         \x20 shut: {{ backends: \"{at}\", maintenance: true }}\n\
         auth: {{ idp: {{ jwt: \"http://127.0.0.1:{nobody}/jwks\" }} }}\n\
         routes:\n  - {{ match: /**, to: api }}\n  - {{ match: /gone, to: gone }}\n  - {{ match: /shut, to: shut }}\n\
         \x20 - {{ match: /closed, to: api, maintenance: true }}\n  - {{ match: /keys, to: api, auth: idp }}\n\
         \x20 - {{ match: {{ path: /get, methods: [GET] }}, to: api }}\n\
         \x20 - {{ match: /few, to: api, limit: {{ rate: 1/h, per: route, burst: 1 }} }}\n"
    ));
    gateway.announce("a document cannot be had");
    (backend, gateway)
}

#[test]
fn every_request_is_counted_by_how_it_ended() {
    let (_backend, gateway) = gateway();
    let token = "Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.AA\r\n";
    let cases = [
        ("GET /", "", 200, "ok", "/**", "api"),
        ("GET /few", "", 200, "ok", "/few", "api"),
        ("GET /few", "", 429, "limited", "/few", "none"),
        ("POST /get", "content-length: 0\r\n", 200, "ok", "/**", "api"),
        ("GET /shut", "", 503, "maintenance", "/shut", "none"),
        ("GET /closed", "", 503, "maintenance", "/closed", "none"),
        ("GET /keys", token, 503, "no_keys", "/keys", "none"),
        ("GET /keys", "", 401, "unauthenticated", "/keys", "none"),
        ("GET /gone", "", 502, "connect_failed", "/gone", "gone"),
        ("GET /reset", "", 502, "backend_reset", "/**", "api"),
        ("GET /bad", "", 502, "backend_error", "/**", "api"),
        ("GET /%00", "", 400, "bad_request", "none", "none"),
    ];
    for (request, fields, status, outcome, route, service) in cases {
        let (route, service) = (format!("route=\"{route}\""), format!("service=\"{service}\""));
        let labels = [&*route, &service, &format!("outcome=\"{outcome}\"")];
        let before = gateway.metric("tidegate_outcomes_total", &labels);
        let answer = gateway.ask(format!("{request} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(answer.status(), status, "{request}");
        if status != 200 {
            assert_eq!(problem::code(&answer).as_deref(), Ok(outcome), "{request}");
        }
        await_true(&format!("{request} is counted: {labels:?}"), SOON, || {
            gateway.metric("tidegate_outcomes_total", &labels) == before + 1.0
        });
    }
    let sum = |name: &str| gateway.metric(name, &[]);
    assert_eq!(sum("tidegate_outcomes_total"), sum("tidegate_requests_total"));
    assert_eq!(sum("tidegate_shed_total"), 0.0);
    let refusals = page(&gateway, "/api/v1/refusals");
    let told = refusals.to_string();
    assert!(told.contains("\"no_keys\"") && told.contains("\"idp\""), "the entry is named: {told}");
    gateway.stop();
}

/// With something in every family of metrics, as far as this gateway can have it.
#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let (_backend, gateway) = gateway();
    for path in ["/", "/get", "/gone", "/reset", "/shut", "/few", "/few", "/keys"] {
        gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    await_true("durations of late are there", SOON, || {
        gateway.metric("tidegate_request_duration_recent_seconds", &["quantile=\"0.99\""]) > 0.0
    });
    let metrics = gateway.admin_get("/metrics").body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start promtool; `scripts/test-needs` installs what is missing");
    promtool.stdin.take().expect("its input").write_all(&metrics).expect("write the metrics");
    let ended = promtool.wait_with_output().expect("promtool ends");
    let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(ended.status.success() && said.is_empty(), "{said}");
    gateway.stop();
}
