//! What the API says is what the gateway does.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_testkit::authority::{Authority, Kind};
use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, RawBackend, ports};

use crate::{BIN, check_problem, gateway, gateway_before_one, page};

const SOON: Duration = Duration::from_secs(10);

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|members| members.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn backends_are_shown_with_what_was_learnt_of_them() {
    let (_backend, gateway) = gateway_before_one();
    let path = "/api/v1/services/origin/backends";
    let before = page(&gateway, path);
    let first = &before["backends"][0];
    let mut wanted = vec![
        "address",
        "state",
        "weight",
        "in_flight",
        "latency_ms",
        "requests",
        "failures",
        "ejected_until",
        "since",
        "reason",
        "responses",
    ];
    wanted.sort_unstable();
    assert_eq!(keys(first), wanted);
    assert_eq!((&first["state"], &first["weight"]), (&json!("unknown"), &json!(1)), "{first}");
    assert_eq!(
        (&first["requests"], &first["latency_ms"], &first["ejected_until"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    let since = first["since"].as_str().unwrap();
    assert!(since.len() == 20 && since.starts_with("20") && since.ends_with('Z'), "{since}");
    for _ in 0..3 {
        assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status(), 200);
    }
    await_true("three requests are counted", SOON, || {
        let after = page(&gateway, path);
        let first = &after["backends"][0];
        first["requests"] == 3
            && first["in_flight"] == 0
            && first["state"] == "up"
            && first["latency_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 10_000.0)
    });
    let services = page(&gateway, "/api/v1/services");
    let service = &services["services"][0];
    assert_eq!((&service["name"], &service["balance"]), (&json!("origin"), &json!("ewma")));
    assert_eq!(
        (&service["backends"], &service["available"], &service["requests"]),
        (&json!(1), &json!(1), &json!(3))
    );
}

#[test]
fn a_backend_that_is_gone_is_down_since_then() {
    let backend = RawBackend::answering(OK);
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], ports::claim()));
    let gateway = Gateway::before(BIN, &[nobody, backend.address]);
    let state =
        |index: usize| page(&gateway, "/api/v1/services/origin/backends")["backends"][index]["state"].clone();
    await_true("it is found out", SOON, || {
        assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status(), 200);
        state(0) == "down"
    });
    assert_eq!(state(1), "up");
    assert_eq!(page(&gateway, "/api/v1/services")["services"][0]["available"], 1);
}

#[test]
fn a_service_that_is_not_there_is_told_with_the_one_that_was_meant() {
    let (_backend, gateway) = gateway_before_one();
    let token = gateway.admin_token();
    let problem = check_problem(&gateway.admin_ask("GET /api/v1/services/orgin/backends", &token), 404);
    assert_eq!(problem["hint"], "did you mean `origin`?");
    check_problem(&gateway.admin_ask("GET /api/v1/services/%ff/backends", &token), 404);
}

#[test]
fn routes_are_shown_with_what_they_ask_for_and_what_came_by_them() {
    let gateway = gateway();
    let get = |path: &str| {
        gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).status()
    };
    assert_eq!(
        (get("/orders/1"), get("/orders/1/2"), get("/orders/2"), get("/nowhere")),
        (200, 200, 200, 404)
    );
    await_true("all are counted", SOON, || {
        let page = page(&gateway, "/api/v1/routes");
        page["routes"][0]["counters"]["requests"] == 2 && page["unrouted"]["requests"] == 1
    });
    let page = page(&gateway, "/api/v1/routes");
    let first = &page["routes"][0];
    assert_eq!(first["name"], "one-order");
    assert_eq!(first["match"], json!({ "path": "/orders/{id}", "methods": ["GET"] }));
    assert_eq!(
        (&first["to"], &first["counters"]["statuses"]),
        (&json!({ "status": 200 }), &json!({ "200": 2 }))
    );
    assert_eq!(first["counters"]["bytes_out"], 2 * "one-order".len());
    assert_eq!(page["routes"][2]["policies"], json!(["headers"]));
    assert_eq!(page["routes"][2]["match"]["host"], "*.example.com");
    assert_eq!(page["routes"][4]["to"], json!({ "services": [{ "service": "api", "weight": 1 }] }));
    assert_eq!(page["unrouted"]["statuses"], json!({ "404": 1 }));
}

/// What a route does beyond its path and its service.
#[test]
fn routes_are_shown_with_all_that_becomes_of_their_requests() {
    let gateway = tidegate_testkit::Setup::new(BIN).start(
        r#"
services: { one: "127.0.0.1:1", two: "127.0.0.1:2" }
routes:
  - { name: split, match: { path: "/a/{id}", cookies: { beta: "1" } }, to: { one: 90, two: 10 }, steer: "cookie:variant", mirror: { to: two, share: 25% }, rewrite: "/b/${PATH:-x}/{id}", timeout: 1500ms, body_max: 1KiB }
  - { name: moved, match: /c, to: { redirect: { to: "https://{host}/d", status: 307 } } }
"#,
    );
    let page = page(&gateway, "/api/v1/routes");
    let (split, moved) = (&page["routes"][0], &page["routes"][1]);
    assert_eq!(split["match"], json!({ "path": "/a/{id}", "cookies": { "beta": "1" } }));
    assert_eq!(split["mirror"], json!({ "service": "two", "share": 0.25 }));
    let as_written = json!("/b/${PATH:-x}/{id}");
    assert_eq!(
        (&split["steer"], &split["rewrite"]),
        (&json!("cookie:variant"), &as_written),
        "nothing resolved"
    );
    assert_eq!((&split["timeout_seconds"], &split["body_bytes_max"]), (&json!(1.5), &json!(1024)));
    assert_eq!(moved["to"], json!({ "status": 307, "redirect": "https://{host}/d" }));
    assert!(moved.get("mirror").is_none() && moved.get("rewrite").is_none(), "{moved}");
}

#[test]
fn certificates_are_shown_with_their_end() {
    let authority = Authority::new();
    let (old, new) = (
        authority.pair_of("old", &["old.example"], Kind::P256, 2020),
        authority.pair("new", &["new.example", "*.new.example"]),
    );
    let tls = format!("tls: {{ certificates: [{}, {}] }}", old.entry(), new.entry());
    let mut gateway = tidegate_testkit::Setup::new(BIN).listener_with("secure", &tls).start("routes: []");
    gateway.announce("a certificate has expired");
    let page = page(&gateway, "/api/v1/certificates");
    let find = |name: &str| {
        let all = page["certificates"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} in {page}")).clone()
    };
    let (old, new) = (find("old.example"), find("new.example"));
    assert_eq!((&old["state"], &old["listener"]), (&json!("expired"), &json!("secure")));
    assert!(old["not_after"].as_str().unwrap().starts_with("2020-12-31T"), "{old}");
    assert_eq!((&new["state"], &new["names"]), (&json!("valid"), &json!(["new.example", "*.new.example"])));
    assert!(new["not_before"].as_str() < new["not_after"].as_str(), "{new}");
}

/// Who was refused is there with what was asked for, and the way to it is on the first page.
#[test]
fn refusals_say_who_asked_for_what() {
    let gateway = tidegate_testkit::Setup::new(BIN)
        .trusted("[127.0.0.1]")
        .start(r#"routes: [{ name: few, match: /**, to: { respond: 204 }, allow: { ips: ["192.0.2.1"] } }]"#);
    let path = format!("/secret/{}", "x".repeat(2000));
    let answer = gateway.ask(format!(
        "PURGE {path}?key=hidden HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
    ));
    assert_eq!(answer.status(), 403);
    let page = page(&gateway, &format!("/api/v1/refusals?request_id={}", answer.value("x-request-id")));
    let refusal = &page["refusals"][0];
    assert_eq!((&refusal["client"], &refusal["method"]), (&json!("203.0.113.9"), &json!("PURGE")), "{page}");
    let told = refusal["path"].as_str().unwrap();
    assert!(path.starts_with(told) && told.len() == 256, "{told}");
    let index = gateway.admin_ask("GET /", &gateway.admin_token());
    let index = String::from_utf8_lossy(&index.body).into_owned();
    for link in ["/api/v1/refusals", "/api/v1/certificates"] {
        assert!(index.contains(&format!("<a href=\"{link}\">")), "{index}");
    }
}

/// The same requests are sent and asked about.
#[test]
fn what_is_explained_is_what_happens() {
    let gateway = gateway();
    for (method, host, path) in [
        ("GET", "a", "/orders/1"),
        ("HEAD", "a", "/orders/1"),
        ("POST", "a", "/orders/1"),
        ("GET", "a", "/orders"),
        ("GET", "a", "/orders/1/2"),
        ("GET", "a", "/x/../orders/%31"),
        ("GET", "a.example.com:80", "/orders/1"),
        ("GET", "A.Example.COM.", "/"),
        ("GET", "example.com", "/"),
        ("GET", "a", "/posted"),
        ("PURGE", "a", "/posted"),
        ("DELETE", "a", "/posted?x=1"),
        ("GET", "a", "/none"),
        ("GET", "a", "/orders%2F1"),
        ("GET", "a", "/../orders"),
    ] {
        let sent =
            gateway.ask(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        let url = format!("http://{host}{path}").replace('%', "%25").replace('?', "%3F");
        let told = page(&gateway, &format!("/api/v1/explain?method={method}&url={url}"));
        let what = format!("{method} {host} {path}: {told}");
        assert_eq!(told["status"], sent.status(), "{what}");
        match told["route"].as_str() {
            Some(route) if method != "HEAD" => assert_eq!(sent.body, route.as_bytes(), "{what}"),
            _ => {}
        }
        assert_eq!(told["allow"].as_str().unwrap_or_default(), sent.value("allow"), "{what}");
    }
}

#[test]
fn an_explanation_says_why_and_what_the_others_lack() {
    let gateway = gateway();
    let told = page(&gateway, "/api/v1/explain?method=GET&url=/orders/a%2520b");
    assert_eq!((&told["route"], &told["params"]), (&json!("one-order"), &json!({ "id": "a b" })));
    assert!(told["why"].as_str().unwrap().contains("before `orders`"), "{told}");
    assert_eq!(told["candidates"][0]["route"], "orders");
    let file = std::fs::read_to_string(gateway.folder().join("tidegate.yaml")).unwrap();
    let line = file.lines().position(|line| line.contains("name: one-order")).unwrap() + 1;
    assert_eq!((&told["place"]["line"], &told["place"]["column"]), (&json!(line), &json!(5)), "{told}");
    let told = page(&gateway, "/api/v1/explain?method=GET&url=/api/x");
    assert_eq!((&told["service"], &told["status"]), (&json!("api"), &Value::Null));
    let told = page(&gateway, "/api/v1/explain?method=GET&url=https://b.example.com/");
    assert_eq!(told["policies"], json!(["headers"]));
    let does = json!([{ "policy": "headers", "does": "answer sets x-a", "observes": false }]);
    assert_eq!(told["meets"], does);
    let told = page(&gateway, "/api/v1/explain?method=GET&url=/&header=x:y&header=Host:%20c.example.com");
    assert_eq!((&told["route"], &told["host"]), (&json!("of-host"), &json!("c.example.com")));
    let told = page(&gateway, "/api/v1/explain?method=GET&url=/posted");
    assert_eq!(told["candidates"][0], json!({ "route": "posted", "because": ["it takes POST, PURGE"] }));
}

#[test]
fn what_cannot_be_had_is_told_as_a_problem() {
    let gateway = gateway();
    let token = gateway.admin_token();
    let check = |request: &str, fields: &str, status: u16| {
        check_problem(&gateway.admin_ask(request, &format!("{token}{fields}")), status)
    };
    check("GET /api/v1/nothing", "", 404);
    check("GET /api/v2/config", "", 404);
    check("GET /api/v1/config/", "", 404);
    check("GET /api/v1/explain", "", 400);
    check("GET /api/v1/explain?method=GET", "", 400);
    check("GET /api/v1/explain?method=GET&url=/&headers=a:b", "", 400);
    check("GET /api/v1/explain?method=GET&url=/&header=a", "", 400);
    let told = check("GET /api/v1/explain?method=get&url=/", "", 400);
    assert_eq!(told["detail"], "method names are case-sensitive: write `GET`");
    check("GET /api/v1/explain?method=GET&url=orders", "", 400);
    for (request, allow) in [
        ("DELETE /api/v1/config", "GET,HEAD"),
        ("PUT /api/v1/services", "GET,HEAD"),
        ("GET /api/v1/reload", "POST"),
        ("POST /healthz", "GET,HEAD"),
    ] {
        let answer = gateway.admin_ask(request, &token);
        check_problem(&answer, 405);
        assert_eq!(answer.value("allow"), allow, "{request}");
    }
}
