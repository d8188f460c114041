//! What is shown of a configuration: everything that was written, but for secrets and what came from outside.

use crate::tests::members;
use crate::{Config, Families, from_text};
use serde_json::{Value, json};
use std::path::Path;

const FAMILIES: Families<'_> = Families::new(members::POLICIES, members::BALANCERS);

fn read(text: &str) -> Config {
    let text = format!("version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\n{text}");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    match from_text("gateway.yaml", &text, Path::new(folder), &FAMILIES) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

fn check(text: &str, key: &str, expected: Value) {
    let config = read(text);
    let shown: Value = serde_json::from_str(config.written.json()).unwrap();
    assert_eq!(shown[key], expected, "{text}");
}

#[test]
fn what_was_written_is_shown_in_its_own_form() {
    check(
        "workers: 2\nservices: { a: { backends: [\"127.0.0.1:1\", { url: \"127.0.0.1:2\", weight: 2 }] } }",
        "services",
        json!({ "a": { "backends": ["127.0.0.1:1", { "url": "127.0.0.1:2", "weight": 2 }] } }),
    );
    check(
        "routes: [{ match: /a, to: { respond: { status: 200, body: \"1\" } } }]",
        "routes",
        json!([{ "match": "/a", "to": { "respond": { "status": 200, "body": "1" } } }]),
    );
    check("workers:  auto\nadmin: {}", "workers", json!("auto"));
    assert_eq!(read("workers: 1").written.files(), ["gateway.yaml"]);
}

/// A key that no declaration knows would be shown as a secret.
#[test]
fn nothing_that_is_no_secret_is_hidden() {
    let every = include_str!("../../tests/families.yaml").lines().filter(|line| !line.starts_with("version"));
    let text: String =
        every.filter(|line| !line.starts_with("listen")).map(|line| format!("{line}\n")).collect();
    let shown = read(&text).written.json().to_owned();
    assert!(shown.len() > 100 && !shown.contains("[secret]"), "{shown}");
}

#[test]
fn secrets_are_named_and_never_shown() {
    check("admin: { token: hunter2-hunter3 }", "admin", json!({ "token": "[secret]" }));
    check(
        "admin: { token: '${file:secret-for-interpolation}' }",
        "admin",
        json!({ "token": "${file:secret-for-interpolation}" }),
    );
    check(
        "admin: { token: '${NOT_SET_ANYWHERE:-hunter2-hunter3}' }",
        "admin",
        json!({ "token": "[secret]" }),
    );
    let config = read("admin: { token: 'hunter2-hunter3', hosts: gateway.example.com }");
    let token = config.admin.token.as_ref().map(|token| token.reveal().as_str());
    assert_eq!(token, Some("hunter2-hunter3"));
    for shown in [format!("{config:?}"), format!("{config:#?}"), config.written.json().to_owned()] {
        assert!(!shown.contains("hunter2-hunter3"), "{shown}");
    }
}

#[test]
fn what_came_from_outside_is_shown_as_it_was_written() {
    let route = |body: &str| format!("routes: [{{ match: /a, to: {{ respond: {{ body: {body} }} }} }}]");
    let shown = |body: &str| json!([{ "match": "/a", "to": { "respond": { "body": body } } }]);
    check(&route("\"a ${PATH} b\""), "routes", shown("a ${PATH} b"));
    check(&route("\"$${1}\""), "routes", shown("${1}"));
    check(
        "routes:\n- match: /a\n  to: { respond: { body: x } }\n- match: /b\n  to:\n    respond:\n      body: |\n        one\n        ${PATH}\n",
        "routes",
        json!([
            { "match": "/a", "to": { "respond": { "body": "x" } } },
            { "match": "/b", "to": { "respond": { "body": "[from ${…}]" } } },
        ]),
    );
}

#[test]
fn messages_about_secrets_do_not_hold_them() {
    for (written, reason) in [
        (
            "{ token: \"hunter2-hunter3 !\", oops: 1 }",
            "the secret holds a character that cannot be sent in a header",
        ),
        ("{ oops: 1, token: hunter2-hunter3 }", "unknown key `oops`"),
        ("{ token: \"hunter2-hunter3\", bind: nowhere }", "`nowhere` is not an address"),
        ("{ token: [hunter2-hunter3] }", "expected a token of visible ASCII characters, found a list"),
    ] {
        let text = format!("version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\nadmin: {written}\n");
        let problems = from_text("f", &text, Path::new("/"), &FAMILIES).unwrap_err().to_string();
        assert!(problems.contains(reason), "{problems}");
        assert!(problems.contains("*******") && !problems.contains("hunter2-hunter3"), "{problems}");
    }
}
