//! Changes of the configuration while requests are served: taken whole or not at all, and nothing is lost.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{ask, await_true, everything_to};
use tidegate_testkit::load::Load;
use tidegate_testkit::process::run;
use tidegate_testkit::{Connection, Gateway, RawBackend, Setup, ports};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(5);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn saying(word: &str) -> String {
    format!("routes: [{{ match: \"/**\", to: {{ respond: {{ body: {word} }} }} }}]")
}

fn said(gateway: &Gateway) -> String {
    String::from_utf8_lossy(&gateway.ask("GET / HTTP/1.0\r\n\r\n").body).into_owned()
}

fn free() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, ports::claim()).into()
}

/// Waits until the gateway has said this to its operator.
fn await_said(gateway: &Gateway, text: &str) {
    let has_said = || gateway.process().lines().iter().any(|line| line.contains(text));
    await_true(text, SOON, has_said);
}

#[test]
fn a_file_that_changes_is_taken_without_being_asked_for() {
    let gateway = Setup::new(BIN).start(&saying("one"));
    assert_eq!(said(&gateway), "one");
    let text = gateway.configuration();
    gateway.configure(&text.replace("one", "two"));
    await_true("the replaced file is taken", SOON, || said(&gateway) == "two");
    // As an editor without care writes: the same file, in pieces.
    let path = gateway.folder().join("tidegate.yaml");
    std::fs::write(&path, "version: 1\n").unwrap();
    std::fs::write(&path, text.replace("one", "three")).unwrap();
    await_true("the file written over is taken", SOON, || said(&gateway) == "three");
    await_true("both are counted, and no others", SOON, || gateway.reloads() == (2, 0));
    gateway.stop();
}

#[test]
fn included_files_are_watched_and_kept() {
    let mut gateway = Setup::new(BIN).start(&saying("one"));
    let text = gateway.configuration();
    let start = text.find("routes:").unwrap();
    let teams = gateway.folder().join("teams");
    std::fs::create_dir(&teams).unwrap();
    gateway.reload(&format!("{}include: [teams/*.yaml]\n", &text[..start]));
    assert_eq!(gateway.ask("GET / HTTP/1.0\r\n\r\n").status(), 404);
    std::fs::write(teams.join("a.yaml"), saying("two")).unwrap();
    await_true("a new file is taken", SOON, || said(&gateway) == "two");
    std::fs::write(teams.join("a.yaml"), saying("three")).unwrap();
    await_true("a changed file is taken", SOON, || said(&gateway) == "three");
    gateway.announce("the configuration is not taken");
    std::fs::write(teams.join("a.yaml"), "routes: [").unwrap();
    await_true("a spoilt file is seen", SOON, || gateway.reloads().1 == 1);
    gateway.restart(&["--last-good"]);
    gateway.announce("what was last taken from it is served");
    assert_eq!(said(&gateway), "three");
    std::fs::write(teams.join("a.yaml"), saying("four")).unwrap();
    await_true("the mended file is taken", SOON, || said(&gateway) == "four");
    gateway.stop();
}

#[test]
fn a_bad_file_changes_nothing_and_is_told_of() {
    let mut gateway = Setup::new(BIN).start(&saying("one"));
    gateway.announce("the configuration is not taken");
    let text = gateway.configuration();
    gateway.configure(&text.replace("respond", "responde"));
    gateway.process().signal(Signal::HUP);
    await_true("it is refused", SOON, || gateway.reloads().1 == 1);
    assert_eq!(gateway.metric("tidegate_config_last_reload_success", &[]), 0.0);
    assert_eq!(said(&gateway), "one");
    await_said(&gateway, "tidegate.yaml:7:");
    await_said(&gateway, "`responde`");
    gateway.reload(&text.replace("one", "two"));
    assert_eq!(said(&gateway), "two");
    assert_eq!(gateway.metric("tidegate_config_last_reload_success", &[]), 1.0);
    gateway.stop();
}

#[test]
fn what_only_a_start_can_change_is_refused() {
    let mut gateway = Setup::new(BIN).start(&saying("one"));
    gateway.announce("the configuration is not taken");
    let text = gateway.configuration();
    let admin = gateway.admin.to_string();
    let other_admin = free().to_string();
    for (index, (old, new, key)) in [
        ("workers: 2", "workers: 1", "`workers` cannot change"),
        ("dir: state", "dir: other", "`state.dir` cannot change"),
        (&admin, &other_admin, "`admin.bind` cannot change"),
    ]
    .into_iter()
    .enumerate()
    {
        gateway.configure(&text.replace(old, new).replace("one", "two"));
        gateway.process().signal(Signal::HUP);
        await_true(key, SOON, || gateway.reloads().1 > index as u64);
        await_said(&gateway, key);
        assert_eq!(said(&gateway), "one", "{key}");
    }
    gateway.stop();
}

#[test]
fn requests_under_way_are_finished_as_they_began() {
    let backend =
        RawBackend::by_request(|_| vec![Act::Pause(Duration::from_millis(700)), Act::Send(OK.to_vec())]);
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = gateway.connect();
    client.send(GET);
    await_true("the backend is asked", SOON, || !backend.take_arrivals().is_empty());
    let text = gateway.configuration();
    let start = text.find("services:").unwrap();
    gateway.reload(&format!("{}{}", &text[..start], saying("new")));
    assert_eq!(said(&gateway), "new");
    assert_eq!(
        gateway.metric("tidegate_snapshots_alive", &[]),
        2.0,
        "one is in use, one is seen by the request"
    );
    let answer = client.response("GET").expect("the answer of the backend that is gone from the file");
    assert_eq!(answer.body, b"ok");
    client.send(GET);
    assert_eq!(client.response("GET").unwrap().body, b"new", "the next request on the same connection");
    await_true("the old snapshot goes", SOON, || gateway.metric("tidegate_snapshots_alive", &[]) == 1.0);
    gateway.stop();
}

#[test]
fn listeners_come_and_go() {
    let gateway = Setup::new(BIN).start(&saying("one"));
    let text = gateway.configuration();
    let other = free();
    assert!(TcpStream::connect(other).is_err());
    let with_other = text.replace("listen: {", &format!("listen: {{ other: \"{other}\","));
    gateway.reload(&with_other);
    assert_eq!(ask(other, b"GET / HTTP/1.0\r\n\r\n").body, b"one");
    // Under another name it is the same socket.
    gateway.reload(&with_other.replace("other:", "renamed:"));
    let mut kept = Connection::to(other);
    kept.send(GET);
    assert_eq!(kept.response("GET").unwrap().body, b"one");
    assert_eq!(gateway.metric("tidegate_connections", &["renamed"]), 1.0);
    gateway.reload(&text);
    assert!(TcpStream::connect(other).is_err(), "nobody listens any more");
    kept.send(GET);
    let last = kept.response("GET").expect("a connection is told before it ends");
    assert!(last.says_close(), "{last:?}");
    assert_eq!(said(&gateway), "one");
    gateway.stop();
}

#[test]
fn a_listener_that_cannot_be_had_changes_nothing() {
    let mut gateway = Setup::new(BIN).start(&saying("one"));
    gateway.announce("the configuration is not taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = free();
    let text = gateway.configuration();
    let listen = format!("listen: {{ a: \"{other}\", b: \"{}\",", taken.local_addr().unwrap());
    gateway.configure(&text.replace("listen: {", &listen).replace("one", "two"));
    gateway.process().signal(Signal::HUP);
    await_true("it is refused", SOON, || gateway.reloads().1 == 1);
    await_said(&gateway, "`b` cannot listen on");
    assert!(TcpStream::connect(other).is_err(), "the one that could be had is given back");
    assert_eq!(said(&gateway), "one");
    gateway.stop();
}

#[test]
fn the_last_good_configuration_is_there_when_the_file_is_spoilt() {
    let mut gateway = Setup::new(BIN).start(&saying("one"));
    let text = gateway.configuration();
    gateway.reload(&text.replace("one", "two"));
    gateway.announce("the configuration is not taken");
    gateway.configure("version: 1\nlisten: {");
    await_true("the spoilt file is seen", SOON, || gateway.reloads().1 == 1);
    let state = |gateway: &Gateway| {
        let ready = gateway.admin_get("/readyz");
        assert_eq!(ready.status(), 200);
        let config = gateway.admin_ask("GET /api/v1/config", &gateway.admin_token());
        let config: serde_json::Value = serde_json::from_slice(&config.body).unwrap();
        let metrics = ["tidegate_config_last_good", "tidegate_config_last_reload_success"];
        let asked = run(Command::new(BIN).current_dir(gateway.folder()).arg("ready"));
        assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), ""));
        assert_eq!(asked.stdout.as_bytes(), ready.body, "the command says what the page says");
        let said = String::from_utf8_lossy(&ready.body).into_owned();
        (said, config["origin"].as_str().unwrap().to_owned(), metrics.map(|name| gateway.metric(name, &[])))
    };
    assert_eq!(state(&gateway), ("ready\n".into(), "files".into(), [0.0, 0.0]), "it serves what it took");
    gateway.restart(&["--last-good"]);
    gateway.announce("what was last taken from it is served");
    assert_eq!(said(&gateway), "two");
    let expected = ("ready, by the last good configuration\n".into(), "last-good".into(), [1.0, 0.0]);
    assert_eq!(state(&gateway), expected);
    let json = run(Command::new(BIN).current_dir(gateway.folder()).args(["ready", "--json"])).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({ "ready": true, "last_good": true }));
    gateway.configure(&text.replace("one", "three"));
    await_true("the mended file is taken", SOON, || said(&gateway) == "three");
    await_true("that is over", SOON, || state(&gateway) == ("ready\n".into(), "files".into(), [0.0, 1.0]));
    gateway.stop();
}

/// Whoever reads standard error later sees when it was, what made it, and what came of it; each time, however often.
#[test]
fn changes_and_the_end_are_told_with_their_time() {
    let mut gateway = Setup::new(BIN).start(&saying("one"));
    gateway.announce("the configuration is not taken");
    let text = gateway.configuration();
    gateway.reload(&text.replace("one", "two"));
    gateway.reload(&text.replace("one", "three"));
    let token = gateway.admin_token();
    assert_eq!(gateway.admin_ask("POST /api/v1/reload", &token).status(), 200);
    for word in ["four", "five"] {
        gateway.configure(&text.replace("routes", word));
        gateway.process().signal(Signal::HUP);
        await_said(&gateway, &format!("`{word}`"));
    }
    gateway.configure(&text.replace("one", "six"));
    await_said(&gateway, "cause=files snapshot=5");
    gateway.begin_stop();
    await_said(&gateway, "has ended");
    let lines = gateway.process().lines();
    let is_time = |text: &str| text.len() == 27 && text.starts_with("20") && text.ends_with('Z');
    let timed: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split_once(' '))
        .filter(|(time, _)| is_time(time))
        .map(|(_, text)| text)
        .collect();
    let file = gateway.folder().join("tidegate.yaml");
    let expected = [
        &format!("INFO serves file={} snapshot=1", file.display()),
        "INFO a configuration is taken cause=SIGHUP snapshot=2 changed=routes./**",
        "INFO a configuration is taken cause=SIGHUP snapshot=3 changed=routes./**",
        "INFO a configuration is taken cause=admin snapshot=4 changed=nothing",
        "WARN the configuration is not taken, the one before stays in use cause=SIGHUP",
        "WARN the configuration is not taken, the one before stays in use cause=SIGHUP",
        "INFO a configuration is taken cause=files snapshot=5 changed=routes./**",
        "INFO told to end, finishes what is under way signal=SIGTERM connections=0",
        "INFO has ended",
    ];
    let timed: Vec<String> = timed.iter().map(|text| text.replace("\"", "")).collect();
    assert_eq!(timed, expected, "{lines:#?}");
    gateway.await_stop(SOON);
}

#[test]
fn nothing_is_lost_under_load() {
    const RELOADS: usize = 100;
    let backends = [RawBackend::answering(OK), RawBackend::answering(OK)];
    let both = backends.each_ref().map(|backend| backend.address);
    let mut gateway = Setup::new(BIN).start(&everything_to(&both, ""));
    gateway.announce("the configuration is not taken");
    let (text, other) = (gateway.configuration(), free());
    let is_over = AtomicBool::new(false);
    let fresh = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let new_connections = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(
                    ask(gateway.http, b"GET /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status(),
                    200
                );
                fresh.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let load = Load {
            address: gateway.http,
            request: GET.into(),
            rate: 400,
            time: Duration::from_secs(15),
            connections: 8,
        };
        let kept_connections = scope.spawn(move || load.run());
        for index in 0..RELOADS {
            let (taken, refused) = gateway.reloads();
            // Of ten, five can be used: the others are as editors, full disks and slips of the hand leave them.
            gateway.configure(&match index % 10 {
                0 => text.replace("listen: {", &format!("listen: {{ other: \"{other}\",")),
                1 => text.replace("backends", "backend"),
                2 => text.replace("origin", "source"),
                3 => text.replace(&format!("\"{}\", ", both[0]), ""),
                4 => text[..text.len() / 2].to_owned(),
                5 => text.clone(),
                6 => String::new(),
                7 => text.replace("127.0.0.1:", "127.0.0.1:9"),
                8 => format!("{text}\u{0}"),
                _ => text.clone(),
            });
            gateway.process().signal(Signal::HUP);
            await_true("a reload ends", SOON, || gateway.reloads() != (taken, refused));
        }
        is_over.store(true, Ordering::Relaxed);
        new_connections.join().expect("every new connection is served");
        let answers = kept_connections.join().expect("the load");
        let lost: Vec<_> =
            answers.iter().filter(|answer| answer.outcome != Ok((200, b"ok".to_vec()))).collect();
        assert!(lost.is_empty(), "{} of {}: {:?}", lost.len(), answers.len(), lost.first());
        let (taken, refused) = gateway.reloads();
        assert!(taken >= 50 && refused >= 50, "{taken} {refused}");
        let asked = answers.len() + fresh.load(Ordering::Relaxed);
        assert_eq!(gateway.metric("tidegate_requests_total", &[]) as usize, asked, "counted to the request");
    });
    gateway.stop();
}
