//! Out of file descriptors: what is there goes on, the admin listener answers, and no backend is blamed.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{ask, await_true, everything_to, limited};
use tidegate_testkit::process::Process;
use tidegate_testkit::{Connection, Gateway, RawBackend, Setup, ports, problem};

use crate::{BIN, GET, SOON, lines};

#[test]
fn a_want_of_descriptors_is_named_and_blames_no_backend() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/work" => vec![Act::Pause(Duration::from_secs(1)), Act::Send(OK.to_vec())],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let service = "health: { path: /healthz, every: 100ms, unhealthy: 1 }";
    let config = everything_to(&[backend.address], service);
    let mut gateway = Setup::new(BIN).descriptors(128).start(&config);
    gateway.announce("out of file descriptors").announce("the limit of file descriptors is small");
    assert_eq!(lines(&gateway, &["WARN the limit of file descriptors is small", "limit=128"]).len(), 1);

    let mut clients: Vec<Connection> = (0..150).map(|_| gateway.connect()).collect();
    clients.iter_mut().for_each(|client| drop(client.try_send(GET.as_bytes())));
    let metric = |name: &str, labels: &[&str]| gateway.metric(name, labels);
    assert!(metric("process_open_fds", &[]) < metric("process_max_fds", &[]), "some are kept back");
    let answers: Vec<_> = clients.iter_mut().filter_map(|client| client.response("GET").ok()).collect();
    let count = |status| answers.iter().filter(|answer| answer.status() == status).count();
    println!("{} answered: {} well, {} not", answers.len(), count(200), count(503));
    assert!(count(200) > 0 && count(503) > 0);
    for answer in answers.iter().filter(|answer| answer.status() != 200) {
        assert_eq!(
            (problem::code(answer).as_deref(), answer.value("retry-after")),
            (Ok("out_of_descriptors"), "1")
        );
    }
    let outcomes = |outcome: &str| metric("tidegate_outcomes_total", &[&format!("outcome=\"{outcome}\"")]);
    await_true("all are counted", SOON, || outcomes("out_of_descriptors") == count(503) as f64);
    assert_eq!([outcomes("connect_failed"), metric("tidegate_backend_failures_total", &[])], [0.0; 2]);
    assert_eq!(metric("tidegate_out_of_descriptors_total", &["what=\"connect\""]), count(503) as f64);
    assert_eq!(
        metric("tidegate_out_of_descriptors_total", &["what=\"accept\""]),
        (clients.len() - answers.len()) as f64
    );
    assert_eq!(metric("tidegate_backend_up", &[]), 1.0);
    await_true("a person is told, once", SOON, || {
        lines(&gateway, &["WARN out of file descriptors"]).len() == 1
    });
    assert!(lines(&gateway, &["a backend is down"]).is_empty());

    drop(clients);
    await_true("they are given back", SOON, || metric("tidegate_connections", &[]) == 0.0);
    assert_eq!(gateway.ask(GET).status(), 200);
    gateway.stop();
}

/// How many connections may hold, of a gateway that has just begun: an eighth of so few is the least that is kept back.
fn budget(gateway: &Gateway) -> usize {
    let value = |name: &str| gateway.metric(name, &[]) as usize;
    value("process_max_fds") - value("process_open_fds") - 16
}

/// So many clients, each of which sends a request before any is answered; how many got 200.
fn served_at_once(gateway: &Gateway, count: usize, request: &str) -> usize {
    let mut clients: Vec<Connection> = (0..count).map(|_| gateway.connect()).collect();
    clients.iter_mut().for_each(|client| drop(client.try_send(request.as_bytes())));
    let answers = clients.iter_mut().filter_map(|client| client.response("GET").ok());
    answers.filter(|answer| answer.status() == 200).count()
}

fn none_is_connected(gateway: &Gateway) {
    await_true("they are gone", SOON, || gateway.metric("tidegate_connections", &[]) == 0.0);
}

#[test]
fn spare_pipes_give_theirs_to_connections() {
    let large =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 4 << 20).into_bytes(), vec![b'x'; 4 << 20]]
            .concat();
    let backend = RawBackend::by_request(move |request| match request.target() {
        "/large" => vec![Act::Send(large.clone())],
        _ => vec![Act::Pause(Duration::from_secs(1)), Act::Send(OK.to_vec())],
    });
    let config = everything_to(&[backend.address], "connections: { idle: 1 }");
    let mut gateway = Setup::new(BIN).workers(1).descriptors(128).start(&config);
    gateway.announce("the limit of file descriptors is small");
    let budget = budget(&gateway);
    let open = || gateway.metric("process_open_fds", &[]) as usize;
    let before = open();
    // A client, a backend and the two ends of a pipe each.
    let count = budget / 4 - 1;
    let mut clients: Vec<Connection> = (0..count).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let heads: Vec<_> = clients.iter_mut().map(|client| client.response_head("GET")).collect();
    assert!(heads.iter().flatten().all(|head| head.status() == 200));
    for (client, head) in clients.iter_mut().zip(heads) {
        client.rest_of(head.expect("a head")).expect("a body");
    }
    drop(clients);
    none_is_connected(&gateway);
    println!("budget {budget}, {} pipes are kept", (open() - before) / 2);
    assert!(open() - before > count, "pipes are kept for the next bodies");
    // Two descriptors of each client, and there are enough for these if no pipe holds any.
    let count = budget / 2 - 2;
    assert_eq!(served_at_once(&gateway, count, GET), count);
    gateway.stop();
}

#[test]
fn idle_connections_of_all_workers_give_theirs_to_clients_within_seconds() {
    let backend =
        RawBackend::by_request(|_| vec![Act::Pause(Duration::from_secs(1)), Act::Send(OK.to_vec())]);
    let config = format!(
        "services: {{ origin: {{ backends: [\"{}\"], connections: {{ idle: 100 }} }} }}\n\
         routes: [{{ match: /ours, to: {{ respond: 200 }} }}, {{ match: /**, to: origin }}]",
        backend.address
    );
    let mut gateway = Setup::new(BIN).workers(2).descriptors(128).start(&config);
    gateway.announce("the limit of file descriptors is small").announce("out of file descriptors");
    let budget = budget(&gateway);
    let count = budget / 2 - 2;
    assert_eq!(served_at_once(&gateway, count, GET), count);
    none_is_connected(&gateway);
    // The share of clients, but for a few: more than what the idle connections leave.
    let share = budget * 3 / 4 - 2;
    let ours = "GET /ours HTTP/1.1\r\nHost: a\r\n\r\n";
    let first = served_at_once(&gateway, share, ours);
    println!("budget {budget}, {count} idle: {first} of {share} served at first");
    await_true("idle connections are given up", SOON, || {
        none_is_connected(&gateway);
        served_at_once(&gateway, share, ours) == share
    });
    gateway.stop();
}

/// What it needs to begin is opened by several threads: wherever it runs out, a worker among them, nobody is told that it
/// serves while it does not.
#[test]
fn whatever_the_limit_it_serves_or_says_why_not() {
    let folder = tempfile::tempdir().expect("make a folder");
    let (http, admin) = (ports::claim(), ports::claim());
    let text = format!(
        "version: 1\nworkers: 4\nlisten: {{ http: \"127.0.0.1:{http}\" }}\nadmin: \"127.0.0.1:{admin}\"\n\
         state: state\nroutes: [{{ match: /**, to: {{ respond: 200 }} }}]\n"
    );
    let file = folder.path().join("tidegate.yaml");
    std::fs::write(&file, text).expect("write the configuration");
    let (mut served, mut refused) = (0, 0);
    for descriptors in (8..=88).step_by(2) {
        let mut process =
            Process::start(limited(descriptors, Path::new(BIN)).arg("run").arg("-c").arg(&file));
        let is_greeted = |process: &Process| process.lines().iter().any(|line| line.contains("4 workers"));
        await_true("it begins or ends", SOON, || process.is_ended() || is_greeted(&process));
        if is_greeted(&process) {
            let answer = ask(([127, 0, 0, 1], http).into(), GET.as_bytes());
            assert_eq!(answer.status(), 200);
            process.signal(Signal::TERM);
            served += 1;
            assert!(process.await_end(SOON).success(), "{descriptors}: {:#?}", process.lines());
            continue;
        }
        refused += 1;
        let status = process.await_end(SOON);
        let is_said =
            |process: &Process| process.lines().iter().any(|line| line.contains("file descriptors"));
        await_true("it says why", SOON, || is_said(&process));
        let lines = process.lines();
        assert!(!status.success(), "{descriptors}: {status}, {lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("panicked")), "{descriptors}: {lines:#?}");
    }
    println!("{served} served, {refused} said why not");
    assert!(served > 0 && refused > 0);
}
