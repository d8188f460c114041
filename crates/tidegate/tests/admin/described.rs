//! The description of the API is a valid one, and true: every path in it answers, with what it says, and nothing that
//! the project's documents promise is missing.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tidegate_testkit::authority::Authority;
use tidegate_testkit::{Setup, peers};

use crate::{BIN, page};

/// What `docs/guide/admin-api.md` promises.
const PROMISED: [(&str, &str); 14] = [
    ("get", "/"),
    ("get", "/enter"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/api/v1/config"),
    ("get", "/api/v1/refusals"),
    ("get", "/api/v1/certificates"),
    ("post", "/api/v1/reload"),
    ("get", "/api/v1/services"),
    ("get", "/api/v1/services/{service}/backends"),
    ("get", "/api/v1/routes"),
    ("get", "/api/v1/explain"),
    ("get", "/api/v1/openapi.json"),
];

/// Something of all that can be shown.
const EVERYTHING: &str = r#"
services: { origin: "127.0.0.1:1", other: "127.0.0.1:2" }
routes:
  - { match: { path: "/a/{id}", cookies: { beta: "1" }, headers: { x-a: "1" } }, to: { redirect: "https://{host}/" } }
  - match: { host: "*.example.com", path: "/a/{id}", methods: [GET], query: { q: "*" } }
    to: { origin: 90, other: 10 }
    steer: "cookie:variant"
    mirror: { to: other, share: 25% }
    rewrite: "/b/{id}"
    timeout: 1s
  - { match: /**, to: origin, allow: { ips: ["192.0.2.1"] } }
"#;

#[test]
fn the_description_is_valid_and_its_answers_are_as_described() {
    let authority = Authority::new();
    let tls = format!("tls: {{ certificates: [{}] }}", authority.pair("one", &["one.example"]).entry());
    let mut gateway = Setup::new(BIN).listener_with("secure", &tls).start(EVERYTHING);
    gateway.announce(crate::REFUSED);
    assert_eq!(gateway.ask("GET /a/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status(), 403);
    for list in ["certificates", "refusals"] {
        let page = page(&gateway, &format!("/api/v1/{list}"));
        assert_eq!(
            page[list].as_array().map(Vec::len),
            Some(1),
            "there is something to hold against the description"
        );
    }
    let document = page(&gateway, "/api/v1/openapi.json");
    let token = gateway.admin_token();
    let mut described = Vec::new();
    let mut answers = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.push((method.clone(), path.clone()));
            assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{method} {path}");
            let query = if path.ends_with("/explain") { "?method=GET&url=/a" } else { "" };
            let target = format!("{}{query}", path.replace("{service}", "origin"));
            for fields in [token.as_str(), ""] {
                let answer = gateway.admin_ask(&format!("{} {target}", method.to_uppercase()), fields);
                let status = answer.status();
                assert!(![404, 405].contains(&status), "{method} {target}: {status}");
                let kind = answer.value("content-type").split(';').next().unwrap_or_default().to_owned();
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
                answers.push(
                    json!({ "path": path, "method": method, "status": status, "type": kind, "body": body }),
                );
            }
        }
    }
    answers.push(problem_of(
        &gateway,
        "/api/v1/services/none/backends",
        "/api/v1/services/{service}/backends",
    ));
    answers.push(problem_of(&gateway, "/api/v1/explain", "/api/v1/explain"));
    for (method, path) in PROMISED {
        assert!(described.iter().any(|(m, p)| (m.as_str(), p.as_str()) == (method, path)), "{method} {path}");
    }
    assert_eq!(described.len(), PROMISED.len(), "something is not promised: {described:?}");
    check(&json!({ "document": document, "answers": answers }));
}

fn problem_of(gateway: &tidegate_testkit::Gateway, target: &str, path: &str) -> Value {
    let answer = gateway.admin_ask(&format!("GET {target}"), &gateway.admin_token());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    json!({ "path": path, "method": "get", "status": answer.status(), "type": answer.value("content-type"), "body": body })
}

/// Hands it all to a validator that others wrote.
fn check(input: &Value) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/admin/described.py");
    let mut child = Command::new(peers::venv().join("bin/python"))
        .args(["-B", script])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start Python; `scripts/test-needs` installs what is missing");
    serde_json::to_writer(child.stdin.take().unwrap(), input).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
