//! Who may use the admin listener, and who may not.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidegate_testkit::gateway::{ask, await_true};
use tidegate_testkit::process::Process;
use tidegate_testkit::{Gateway, ports};

use crate::{BIN, REFUSED, check_headers, check_problem, gateway};

const GUARDED: [&str; 8] = [
    "/",
    "/api/v1/config",
    "/api/v1/services",
    "/api/v1/services/api/backends",
    "/api/v1/routes",
    "/api/v1/explain?method=GET&url=/",
    "/api/v1/openapi.json",
    "/nowhere",
];

#[test]
fn everything_but_health_wants_the_token() {
    let mut gateway = gateway();
    gateway.announce(REFUSED);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = gateway.admin_get(path);
        assert_eq!(answer.status(), 200, "{path}");
        check_headers(&answer);
    }
    let token = gateway.admin_token();
    for path in GUARDED {
        let get = format!("GET {path}");
        let without = gateway.admin_ask(&get, "");
        check_problem(&without, 401);
        assert_eq!(without.value("www-authenticate"), "Bearer", "{path}");
        let wrong = gateway.admin_ask(&get, "Authorization: Bearer wrong\r\n");
        check_problem(&wrong, 401);
        assert!(wrong.value("www-authenticate").starts_with("Bearer "), "{path}");
        let with = gateway.admin_ask(&get, &token);
        assert_eq!(with.status(), if path == "/nowhere" { 404 } else { 200 }, "{path}");
        check_headers(&with);
    }
    check_problem(&gateway.admin_ask("POST /api/v1/reload", ""), 401);
    assert!(gateway.metric("tidegate_admin_refused_total", &["no_credential"]) >= 9.0);
    assert!(gateway.metric("tidegate_admin_refused_total", &["wrong_credential"]) >= 8.0);
}

#[test]
fn only_the_whole_token_in_its_own_scheme_opens() {
    let mut gateway = gateway();
    gateway.announce(REFUSED);
    let line = gateway.admin_token();
    let token = line.trim_end().strip_prefix("Authorization: Bearer ").unwrap();
    let check = |field: &str, expected: u16| {
        let answer = gateway.admin_ask("GET /api/v1/services", &format!("{field}\r\n"));
        assert_eq!(answer.status(), expected, "{field}");
    };
    check(&format!("authorization: bearer {token}"), 200);
    check(&format!("Authorization: BEARER   {token}"), 200);
    check(&format!("Authorization: Basic {token}"), 401);
    check(&format!("Authorization: {token}"), 401);
    check(&format!("Authorization: Bearer {token}x"), 401);
    check(&format!("Authorization: Bearer {}", &token[1..]), 401);
    check("Authorization: Bearer", 401);
    check(&format!("Cookie: tidegate_admin={token}"), 401);
}

/// A gateway with a configuration of its own, in a folder that outlives it.
struct Own {
    process: Process,
}

impl Own {
    fn start(folder: &Path, admin: &str, is_ready: impl FnMut() -> bool) -> Own {
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let text = format!(
            "version: 1\nlisten: {{ http: \"{http}\" }}\nadmin: {admin}\nstate: state\ndrain: {{ wait: off }}\n"
        );
        let file = folder.join("tidegate.yaml");
        std::fs::write(&file, text).unwrap();
        let mut process = Process::start(Command::new(BIN).arg("run").arg("-c").arg(&file));
        process.await_ready("ready", is_ready);
        Own { process }
    }

    fn stop(mut self) -> Vec<String> {
        self.process.signal(Signal::TERM);
        assert!(self.process.await_end(Duration::from_secs(10)).success());
        self.process.lines()
    }
}

#[test]
fn the_token_is_made_once_and_is_its_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/admin-token");
    let mut made = Vec::new();
    for _ in 0..2 {
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let own = Own::start(folder.path(), &format!("\"{admin}\""), || TcpStream::connect(admin).is_ok());
        let token = std::fs::read_to_string(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let token = token.trim_end().to_owned();
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        assert!(token.len() == 43 && token.bytes().all(is_base64url), "32 bytes as base64url");
        let lines = own.stop();
        assert!(lines.iter().all(|line| !line.contains(&token)), "printed: {lines:#?}");
        made.push(token);
    }
    assert_eq!(made[0], made[1], "a second start keeps it");
    let names = std::fs::read_dir(folder.path().join("state")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(".admin-token")), "{names:?}");
}

#[test]
fn a_token_file_that_holds_none_is_told_at_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::fs::write(folder.path().join("state/admin-token"), "two words\n").unwrap();
    let file = folder.path().join("tidegate.yaml");
    let listen = ports::claim();
    std::fs::write(&file, format!("version: 1\nlisten: {{ http: \"127.0.0.1:{listen}\" }}\n")).unwrap();
    let ended = tidegate_testkit::process::run(Command::new(BIN).arg("run").arg("-c").arg(&file));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("state/admin-token holds no token"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("remove the file") && !ended.stderr.contains("two words"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_listener_others_can_reach_guards_its_metrics_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let port = ports::claim();
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let own = Own::start(folder.path(), &format!("\"0.0.0.0:{port}\""), || TcpStream::connect(admin).is_ok());
    let get = |path: &str, fields: &str| {
        ask(
            admin,
            format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n{fields}Connection: close\r\n\r\n").as_bytes(),
        )
    };
    assert_eq!(get("/healthz", "").status(), 200);
    assert_eq!(get("/readyz", "").status(), 200);
    check_problem(&get("/metrics", ""), 401);
    let token = std::fs::read_to_string(folder.path().join("state/admin-token")).unwrap();
    assert_eq!(get("/metrics", &format!("Authorization: Bearer {}\r\n", token.trim_end())).status(), 200);
    let lines = own.stop();
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{lines:#?}");
    assert!(warnings[0].contains("0.0.0.0") && warnings[0].contains("admin-token"), "{warnings:?}");
}

#[test]
fn on_a_unix_socket_metrics_are_open_and_the_api_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let own = Own::start(folder.path(), "\"unix:admin.sock\"", || UnixStream::connect(&path).is_ok());
    let status = |target: &str| {
        use std::io::{Read, Write};
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!((status("/metrics"), status("/api/v1/services")), ("200".into(), "401".into()));
    own.stop();
}

/// The path of the link that was printed at start.
fn link(gateway: &Gateway) -> String {
    let printed = || gateway.process().lines().into_iter().find(|line| line.contains("/enter?code="));
    await_true("the link is printed", Duration::from_secs(5), || printed().is_some());
    let line = printed().unwrap();
    let (before, rest) = line.split_once("http://").unwrap();
    assert!(before.contains("once, within 5 minutes"), "{line}");
    rest[rest.find('/').unwrap()..].to_owned()
}

#[test]
fn the_link_printed_at_start_opens_once() {
    let mut gateway = gateway();
    gateway.announce(REFUSED);
    let link = link(&gateway);
    check_problem(&gateway.admin_ask("GET /enter?code=wrong", ""), 401);
    check_problem(&gateway.admin_ask("GET /enter", ""), 401);
    check_problem(&gateway.admin_ask("GET /enter?code=a&code=b", ""), 401);
    let entered = gateway.admin_ask(&format!("GET {link}"), "");
    assert_eq!((entered.status(), entered.value("location")), (303, "/"), "{entered:?}");
    check_headers(&entered);
    let cookie = entered.value("set-cookie").to_owned();
    let attributes: Vec<&str> = cookie.split("; ").collect();
    for wanted in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(attributes.contains(&wanted), "{wanted} in {cookie}");
    }
    let session = format!("Cookie: other=1; {}; more=2\r\n", attributes[0]);
    let first = gateway.admin_ask("GET /", &session);
    assert_eq!(first.status(), 200);
    assert!(first.value("content-type").starts_with("text/html"));
    assert_eq!(gateway.admin_ask("GET /api/v1/services", &session).status(), 200);
    check_problem(&gateway.admin_ask(&format!("GET {link}"), ""), 401);
    check_problem(&gateway.admin_ask("GET /", "Cookie: tidegate_admin=\r\n"), 401);
    // A session of a browser is not lent to other pages.
    check_problem(
        &gateway.admin_ask("POST /api/v1/reload", &format!("{session}Origin: http://evil.org\r\n")),
        403,
    );
}

#[test]
fn other_names_of_the_listener_are_refused_unless_listed() {
    let mut gateway =
        tidegate_testkit::Setup::new(BIN).admin("hosts: [gateway.example.com]").start(crate::ROUTES);
    gateway.announce(REFUSED);
    let token = gateway.admin_token();
    let port = gateway.admin.port();
    let check = |host: &str, expected: u16| {
        for path in ["/metrics", "/enter?code=x", "/api/v1/services"] {
            let answer = gateway.admin_ask(&format!("GET {path}"), &format!("Host: {host}\r\n{token}"));
            let expected = if expected == 200 && path.starts_with("/enter") { 401 } else { expected };
            assert_eq!(answer.status(), expected, "{path} of {host}");
        }
        let health = gateway.admin_ask("GET /healthz", &format!("Host: {host}\r\n"));
        assert_eq!(health.status(), 200, "health is for all");
    };
    check(&format!("localhost:{port}"), 200);
    check("127.0.0.1", 200);
    check(&format!("[::1]:{port}"), 200);
    check(&format!("gateway.example.com:{port}"), 200);
    check(&format!("evil.example.com:{port}"), 421);
    check(&format!("127.0.0.1.evil.org:{port}"), 421);
    check_problem(&gateway.admin_ask("GET /metrics", "Host: evil.org\r\n"), 421);
    check_problem(&gateway.admin_ask("GET /metrics", "Host: 127.0.0.1\r\nHost: evil.org\r\n"), 400);
    let absolute = format!(
        "GET http://evil.org/api/v1/config HTTP/1.1\r\nHost: {}\r\n{token}Connection: close\r\n\r\n",
        gateway.admin
    );
    check_problem(&ask(gateway.admin, absolute.as_bytes()), 421);
    assert!(gateway.metric("tidegate_admin_refused_total", &["wrong_host"]) >= 7.0);
}

#[test]
fn writes_from_pages_of_others_are_refused_and_nothing_is_shared_with_them() {
    let gateway = gateway();
    let token = gateway.admin_token();
    let own = format!("Origin: http://{}\r\n", gateway.admin);
    let post = |fields: &str| gateway.admin_ask("POST /api/v1/reload", &format!("{token}{fields}"));
    for fields in ["Origin: http://evil.org\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        check_problem(&post(fields), 403);
    }
    for fields in ["", &own, "Sec-Fetch-Site: same-origin\r\n"] {
        assert_ne!(post(fields).status(), 403, "{fields}");
    }
    let preflight = gateway.admin_ask(
        "OPTIONS /api/v1/services",
        &format!("{token}Origin: http://evil.org\r\nAccess-Control-Request-Method: GET\r\n"),
    );
    check_problem(&preflight, 405);
    assert!(gateway.metric("tidegate_admin_refused_total", &["cross_origin"]) >= 3.0);
}

/// Who guesses is told of with where and whom, but for what was shown; not with each guess, and who shows nothing never.
#[test]
fn a_refused_token_is_told_of() {
    let mut gateway = gateway();
    gateway.announce(REFUSED);
    for fields in ["", "Authorization: Bearer a-guess\r\n", "Authorization: Bearer a-guess\r\n"] {
        assert_eq!(gateway.admin_ask("GET /api/v1/config?token=a-guess", fields).status(), 401);
    }
    let told =
        || gateway.process().lines().into_iter().filter(|line| line.contains(REFUSED)).collect::<Vec<_>>();
    await_true("it is told of", Duration::from_secs(5), || !told().is_empty());
    let line = told().pop().unwrap();
    assert!(
        line.ends_with(" WARN the admin listener refused a credential client=127.0.0.1 path=/api/v1/config"),
        "{line}"
    );
    assert_eq!(told().len(), 1);
    assert!(gateway.process().lines().iter().all(|line| !line.contains("a-guess")));
}

#[test]
fn guessing_is_bounded_and_passes() {
    let mut gateway = gateway();
    gateway.announce(REFUSED);
    let token = gateway.admin_token();
    let mut statuses = Vec::new();
    let end = Instant::now() + Duration::from_secs(20);
    while !statuses.contains(&429) && Instant::now() < end {
        for _ in 0..50 {
            let answer = gateway.admin_ask("GET /api/v1/services", "Authorization: Bearer guess\r\n");
            assert_eq!(answer.value("connection"), "close", "nobody guesses on");
            if answer.status() == 429 {
                assert_eq!(answer.value("retry-after"), "1");
                check_problem(&answer, 429);
            }
            statuses.push(answer.status());
        }
    }
    assert!(
        statuses.contains(&429) && statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
    assert!(statuses.iter().take_while(|status| **status == 401).count() >= 10, "{statuses:?}");
    await_true("the right token is looked at again", Duration::from_secs(5), || {
        gateway.admin_ask("GET /api/v1/services", &token).status() == 200
    });
    assert!(gateway.metric("tidegate_admin_refused_total", &["throttled"]) >= 1.0);
}
