//! Faults as an operator meets them: what standard error, the metrics and the API say when backends are dead, hang,
//! answer 500, are slow or fail their checks, and when the gateway itself wants for something. Each names the cause, and
//! nobody else is blamed for it.

mod backends;
mod bounds;
mod descriptors;
mod outcomes;
mod recipes;

use std::time::Duration;

use tidegate_testkit::Gateway;

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const GET: &str = "GET /work HTTP/1.1\r\nHost: a\r\n\r\n";
const SOON: Duration = Duration::from_secs(10);

/// Lines of its standard error with all of these texts.
fn lines(gateway: &Gateway, texts: &[&str]) -> Vec<String> {
    let mut lines = gateway.process().lines();
    lines.retain(|line| texts.iter().all(|text| line.contains(text)));
    lines
}

fn page(gateway: &Gateway, path: &str) -> serde_json::Value {
    let answer = gateway.admin_ask(&format!("GET {path}"), &gateway.admin_token());
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_slice(&answer.body).expect("JSON")
}
