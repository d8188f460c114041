//! Asking for a reload: what the request may look like, and what comes of it.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_testkit::gateway::{ask, await_true};
use tidegate_testkit::process::run;
use tidegate_testkit::{Gateway, Message};

use crate::{BIN, check_problem, gateway, json, page};

fn post(gateway: &Gateway, fields: &str, body: &str) -> Message {
    let token = gateway.admin_token();
    let head = format!(
        "POST /api/v1/reload HTTP/1.1\r\nHost: {}\r\n{token}{fields}Content-Length: {}\r\nConnection: close\r\n\r\n",
        gateway.admin,
        body.len()
    );
    ask(gateway.admin, [head.as_bytes(), body.as_bytes()].concat().as_slice())
}

#[test]
fn a_reload_takes_nothing_and_says_so() {
    let gateway = gateway();
    let json = "Content-Type: application/json\r\n";
    check_problem(&post(&gateway, "Content-Type: text/plain\r\n", "x"), 415);
    check_problem(&post(&gateway, "Content-Type: application/x-www-form-urlencoded\r\n", "a=b"), 415);
    check_problem(&post(&gateway, json, "{\"services\":{}}"), 400);
    check_problem(&post(&gateway, json, &" ".repeat((1 << 20) + 1)), 413);
    let named = "content-type: Application/JSON; charset=utf-8\r\n";
    for (fields, body) in [("", ""), (json, ""), (json, "{}"), (named, " {}\n")] {
        let status = post(&gateway, fields, body).status();
        assert_eq!(status, 200, "{fields}{body}");
    }
}

/// Has the gateway take another text of its file, and gives its answer. The gateway looks at the file by itself too, and
/// where that was faster there is nothing left to change: then once more from where it was.
fn change(gateway: &Gateway, token: &str, from: &str, to: &str) -> Value {
    const TRIES: usize = 20;
    let file = gateway.folder().join("tidegate.yaml");
    let ask = |text: &str, fields: &str| {
        std::fs::write(&file, text).unwrap();
        gateway.admin_ask("POST /api/v1/reload", fields)
    };
    for _ in 0..TRIES {
        let answer = ask(to, token);
        if answer.status() == 200 && json(&answer)["changed"] != json!([]) {
            return json(&answer);
        }
        std::fs::write(&file, from).unwrap();
        await_true("it is as it was", Duration::from_secs(10), || {
            gateway.admin_ask("POST /api/v1/reload", token).status() == 200
        });
    }
    panic!("the gateway was faster {TRIES} times");
}

#[test]
fn a_file_is_taken_or_refused_with_every_problem_at_its_place() {
    let mut gateway = gateway();
    let file = gateway.folder().join("tidegate.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let same = json(&post(&gateway, "", ""));
    assert!(same["snapshot"].as_u64() > Some(1) && same["changed"] == json!([]), "{same}");

    let sent = good.replace("name: posted", "name: sent");
    let taken = change(&gateway, &gateway.admin_token(), &good, &sent);
    let names: Vec<&str> = taken["changed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(names.contains(&"routes.posted") && names.contains(&"routes.sent"), "{taken}");
    assert_eq!(page(&gateway, "/api/v1/config")["snapshot"], taken["snapshot"]);
    assert_eq!(page(&gateway, "/api/v1/routes")["routes"][3]["name"], "sent");

    gateway.announce("WARN");
    std::fs::write(&file, good.replace("to: api", "to: apo").replace("workers:", "wrokers:")).unwrap();
    let refused = check_problem(&post(&gateway, "", ""), 422);
    let told: Vec<(&str, bool)> = refused["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            let is_placed = fault["line"].is_u64() && fault["column"].is_u64();
            let is_named = fault["file"].as_str().is_some_and(|name| name.ends_with("tidegate.yaml"));
            (fault["hint"].as_str().unwrap_or_default(), is_placed && is_named)
        })
        .collect();
    assert_eq!(told, [("did you mean `workers`?", true), ("did you mean `api`?", true)], "{refused}");
    assert_eq!(page(&gateway, "/api/v1/routes")["routes"][3]["name"], "sent", "what ran goes on");
}

#[test]
fn a_new_token_and_new_names_hold_from_the_reload_on() {
    let mut gateway = gateway();
    gateway.announce(crate::REFUSED);
    let file = gateway.folder().join("tidegate.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let made = gateway.admin_token();
    let set = "Authorization: Bearer another-token\r\n";
    let status = |fields: &str| gateway.admin_ask("GET /api/v1/services", fields).status();
    let bind = format!("bind: \"{}\"", gateway.admin);
    let with_token = good.replace(&bind, &format!("{bind}, token: another-token, hosts: [a.example]"));
    assert_eq!(change(&gateway, &made, &good, &with_token)["changed"], json!(["admin"]));
    assert_eq!((status(&made), status(set)), (401, 200));
    assert_eq!(status(&format!("Host: a.example\r\n{set}")), 200);

    std::fs::write(&file, &good).unwrap();
    gateway.admin_ask("POST /api/v1/reload", set); // refused only if it has gone back by itself
    assert_eq!((status(&made), status(set)), (200, 401));
    assert_eq!(status(&format!("Host: a.example\r\n{made}")), 421);
}

/// `tidegate reload` finds its token: the one the file sets, or the made one while the gateway does not know that yet.
#[test]
fn the_command_reloads_with_either_token() {
    let mut gateway = gateway();
    gateway.announce(crate::REFUSED);
    let file = gateway.folder().join("tidegate.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let bind = format!("bind: \"{}\"", gateway.admin);
    let reload = || run(Command::new(BIN).args(["reload", "-c"]).arg(&file));
    let with_token =
        |token: &str| std::fs::write(&file, good.replace(&bind, &format!("{bind}, token: {token}"))).unwrap();
    let check = |said: &str, code: i32| {
        let ended = reload();
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(ended.code == Some(code) && told.contains(said), "{said}: {told}");
    };
    check("nothing has changed", 0);
    // The watch of the file may be faster, and then nothing is left to change.
    with_token("the-first-token");
    check("is in use", 0);
    check("nothing has changed", 0);
    let status =
        gateway.admin_ask("GET /api/v1/services", "Authorization: Bearer the-first-token\r\n").status();
    assert_eq!(status, 200);
}
