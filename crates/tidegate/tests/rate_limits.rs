//! Rate limits over real sockets: counted over all workers, kept through reloads, told to clients and to operators.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;
use tidegate_testkit::{Gateway, Issuer, RawBackend, Setup, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// A gateway before a backend that answers 204, with these keys on the one route.
fn started(backend: &RawBackend, keys: &str) -> Gateway {
    Setup::new(BIN).workers(2).start(&routes(backend, keys))
}

fn routes(backend: &RawBackend, keys: &str) -> String {
    format!(
        "services: {{ origin: \"{}\" }}\nroutes:\n  - {{ name: all, match: /**, to: origin, {keys} }}",
        backend.address
    )
}

fn backend() -> RawBackend {
    RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n")
}

fn ask(gateway: &Gateway, tenant: &str) -> tidegate_testkit::Message {
    gateway.ask(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Tenant: {tenant}\r\nConnection: close\r\n\r\n"))
}

#[test]
fn beyond_the_limit_clients_are_told_when_to_come_again() {
    let backend = backend();
    let gateway = started(&backend, "limit: 2/min per header:x-tenant");
    for (tenant, status, told) in [
        ("a", 204, "\"default\";r=1;t=30"),
        ("a", 204, "\"default\";r=0;t=60"),
        ("b", 204, "\"default\";r=1;t=30"),
        ("a", 429, "\"default\";r=0;t=60"),
        ("", 204, "\"default\";r=1;t=30"),
    ] {
        let answer = ask(&gateway, tenant);
        assert_eq!(answer.status(), status, "{tenant}");
        assert_eq!(answer.value("ratelimit-policy"), "\"default\";q=2;w=60");
        assert_eq!(answer.value("ratelimit"), told);
        if status == 429 {
            assert_eq!(problem::code(&answer).as_deref(), Ok("limited"));
            assert_eq!(answer.value("retry-after"), "30");
        }
    }
    assert_eq!(gateway.metric("tidegate_limited_total", &["route=\"all\"", "reason=\"rate\""]), 1.0);
    assert_eq!(gateway.metric("tidegate_limit_evictions_total", &[]), 0.0);
    assert_eq!(backend.take_arrivals().len(), 4, "what is refused does not reach the backend");
    gateway.stop();
}

#[test]
fn a_header_is_counted_as_its_backend_reads_it() {
    let backend = backend();
    let gateway = started(&backend, "limit: 2/min per header:x-tenant");
    let with =
        |fields: &str| gateway.ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n"));
    for (fields, status) in [
        ("X-Tenant: a\r\nX-Tenant: b\r\n", 400),
        ("X_Tenant: c\r\nX-Tenant: d\r\n", 400),
        ("X_Tenant: e\r\n", 204),
        ("X.Tenant: f\r\n", 204),
        ("X_Tenant: g\r\n", 429),
        ("", 429),
        ("X-Tenant: h\r\n", 204),
    ] {
        assert_eq!(with(fields).status(), status, "{fields}");
    }
    for arrival in backend.take_arrivals() {
        let request = String::from_utf8_lossy(&arrival.request.unwrap().bytes()).to_ascii_lowercase();
        assert!(!request.contains("x_tenant") && !request.contains("x.tenant"), "{request}");
    }
    gateway.stop();
}

#[test]
fn a_credential_is_counted_although_the_backend_never_sees_it() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "EdDSA"));
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, issuer.jwks()).unwrap();
    let auth = format!("auth: {{ idp: {{ jwt: {{ jwks: \"{}\" }} }} }}\n", jwks.display());
    let limit = "auth: idp, limit: 2/min per header:authorization";
    let gateway = Setup::new(BIN).start(&(auth + &routes(&backend, limit)));
    let tokens = ["web", "app"].map(|consumer| issuer.token_of(consumer, ""));
    for (token, status) in [(0, 204), (0, 204), (1, 204), (0, 429), (1, 204), (1, 429)] {
        let line = format!("Authorization: Bearer {}\r\n", tokens[token]);
        let answer = gateway.ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{line}Connection: close\r\n\r\n"));
        assert_eq!(answer.status(), status, "{token}");
    }
    for arrival in backend.take_arrivals() {
        assert!(arrival.request.unwrap().values("authorization").is_empty());
    }
    gateway.stop();
}

#[test]
fn all_limits_of_a_list_hold_and_are_told_in_one_list() {
    let backend = backend();
    let limits =
        "limit: [3/min, { rate: 1/min per header:x-tenant, name: tenant }, { rate: 1/min, observe: true }]";
    let gateway = started(&backend, limits);
    let told = |tenant| {
        let answer = ask(&gateway, tenant);
        (answer.status(), answer.value("ratelimit").to_owned())
    };
    // What the flow asks last answers first.
    assert_eq!(told("a"), (204, "\"tenant\";r=0;t=60, \"default\";r=2;t=20".to_owned()));
    assert_eq!(told("a"), (429, "\"tenant\";r=0;t=60, \"default\";r=1;t=40".to_owned()));
    assert_eq!(told("b"), (204, "\"tenant\";r=0;t=60, \"default\";r=0;t=60".to_owned()));
    assert_eq!(told("c"), (429, "\"default\";r=0;t=60".to_owned()), "the second was not asked");
    let policy = "tidegate_refusals_total";
    assert_eq!(gateway.metric(policy, &["policy=\"limit\"", "mode=\"refused\""]), 2.0);
    assert_eq!(gateway.metric(policy, &["policy=\"limit\"", "mode=\"observed\""]), 1.0);
    gateway.stop();
}

#[test]
fn consumers_have_a_limit_and_a_quota_each() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "RS256"));
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, issuer.jwks()).unwrap();
    let gateway = Setup::new(BIN).start(&format!(
        "services: {{ origin: \"{}\" }}\nauth: {{ idp: {{ jwt: {{ jwks: \"{}\" }} }} }}\nroutes:\n\
         \x20 - {{ match: /**, to: origin, auth: idp, limit: 2/min per consumer, quota: 3/month per consumer }}",
        backend.address,
        jwks.display()
    ));
    let ask = |consumer: &str| {
        let token = issuer.token_of(consumer, "");
        gateway.ask(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"))
    };
    for (consumer, status, left) in [("web", 204, 2), ("web", 204, 1), ("app", 204, 2), ("web", 429, 0)] {
        let answer = ask(consumer);
        assert_eq!(answer.status(), status, "{consumer}");
        let told = answer.value("ratelimit");
        assert_eq!(told.contains(&format!("\"quota\";r={left};")), status == 204, "{told}");
        assert!(told.contains("\"default\";r="), "{told}");
    }
    let unknown = gateway.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((unknown.status(), unknown.values("ratelimit").len()), (401, 0), "nobody was counted");
    gateway.stop();
}

#[test]
fn a_reload_gives_nothing_back() {
    let backend = backend();
    let gateway = started(&backend, "limit: 2/h");
    assert_eq!([ask(&gateway, "").status(), ask(&gateway, "").status()], [204, 204]);
    let text = gateway.configuration();
    gateway
        .reload(&text.replace("limit: 2/h", "limit: 2/h, headers: { response: { set: { x-new: \"1\" } } }"));
    let answer = ask(&gateway, "");
    assert_eq!((answer.status(), answer.value("x-new")), (429, "1"));
    gateway.reload(&text.replace("limit: 2/h", "limit: { rate: 2/h, name: other }"));
    assert_eq!(ask(&gateway, "").status(), 204, "another name is another limit");
    gateway.stop();
}

#[test]
fn two_workers_let_through_what_one_would() {
    const CLIENTS: usize = 16;
    const ASKS: usize = 100;
    const LIMIT: usize = 200;
    let backend = backend();
    let gateway = started(&backend, "limit: 200/min");
    let passed = AtomicUsize::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = gateway.connect();
                for _ in 0..ASKS {
                    let answer = client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET").unwrap();
                    assert!(matches!(answer.status(), 204 | 429), "{}", answer.status());
                    passed.fetch_add(usize::from(answer.status() == 204), Relaxed);
                }
            });
        }
    });
    let refilled = begun.elapsed().as_secs_f64() * LIMIT as f64 / 60.0;
    let passed = passed.load(Relaxed);
    assert!(
        (LIMIT..=LIMIT + refilled.ceil() as usize).contains(&passed),
        "{passed} passed, {refilled} refilled"
    );
    let refused = (CLIENTS * ASKS - passed) as f64;
    assert_eq!(gateway.metric("tidegate_limited_total", &["reason=\"rate\""]), refused);
    gateway.stop();
}
