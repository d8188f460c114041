//! The admin listener of the real binary, over sockets: who may use it, what it answers, and that its description is
//! true.

mod access;
mod answers;
mod connections;
mod described;
mod reload;
mod secrets;
mod state;

use serde_json::Value;
use tidegate_testkit::backend::OK;
use tidegate_testkit::{Gateway, Message, RawBackend};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// Told of wrong credentials.
const REFUSED: &str = "the admin listener refused a credential";

/// Routes that answer with their own name, and one to a service.
const ROUTES: &str = r#"
services: { api: { backends: ["127.0.0.1:1"] } }
routes:
  - { name: one-order, match: { path: "/orders/{id}", methods: [GET] }, to: { respond: { body: one-order } } }
  - { name: orders, match: /orders/**, to: { respond: { body: orders } } }
  - { name: of-host, match: { host: "*.example.com", path: /** }, to: { respond: { body: of-host } }, headers: { response: { set: { x-a: b } } } }
  - { name: posted, match: { path: /posted, methods: [POST, PURGE] }, to: { respond: { body: posted } } }
  - { name: api, match: /api/**, to: api }
"#;

fn gateway() -> Gateway {
    tidegate_testkit::Setup::new(BIN).start(ROUTES)
}

fn gateway_before_one() -> (RawBackend, Gateway) {
    let backend = RawBackend::answering(OK);
    let gateway = Gateway::before(BIN, &[backend.address]);
    (backend, gateway)
}

/// A page of the API, asked for with the token.
fn page(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.admin_ask(&format!("GET {path}"), &gateway.admin_token());
    assert_eq!(answer.status(), 200, "{path}: {answer:?}");
    assert_eq!(answer.value("content-type"), "application/json", "{path}");
    json(&answer)
}

fn json(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error} in {answer:?}"))
}

/// Problem details with this status, and nothing that a browser or a cache may keep or misread.
fn check_problem(answer: &Message, status: u16) -> Value {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.value("content-type"), "application/problem+json", "{answer:?}");
    check_headers(answer);
    let problem = json(answer);
    assert_eq!(problem["status"], status, "{problem}");
    for key in ["type", "title", "detail"] {
        assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {problem}");
    }
    problem
}

fn check_headers(answer: &Message) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(answer.value(name), value, "{name} in {answer:?}");
    }
    assert!(answer.values("access-control-allow-origin").is_empty(), "{answer:?}");
}
