//! Cases kept in the file, and explanations: what they say is what the gateway does, without a backend.

use std::path::Path;
use std::process::Command;

use serde_json::json as value;
use tidegate_testkit::process::{Ended, run};
use tidegate_testkit::{Message, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn tidegate(folder: &Path, arguments: &[&str]) -> Ended {
    run(Command::new(BIN).current_dir(folder).args(arguments).env("NO_COLOR", "1"))
}

/// A folder with a tidegate.yaml of this text.
fn written(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("make a folder");
    std::fs::write(folder.path().join("tidegate.yaml"), text).expect("write the file");
    folder
}

fn json(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

const FILE: &str = "\
version: 1
listen: { http: \"127.0.0.1:8080\", inner: \"127.0.0.1:8081\" }
services:
  orders: { backends: [\"10.0.0.1:80\"], host: backend }
  next: { backends: [\"10.0.0.2:80\"] }
routes:
  - { name: hello, match: /hello, to: { respond: { headers: { x-of: \"{path}\" }, body: \"hi {client_ip}\" } } }
  - name: orders
    match: { host: api.example.com, path: \"/orders/**\", methods: [GET, POST] }
    to: orders
    body_max: 10B
    headers: { request: { set: { x-env: prod }, remove: [cookie] }, response: { set: { x-by: us } } }
  - { name: split, match: /split, to: { orders: 1, next: 1 } }
  - { name: beta, match: { path: /hello, headers: { x-beta: \"1\" }, query: { q: \"*\" } }, to: next, rewrite: \"/beta{path}\" }
  - { name: inner, listeners: [inner], match: /inner/**, to: { redirect: \"https://{host}{path}\" } }
tests:
";

const PASSING: &str = "\
\x20 - request: /hello
    expect: { route: hello, status: 200, body: \"hi 127.0.0.1\", headers: { x-of: /hello } }
  - request: { url: /hello, client_ip: \"2001:db8::1\", listener: inner }
    expect: { body: \"hi 2001:db8::1\" }
  - name: orders keep their query
    request: GET https://api.example.com/orders/%7e7?a=b&c
    expect: { service: orders, path: \"/orders/~7?a=b&c\", headers: { x-env: prod, x-forwarded-proto: https } }
  - request: { method: POST, url: \"http://api.example.com/orders\", body: \"0123456789\", headers: { cookie: a=b } }
    expect: { service: orders, headers: { via: 1.1 tidegate }, without: [cookie] }
  - request: { method: POST, url: \"http://api.example.com/orders\", body: \"01234567890\" }
    expect: { route: orders, status: 413, headers: { x-by: us } }
  - request: DELETE http://api.example.com/orders
    expect: { route: none, status: 405, headers: { allow: \"GET, HEAD, POST\" } }
  - request: GET /orders/7
    expect: { route: none, status: 404 }
  - request: GET /a%2Fb
    expect: { status: 400 }
  - request: GET /split
    expect: { service: next }
  - request: GET /split
    expect: { service: orders }
  - request: { url: /hello?q=1, headers: { X-Beta: \"1\" } }
    expect: { route: beta, path: /beta/hello?q=1 }
  - request: { url: \"http://a.example/inner/x\", listener: inner }
    expect: { route: inner, status: 308, headers: { location: \"https://a.example/inner/x\" } }
  - request: http://a.example/inner/x
    expect: { route: none, status: 404 }
";

#[test]
fn cases_see_what_the_gateway_would_do() {
    let folder = written(&format!("{FILE}{PASSING}"));
    let ended = tidegate(folder.path(), &["test"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("ok    orders keep their query\n"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("\n\n13 cases passed\n"), "{}", ended.stdout);
    let all = json(&tidegate(folder.path(), &["test", "--json"]));
    assert_eq!((all["passed"].as_u64(), all["failed"].as_u64()), (Some(13), Some(0)));
    assert_eq!(all["cases"][2]["seen"]["path"].as_str(), Some("/orders/~7?a=b&c"));
}

#[test]
fn a_case_that_does_not_hold_fails_with_what_was_seen_and_its_place() {
    let case = "  - name: wrong\n    request: GET http://api.example.com/orders/7\n    \
                expect: { route: hello, service: next, path: /7, headers: { x-env: dev, x-a: b }, without: [via], status: 200 }\n";
    let folder = written(&format!("{FILE}{case}"));
    let ended = tidegate(folder.path(), &["test"]);
    let expected = "\
FAIL  wrong
      tidegate.yaml:19:22: route: expected `hello`, got `orders`
      tidegate.yaml:19:38: service: expected `next`, got `orders`
      tidegate.yaml:19:50: path: expected `/7`, got `/orders/7`
      tidegate.yaml:19:111: status: expected `200`, got none
      tidegate.yaml:19:65: header `x-env`: expected `dev`, got `prod`
      tidegate.yaml:19:77: header `x-a`: expected `b`, got none
      tidegate.yaml:19:97: header `via`: expected none, got `1.1 tidegate`
      it went by route `orders` to `orders` as `/orders/7`, body_max 10B

1 of 1 case failed
";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(1), expected, ""));
    let all = json(&tidegate(folder.path(), &["test", "--json"]));
    let case = &all["cases"][0];
    assert_eq!(
        (case["name"].as_str(), case["passed"].as_bool(), case["line"].as_u64()),
        (Some("wrong"), Some(false), Some(18))
    );
    let miss = serde_json::json!({ "what": "path", "expected": "`/7`", "actual": "/orders/7",
        "file": "tidegate.yaml", "line": 19, "column": 50 });
    assert_eq!(case["misses"][2], miss);
}

#[test]
fn a_file_without_cases_or_that_is_wrong_is_no_pass() {
    let folder = written(&FILE.replace("tests:\n", ""));
    let ended = tidegate(folder.path(), &["test"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.starts_with("tidegate.yaml has no cases\n  hint: "), "{}", ended.stderr);
    let ended = tidegate(folder.path(), &["test", "-c", "none.yaml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
}

/// Whether a field line is the same in a rehearsal and at a backend. The id is another for each request; the host holds
/// a port that nobody knows before; and which gateway it was is known only once one has run.
fn is_told_before(line: &str) -> bool {
    !["x-request-id", "host", "via", "cdn-loop"].iter().any(|name| line.starts_with(&format!("{name}:")))
}

/// The field lines of a head that are told before.
fn lines(message: &Message) -> Vec<String> {
    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    message.field_lines().map(text).filter(|line| is_told_before(line)).collect()
}

/// The claim of the command: the head it shows is the one a backend gets.
#[test]
fn what_a_case_sees_is_what_a_backend_gets() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let body = format!(
        "services: {{ origin: \"{}\" }}\nroutes:\n  - match: /**\n    to: origin\n    headers: {{ request: \
         {{ set: {{ x-env: prod, x-of: \"{{host}}{{path}}\" }}, remove: [cookie] }} }}\n",
        backend.address
    );
    let gateway = Setup::new(BIN).workers(1).start(&body);
    let request = "PUT /a/../b/%7ec?x=%2f HTTP/1.1\r\nhost: a.example\r\ncookie: c=1\r\nx-one: 1\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(gateway.connect().send(request).response("PUT").expect("an answer").status(), 204);
    let arrived = backend.take_arrivals().remove(0).request.expect("a whole request");

    let case = "tests:\n  - request: { method: PUT, url: \"http://a.example/a/../b/%7ec?x=%2f\", \
                headers: { cookie: c=1, x-one: \"1\" }, body: hi }\n    expect: { route: \"/**\" }\n";
    let folder = written(&format!("version: 1\nlisten: {{ http: \"127.0.0.1:8080\" }}\n{body}{case}"));
    let seen = &json(&tidegate(folder.path(), &["test", "--json"]))["cases"][0]["seen"];
    let shown: Vec<String> = seen["headers"]
        .as_array()
        .expect("a list of headers")
        .iter()
        .map(|header| format!("{}: {}", header["name"].as_str().unwrap(), header["value"].as_str().unwrap()))
        .filter(|line: &String| is_told_before(line))
        .collect();
    assert_eq!(shown, lines(&arrived));
    assert!(shown.contains(&"x-of: a.example/b/~c".to_owned()), "{shown:?}");
    assert_eq!(seen["path"].as_str(), Some(arrived.target()));
    gateway.stop();
}

#[test]
fn an_explanation_names_the_route_and_what_it_won_by() {
    let folder = written(&FILE.replace("tests:\n", ""));
    let taken = tidegate(folder.path(), &["explain", "GET", "https://api.example.com/orders/7"]);
    let expected = "\
GET /orders/7 of api.example.com

  route     `orders`, tidegate.yaml:8:5
  because   no other route matches
  policies  headers: request sets x-env, removes cookie; answer sets x-by
  to        orders
  timeout   none
  body_max  10B
";
    assert_eq!((taken.code, taken.stderr.as_str()), (Some(0), ""));
    assert!(taken.stdout.starts_with(expected), "{}", taken.stdout);
    let cases = [
        (&["GET", "/nowhere"][..], "404, no route takes it"),
        (&["DELETE", "/orders/7", "-H", "host: api.example.com"], "405, allowed are GET, HEAD, POST"),
        (&["GET", "/a%2Fb"], "400, "),
    ];
    for (asked, expected) in cases {
        let ended = tidegate(folder.path(), &[&["explain"], asked].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{asked:?}");
        assert!(ended.stdout.contains(&format!("  answer    {expected}")), "{asked:?}: {}", ended.stdout);
        let value = json(&tidegate(folder.path(), &[&["explain", "--json"], asked].concat()));
        assert!(value["route"].is_null() && value["status"].as_u64().is_some(), "{value}");
    }
    let value = json(&tidegate(folder.path(), &["explain", "GET", "/split", "--json"]));
    assert_eq!(
        (value["route"].as_str(), value["to"]["services"][1]["weight"].as_u64()),
        (Some("split"), Some(1))
    );
    let inner = tidegate(folder.path(), &["explain", "GET", "http://a/inner/x", "--listener", "inner"]);
    assert!(inner.code == Some(0) && inner.stdout.contains("route     `inner`"), "{inner:?}");
    let wrong = [
        &["get", "/"][..],
        &["GET", "ftp://x/"],
        &["GET", "/", "-H", "x"],
        &["GET", "/", "--listener", "iner"],
    ];
    for asked in wrong {
        let ended = tidegate(folder.path(), &[&["explain"], asked].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{asked:?}");
    }
}

/// What the guide shows is what is printed, and the path of the backend is the one a rehearsal sends.
#[test]
fn an_explanation_shows_what_the_backend_is_asked_for_and_what_bounds_it() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let asked = ["explain", "-c", "cases.yaml", "GET", "https://api.example.com/orders/7"];
    let ended = tidegate(&docs.join("examples"), &asked);
    let guide = std::fs::read_to_string(docs.join("guide/checking.md")).expect("read the guide");
    assert!(
        guide.contains(&format!("$ tidegate {}\n{}```", asked.join(" "), ended.stdout)),
        "{}",
        ended.stdout
    );

    let file = "version: 1\nlisten: { http: { bind: \"127.0.0.1:8080\", paths: { encoded_slash: keep } } }\n\
                services: { origin: \"127.0.0.1:1\" }\nroutes:\n  \
                - { name: a, match: \"/a/{x}/**\", to: origin, rewrite: \"/b/.{rest}/{x}/{request_id}\", timeout: 250ms }\n  \
                - { name: all, match: /**, to: origin, body_max: 3MiB }\n  \
                - { name: hidden, match: /h, to: origin, rewrite: \"/${HOME:-x}\" }\n\
                tests:\n  - { request: GET /a/1/c;v, expect: { route: all } }\n";
    let folder = written(file);
    let asked = |url: &str| json(&tidegate(folder.path(), &["explain", "--json", "GET", url]));
    for (url, rewritten, status, timeout, body) in [
        ("/a/1//c;v=2", value!("/b/.c;v=2/1/{request_id}"), value!(null), value!(0.25), 10 << 20),
        ("/a/x%2fy/c", value!("/b/.c/x%2Fy/{request_id}"), value!(null), value!(0.25), 10 << 20),
        ("/a/1", value!(null), value!(400), value!(0.25), 10 << 20),
        ("/x;a/c", value!(null), value!(null), value!(null), 3 << 20),
        ("/h;x", value!("…"), value!(null), value!(null), 10 << 20),
    ] {
        let told = asked(url);
        let found = (&told["rewritten"], &told["status"], &told["timeout_seconds"], &told["body_bytes_max"]);
        assert_eq!(found, (&rewritten, &status, &timeout, &value!(body)), "{url}: {told}");
    }
    let text = tidegate(folder.path(), &["explain", "GET", "/a/1"]).stdout;
    let refused = "  as        nothing: it is answered with 400, dot segment in the rewritten path\n  timeout   250ms\n";
    assert!(text.contains(refused), "{text}");
    let text = tidegate(folder.path(), &["explain", "GET", "/h"]).stdout;
    assert!(text.contains("  as        a path from `${…}`, which is not shown\n"), "{text}");

    let seen = json(&tidegate(folder.path(), &["test", "--json"]))["cases"][0]["seen"].take();
    assert_eq!(
        (&seen["timeout_seconds"], &seen["body_bytes_max"]),
        (&value!(0.25), &value!(10 << 20)),
        "{seen}"
    );
    let text = tidegate(folder.path(), &["test"]).stdout;
    assert!(text.contains("it went by route `a` to `origin` as `/b/.c;v/1/"), "{text}");
    assert!(text.contains("`, timeout 250ms, body_max 10MiB\n"), "{text}");
}
