//! Who may ask and who may pass, through the real gateway: what clients are told, what backends see, what operators find.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::issuer::now;
use tidegate_testkit::{Act, Connection, Gateway, Issuer, Message, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// A gateway before one backend, with these entries of `auth` and these routes; the issuer's keys are in a file.
fn started(backend: &RawBackend, issuer: &Issuer, auth: &str, routes: &str) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, issuer.jwks()).unwrap();
    let auth = auth.replace("JWKS", &jwks.display().to_string());
    let services =
        format!("services: {{ origin: \"{}\" }}\nauth: {auth}\nroutes:\n{routes}", backend.address);
    (Setup::new(BIN).start(&services), folder)
}

fn backend() -> RawBackend {
    RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n")
}

fn ask(gateway: &Gateway, method: &str, path: &str, fields: &str) -> Message {
    gateway.ask(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

fn challenges(answer: &Message) -> Vec<String> {
    let lines = answer.field_lines().map(|line| String::from_utf8_lossy(line).into_owned());
    let challenge = |line: String| line.strip_prefix("www-authenticate: ").map(String::from);
    lines.filter_map(challenge).collect()
}

fn why(gateway: &Gateway, policy: &str, reason: &str) -> f64 {
    let labels = [format!("policy=\"{policy}\""), format!("reason=\"{reason}\"")];
    gateway.metric("tidegate_refusals_total", &[&labels[0], &labels[1]])
}

#[test]
fn a_token_lets_its_consumer_in_and_the_backend_is_told_who() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "RS256"));
    let (gateway, _folder) = started(
        &backend,
        &issuer,
        "{ idp: { jwt: { jwks: JWKS } }, kept: { jwt: { jwks: JWKS, keep: true } } }",
        "  - { match: /kept, to: origin, auth: kept }\n  - { match: /**, to: origin, auth: idp }\n",
    );
    let token = issuer.token_of("web", "");
    let forged = "X-Consumer: root\r\nx_consumer: root\r\nX-CONSUMER: root\r\n";
    for (path, is_kept) in [("/a", false), ("/kept", true), ("/a", false)] {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let fields = format!("{forged}Authorization: {scheme} {token}\r\n");
            assert_eq!(ask(&gateway, "GET", path, &fields).status(), 204);
            let seen = backend.take_arrivals().remove(0).request.unwrap();
            let about: Vec<String> = seen
                .field_lines()
                .map(|line| String::from_utf8_lossy(line).to_ascii_lowercase())
                .filter(|line| line.contains("consumer"))
                .collect();
            assert_eq!(about, ["x-consumer: web"]);
            assert_eq!(!seen.values("authorization").is_empty(), is_kept, "{path}");
        }
    }
    gateway.stop();
}

#[test]
fn who_is_not_known_is_told_how_to_become_so_and_reaches_no_backend() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "EdDSA"));
    let (gateway, _folder) = started(
        &backend,
        &issuer,
        "{ idp: { jwt: { jwks: JWKS, require: { scope: [\"orders:read\", \"orders:all\"] } } } }",
        "  - { match: /**, to: origin, auth: idp }\n",
    );
    let bearer = |token: String| format!("Authorization: Bearer {token}\r\n");
    let expired = issuer.token(&format!(r#"{{"sub":"web","exp":{}}}"#, now() - 3600));
    let good = issuer.token_of("web", r#","scope":"orders:read""#);
    let cases = [
        (String::new(), 401, "absent", "Bearer realm=\"idp\""),
        ("Authorization: Basic YTpi\r\n".into(), 401, "absent", "Bearer realm=\"idp\""),
        (bearer(expired), 401, "expired", "Bearer realm=\"idp\", error=\"invalid_token\""),
        (bearer("x".into()), 401, "malformed", "Bearer realm=\"idp\", error=\"invalid_token\""),
        (
            bearer(good.clone()) + &bearer(good.clone()),
            401,
            "malformed",
            "Bearer realm=\"idp\", error=\"invalid_token\"",
        ),
        (
            bearer(issuer.token_of("web", "")),
            403,
            "scope",
            "Bearer realm=\"idp\", error=\"insufficient_scope\", scope=\"orders:read orders:all\"",
        ),
    ];
    for (fields, status, reason, challenge) in cases {
        let before = why(&gateway, "auth", reason);
        let answer = ask(&gateway, "GET", "/", &fields);
        assert_eq!((answer.status(), challenges(&answer)), (status, vec![challenge.to_owned()]), "{fields}");
        let body = String::from_utf8_lossy(&answer.body);
        let code = if status == 401 { "unauthenticated" } else { "forbidden" };
        assert!(body.contains(code) && !body.contains(reason), "{body}");
        assert_eq!(why(&gateway, "auth", reason), before + 1.0, "{reason}");
    }
    assert_eq!(
        ask(&gateway, "OPTIONS", "/", "Origin: https://a\r\nAccess-Control-Request-Method: GET\r\n").status(),
        401
    );
    assert!(backend.take_arrivals().is_empty(), "nobody got through");
    assert_eq!(ask(&gateway, "GET", "/", &bearer(good)).status(), 204);
    gateway.stop();
}

#[test]
fn only_who_is_listed_passes() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "ES256"));
    let (gateway, _folder) = started(
        &backend,
        &issuer,
        "{ idp: { jwt: { jwks: JWKS } } }",
        "  - { match: /consumer, to: origin, auth: idp, allow: { consumers: [web, app] } }\n\
         \x20 - { match: /scope, to: origin, auth: idp, allow: { scopes: [\"a:read\", \"a:all\"], consumers: [app, web] } }\n\
         \x20 - { match: /ip, to: origin, allow: { ips: [\"10.0.0.0/8\"] } }\n\
         \x20 - { match: /here, to: origin, allow: { ips: [\"127.0.0.0/8\", \"::1\"], methods: [GET, PURGE] } }\n",
    );
    let of =
        |consumer: &str, more: &str| format!("Authorization: Bearer {}\r\n", issuer.token_of(consumer, more));
    let cases = [
        ("GET", "/consumer", of("web", ""), 204, ""),
        ("GET", "/consumer", of("Web", ""), 403, "consumer"),
        ("GET", "/scope", of("app", r#","scope":"b a:all""#), 204, ""),
        ("GET", "/scope", of("app", r#","scope":"b a""#), 403, "scope"),
        ("GET", "/scope", of("other", r#","scope":"a:all""#), 403, "consumer"),
        ("GET", "/ip", String::new(), 403, "address"),
        ("GET", "/ip", "X-Forwarded-For: 10.0.0.1\r\n".into(), 403, "address"),
        ("GET", "/here", String::new(), 204, ""),
        ("HEAD", "/here", String::new(), 204, ""),
        ("PURGE", "/here", String::new(), 204, ""),
        ("POST", "/here", "Content-Length: 0\r\n".into(), 403, "method"),
        ("fetch", "/here", String::new(), 403, "method"),
    ];
    for (method, path, fields, status, reason) in cases {
        let before = why(&gateway, "allow", reason);
        let answer = ask(&gateway, method, path, &fields);
        assert_eq!(answer.status(), status, "{method} {path} {reason}");
        assert_eq!(backend.take_arrivals().len(), usize::from(status == 204), "{method} {path}");
        if status == 403 {
            assert_eq!(why(&gateway, "allow", reason), before + 1.0, "{path} {reason}");
            let wanted = "Bearer realm=\"idp\", error=\"insufficient_scope\", scope=\"a:read a:all\"";
            let expected = if reason == "scope" { vec![wanted.to_owned()] } else { Vec::new() };
            assert_eq!(challenges(&answer), expected, "{path} {reason}");
        }
    }
    gateway.stop();
}

#[test]
fn another_file_of_keys_is_another_configuration() {
    let (backend, old, new) = (backend(), Issuer::new("k1", "EdDSA"), Issuer::new("k1", "EdDSA"));
    let (gateway, folder) = started(
        &backend,
        &old,
        "{ idp: { jwt: { jwks: JWKS } } }",
        "  - { match: /**, to: origin, auth: idp }\n",
    );
    let status = |issuer: &Issuer| {
        ask(&gateway, "GET", "/", &format!("Authorization: Bearer {}\r\n", issuer.token_of("web", "")))
            .status()
    };
    assert_eq!((status(&old), status(&new)), (204, 401));
    std::fs::write(folder.path().join("jwks.json"), new.jwks()).unwrap();
    gateway.reload(&gateway.configuration());
    assert_eq!(
        (status(&old), status(&new)),
        (401, 204),
        "what was seen with the old keys is forgotten with them"
    );
    gateway.stop();
}

/// Values of Authorization as nobody should send them, made of pieces of good ones.
fn awkward(token: &str, random: &mut tidegate_testkit::Random) -> String {
    let pieces = [
        "Bearer",
        "bearer",
        "Basic",
        "Bearer\t",
        " ",
        "  ",
        "\t",
        ",",
        "=",
        ".",
        "..",
        "\"",
        token,
        "YTpi",
        "\u{e9}",
        "%00",
        "none",
        "eyJhbGciOiJub25lIn0",
        "eyJ",
        "Negotiate",
        ":",
        ";",
        "realm=a",
        "\u{fffd}",
        "A",
    ];
    (0..1 + random.below(6)).map(|_| pieces[random.below(pieces.len())]).collect()
}

#[test]
fn whatever_comes_as_a_credential_is_refused_and_reaches_no_backend() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "EdDSA"));
    let (gateway, _folder) = started(
        &backend,
        &issuer,
        "{ idp: { jwt: { jwks: JWKS } } }",
        "  - { match: /**, to: origin, auth: idp }\n",
    );
    let token = issuer.token_of("web", "");
    let good = format!("Bearer {token}");
    let mut random = tidegate_testkit::Random::announced("shapes of a credential");
    let mut shapes: Vec<String> = (0..400).map(|_| awkward(&token, &mut random)).collect();
    shapes
        .retain(|shape| !shape.split_whitespace().collect::<Vec<_>>().join(" ").eq_ignore_ascii_case(&good));
    shapes.extend([
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        format!("Bearer{token}"),
        format!("{good},{good}"),
    ]);
    shapes.extend([
        format!("{good}="),
        format!("{good}.x"),
        format!("Bearer {}", "A".repeat(32 << 10)),
        "B".repeat(7 << 10),
    ]);
    for shape in &shapes {
        let answer = ask(&gateway, "GET", "/", &format!("X-Consumer: root\r\nAuthorization: {shape}\r\n"));
        assert!(matches!(answer.status(), 400 | 401 | 431), "{} {shape:?}", answer.status());
    }
    for fields in [
        format!("Authorization: {good}\r\nAuthorization: {good}\r\n"),
        format!("Authorization: {good}\r\nauthorization: Basic YTpi\r\n"),
        format!("Authorization : {good}\r\n"),
        format!("Proxy-Authorization: {good}\r\n"),
        format!("X-Authorization: {good}\r\nCookie: Authorization={token}\r\n"),
        format!("Authorization_: {good}\r\n"),
    ] {
        let status = ask(&gateway, "GET", &format!("/?access_token={token}"), &fields).status();
        assert!(matches!(status, 400 | 401), "{status} {fields}");
    }
    assert!(backend.take_arrivals().is_empty(), "nobody got through");
    assert_eq!(ask(&gateway, "GET", "/", &format!("Authorization: {good}\r\n")).status(), 204);
    gateway.stop();
}

#[test]
fn a_key_that_was_handed_out_lets_its_consumer_in() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "EdDSA"));
    let keys = tempfile::NamedTempFile::new().unwrap();
    // The digest of the key below, made elsewhere (sha256sum).
    let hash = "68b6b76c5f5c8385f0d5c69f28b0f7e7928b645c73e12acc8e2b0fc58139c278";
    let text = format!(
        "keys:\n  - {{ id: a, consumer: web, hash: \"sha256:{hash}\" }}\n  - {{ id: b, consumer: old, hash: \"sha256:{}\", expires: 2020-01-01 }}\n",
        "0".repeat(64)
    );
    std::fs::write(keys.path(), text).unwrap();
    let auth = format!("{{ keys: {{ api_key: {{ file: \"{}\" }} }} }}", keys.path().display());
    let (gateway, _folder) =
        started(&backend, &issuer, &auth, "  - { match: /**, to: origin, auth: keys }\n");
    let key = "tg_live_0123456789ABCDEFGHIJKLMNOPQRSTUV_2ALRRa";
    assert_eq!(ask(&gateway, "GET", "/", &format!("X-Api-Key: {key}\r\nx_api_key: {key}\r\n")).status(), 204);
    let seen = backend.take_arrivals().remove(0).request.unwrap();
    assert_eq!(seen.value("x-consumer"), "web");
    assert!(!String::from_utf8_lossy(&seen.bytes()).contains(key), "the backend does not see it");
    for fields in [
        String::new(),
        format!("X-Api-Key: {}b\r\n", &key[..key.len() - 1]),
        format!("X-Api-Key: {key}\r\nX-Api-Key: {key}\r\n"),
        "X-Api-Key: \r\n".into(),
    ] {
        let answer = ask(&gateway, "GET", "/", &fields);
        let challenge = "ApiKey realm=\"keys\", header=\"x-api-key\"".to_owned();
        assert_eq!((answer.status(), challenges(&answer)), (401, vec![challenge]), "{fields}");
    }
    assert!(backend.take_arrivals().is_empty());
    gateway.stop();
}

/// An issuer that is away at first, answers, and is away again: nobody gets in before its keys are there, and everybody
/// with a good token after.
#[test]
fn keys_at_a_url_are_fetched_until_they_are_there_and_kept_when_their_issuer_is_away() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "ES256"));
    let jwks = issuer.jwks();
    let is_there = Arc::new(AtomicBool::new(false));
    let seen = is_there.clone();
    let publisher = RawBackend::by_request(move |_| {
        let answer = match seen.load(Relaxed) {
            true => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{jwks}",
                jwks.len()
            ),
            false => String::from("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        };
        vec![Act::Send(answer.into()), Act::Close]
    });
    let auth = format!("{{ idp: {{ jwt: \"http://{}/jwks\" }} }}", publisher.address);
    let services = format!(
        "services: {{ origin: \"{}\" }}\nauth: {auth}\nroutes:\n  - {{ match: /**, to: origin, auth: idp }}\n",
        backend.address
    );
    let mut gateway = Setup::new(BIN).start(&services);
    gateway.announce("a document cannot be had");
    let token = format!("Authorization: Bearer {}\r\n", issuer.token_of("web", ""));
    assert_eq!(ask(&gateway, "GET", "/", &token).status(), 503);
    assert!(why(&gateway, "auth", "no_keys") > 0.0);
    is_there.store(true, Relaxed);
    await_true("the keys are there", Duration::from_secs(15), || {
        ask(&gateway, "GET", "/", &token).status() == 204
    });
    is_there.store(false, Relaxed);
    assert_eq!(ask(&gateway, "GET", "/", &token).status(), 204);
    let other = Issuer::new("k2", "ES256");
    let stranger = format!("Authorization: Bearer {}\r\n", other.token_of("web", ""));
    assert_eq!(ask(&gateway, "GET", "/", &stranger).status(), 401, "just fetched: not asked for again");
    gateway.stop();
}

/// An issuer that changes its keys: a token by a new one is judged once the keys have come, for which they are fetched
/// once, however many ask; and what it has taken back is refused from then on.
#[test]
fn a_new_key_of_an_issuer_is_fetched_once_by_whoever_misses_it() {
    let (backend, old, new) = (backend(), Issuer::new("k1", "ES256"), Issuer::new("k2", "ES256"));
    let (has_changed, fetches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (sets, changed, count) = ([old.jwks(), new.jwks()], has_changed.clone(), fetches.clone());
    let publisher = RawBackend::by_request(move |_| {
        count.fetch_add(1, Relaxed);
        let set = &sets[usize::from(changed.load(Relaxed))];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", set.len());
        vec![Act::Send((head + set).into()), Act::Close]
    });
    let services = format!(
        "services: {{ origin: \"{}\" }}\nauth: {{ idp: {{ jwt: \"http://{}/jwks\" }} }}\nroutes:\n  - {{ match: /**, to: origin, auth: idp }}\n",
        backend.address, publisher.address
    );
    let gateway = Setup::new(BIN).start(&services);
    let status = |issuer: &Issuer| {
        ask(&gateway, "GET", "/", &format!("Authorization: Bearer {}\r\n", issuer.token_of("web", "")))
            .status()
    };
    assert_eq!((status(&old), fetches.load(Relaxed)), (204, 1), "they were there before anybody asked");
    has_changed.store(true, Relaxed);
    assert_eq!((status(&new), fetches.load(Relaxed)), (401, 1), "nobody makes us fetch all the time");
    std::thread::sleep(tidegate_core::document::WISH_EVERY + Duration::from_millis(500));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..16).map(|_| scope.spawn(|| status(&new))).collect();
        assert!(asking.into_iter().all(|one| one.join().unwrap() == 204), "each waited for the keys");
    });
    assert_eq!((status(&old), fetches.load(Relaxed)), (401, 2));
    assert_eq!(gateway.metric("tidegate_document_fetches_total", &["result=\"good\""]), 2.0);
    gateway.stop();
}

/// Guesses count: they end with the limit of their address, whoever they pretend to be.
#[test]
fn a_limit_per_address_counts_who_is_refused() {
    let (backend, issuer) = (backend(), Issuer::new("k1", "EdDSA"));
    let routes = "  - { match: /**, to: origin, auth: idp, limit: { rate: 3/h, per: ip } }\n";
    let (gateway, _folder) = started(&backend, &issuer, "{ idp: { jwt: { jwks: JWKS } } }", routes);
    let statuses: Vec<_> =
        (0..5).map(|_| ask(&gateway, "GET", "/", "Authorization: Bearer x\r\n").status()).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    gateway.stop();
}

/// 48 connections from an address of their own show one wrong password after the other. A place is asked for at once
/// whatever comes, so who is new is verified, however long that takes on this machine.
#[test]
fn a_flood_of_wrong_passwords_keeps_nobody_out() {
    let (backend, folder) = (backend(), tempfile::tempdir().unwrap());
    let file = folder.path().join("users");
    let hash = bcrypt::hash("right", 10).unwrap();
    let users: String = (0..6).map(|number| format!("user{number}:{hash}\n")).collect();
    std::fs::write(&file, users).unwrap();
    let gateway = Setup::new(BIN).start(&format!(
        "services: {{ origin: \"{}\" }}\nauth: {{ staff: {{ basic: {{ file: \"{}\" }} }} }}\n\
         routes:\n  - {{ match: /**, to: origin, auth: staff }}\n",
        backend.address,
        file.display()
    ));
    let is_over = AtomicBool::new(false);
    let turned_away = AtomicUsize::new(0);
    let show = |client: &mut Connection, name: &str, password: &str| {
        let shown = STANDARD.encode(format!("{name}:{password}"));
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {shown}\r\n\r\n"));
        client.response("GET").unwrap().status()
    };
    let guess = |flood: usize| {
        let mut client = Connection::from([127, 0, 0, 2].into(), gateway.http);
        for number in 0.. {
            if is_over.load(Relaxed) {
                return;
            }
            match show(&mut client, "user0", &format!("wrong {flood} {number}")) {
                401 => {}
                503 => drop(turned_away.fetch_add(1, Relaxed)),
                other => panic!("a guess is answered with {other}"),
            }
        }
    };
    std::thread::scope(|scope| {
        (0..48).for_each(|flood| drop(scope.spawn(move || guess(flood))));
        // What fails here must not leave the others at it.
        let asked = scope.spawn(|| {
            await_true("its share is full", Duration::from_secs(20), || turned_away.load(Relaxed) > 100);
            let mut client = gateway.connect();
            (0..6).map(|number| show(&mut client, &format!("user{number}"), "right")).collect::<Vec<u16>>()
        });
        let statuses = asked.join();
        is_over.store(true, Relaxed);
        assert_eq!(statuses.expect("the share is full"), [204; 6]);
    });
    gateway.stop();
}

#[test]
fn a_password_lets_its_user_in_and_no_other_does() {
    let backend = backend();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    std::fs::write(&file, format!("ana:{}\n", bcrypt::hash("secret", 10).unwrap())).unwrap();
    let services = format!(
        "services: {{ origin: \"{}\" }}\nauth: {{ staff: {{ basic: {{ file: \"{}\", realm: Back office }} }} }}\n\
         routes:\n  - {{ match: /**, to: origin, auth: staff }}\n",
        backend.address,
        file.display()
    );
    let gateway = Setup::new(BIN).start(&services);
    for (credential, status, reason) in [
        ("YW5hOnNlY3JldA==", 204, ""), // ana:secret
        ("YW5hOnNlY3JldA==", 204, ""),
        ("YW5hOndyb25n", 401, "password"),         // ana:wrong
        ("Ym9iOnNlY3JldA==", 401, "unknown_user"), // bob:secret
        ("YW5h", 401, "malformed"),
    ] {
        let before = why(&gateway, "auth", reason);
        let answer = ask(&gateway, "GET", "/", &format!("Authorization: Basic {credential}\r\n"));
        assert_eq!(answer.status(), status, "{credential}");
        if status == 401 {
            assert_eq!(challenges(&answer), ["Basic realm=\"Back office\", charset=\"UTF-8\""]);
            assert_eq!(why(&gateway, "auth", reason), before + 1.0, "{reason}");
        }
    }
    let arrivals = backend.take_arrivals();
    assert_eq!(arrivals.len(), 2);
    for arrival in arrivals {
        let seen = arrival.request.unwrap();
        assert_eq!(seen.value("x-consumer"), "ana");
        assert!(seen.values("authorization").is_empty(), "the password stays here");
    }
    gateway.stop();
}
