//! What is counted by us is what clients saw, to the request: over a backend that dies, clients that leave, kept
//! connections and requests that are refused. The metrics and the log say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::load::Load;
use tidegate_testkit::peers::Nginx;
use tidegate_testkit::{Gateway, RawBackend, Setup};

use crate::{BIN, LogFile, SOON};

/// Requests by status.
type Counts = BTreeMap<u64, u64>;

const LEAVING: u64 = 30;
const REFUSED: u64 = 20;

/// What a load on backends of which one is killed, and one comes back, saw.
fn load(gateway: &Gateway, victim: &mut Nginx) -> Counts {
    let load = Load {
        address: gateway.http,
        request: b"GET /some HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        rate: 800,
        time: Duration::from_secs(3),
        connections: 12,
    };
    let answers = std::thread::scope(|scope| {
        let running = scope.spawn(|| load.run());
        std::thread::sleep(Duration::from_millis(700));
        victim.kill();
        std::thread::sleep(Duration::from_millis(700));
        victim.revive();
        running.join().expect("the load")
    });
    let mut counts = Counts::new();
    for answer in &answers {
        let (status, _) = answer.outcome.as_ref().expect("nobody is cut off: answers fit one segment");
        *counts.entry(u64::from(*status)).or_default() += 1;
    }
    counts
}

/// Clients that leave once the backend has their request.
fn leave(gateway: &Gateway, backend: &RawBackend) {
    for _ in 0..LEAVING {
        let mut client = gateway.connect();
        client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n");
        await_true("the backend is asked", SOON, || !backend.take_arrivals().is_empty());
        client.reset();
    }
}

fn refuse(gateway: &Gateway) {
    for _ in 0..REFUSED {
        assert_eq!(gateway.ask("GET / HTTP/1.1\r\n\r\n").status(), 400);
    }
}

fn by_metrics(gateway: &Gateway) -> Counts {
    let page = gateway.admin_get("/metrics");
    let page = String::from_utf8_lossy(&page.body).into_owned();
    let mut counts = Counts::new();
    for line in page.lines().filter(|line| line.starts_with("tidegate_requests_total{")) {
        let code = line.split("code=\"").nth(1).and_then(|rest| rest[..3].parse().ok()).expect("a code");
        let count = line.rsplit(' ').next().and_then(|text| text.parse::<u64>().ok()).expect("a count");
        *counts.entry(code).or_default() += count;
    }
    counts
}

#[test]
fn what_clients_saw_is_what_is_counted_and_what_is_logged() {
    let log = LogFile::new();
    let mut backends = [Nginx::answering(), Nginx::answering()];
    let stuck = RawBackend::by_request(|_| vec![Act::AwaitEnd]);
    let addresses = backends.each_ref().map(|backend| backend.address);
    let config = format!(
        "{}\nservices:\n  api: {{ backends: [\"{}\", \"{}\"], balance: round-robin, retry: 0 }}\n\
         \x20 stuck: {{ backends: [\"{}\"] }}\n\
         routes:\n  - {{ match: \"/**\", to: api }}\n  - {{ match: /stuck, to: stuck }}\n",
        log.config(),
        addresses[0],
        addresses[1],
        stuck.address
    );
    let gateway = Setup::new(BIN).start(&config);
    let mut seen = load(&gateway, &mut backends[1]);
    leave(&gateway, &stuck);
    refuse(&gateway);
    *seen.entry(499).or_default() += LEAVING;
    *seen.entry(400).or_default() += REFUSED;
    println!("clients saw {seen:?}");
    await_true("the last client's leave is noticed", SOON, || {
        gateway.metric("tidegate_requests_total", &["code=\"499\""]) >= LEAVING as f64
    });
    assert_eq!(by_metrics(&gateway), seen);
    let histogram = gateway.metric("tidegate_request_duration_seconds_count", &[]);
    let all: u64 = seen.values().sum();
    assert_eq!(histogram, (all - REFUSED) as f64, "refused ones have no duration");
    let answered: u64 = seen.get(&200).copied().unwrap_or_default();
    assert_eq!(
        gateway.metric("tidegate_backend_request_duration_seconds_count", &["service=\"api\""]),
        answered as f64
    );
    assert_eq!(gateway.metric("tidegate_requests_in_flight", &[]), 0.0);
    assert_eq!(gateway.metric("tidegate_log_dropped_total", &[]), 0.0);
    gateway.stop();

    let mut logged = Counts::new();
    for line in log.lines() {
        *logged.entry(line["status"].as_u64().expect("a status")).or_default() += 1;
    }
    assert_eq!(logged, seen);
}

#[test]
fn quantiles_of_late_are_within_two_percent_of_what_requests_took() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/slow" => vec![Act::Pause(Duration::from_millis(80)), Act::Send(OK.to_vec())],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let log = LogFile::new();
    let config = format!(
        "{}\nservices: {{ api: {{ backends: [\"{}\"] }} }}\nroutes: [{{ match: \"/**\", to: api }}]",
        log.config(),
        backend.address
    );
    let gateway = Setup::new(BIN).start(&config);
    let mut client = gateway.connect();
    for number in 0..200 {
        let path = if number % 20 == 0 { "/slow" } else { "/" };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.response("GET").expect("an answer");
    }
    // A line's duration is the one that was counted.
    let mut exact: Vec<f64> =
        log.await_lines(200).iter().map(|line| line["duration"].as_f64().expect("a duration")).collect();
    exact.sort_by(f64::total_cmp);
    for (label, rank) in [("0.5", 100), ("0.9", 180), ("0.99", 198)] {
        let labels = ["service=\"api\"", &format!("quantile=\"{label}\"")];
        let shown = || gateway.metric("tidegate_request_duration_recent_seconds", &labels);
        let wanted = exact[rank - 1];
        await_true("the second is folded in", Duration::from_secs(5), || {
            (shown() / wanted - 1.0).abs() <= 0.02
        });
    }
    gateway.stop();
}

#[test]
fn a_worker_that_is_held_up_shows() {
    let gateway = Setup::new(BIN).start("routes: [{ match: \"/**\", to: { respond: 200 } }]");
    await_true("the worker's timer has rung", SOON, || {
        gateway.metric("tidegate_worker_lag_seconds", &[]) > 0.0
    });
    gateway.process().signal(rustix::process::Signal::STOP);
    std::thread::sleep(Duration::from_millis(700)); // what is measured: the whole process stands still
    gateway.process().signal(rustix::process::Signal::CONT);
    await_true("the delay is seen", SOON, || gateway.metric("tidegate_worker_lag_seconds", &[]) > 0.4);
    gateway.stop();
}
