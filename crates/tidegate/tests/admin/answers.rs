//! What the API says is what the gateway does.

use std::time::Duration;

use serde_json::{Value, json};
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
