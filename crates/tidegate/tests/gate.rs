//! The gate as a whole, over random sets of policies: what a client says of itself never reaches a backend, a request that
//! is refused reaches none, and a page is told of a refusal as of any answer.

use std::collections::HashSet;
use tidegate_testkit::{Issuer, Random, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// Configurations that are tried; each is a start of the gateway.
const GATEWAYS: usize = 6;
/// Routes of each, and requests to each of them.
const ROUTES: usize = 12;
const REQUESTS: usize = 20;

const ORIGIN: &str = "https://app.example.com";

/// The policies a route may have, each with a chance of one half.
const POLICIES: [&str; 9] = [
    "auth: idp",
    "limit: { rate: 8/h, per: ip }",
    "cors: { origins: [\"https://app.example.com\"], credentials: true }",
    "shield: true",
    "headers: { request: { set: { x-env: prod }, remove: [cookie] }, response: { set: { x-by: us } } }",
    "compress: true",
    "security_headers: true",
    "allow: { methods: [GET, POST] }",
    "body_max: 1KiB",
];

/// Names by which a client may say who it is, and the same in disguise.
const FORGED: [&str; 5] = ["X-Consumer", "x_consumer", "X-CONSUMER", "x-Consumer", "X.Consumer"];

fn half(random: &mut Random) -> bool {
    random.below(2) == 0
}

#[test]
fn nobody_forges_a_consumer_and_what_is_refused_is_seen_by_no_backend() {
    let mut random = Random::announced("sets of policies");
    let issuer = Issuer::new("k1", "ES256");
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, issuer.jwks()).unwrap();
    let mut statuses = HashSet::new();
    for _ in 0..GATEWAYS {
        let backend = RawBackend::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let sets: Vec<Vec<&str>> =
            (0..ROUTES).map(|_| POLICIES.into_iter().filter(|_| half(&mut random)).collect()).collect();
        let routes: String = sets
            .iter()
            .enumerate()
            .map(|(number, set)| {
                let keys: String = set.iter().map(|key| format!(", {key}")).collect();
                format!("  - {{ match: \"/r{number}/**\", to: origin{keys} }}\n")
            })
            .collect();
        let gateway = Setup::new(BIN).start(&format!(
            "services: {{ origin: \"{}\" }}\nauth: {{ idp: {{ jwt: {{ jwks: \"{}\" }} }} }}\nroutes:\n{routes}",
            backend.address,
            jwks.display()
        ));
        for number in 0..REQUESTS * ROUTES {
            let route = random.below(ROUTES);
            let has = |policy: &str| sets[route].iter().any(|key| key.starts_with(policy));
            let attack = if random.below(4) == 0 { "?q=1%27%20OR%20%271%27=%271" } else { "" };
            let method = ["GET", "POST", "DELETE"][random.below(3)];
            let is_known = half(&mut random);
            let mut head =
                format!("{method} /r{route}/{number}{attack} HTTP/1.1\r\nHost: a\r\nOrigin: {ORIGIN}\r\n");
            head += &format!("{}: root\r\nCookie: a=b\r\n", FORGED[random.below(FORGED.len())]);
            if is_known {
                head += &format!("Authorization: Bearer {}\r\n", issuer.token_of("web", ""));
            }
            if method == "POST" {
                head += "Content-Length: 2048\r\n";
            }
            let body = if method == "POST" { "x".repeat(2048) } else { String::new() };
            let answer = gateway.ask(format!("{head}\r\n{body}"));
            let status = answer.status();
            statuses.insert(status);
            let said = format!("{head}{:?}: {status}", sets[route]);

            let arrivals: Vec<_> = backend.take_arrivals().into_iter().map(|one| one.request).collect();
            assert_eq!(arrivals.len(), usize::from(status == 200), "{said}");
            for arrived in arrivals {
                let arrived = arrived.unwrap_or_else(|lost| panic!("{said}: {lost:?}"));
                let about: Vec<String> = arrived
                    .field_lines()
                    .map(|line| String::from_utf8_lossy(line).to_ascii_lowercase().replace('_', "-"))
                    .filter(|line| line.contains("consumer"))
                    .collect();
                let expected: &[&str] = if has("auth") { &["x-consumer: web"] } else { &[] };
                assert_eq!(about, expected, "{said}");
            }
            assert!(!(has("auth") && !is_known && status == 200), "{said}");
            let allowed = answer.values("access-control-allow-origin");
            assert_eq!(!allowed.is_empty(), has("cors"), "{said}");
        }
        gateway.stop();
    }
    for status in [200, 401, 403, 413, 429] {
        assert!(statuses.contains(&status), "chance has left {status} out: {statuses:?}");
    }
}
