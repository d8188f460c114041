//! Listeners with TLS, as clients find them.

use super::{BIN, PATIENCE, s_client, said};
use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};
use tidegate_testkit::authority::{Authority, Kind};
use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::secure::{Dialer, key_exchange};
use tidegate_testkit::{Connection, Gateway, How, RawBackend, Setup};

fn secured(keys: &str, more: &str) -> Setup {
    Setup::new(BIN).listener_with("https", &format!("tls: {{ certificates: [{keys}]{more} }}"))
}

const HERE: &str = "services: {}\nroutes: [{ match: /**, to: { respond: { body: here } } }]";

#[test]
fn a_client_gets_the_certificate_for_the_name_it_asks_for() {
    let authority = Authority::new();
    let first = authority.pair("first", &["first.example", "www.first.example"]);
    let wild = authority.pair_of("wild", &["*.wild.example"], Kind::P384, 2126);
    let other = authority.pair_of("other", &["other.example", "api.wild.example"], Kind::Ed25519, 2126);
    let rsa = authority.pair_of("rsa", &["rsa.example"], Kind::Rsa, 2126);
    let entries = [&first, &wild, &other, &rsa].map(|pair| pair.entry()).join(", ");
    let gateway = secured(&entries, "").start(HERE);
    let address = gateway.listener("https");
    for (asked, shown) in [
        ("first.example", "first"),
        ("www.first.example", "first"),
        ("a.wild.example", "wild"),
        ("A.WILD.EXAMPLE", "wild"),
        ("api.wild.example", "other"),
        ("other.example", "other"),
        ("rsa.example", "rsa"),
        ("a.b.wild.example", "first"),
        ("wild.example", "first"),
        ("unknown.example", "first"),
    ] {
        let text = s_client(address, &["-servername", asked]);
        assert!(text.contains(&format!("CN = {shown}\n")), "{asked}: {text}");
    }
    assert!(s_client(address, &["-noservername"]).contains("CN = first\n"), "a client without a name");
    let expiry = gateway.metric("tidegate_certificate_expiry_seconds", &["name=\"first.example\""]);
    assert!(expiry > 4.9e9, "{expiry}");
    gateway.stop();
}

#[test]
fn versions_and_protocols_are_agreed_on() {
    let authority = Authority::new();
    let entry = authority.pair("site", &["site.example"]).entry();
    let setup = secured(&entry, "").listener_with(
        "strict",
        &format!("protocols: [h1], tls: {{ certificates: [{entry}], min_version: \"1.3\" }}"),
    );
    let gateway = setup.start(HERE);
    let (https, strict) = (gateway.listener("https"), gateway.listener("strict"));
    let cases: &[(_, &[&str], &str)] = &[
        (https, &["-tls1_3", "-alpn", "h2,http/1.1"], "ALPN protocol: h2\n"),
        (https, &["-tls1_2", "-alpn", "http/1.1"], "ALPN protocol: http/1.1\n"),
        (https, &["-tls1_2"], "New, TLSv1.2, Cipher is ECDHE-ECDSA-"),
        (https, &["-tls1_3"], "New, TLSv1.3, Cipher is TLS_AES_"),
        (https, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], "handshake failure"),
        (https, &["-alpn", "imap"], "no application protocol"),
        (strict, &["-tls1_2"], "protocol version"),
        (strict, &["-tls1_3", "-alpn", "h2,http/1.1"], "ALPN protocol: http/1.1\n"),
    ];
    for (address, options, expected) in cases {
        let text = s_client(*address, options);
        assert!(text.contains(expected), "{options:?}: {text}");
    }
    let (port, ca) = (https.port(), authority.ca());
    for (version, expected) in [("--http1.1", "1.1 200 here"), ("--http2", "2 200 here")] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", version, "-w", "%{http_version} %{http_code} ", "-o", "-"])
            .arg("--cacert")
            .arg(&ca);
        curl.args(["--resolve", &format!("site.example:{port}:127.0.0.1")]);
        let text = said(curl.arg(format!("https://site.example:{port}/")));
        let (body, written) = (text.replace("here", ""), text.contains("here"));
        assert!(written && expected.starts_with(body.trim()), "{version}: {text}");
    }
    gateway.stop();
}

#[test]
fn a_listener_of_h2_alone_speaks_no_http_1_with_clients_that_agree_on_nothing() {
    let authority = Authority::new();
    let entry = authority.pair("site", &["site.example"]).entry();
    let h2 = format!("protocols: [h2], tls: {{ certificates: [{entry}] }}");
    let gateway = secured(&entry, "").listener_with("h2", &h2).start(HERE);
    for (listener, version, expected) in [
        ("h2", "--http2-prior-knowledge", "2 200"),
        ("h2", "--http1.1", "0 000"),
        ("https", "--http1.1", "1.1 200"),
    ] {
        let port = gateway.listener(listener).port();
        let mut curl = Command::new("curl");
        curl.args([
            "-sk",
            "--no-alpn",
            version,
            "-m",
            "10",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
        ]);
        let text = said(curl.arg(format!("https://127.0.0.1:{port}/")));
        assert_eq!(text.trim(), expected, "{listener} {version}");
    }
    gateway.stop();
}

#[test]
fn sessions_are_resumed_by_every_worker() {
    let authority = Authority::new();
    let gateway = secured(&authority.pair("site", &["site.example"]).entry(), "").workers(2).start(HERE);
    let address = gateway.listener("https");
    for version in ["-tls1_2", "-tls1_3"] {
        let session = authority.folder().join(version);
        let session = session.to_str().unwrap();
        // The request keeps it until a ticket has come.
        let ask = |options: &[&str]| {
            let mut openssl = Command::new("sh");
            let line = format!(
                "printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | \
                 openssl s_client -connect {address} {version} -ign_eof {}",
                options.join(" ")
            );
            said(openssl.arg("-c").arg(line))
        };
        let first = ask(&["-sess_out", session]);
        assert!(first.contains("\nNew, TLSv1.") && first.contains("here"), "{first}");
        for _ in 0..8 {
            let again = ask(&["-sess_in", session]);
            assert!(again.contains("\nReused, TLSv1.") && again.contains("here"), "{version}: {again}");
        }
    }
    let count = |result: &str| {
        gateway
            .metric("tidegate_tls_handshakes_total", &["listener=\"https\"", &format!("result=\"{result}\"")])
    };
    assert_eq!((count("full"), count("resumed"), count("failed")), (2.0, 16.0, 0.0));
    let busy = ["0", "1"].map(|worker| {
        gateway.metric("tidegate_accepted_total", &["listener=\"https\"", &format!("worker=\"{worker}\"")])
    });
    assert!(busy.iter().all(|count| *count > 0.0), "{busy:?}");
    gateway.stop();
}

#[test]
fn what_is_no_handshake_is_answered_and_ended() {
    let authority = Authority::new();
    let keys = format!(
        "limits: {{ handshake_time: 300ms }}, tls: {{ certificates: [{}] }}",
        authority.pair("site", &["site.example"]).entry()
    );
    let gateway = Setup::new(BIN).listener_with("https", &keys).start(HERE);
    let address = gateway.listener("https");
    let mut plain = Connection::to(address);
    let answer = plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET").expect("an answer");
    assert_eq!(answer.status(), 400);
    assert!(answer.says_close() && String::from_utf8_lossy(&answer.bytes()).contains("https"));
    assert!(plain.is_ended_within(PATIENCE));
    // Garbage, records of no sense, and the beginning of a handshake that does not go on.
    let begun = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
    for bytes in [&b"\0\0\0\0garbage garbage"[..], b"\x17\x03\x03\x00\x05hello", begun, b""] {
        let mut connection = Connection::to(address);
        let begin = Instant::now();
        connection.send(bytes);
        connection.set_patience(PATIENCE);
        let lost = connection.rest();
        assert!(matches!(lost.how, How::Closed | How::Reset), "{bytes:?}: {lost}");
        let is_waited_for = bytes.is_empty() || bytes == begun;
        assert!(!is_waited_for || begin.elapsed() >= Duration::from_millis(250), "{bytes:?}");
    }
    let failed = || {
        gateway.metric("tidegate_tls_handshakes_total", &["listener=\"https\"", "result=\"failed\""]) as u32
    };
    await_true("all but the silent one are counted", PATIENCE, || failed() == 4);
    await_true("none is left", PATIENCE, || {
        gateway.metric("tidegate_connections", &["listener=\"https\""]) == 0.0
    });
    gateway.stop();
}

/// splitmix64, for sizes that differ and come again with the seed.
fn sizes(seed: u64, most: usize) -> impl FnMut() -> usize {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        1 + (mixed ^ (mixed >> 27)) as usize % most
    }
}

#[test]
fn bodies_pass_whole_in_pieces_of_any_size() {
    const BODY_BYTES: usize = 3 << 20;
    let authority = Authority::new();
    let backend = RawBackend::start(|visit| {
        while let Some(request) = visit.request() {
            let body = &request.body;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            visit.connection.send([head.as_bytes(), body].concat());
        }
    });
    let gateway = secured(&authority.pair("site", &["site.example"]).entry(), "")
        .start(&everything_to(&[backend.address], ""));
    let dialer = Dialer::trusting(&authority);
    let body: Vec<u8> = (0..BODY_BYTES).map(|n| (n % 251) as u8).collect();
    for (seed, most) in [(1, 50), (2, 40_000), (3, 300_000)] {
        let body = if most < 1000 { &body[..60_000] } else { &body[..] };
        let mut secure = dialer.connect(gateway.listener("https"), "site.example", PATIENCE);
        let mut size = sizes(seed, most);
        for round in 0..2 {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            secure.write_all(head.as_bytes()).unwrap();
            let mut left = body;
            while !left.is_empty() {
                let (piece, rest) = left.split_at(size().min(left.len()));
                secure.write_all(piece).unwrap();
                left = rest;
            }
            let mut answer = Vec::new();
            let mut room = vec![0; most];
            while !answer.ends_with(&body[body.len() - 1000..]) || answer.len() < body.len() {
                let n = secure.read(&mut room[..size()]).unwrap();
                assert!(n > 0, "seed {seed}, round {round}: ended after {} bytes", answer.len());
                answer.extend_from_slice(&room[..n]);
            }
            let start = answer.len() - body.len();
            assert!(answer[start..] == *body, "seed {seed}, round {round}");
            assert!(answer.starts_with(b"HTTP/1.1 200"), "seed {seed}, round {round}");
        }
    }
    gateway.stop();
}

#[test]
fn an_end_is_said_before_it_comes() {
    let authority = Authority::new();
    let gateway = secured(&authority.pair("site", &["site.example"]).entry(), "").start(HERE);
    let mut secure =
        Dialer::trusting(&authority).connect(gateway.listener("https"), "site.example", PATIENCE);
    secure.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // An end without close_notify would be an error here.
    secure.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"here"));
    gateway.stop();
}

#[test]
fn keys_are_exchanged_in_a_way_that_lasts_with_clients_that_know_it() {
    let authority = Authority::new();
    let gateway = secured(&authority.pair("site", &["site.example"]).entry(), "").start(HERE);
    let address = gateway.listener("https");
    let mut secure = Dialer::trusting(&authority).connect(address, "site.example", PATIENCE);
    secure.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    secure.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"here"));
    assert_eq!(key_exchange(&secure), "X25519MLKEM768");
    for group in ["X25519", "P-256", "P-384"] {
        let text = s_client(address, &["-tls1_3", "-groups", group]);
        assert!(text.contains("Verification") && text.contains("New, TLSv1.3"), "{group}: {text}");
    }
    gateway.stop();
}

/// Clients that want much and take nothing of it, beside one that takes it in small pieces.
#[test]
fn slow_readers_cost_a_bounded_part_of_memory() {
    const CLIENTS: usize = 200;
    const BODY_BYTES: usize = 8 << 20;
    /// What both directions of an exchange hold at most.
    const CLIENT_KIB_MAX: u64 = 256;
    let authority = Authority::new();
    let backend = RawBackend::start(|visit| {
        let body = vec![b'x'; 64 << 10];
        while visit.request().is_some() {
            visit.connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n"));
            // Those that are not read end with their connection.
            (0..BODY_BYTES / body.len()).all(|_| visit.connection.try_send(&body).is_ok());
        }
    });
    let gateway = secured(&authority.pair("site", &["site.example"]).entry(), "")
        .start(&everything_to(&[backend.address], ""));
    let dialer = Dialer::trusting(&authority);
    let before = gateway.process().pss_kib();
    let ask = || {
        let mut secure = dialer.connect(gateway.listener("https"), "site.example", PATIENCE);
        secure.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        secure
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| ask()).collect();
    await_true("all have reached a backend", PATIENCE, || backend.connections() >= CLIENTS);
    let mut slow = ask();
    let (mut taken, mut room) = (0, [0; 10_000]);
    while taken < BODY_BYTES {
        taken += slow.read(&mut room).expect("bytes, however slowly they are taken");
    }
    let grown = gateway.process().pss_kib().saturating_sub(before);
    assert!(grown <= CLIENT_KIB_MAX * CLIENTS as u64, "{grown} KiB for {CLIENTS} clients");
    drop((clients, slow));
    gateway.stop();
}

#[test]
fn requests_are_secure_and_others_are_sent_there() {
    let authority = Authority::new();
    let backend = RawBackend::answering(OK);
    let entry = authority.pair("site", &["site.example"]).entry();
    let gateway = secured(&entry, ", hsts: 1y")
        .listener_with("plain", "redirect: https")
        .start(&everything_to(&[backend.address], ""));
    let https = gateway.listener("https");
    let ask = |path: &str| {
        let mut secure = Dialer::trusting(&authority).connect(https, "site.example", PATIENCE);
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        secure.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        secure.read_to_string(&mut answer).unwrap();
        answer
    };
    const HSTS: &str = "strict-transport-security: max-age=31536000\r\n";
    assert!(ask("/").contains(HSTS));
    let request = backend.take_arrivals().remove(0).request.expect("a request");
    assert_eq!(request.value("x-forwarded-proto"), "https");
    for path in ["/%2f", "no-path"] {
        let refused = ask(path);
        assert!(refused.starts_with("HTTP/1.1 400") && refused.contains(HSTS), "{refused}");
    }
    let plain = gateway.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(plain.values("strict-transport-security").is_empty(), "over plain HTTP it would mean nothing");
    let sent = redirected(&gateway, "shop.example:81", "/a%20b?c=d");
    assert_eq!(sent, format!("https://shop.example:{}/a%20b?c=d", https.port()));
    await_true("it is counted", PATIENCE, || {
        gateway.metric("tidegate_requests_total", &["route=\"none\"", "code=\"308\""]) == 1.0
    });
    gateway.stop();
}

fn redirected(gateway: &Gateway, host: &str, target: &str) -> String {
    let mut connection = Connection::to(gateway.listener("plain"));
    let answer =
        connection.send(format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"));
    let answer = answer.response("POST").expect("an answer");
    assert_eq!(answer.status(), 308);
    assert!(!answer.value("x-request-id").is_empty());
    answer.value("location").to_owned()
}

#[test]
fn a_client_with_many_handshakes_under_way_keeps_no_other_out() {
    /// An eighth of what a worker has.
    const SHARE: usize = 250;
    let authority = Authority::new();
    let entry = authority.pair("site", &["site.example"]).entry();
    let keys = format!("limits: {{ per_ip: 2000 }}, tls: {{ certificates: [{entry}] }}");
    let gateway = Setup::new(BIN).workers(1).listener_with("https", &keys).start(HERE);
    let https = gateway.listener("https");
    let refused = || gateway.metric("tidegate_connections_refused_total", &["listener=\"https\""]) as usize;
    let begun: Vec<Connection> = (0..SHARE + 20)
        .map(|_| {
            let mut client = Connection::to(https);
            // A record of a handshake that is longer than what comes of it.
            client.send([0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3]);
            client
        })
        .collect();
    await_true("its share is taken", PATIENCE, || refused() == 20);
    assert!(!s_client(https, &["-bind", "127.0.0.1:0"]).contains("CN = site"), "no more of this client");
    assert!(s_client(https, &["-bind", "127.0.0.2:0"]).contains("CN = site"), "others have their own");
    drop(begun);
    await_true("it may again", PATIENCE, || s_client(https, &["-bind", "127.0.0.1:0"]).contains("CN = site"));
    gateway.stop();
}
