//! Forwarding fields: believed from trusted peers, dropped from everybody else, as backends and clients see it.

use std::time::Duration;

use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::{Gateway, Message, RawBackend, Setup, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// What a peer says of its client.
const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
                      X-Request-Id: 7f.a_B-1\r\nForwarded: for=6.6.6.6\r\nVia: 1.1 edge\r\n\
                      X-Forwarded-For: 203.0.113.7, 10.1.2.3\r\n";

fn started(trusted: &str, backend: &RawBackend) -> Gateway {
    let config = everything_to(&[backend.address], "").replace(
        "to: origin }",
        "to: origin, headers: { request: { set: { x-client: \"{client_ip}\" } }, response: { set: { x-client: \"{client_ip}\" } } } }",
    );
    Setup::new(BIN).workers(1).trusted(trusted).start(&config)
}

fn ask(gateway: &Gateway, path: &str, fields: &str) -> Message {
    gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: gate.example\r\n{fields}\r\n"))
}

fn only_request(backend: &RawBackend) -> Message {
    let mut arrivals = backend.take_arrivals();
    assert_eq!(arrivals.len(), 1);
    arrivals.remove(0).request.expect("a whole request")
}

/// Every value of these fields, as the backend got them.
fn seen(request: &Message) -> Vec<Vec<String>> {
    let names =
        ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "forwarded", "x-client"];
    names
        .iter()
        .map(|name| {
            request.values(name).iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
        })
        .collect()
}

#[test]
fn a_trusted_peer_speaks_for_its_client() {
    let backend = RawBackend::answering(OK);
    let gateway = started("[10.0.0.0/8, 127.0.0.1]", &backend);
    // A client that reaches us through a peer cannot take away what the peer says of it.
    for more in ["", "Connection: x-forwarded-for, x-request-id, x-forwarded-proto, x-forwarded-host\r\n"] {
        let answer = ask(&gateway, "/", &format!("{CLAIMS}{more}"));
        let request = only_request(&backend);
        let expected = [
            &["6.6.6.6, 203.0.113.7, 10.1.2.3, 127.0.0.1"][..],
            &["https"],
            &["gate.example"],
            &["7f.a_B-1"],
            &[],
            &["203.0.113.7"],
        ];
        assert_eq!(seen(&request), expected, "{more}");
        assert_eq!((answer.value("x-client"), answer.value("x-request-id")), ("203.0.113.7", "7f.a_B-1"));
        let via: Vec<&str> = request.value("via").split(", ").collect();
        assert!(matches!(via[..], ["1.1 edge", own] if own.starts_with("1.1 tidegate-")), "{via:?}");
    }
    let unrouted = ask(&gateway, "/", "X-Request-Id: a\r\nX-Request-Id: b\r\n");
    assert_eq!(unrouted.value("x-request-id").len(), 32, "two ids are none");
    gateway.stop();
}

#[test]
fn what_a_trusted_peer_leaves_out_or_gets_wrong_is_made_here() {
    let backend = RawBackend::answering(OK);
    let gateway = started("[127.0.0.0/8]", &backend);
    let wrong = "X-Forwarded-For: unknown\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\nX-Request-Id: a b\r\n";
    for (fields, chain) in [("", "127.0.0.1"), (wrong, "unknown, 127.0.0.1")] {
        let answer = ask(&gateway, "/", fields);
        let request = only_request(&backend);
        let [by, proto, host, id, forwarded, client] = &seen(&request)[..] else { panic!() };
        assert_eq!(
            (by, proto, host),
            (&vec![chain.into()], &vec!["http".into()], &vec!["gate.example".into()])
        );
        assert_eq!((forwarded.len(), client), (0, &vec!["127.0.0.1".to_owned()]));
        assert_eq!((id[0].len(), answer.value("x-request-id")), (32, id[0].as_str()));
    }
    gateway.stop();
}

#[test]
fn nobody_else_is_believed() {
    let backend = RawBackend::answering(OK);
    for trusted in ["[]", "[10.0.0.0/8, 127.0.0.2, \"::1\"]"] {
        let gateway = started(trusted, &backend);
        let answer = ask(&gateway, "/", CLAIMS);
        let request = only_request(&backend);
        let id = answer.value("x-request-id");
        let expected: [&[&str]; 6] =
            [&["127.0.0.1"], &["http"], &["gate.example"], &[id], &[], &["127.0.0.1"]];
        assert_eq!(seen(&request), expected, "{trusted}");
        assert_eq!(id.len(), 32);
        assert!(!request.value("via").contains("edge"), "{request:?}");
        gateway.stop();
    }
}

/// What backends take for the word of the proxy before them, but for what the gateway writes itself.
const CLAIMED: [&str; 13] = [
    "Forwarded",
    "Proxy",
    "True-Client-IP",
    "X-Client-IP",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "X-Original-URL",
    "X-Real-IP",
    "X-Remote-User",
    "X-Rewrite-URL",
];

#[test]
fn a_proxys_word_is_dropped_from_everybody_who_is_not_believed_in_it() {
    let backend = RawBackend::answering(OK);
    let named = CLAIMED.join(", ").to_lowercase();
    for (trusted, is_believed) in [
        ("[]".into(), false),
        ("127.0.0.1".into(), false),
        (format!("{{ from: [127.0.0.1], fields: [{named}] }}"), true),
    ] {
        let gateway = Setup::new(BIN).trusted(&trusted).start(&everything_to(&[backend.address], ""));
        for name in CLAIMED {
            let mimics: String = ['_', '.']
                .iter()
                .map(|sign| format!("{}: m\r\n", name.replace('-', &sign.to_string())))
                .collect();
            let mimics = if name.contains('-') { mimics } else { String::new() };
            ask(&gateway, "/", &format!("{name}: \"a\"\r\n{mimics}Connection: {name}\r\nX-Other: b\r\n"));
            ask(&gateway, "/", &format!("{mimics}{name}: \"a\"\r\nX-Other: b\r\n"));
            for arrival in backend.take_arrivals() {
                let request = arrival.request.expect("a whole request");
                let text = String::from_utf8_lossy(&request.bytes()).to_ascii_lowercase();
                assert!(text.contains("x-other: b") && !text.contains(": m\r\n"), "{trusted}: {text}");
                let value = request.value(name);
                let expected = match (is_believed, name) {
                    (false, _) => "",
                    (true, "Forwarded") => "\"a\", for=127.0.0.1",
                    (true, _) => "\"a\"",
                };
                assert_eq!(value, expected, "{trusted}: {name}");
            }
        }
        gateway.stop();
    }
}

#[test]
fn no_trailer_is_a_proxys_word() {
    let backend = RawBackend::answering(OK);
    let gateway = Setup::new(BIN).start(&everything_to(&[backend.address], ""));
    for name in CLAIMED.iter().chain(&[
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Request-Id",
        "X_Real_IP",
        "X_Forwarded_User",
    ]) {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: {name}, x-sum\r\n\r\n"
        );
        let answer = gateway.ask(format!("{head}1\r\na\r\n0\r\n{name}: told\r\nx-sum: 1\r\n\r\n"));
        assert!(matches!(answer.status(), 200 | 400), "{name}: {answer:?}");
        for arrival in backend.take_arrivals() {
            assert!(
                !arrival
                    .request
                    .map_or(Vec::new(), |request| request.bytes())
                    .windows(4)
                    .any(|part| part == b"told"),
                "{name}"
            );
        }
    }
    gateway.stop();
}

#[test]
fn a_peer_is_believed_in_what_the_listener_names_and_in_nothing_else() {
    let backend = RawBackend::answering(OK);
    let own = |chain: &str, proto: &str, host: &str| [chain.to_owned(), proto.to_owned(), host.to_owned()];
    for (fields, expected, is_id_taken) in [
        ("x-forwarded-host", own("127.0.0.1", "http", "shop.example"), false),
        ("x-forwarded-proto", own("127.0.0.1", "https", "gate.example"), false),
        ("x-forwarded-for", own("6.6.6.6, 203.0.113.7, 10.1.2.3, 127.0.0.1", "http", "gate.example"), false),
        ("x-request-id", own("127.0.0.1", "http", "gate.example"), true),
    ] {
        let gateway = started(&format!("{{ from: [10.0.0.0/8, 127.0.0.1], fields: {fields} }}"), &backend);
        let answer = ask(&gateway, "/", CLAIMS);
        let request = only_request(&backend);
        let told = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]
            .map(|name| request.value(name).to_owned());
        assert_eq!(told, expected, "{fields}");
        assert_eq!(answer.value("x-request-id") == "7f.a_B-1", is_id_taken, "{fields}");
        let client = if fields == "x-forwarded-for" { "203.0.113.7" } else { "127.0.0.1" };
        assert_eq!(request.value("x-client"), client, "{fields}");
        assert!(request.value("via").starts_with("1.1 edge, "), "its via goes on in any case: {request:?}");
        gateway.stop();
    }
}

#[test]
fn no_condition_is_met_by_what_a_client_says_of_itself() {
    let backend = RawBackend::answering(OK);
    let config = format!(
        "services: {{ origin: \"{}\" }}\nroutes:\n\
         \x20 - {{ match: {{ path: /**, headers: {{ x-consumer: ana }} }}, to: {{ respond: {{ status: 418 }} }} }}\n\
         \x20 - {{ match: {{ path: /**, headers: {{ x-real-ip: \"*\" }} }}, to: {{ respond: {{ status: 419 }} }} }}\n\
         \x20 - {{ match: /**, to: origin }}\n",
        backend.address
    );
    for (trusted, real) in [("[]", 200), ("127.0.0.1", 200), ("{ from: 127.0.0.1, fields: x-real-ip }", 419)]
    {
        let gateway = Setup::new(BIN).trusted(trusted).start(&config);
        for (fields, expected) in
            [("X-Consumer: ana\r\n", 200), ("X_Consumer: ana\r\n", 200), ("X-Real-IP: 1.2.3.4\r\n", real)]
        {
            assert_eq!(ask(&gateway, "/", fields).status(), expected, "{trusted}: {fields}");
        }
        gateway.stop();
    }
}

#[test]
fn failures_carry_the_id_of_a_trusted_peer() {
    let backend = RawBackend::answering(OK);
    let config =
        format!("services: {{ origin: \"{}\" }}\nroutes: [{{ match: /a, to: origin }}]", backend.address);
    let gateway = Setup::new(BIN).trusted("127.0.0.1").start(&config);
    let answer = ask(&gateway, "/unknown", "X-Request-Id: 7f\r\n");
    assert_eq!((answer.status(), answer.value("x-request-id")), (404, "7f"));
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""request_id":"7f""#), "{answer:?}");
    assert_eq!(problem::code(&answer).as_deref(), Ok("no_route"));
    gateway.stop();
}

#[test]
fn the_log_has_the_client_and_the_id_as_the_peer_told_them() {
    let backend = RawBackend::answering(OK);
    let config = everything_to(&[backend.address], "") + "\ntelemetry: { access_log: { to: stdout } }\n";
    let gateway = Setup::new(BIN).trusted("127.0.0.1").start(&config);
    ask(&gateway, "/", CLAIMS);
    let is_logged = || {
        let lines = gateway.process().lines();
        let told = |line: &String| line.contains(r#""client_ip":"10.1.2.3""#) && line.contains("7f.a_B-1");
        lines.iter().any(told)
    };
    await_true("the line is written", Duration::from_secs(5), is_logged);
    gateway.stop();
}
