//! Quotas over real sockets and a real database: kept through ends of every kind, never below what was served.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, RawBackend, Setup, ports, problem, process};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn backend() -> RawBackend {
    RawBackend::answering("HTTP/1.1 204 No Content\r\n\r\n")
}

fn started(backend: &RawBackend, quota: &str) -> Gateway {
    Setup::new(BIN).workers(2).start(&format!(
        "services: {{ origin: \"{}\" }}\nroutes:\n  - {{ name: all, match: /**, to: origin, quota: {quota} }}",
        backend.address
    ))
}

fn ask(gateway: &Gateway) -> tidegate_testkit::Message {
    gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

/// What the database counts, all periods together: a test may run when one ends.
fn counted(gateway: &Gateway) -> u64 {
    let path = gateway.folder().join("state/tidegate.db");
    let database = rusqlite::Connection::open(path).unwrap();
    database.query_row("SELECT coalesce(sum(used), 0) FROM quotas", [], |row| row.get::<_, i64>(0)).unwrap()
        as u64
}

#[test]
fn beyond_the_quota_requests_are_refused_until_the_period_is_over() {
    let backend = backend();
    let mut gateway = started(&backend, "3/month per ip");
    for (status, told) in [(204, "\"quota\";r=2;t="), (204, "\"quota\";r=1;t="), (204, "\"quota\";r=0;t=")] {
        let answer = ask(&gateway);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.value("ratelimit-policy"), "\"quota\";q=3;w=2678400");
        assert!(answer.value("ratelimit").starts_with(told), "{}", answer.value("ratelimit"));
    }
    for _ in 0..2 {
        let answer = ask(&gateway);
        assert_eq!((answer.status(), problem::code(&answer).as_deref()), (429, Ok("quota")));
        assert!(answer.value("retry-after").parse::<u64>().is_ok_and(|wait| wait <= 31 * 86_400));
        assert_eq!(gateway.metric("tidegate_limited_total", &["route=\"all\"", "reason=\"quota\""]), 1.0);
        gateway.restart(&[]);
    }
    assert_eq!(backend.take_arrivals().len(), 3);
    gateway.stop();
}

#[test]
fn an_orderly_end_gives_back_what_was_not_used() {
    let backend = backend();
    let mut gateway = started(&backend, "[10k/month, { amount: 1M/day, name: watched, observe: true }]");
    for round in 1..=3 {
        for _ in 0..7 {
            assert_eq!(ask(&gateway).status(), 204);
        }
        gateway.restart(&[]);
        let left = ask(&gateway).value("ratelimit").split(";t=").next().unwrap().to_owned();
        assert_eq!(left, format!("\"quota\";r={}", 10_000 - round * 8));
    }
    gateway.stop();
}

#[test]
fn after_a_kill_the_count_is_never_below_what_was_served_and_at_most_a_lease_above() {
    const CLIENTS: usize = 8;
    const LEASE: u64 = 1000;
    let backend = backend();
    let mut gateway = started(&backend, "1M/month");
    let (mut served, mut before) = (0, 0);
    for round in 0..8 {
        let is_killed = AtomicBool::new(false);
        let address = gateway.http;
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = tidegate_testkit::Connection::to(address);
                    while !is_killed.load(Relaxed) {
                        // The end of the connection is the end of the gateway.
                        let is_sent = client.try_send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok();
                        let Some(Ok(answer)) = is_sent.then(|| client.response("GET")) else { return };
                        assert_eq!(answer.status(), 204);
                    }
                });
            }
            // A different moment of a lease each time.
            let wanted = 200 + round * 170;
            await_true("some are served", Duration::from_secs(20), || {
                backend_count(&gateway) >= wanted as f64
            });
            gateway.kill();
            is_killed.store(true, Relaxed);
        });
        served += backend.take_arrivals().len() as u64;
        let counted = counted(&gateway);
        assert!(counted >= served && counted >= before, "round {round}: {counted} counted, {served} served");
        // What a kill loses is lost once for each kill; what was under way had been counted.
        let most = served + (round + 1) * (LEASE + CLIENTS as u64);
        assert!(counted <= most, "round {round}: {counted} counted, {served} served");
        before = counted;
        gateway.start_again();
    }
    gateway.stop();
}

/// Requests that have reached the backend.
fn backend_count(gateway: &Gateway) -> f64 {
    gateway.metric("tidegate_backend_requests_total", &[])
}

#[test]
fn two_gateways_do_not_share_a_store() {
    let backend = backend();
    let gateway = started(&backend, "5/h");
    let (http, admin) = (ports::claim(), ports::claim());
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:{http}\" }}\nadmin: \"127.0.0.1:{admin}\"\n\
         services: {{ origin: \"{}\" }}\nroutes: [{{ match: /**, to: origin, quota: 5/h }}]\n",
        backend.address
    );
    let file = gateway.folder().join("second.yaml");
    std::fs::write(&file, text).unwrap();
    let ended = process::run(Command::new(BIN).arg("run").arg("-c").arg(&file));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("is in use by another gateway"), "{}", ended.stderr);
    assert!(ended.stderr.contains("give each gateway a folder of its own"), "{}", ended.stderr);
    assert_eq!(ask(&gateway).status(), 204, "the first one goes on");
    gateway.stop();
}

#[test]
fn the_store_is_opened_when_the_first_quota_comes() {
    let backend = backend();
    let gateway = started(&backend, "[]");
    let file = gateway.folder().join("state/tidegate.db");
    assert!(!Path::exists(&file), "a feature that is not used costs nothing");
    gateway.reload(&gateway.configuration().replace("quota: []", "quota: 2/month"));
    assert_eq!([ask(&gateway), ask(&gateway), ask(&gateway)].map(|answer| answer.status()), [204, 204, 429]);
    assert_eq!(gateway.metric("tidegate_quota_keys", &[]), 1.0);
    gateway.stop();
}
