//! Checks of backends: what takes one out without a request failing on it, what brings it back, and what must not
//! take it out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::load::Load;
use tidegate_testkit::peers::Nginx;
use tidegate_testkit::{Gateway, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const GET: &str = "GET /work HTTP/1.1\r\nHost: a\r\n\r\n";
/// Checks fast enough for a test.
const HEALTH: &str = "health: { path: /healthz, every: 200ms, timeout: 200ms }";
/// What three of them that fail take at most, from whenever it begins.
const OUT_TIME: Duration = Duration::from_millis(3 * (200 + 200));
/// For a machine that is busy with other tests.
const SLACK: Duration = Duration::from_millis(800);

fn is_up(gateway: &Gateway, backend: SocketAddr) -> bool {
    gateway.metric("tidegate_backend_up", &[&format!("backend=\"{backend}\"")]) == 1.0
}

fn is_check(target: &str) -> bool {
    target.starts_with("/healthz")
}

/// A backend that answers requests with 200, and checks as it is told.
fn checked(acts: impl Fn() -> Vec<Act> + Send + Sync + 'static) -> RawBackend {
    RawBackend::by_request(move |request| match is_check(request.target()) {
        true => acts(),
        false => vec![Act::Send(OK.to_vec())],
    })
}

fn answer(status: u16) -> Vec<Act> {
    vec![Act::Send(format!("HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nok").into_bytes())]
}

/// Waits until so many further checks have come, and no longer than they may take.
fn await_checks(checks: &AtomicUsize, count: usize) {
    let before = checks.load(Relaxed);
    await_true("checks", Duration::from_secs(10), || checks.load(Relaxed) >= before + count);
}

/// Without a single request: a process that is frozen still takes connections, one that is gone takes none. Both are
/// out in time, and back when they are well.
#[test]
fn what_is_frozen_or_gone_is_out_in_time_without_traffic() {
    let mut backends = [Nginx::answering(), Nginx::answering(), Nginx::answering()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let gateway = Setup::new(BIN).start(&everything_to(&addresses, HEALTH));
    let up = || addresses.map(|address| is_up(&gateway, address));
    await_true("all were checked", Duration::from_secs(5), || {
        backends.iter().all(|backend| !backend.requests().is_empty())
    });
    assert_eq!(up(), [true; 3]);

    backends[0].freeze();
    backends[1].kill();
    let took = await_true("both are out", OUT_TIME + SLACK, || up() == [false, false, true]);
    println!("both out after {took:?}");

    backends[0].thaw();
    backends[1].revive();
    let took = await_true("both are back", Duration::from_secs(3), || up() == [true; 3]);
    println!("both back after {took:?}");
    gateway.stop();
}

#[test]
fn a_new_backend_is_asked_at_once_and_out_when_it_fails_its_checks() {
    let checks = Arc::new(AtomicUsize::new(0));
    let count = checks.clone();
    let ill = checked(move || {
        count.fetch_add(1, Relaxed);
        answer(500)
    });
    let well = checked(|| answer(200));
    let health = "balance: round-robin, health: { path: /healthz, every: 1s, unhealthy: 2 }";
    let gateway = Setup::new(BIN).start(&everything_to(&[ill.address, well.address], health));
    for _ in 0..4 {
        assert_eq!(gateway.ask(GET).status(), 200);
    }
    let requests = |backend: &RawBackend| {
        let arrivals = backend.take_arrivals();
        arrivals.iter().filter(|a| a.request.as_ref().is_ok_and(|r| !is_check(r.target()))).count()
    };
    assert_eq!((requests(&ill), requests(&well)), (2, 2), "unknown is not down");
    await_true("out", Duration::from_secs(5), || !is_up(&gateway, ill.address));
    assert_eq!(checks.load(Relaxed), 2, "neither sooner nor later");
    for _ in 0..10 {
        assert_eq!(gateway.ask(GET).status(), 200);
    }
    assert_eq!((requests(&ill), requests(&well)), (0, 10));
    gateway.stop();
}

/// What a check sends, what it takes for good, and that each is a connection of its own.
#[test]
fn checks_ask_what_is_configured() {
    // The settings, the target and Host they send, a status that is good, one to be judged, and whether that is good.
    let cases = [
        ("path: /healthz", "/healthz", None, 200, 302, true),
        ("path: /healthz", "/healthz", None, 200, 404, false),
        ("path: /healthz, status: 200", "/healthz", None, 200, 201, false),
        ("path: \"/healthz?deep=1\", status: 500-503", "/healthz?deep=1", None, 500, 503, true),
        (
            "path: /healthz, host: \"api.example.com:81\"",
            "/healthz",
            Some("api.example.com:81"),
            200,
            503,
            false,
        ),
    ];
    for (settings, target, host, good, judged, is_good) in cases {
        let other = checked(move || answer(good));
        let subject = checked(move || answer(judged));
        let health = format!("health: {{ {settings}, every: 100ms, unhealthy: 2 }}");
        let gateway = Setup::new(BIN).start(&everything_to(&[other.address, subject.address], &health));
        match is_good {
            true => drop(await_true("checks", SLACK * 5, || subject.connections() >= 4)),
            false => drop(await_true("it is out", SLACK * 5, || !is_up(&gateway, subject.address))),
        }
        assert_eq!(
            (is_up(&gateway, other.address), is_up(&gateway, subject.address)),
            (true, is_good),
            "{settings}"
        );
        gateway.stop();
        let own_address = subject.address.to_string();
        for (number, arrival) in subject.take_arrivals().into_iter().enumerate() {
            let request = arrival.request.expect("a whole request");
            assert_eq!((request.method(), request.target()), ("GET", target));
            assert_eq!(request.value("host"), host.unwrap_or(&own_address));
            assert_eq!((arrival.connection, request.value("connection")), (number, "close"));
        }
    }
}

/// With `tcp` a connection is all that is asked, so what never answers is well, and only what is gone is not.
#[test]
fn a_connection_is_enough_for_tcp() {
    let silent = RawBackend::start(|visit| drop(visit.connection.rest()));
    let mut gone = Nginx::answering();
    let config = everything_to(&[silent.address, gone.address], "health: { path: tcp, every: 100ms }");
    let gateway = Setup::new(BIN).start(&config);
    await_true("checks", SLACK * 5, || silent.connections() >= 5);
    assert!(is_up(&gateway, silent.address) && is_up(&gateway, gone.address));
    gone.kill();
    await_true("it is out", SLACK * 5, || !is_up(&gateway, gone.address));
    assert!(is_up(&gateway, silent.address));
    gateway.stop();
}

/// The checks of all fail: every backend goes on being asked, be it the only one or one of several.
#[test]
fn when_all_fail_their_checks_all_are_asked() {
    for count in [1, 3] {
        let checks = Arc::new(AtomicUsize::new(0));
        let backends: Vec<RawBackend> = (0..count)
            .map(|_| {
                let checks = checks.clone();
                checked(move || {
                    checks.fetch_add(1, Relaxed);
                    answer(503)
                })
            })
            .collect();
        let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
        let health = "balance: round-robin, health: { path: /healthz, every: 100ms, unhealthy: 2 }";
        let gateway = Setup::new(BIN).start(&everything_to(&addresses, health));
        await_checks(&checks, 6 * count);
        assert!(addresses.iter().all(|address| !is_up(&gateway, *address)), "each is told to be down");
        backends.iter().for_each(|backend| drop(backend.take_arrivals()));
        for _ in 0..4 * count {
            assert_eq!(gateway.ask(GET).status(), 200);
        }
        for backend in &backends {
            let arrivals = backend.take_arrivals();
            let targets = arrivals.iter().filter_map(|a| Some(a.request.as_ref().ok()?.target().to_owned()));
            assert_eq!(targets.filter(|target| target == "/work").count(), 4, "each has its share");
        }
        gateway.stop();
    }
}

/// A backend too busy for checks, but not for requests, is not ill: only once it answers neither is it out.
#[test]
fn late_checks_do_not_count_while_requests_are_answered() {
    let checks = Arc::new(AtomicUsize::new(0));
    let count = checks.clone();
    let busy = checked(move || {
        count.fetch_add(1, Relaxed);
        vec![Act::AwaitEnd]
    });
    let idle = checked(|| answer(200));
    let service = format!("balance: round-robin, {HEALTH}");
    let gateway = Setup::new(BIN).start(&everything_to(&[busy.address, idle.address], &service));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                assert_eq!(gateway.ask(GET).status(), 200);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        await_checks(&checks, 6);
        assert!(is_up(&gateway, busy.address), "it answers requests");
        is_over.store(true, Relaxed);
    });
    await_true("it is out without them", OUT_TIME + SLACK, || !is_up(&gateway, busy.address));
    gateway.stop();
}

/// One slow backend under more load than it can take, so that its checks wait in the same line: it stays.
#[test]
fn a_saturated_backend_is_never_taken_out_if_it_is_the_last() {
    let turn = Arc::new(std::sync::Mutex::new(()));
    let busy = RawBackend::by_request(move |_| {
        let _turn = turn.lock().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        vec![Act::Send(OK.to_vec())]
    });
    let health = "health: { path: /healthz, every: 100ms, timeout: 100ms, unhealthy: 1 }";
    let gateway = Setup::new(BIN).start(&everything_to(&[busy.address], health));
    let request = GET.as_bytes().to_vec();
    let load =
        Load { address: gateway.http, request, rate: 100, time: Duration::from_secs(3), connections: 40 };
    let is_asked_throughout = std::thread::scope(|scope| {
        let load = scope.spawn(|| load.run());
        let mut is_asked_throughout = true;
        while !load.is_finished() {
            // Told to be down or not: it is given requests.
            let page = gateway.admin_get("/metrics").body;
            let page = String::from_utf8_lossy(&page);
            is_asked_throughout &= ["service_panic", "backend_up"].iter().any(|name| {
                page.lines()
                    .any(|line| line.starts_with(&format!("tidegate_{name}{{")) && line.ends_with(" 1"))
            });
            std::thread::sleep(Duration::from_millis(20));
        }
        let answers = load.join().expect("the load");
        let failed = answers.iter().filter(|answer| answer.is_failed_unbegun()).count();
        assert_eq!(failed, 0, "of {}", answers.len());
        is_asked_throughout
    });
    assert!(is_asked_throughout);
    gateway.stop();
}

/// However busy the workers are, checks are made in time: they run on threads of their own.
#[test]
fn checks_are_not_starved_by_load() {
    let backends = [Nginx::answering(), Nginx::answering()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let gateway = Setup::new(BIN)
        .workers(1)
        .start(&everything_to(&addresses, "health: { path: /healthz, every: 100ms }"));
    let checks = |backend: &Nginx| backend.requests().iter().filter(|line| is_check(&line[4..])).count();
    let request = GET.as_bytes().to_vec();
    let load =
        Load { address: gateway.http, request, rate: 3000, time: Duration::from_secs(3), connections: 32 };
    let before = backends.each_ref().map(checks);
    let start = Instant::now();
    load.run();
    let rounds = start.elapsed().as_millis() as usize / 100;
    for (backend, before) in backends.iter().zip(before) {
        let made = checks(backend) - before;
        println!("{made} checks in {rounds} rounds");
        assert!(made <= rounds + 1, "no more than one a round");
        assert!(made >= rounds / 2, "{made} checks in {rounds} rounds");
    }
    gateway.stop();
}

/// What is known of a backend outlives every change of the file: new rules for checks, none, and rules again.
#[test]
fn a_reload_of_the_rules_forgets_nothing() {
    let is_well = Arc::new(AtomicBool::new(false));
    let subject = checked({
        let is_well = is_well.clone();
        move || answer(if is_well.load(Relaxed) { 200 } else { 500 })
    });
    let other = checked(|| answer(200));
    let health = "health: { path: /healthz, every: 100ms, unhealthy: 2 }";
    let gateway = Setup::new(BIN).start(&everything_to(&[subject.address, other.address], health));
    let text = gateway.configuration();
    let is_subject_up = || is_up(&gateway, subject.address);
    await_true("it is out", SLACK * 5, || !is_subject_up());

    gateway.reload(&text.replace(health, "health: { path: /healthz, every: 1h, unhealthy: 9 }"));
    assert!(!is_subject_up(), "checks come once an hour now, and it is still out");
    gateway.reload(&text);
    assert!(!is_subject_up());
    is_well.store(true, Relaxed);
    await_true("the old rules hold again", SLACK * 5, is_subject_up);

    is_well.store(false, Relaxed);
    await_true("it is out again", SLACK * 5, || !is_subject_up());
    gateway.reload(&text.replace(health, "balance: ewma"));
    await_true("without checks a connection is enough", SLACK * 5, is_subject_up);
    gateway.reload(&text);
    await_true("checks begin again", SLACK * 5, || !is_subject_up());
    gateway.stop();
}

/// A check is read as strictly as an answer to a client would be.
#[test]
fn what_is_no_answer_is_a_failed_check() {
    let send = |text: &str| vec![Act::Send(text.as_bytes().to_vec()), Act::Close];
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let cases: [(&str, Vec<Act>, bool); 8] = [
        ("no HTTP", send("+OK ready\r\n\r\n"), false),
        ("half a head", send("HTTP/1.1 200 OK\r\n"), false),
        ("closed", vec![Act::Close], false),
        ("reset", vec![Act::Reset], false),
        ("a head without end", send(&large), false),
        ("interim, then final", send("HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), true),
        ("a body cut short", send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), true),
        ("a body without end", vec![Act::Send(b"HTTP/1.1 200 OK\r\n\r\nok".to_vec()), Act::AwaitEnd], true),
    ];
    for (name, acts, is_good) in cases {
        let other = checked(|| answer(200));
        let subject = checked(move || acts.clone());
        let health = "health: { path: /healthz, every: 100ms, unhealthy: 2 }";
        let gateway = Setup::new(BIN).start(&everything_to(&[other.address, subject.address], health));
        match is_good {
            true => drop(await_true("checks", SLACK * 5, || subject.connections() >= 4)),
            false => drop(await_true(name, SLACK * 5, || !is_up(&gateway, subject.address))),
        }
        assert_eq!(is_up(&gateway, subject.address), is_good, "{name}");
        gateway.stop();
    }
}

/// It freezes under load: requests it holds are asked again elsewhere, checks take it out, and nobody's GET fails.
#[test]
fn a_backend_that_freezes_under_load_costs_no_get() {
    let backends = [Nginx::answering(), Nginx::answering(), Nginx::answering()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let service = format!(
        "{HEALTH}, timeouts: {{ response: 500ms }}, retry: {{ attempts: 2, on: [connect, reset, timeout] }}"
    );
    let gateway = Setup::new(BIN).start(&everything_to(&addresses, &service));
    let request = GET.replace("/work", "/").into_bytes();
    let load =
        Load { address: gateway.http, request, rate: 1000, time: Duration::from_secs(4), connections: 32 };
    let (answers, took) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load.run());
        std::thread::sleep(Duration::from_secs(1));
        backends[1].freeze();
        let took = await_true("it is out", OUT_TIME + SLACK, || !is_up(&gateway, addresses[1]));
        (load.join().expect("the load"), took)
    });
    backends[1].thaw();
    let failed: Vec<_> = answers.iter().filter(|answer| answer.is_failed_unbegun()).collect();
    let retries = gateway.metric("tidegate_retries_total", &["result=\"answered\""]);
    println!("out after {took:?}; {retries} of {} asked again", answers.len());
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), answers.len(), failed.first());
    gateway.stop();
}
