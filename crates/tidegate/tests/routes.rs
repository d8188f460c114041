//! Which route a request takes, where it is sent, and what its backend is asked for, through the real gateway.

use tidegate_testkit::gateway::ask;
use tidegate_testkit::peers::Nginx;
use tidegate_testkit::{Gateway, Message, RawBackend, Setup, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// A gateway that answers by itself, with these routes.
fn answering(routes: &str) -> Gateway {
    Setup::new(BIN).workers(1).listener("inner").start(&format!("routes:\n{routes}"))
}

/// A gateway before `origin`, with these routes.
fn started(backend: &RawBackend, routes: &str) -> Gateway {
    let text = format!("services:\n  origin: \"{}\"\nroutes:\n{routes}", backend.address);
    Setup::new(BIN).workers(1).start(&text)
}

/// A request with these field lines besides Host, each with its CRLF.
fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a.example:81\r\n{fields}\r\n")
}

fn body(answer: &Message) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[test]
fn headers_and_query_choose_among_routes_and_the_more_conditions_win() {
    let route = |name: &str, condition: &str| {
        format!("  - {{ match: {{ path: /a/**, {condition} }}, to: {{ respond: {{ body: {name} }} }} }}\n")
    };
    let gateway = answering(
        &[
            "  - { match: /a/**, to: { respond: { body: plain } } }\n".to_owned(),
            route("beta", "headers: { X-Beta: \"1\" }"),
            route("any-beta", "headers: { x-beta: \"*\" }"),
            route("beta-debug", "headers: { x-beta: \"1\" }, query: { debug: \"*\" }"),
            route("named", "query: { \"full name\": \"a&b c\" }"),
            route("agent", "headers: { user-agent: probe }"),
        ]
        .concat(),
    );
    for (target, fields, expected) in [
        ("/a", "", "plain"),
        ("/a", "X-Beta: 1\r\n", "beta"),
        ("/a", "x-BETA:1 \r\n", "beta"),
        ("/a", "X-Beta: 0\r\nX-Beta: 1\r\n", "beta"),
        ("/a", "X-Beta: 2\r\n", "any-beta"),
        ("/a", "X-Beta:\r\n", "any-beta"),
        ("/a", "X_Beta: 1\r\n", "plain"),
        ("/a?debug", "X-Beta: 1\r\n", "beta-debug"),
        ("/a?x=1&debug=", "X-Beta: 1\r\n", "beta-debug"),
        ("/a?debug=1", "", "plain"),
        ("/a?nodebug=1", "X-Beta: 1\r\n", "beta"),
        ("/a?full+name=a%26b%20c", "", "named"),
        ("/a?full%20name=x&full%20name=a%26b+c", "", "named"),
        ("/a?full+name=a", "", "plain"),
        ("/a", "User-Agent: probe\r\n", "agent"),
        ("/a", "User-Agent: prober\r\n", "plain"),
    ] {
        let answer = gateway.ask(request("GET", target, fields));
        assert_eq!((answer.status(), body(&answer).as_str()), (200, expected), "{target} {fields:?}");
    }
    gateway.stop();
}

#[test]
fn other_conditions_decide_between_405_and_404() {
    let gateway = answering(
        "  - { match: { path: /a, methods: [PUT], headers: { x-key: \"1\" } }, to: { respond: 204 } }\n\
         \x20 - { match: { path: /a, methods: [DELETE] }, to: { respond: 204 }, listeners: [inner] }\n\
         \x20 - { match: { path: /b, query: { v: \"2\" } }, to: { respond: 204 } }\n",
    );
    for (target, fields, status, code, allow) in [
        ("/a", "", 404, "no_route", ""),
        ("/a", "X-Key: 1\r\n", 405, "method_not_allowed", "PUT"),
        ("/b", "", 404, "no_route", ""),
        ("/b?v=1", "", 404, "no_route", ""),
    ] {
        let answer = gateway.ask(request("GET", target, fields));
        assert_eq!((answer.status(), answer.value("allow")), (status, allow), "{target} {fields:?}");
        assert_eq!(problem::code(&answer).as_deref(), Ok(code));
    }
    let inner = gateway.listener("inner");
    let answer = ask(inner, request("GET", "/a", "X-Key: 1\r\n").as_bytes());
    assert_eq!((answer.status(), answer.value("allow")), (405, "PUT, DELETE"));
    assert_eq!(ask(inner, request("DELETE", "/a", "").as_bytes()).status(), 204);
    assert_eq!(gateway.ask(request("DELETE", "/a", "")).status(), 404, "not on this listener");
    gateway.stop();
}

#[test]
fn routes_of_a_listener_are_taken_there_alone() {
    let gateway = answering(
        "  - { match: /a, to: { respond: { body: everywhere } } }\n\
         \x20 - { match: /a, to: { respond: { body: within } }, listeners: inner }\n\
         \x20 - { match: /b, to: { respond: { body: both } }, listeners: [http, inner] }\n\
         \x20 - { match: /c, to: { respond: { body: without } }, listeners: [http] }\n",
    );
    let inner = gateway.listener("inner");
    for (target, outside, inside) in
        [("/a", "everywhere", "within"), ("/b", "both", "both"), ("/c", "without", "no_route")]
    {
        let said = |answer: Message| problem::code(&answer).unwrap_or_else(|_| body(&answer));
        assert_eq!(said(gateway.ask(request("GET", target, ""))), outside, "{target}");
        assert_eq!(said(ask(inner, request("GET", target, "").as_bytes())), inside, "{target}");
    }
    gateway.stop();
}

#[test]
fn a_preflight_takes_the_route_of_the_method_it_asks_about() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let gateway = started(
        &backend,
        "  - { match: { path: /a, methods: [PUT] }, to: origin }\n\
         \x20 - { match: { path: /b, methods: [OPTIONS] }, to: origin }\n",
    );
    let origin = "Origin: https://x.example\r\n";
    let asks = |method: &str| format!("{origin}Access-Control-Request-Method: {method}\r\n");
    for (target, fields, status) in [
        ("/a", asks("PUT"), 204),
        ("/a", asks("POST"), 405),
        ("/a", origin.to_owned(), 405),
        ("/a", "Access-Control-Request-Method: PUT\r\n".to_owned(), 405),
        ("/b", String::new(), 204),
        ("/b", asks("PUT"), 405),
    ] {
        let answer = gateway.ask(request("OPTIONS", target, &fields));
        assert_eq!(answer.status(), status, "{target} {fields:?}");
    }
    let methods: Vec<_> = backend
        .take_arrivals()
        .into_iter()
        .map(|arrival| arrival.request.unwrap().method().to_owned())
        .collect();
    assert_eq!(methods, ["OPTIONS", "OPTIONS"], "it is passed on as it came");
    gateway.stop();
}

#[test]
fn redirects_fill_in_the_request_and_keep_its_query() {
    let route = |path: &str, to: &str| format!("  - {{ match: \"{path}\", to: {{ redirect: {to} }} }}\n");
    let gateway = answering(
        &[
            route("/tls/**", "\"https://{host}{path}\""),
            route("/port/**", "\"https://{host}:8443{path}\""),
            route("/www/**", "\"http://www.{host}/x{path}\""),
            route("/moved/{id}/**", "{ to: \"https://new.example/o/{id}/{rest}#top\", status: 301 }"),
            route("/local/**", "{ to: \"/{rest}\", status: 302 }"),
            route("/whole/**", "{ to: \"{path}\", status: 307 }"),
            route("/search/{term}", "{ to: \"/find?q={term}&from={path}\", status: 303 }"),
        ]
        .concat(),
    );
    for (target, status, location) in [
        ("/tls", 308, "https://a.example:81/tls"),
        ("/tls/a%20b?q=1&r=%2f", 308, "https://a.example:81/tls/a%20b?q=1&r=%2f"),
        ("/tls/?", 308, "https://a.example:81/tls/?"),
        ("/port/x", 308, "https://a.example:8443/port/x"),
        ("/www/x", 308, "http://www.a.example:81/x/www/x"),
        ("/moved/7", 301, "https://new.example/o/7/#top"),
        ("/moved/a%3Fb%23/c/%c3%a9?x=1", 301, "https://new.example/o/a%3Fb%23/c/%C3%A9?x=1#top"),
        ("/local/a/b?c", 302, "/a/b?c"),
        ("/local", 302, "/"),
        ("/local//evil.example/x", 302, "/evil.example/x"),
        ("/local///evil.example", 302, "/evil.example"),
        ("/whole/x", 307, "/whole/x"),
        ("/search/a&b=c+d%20%25", 303, "/find?q=a%26b%3Dc%2Bd%20%25&from=/search/a%26b%3Dc%2Bd%20%25"),
        ("/search/x?y=1", 303, "/find?q=x&from=/search/x&y=1"),
    ] {
        for method in ["GET", "POST"] {
            let answer = gateway.ask(request(method, target, ""));
            assert_eq!((answer.status(), answer.value("location")), (status, location), "{target}");
            assert_eq!((answer.value("content-length"), answer.body.len()), ("0", 0));
            assert!(answer.value("date").ends_with(" GMT") && answer.value("x-request-id").len() == 32);
        }
    }
    gateway.stop();
}

#[test]
fn no_path_becomes_the_host_of_a_redirect() {
    let gateway = answering(
        "  - { match: /**, to: { redirect: \"{path}\" } }\n\
         \x20 - { match: { host: b.example }, to: { redirect: \"https://{host}{path}\" } }\n\
         \x20 - { match: /none/**, to: { redirect: \"https://{host}{path}\" } }\n",
    );
    for target in [
        "//evil.example",
        "///evil.example/",
        "//evil.example/..//x",
        "/.//evil.example",
        "/a/..//evil.example",
    ] {
        let answer = gateway.ask(request("GET", target, ""));
        let location = answer.value("location");
        assert_eq!(answer.status(), 308, "{target}");
        assert!(location.starts_with('/') && !location[1..].starts_with(['/', '\\']), "{target}: {location}");
        let answer = gateway.ask(format!("GET {target} HTTP/1.1\r\nHost: b.example\r\n\r\n"));
        assert!(answer.value("location").starts_with("https://b.example/"), "{target}: {answer:?}");
    }
    for target in ["/\\evil.example", "/%5Cevil.example", "/%2Fevil.example", "/%0d%0aLocation:x", "/a%00"] {
        let answer = gateway.ask(request("GET", target, ""));
        assert!(
            answer.status() == 400 || answer.value("location").starts_with("/%0D%0A"),
            "{target}: {answer:?}"
        );
    }
    let nameless = gateway.ask("GET /none//evil.example HTTP/1.0\r\n\r\n");
    assert_eq!((nameless.status(), nameless.values("location").len()), (400, 0), "{nameless:?}");
    gateway.stop();
}

#[test]
fn backends_are_asked_for_the_rewritten_path_and_nobody_else_sees_it() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let route = |path: &str, rewrite: &str| {
        format!(
            "  - match: \"{path}\"\n    to: origin\n    rewrite: {rewrite}\n    headers:\n\
             \x20     request: {{ set: {{ x-path: \"{{path}}\" }} }}\n      response: {{ set: {{ x-path: \"{{path}}\" }} }}\n"
        )
    };
    let gateway = started(
        &backend,
        &[
            route("/orders/{id}", "{ path: \"/v2/orders/{id}\" }"),
            route("/strip/**", "\"/{rest}\""),
            route("/deep/{a}/{b}/**", "\"/{b}/{a}/%7ex/{rest}\""),
            route("/under/**", "\"/v2{path}\""),
            route("/dot/**", "\"/x/.{rest}\""),
            route("/by/**", "\"/{host}/{client_ip}\""),
            route("/same/**", "\"{path}\""),
            "  - { match: /plain/**, to: origin }\n".to_owned(),
        ]
        .concat(),
    );
    let mut client = gateway.connect();
    for (target, expected) in [
        ("/orders/7", "/v2/orders/7"),
        ("/orders/7?a=1&b", "/v2/orders/7?a=1&b"),
        ("/orders/7?", "/v2/orders/7?"),
        ("/orders/a%3Fb%23c%25", "/v2/orders/a%3Fb%23c%25"),
        ("/orders/a%3B..", "/v2/orders/a%3B.."),
        ("/orders/%7e", "/v2/orders/~"),
        ("/strip/a/b", "/a/b"),
        ("/strip", "/"),
        ("/strip/", "/"),
        ("/strip;v/a;w", "/a;w"),
        ("/deep/1/2/3/4", "/2/1/~x/3/4"),
        ("/deep/1/2", "/2/1/~x/"),
        ("/under", "/v2/under"),
        ("/dot/a", "/x/.a"),
        ("/by/x", "/a.example:81/127.0.0.1"),
        ("/same/%41?b", "/same/A?b"),
    ] {
        let answer = client.send(request("GET", target, "")).response("GET").expect("an answer");
        let seen = backend.take_arrivals().remove(0).request.expect("a whole request");
        assert_eq!((answer.status(), seen.target()), (204, expected), "{target}");
        let path = target.split('?').next().unwrap_or_default().replace("%7e", "~").replace("%41", "A");
        assert_eq!((seen.value("x-path"), answer.value("x-path")), (path.as_str(), path.as_str()));
    }
    client.send(request("GET", "/plain/x", "")).response("GET").expect("an answer");
    let seen = backend.take_arrivals().remove(0).request.expect("a whole request");
    assert_eq!(seen.target(), "/plain/x", "nothing is left of the request before");
    for target in ["/dot", "/dot/"] {
        let refused = gateway.ask(request("GET", target, ""));
        assert_eq!(problem::code(&refused).as_deref(), Ok("bad_request"), "{target}: {refused:?}");
    }
    assert_eq!(backend.take_arrivals().len(), 0);
    gateway.stop();
}

/// nginx serves all of these as `/admin/x`, but where the gateway says so no request reaches it by another route.
#[test]
fn no_spelling_of_a_path_gets_past_its_route() {
    let origin = Nginx::start(
        "merge_slashes on; location /admin/ { return 200 inside; } location / { return 200 outside; }",
    );
    let routes = "  - { match: /admin/**, to: origin, allow: { ips: [192.0.2.1] } }\n  \
                  - { match: /**, to: origin }\n";
    let text = format!("services:\n  origin: \"{}\"\nroutes:\n{routes}", origin.address);
    let gateway = Setup::new(BIN).workers(1).start(&text);
    let status = |target: &str| {
        let answer = gateway.ask(request("GET", target, ""));
        (answer.status(), body(&answer).contains("inside"))
    };
    for target in [
        "/admin/x",
        "//admin/x",
        "/a/..//admin/x",
        "/a//../admin/x",
        "///admin///x",
        "/admin//",
        "/admin;a=b/x",
        "/admin;/x",
        "/admin%3Ba=b/x",
        "/%61dmin/x;y",
        "/./admin/x",
        "/a/.//..//admin;x",
    ] {
        assert_eq!(status(target), (403, false), "{target}");
    }
    for target in [
        "/;/admin/x",
        "/app/..;/admin/x",
        "/.;a/admin/x",
        "/%3b/admin/x",
        "/app/%2e%2e%3B/admin/x",
        "/a%2F../admin/x",
    ] {
        assert_eq!(status(target), (400, false), "{target}");
    }
    assert_eq!(status("/other//x;y"), (200, false));
    gateway.stop();
}

#[test]
fn a_listener_may_keep_slashes_and_escaped_ones() {
    let backend = RawBackend::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let keys = "paths: { merge_slashes: false, encoded_slash: keep }";
    let text = format!(
        "services:\n  origin: \"{}\"\nroutes:\n  - {{ match: \"/v/{{x}}/**\", to: origin, rewrite: \"/w/{{x}}/{{rest}}\" }}\n  \
         - {{ match: /**, to: origin }}\n",
        backend.address
    );
    let gateway = Setup::new(BIN).workers(1).listener_with("open", keys).start(&text);
    for (target, strict, open) in [
        ("/a//b/", Ok("/a/b/"), Ok("/a//b/")),
        ("//", Ok("/"), Ok("//")),
        ("/a%2fb", Err(400), Ok("/a%2Fb")),
        ("/a%2F../b", Err(400), Err(400)),
        ("/a%5Cb", Err(400), Err(400)),
        ("/..;/b", Err(400), Err(400)),
        ("/v/a;b/c", Ok("/w/a;b/c"), Ok("/w/a;b/c")),
        ("/v/a%2Fb//c", Err(400), Ok("/w/a%2Fb//c")),
        ("/v/a//c", Ok("/w/a/c"), Ok("/w/a//c")),
        ("/v/a/", Ok("/w/a/"), Ok("/w/a/")),
    ] {
        for (listener, expected) in [("http", strict), ("open", open)] {
            let address = if listener == "http" { gateway.http } else { gateway.listener(listener) };
            let answer = ask(address, request("GET", target, "").as_bytes());
            let arrivals = backend.take_arrivals();
            let arrived = arrivals.first().and_then(|arrival| arrival.request.as_ref().ok());
            let found = match arrived {
                Some(request) => Ok(request.target().to_owned()),
                None => Err(answer.status()),
            };
            assert_eq!(found, expected.map(String::from), "{target} at {listener}");
        }
    }
    gateway.stop();
}

#[test]
fn trace_is_answered_by_routes_that_name_it() {
    let gateway = answering(
        "  - { match: /a, to: { respond: 204 } }\n  - { match: { path: /b, methods: [TRACE] }, to: { respond: 204 } }\n",
    );
    let answer = gateway.ask(request("TRACE", "/a", ""));
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.value("allow"), "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
    assert_eq!(gateway.ask(request("TRACE", "/b", "")).status(), 204);
    assert_eq!(gateway.ask(request("TRACE", "/none", "")).status(), 404);
    // Another spelling of a method is nobody's: `/a` would take it as a method that it does not know.
    for spelling in ["trace", "Trace", "get", "POsT"] {
        assert_eq!(gateway.ask(request(spelling, "/a", "")).status(), 400, "{spelling}");
    }
    assert_eq!(gateway.ask(request("fetch", "/a", "")).status(), 204);
    let answer = gateway.ask(request("GET", "/b", ""));
    assert_eq!((answer.status(), answer.value("allow")), (405, "TRACE"));
    gateway.stop();
}

#[test]
fn a_rewritten_request_is_tried_again_with_the_same_path() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let gone = tidegate_testkit::ports::claim();
    let text = format!(
        "services: {{ origin: {{ backends: [\"127.0.0.1:{gone}\", \"{}\"], balance: round-robin }} }}\n\
         routes: [{{ match: \"/a/{{x}}\", to: origin, rewrite: \"/b/{{x}}\" }}]\n",
        backend.address
    );
    let gateway = Setup::new(BIN).workers(1).start(&text);
    for index in 0..4 {
        let answer = gateway.ask(request("GET", &format!("/a/{index}"), ""));
        let seen = backend.take_arrivals().remove(0).request.expect("a whole request");
        assert_eq!((answer.status(), seen.target()), (204, format!("/b/{index}").as_str()));
    }
    gateway.stop();
}

#[test]
fn names_of_the_path_are_given_decoded_and_end_nothing() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let gateway = started(
        &backend,
        "  - match: \"/sent/{x}/**\"\n    to: origin\n    headers:\n\
         \x20     request: { set: { x-of: \"{x}|{rest}\" } }\n      response: { set: { x-of: \"<{x}>\" } }\n\
         \x20 - match: \"/fixed/{x}/{y}\"\n    to:\n      respond:\n\
         \x20       headers: { content-type: application/json, x-of: \"{y}{x}\" }\n\
         \x20       body: '{\"x\":\"{x}\",\"n\":{}}'\n",
    );
    for (x, decoded, shown) in [
        ("7", "7", "7"),
        ("a%20b", "a b", "a b"),
        ("%C3%A9", "é", "é"),
        ("%0d%0aX-Bad:%201", "%0D%0AX-Bad: 1", "%0D%0AX-Bad: 1"),
        ("%7f%09%01", "%7F%09%01", "%7F%09%01"),
        ("%22,%22a%22:%22", "\",\"a\":\"", "%22,%22a%22:%22"),
        ("\"<b>'&", "\"<b>'&", "%22%3Cb%3E%27%26"),
        ("%3Cscript%3E", "<script>", "%3Cscript%3E"),
        ("%25", "%", "%"),
        ("%2541", "%41", "%41"),
        ("%3F%23%3B", "?#;", "?#;"),
    ] {
        let answer = gateway.ask(request("GET", &format!("/sent/{x}/r/{x}"), ""));
        let seen = backend.take_arrivals().remove(0).request.expect("a whole request");
        assert_eq!(
            (answer.status(), seen.value("x-of")),
            (204, format!("{decoded}|r/{decoded}").as_str()),
            "{x}"
        );
        assert_eq!(answer.value("x-of"), format!("<{decoded}>"));
        assert_eq!(seen.values("x-bad").len() + answer.values("x-bad").len(), 0);
        let fixed = gateway.ask(request("GET", &format!("/fixed/{x}/1"), ""));
        assert_eq!(body(&fixed), format!("{{\"x\":\"{shown}\",\"n\":{{}}}}"), "{x}");
        assert_eq!((fixed.status(), fixed.value("x-of")), (200, format!("1{decoded}").as_str()));
    }
    for x in ["%00", "%2f", "%5c"] {
        assert_eq!(gateway.ask(request("GET", &format!("/fixed/{x}/1"), "")).status(), 400, "{x}");
    }
    gateway.stop();
}

#[test]
fn routes_that_conditions_tell_apart_have_names_that_do_too() {
    let gateway = answering(
        "  - { match: { path: /a, methods: GET }, to: { respond: 200 } }\n\
         \x20 - { match: { path: /a, methods: GET, headers: { X-Beta: \"1\" } }, to: { respond: 201 } }\n\
         \x20 - { match: { path: /a, methods: GET, query: { v: \"*\" } }, to: { respond: 202 } }\n\
         \x20 - { match: { path: /a, methods: GET }, to: { respond: 203 }, listeners: [inner] }\n\
         \x20 - { match: { path: /b, headers: { x-beta: \"1\" } }, to: { respond: 200 } }\n",
    );
    for (target, fields) in [("/a", ""), ("/a", "X-Beta: 1\r\n"), ("/a?v=1", ""), ("/b", "X-Beta: 1\r\n")] {
        gateway.ask(request("GET", target, fields));
    }
    ask(gateway.listener("inner"), request("GET", "/a", "").as_bytes());
    for (name, code) in [
        ("GET /a", "200"),
        ("GET /a header:x-beta=1", "201"),
        ("GET /a query:v=*", "202"),
        ("GET /a listener:inner", "203"),
        ("/b", "200"),
    ] {
        let labels = [format!("route=\"{name}\""), format!("code=\"{code}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        assert_eq!(gateway.metric("tidegate_requests_total", &labels), 1.0, "{name}");
    }
    gateway.stop();
}

#[test]
fn a_reload_binds_names_conditions_and_rewrites_anew() {
    let backend = RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let gateway = started(
        &backend,
        "  - name: orders\n    match: { path: \"/one/{id}\", headers: { x-beta: \"1\" } }\n    to: origin\n\
         \x20   rewrite: \"/v1/{id}\"\n    headers: { request: { set: { x-id: \"<{id}>\" } } }\n",
    );
    let seen = |target: &str, fields: &str| {
        let answer = gateway.ask(request("GET", target, fields));
        let request = backend.take_arrivals().pop().and_then(|arrival| arrival.request.ok());
        request.map_or_else(
            || answer.status().to_string(),
            |request| format!("{} {}", request.target(), request.value("x-id")),
        )
    };
    let (one, two) = ("X-Beta: 1\r\n", "X-Beta: 2\r\n");
    assert_eq!(seen("/one/7", one), "/v1/7 <7>");
    assert_eq!((seen("/one/7", two), seen("/a/7/one", one)), ("404".into(), "404".into()));
    let text = gateway.configuration();
    // The texts that mention the name stay as they are, and the name stands for another part.
    let text = text.replace("/one/{id}", "/a/b/{id}/one");
    gateway.reload(&text);
    assert_eq!((seen("/a/b/7/one", one), seen("/one/7", one)), ("/v1/7 <7>".into(), "404".into()));
    let text = text.replace("x-beta: \"1\"", "x-beta: \"2\"");
    gateway.reload(&text);
    assert_eq!((seen("/a/b/7/one", two), seen("/a/b/7/one", one)), ("/v1/7 <7>".into(), "404".into()));
    gateway.reload(&text.replace("/v1/{id}", "/v2/{id}"));
    assert_eq!(seen("/a/b/7/one", two), "/v2/7 <7>");
    gateway.stop();
}

#[test]
fn a_scheme_counts_when_a_trusted_peer_says_it() {
    let routes = "  - { match: /**, to: { respond: { body: plain } } }\n\
                  \x20 - { match: { headers: { x-forwarded-proto: http } }, to: { redirect: \"https://{host}{path}\" } }\n";
    let gateway = answering(routes);
    let said = |gateway: &Gateway| {
        let answer = gateway.ask(request("GET", "/a", "X-Forwarded-Proto: http\r\n"));
        (answer.status(), answer.value("location").to_owned())
    };
    assert_eq!(said(&gateway), (200, String::new()));
    let text = gateway.configuration();
    gateway.reload(&text.replacen("trusted: []", "trusted: [\"127.0.0.1\"]", 1));
    assert_eq!(said(&gateway), (308, "https://a.example:81/a".to_owned()));
    gateway.stop();
}
