//! Backends that die, come back, are slow or close when they like, under load: what clients may notice of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::load::{Answer, Load};
use tidegate_testkit::peers::Nginx;
use tidegate_testkit::{Gateway, Random, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn label(backend: SocketAddr) -> String {
    format!("backend=\"{backend}\"")
}

fn is_up(gateway: &Gateway, backend: SocketAddr) -> bool {
    gateway.metric("tidegate_backend_up", &[&label(backend)]) == 1.0
}

/// Load on three backends, of which one is killed for a while.
struct Outage {
    answers: Vec<Answer>,
    gateway: Gateway,
    /// From the kill until the gateway knows.
    until_down: Duration,
    /// From the start of the new process until the gateway knows, and until it is asked.
    until_up: Duration,
    until_asked: Duration,
}

/// What the outage waits for: the gateway's own view of it, which only a balancer that takes turns must form.
enum Steps {
    Awaited,
    Timed,
}

/// kill -9 of one of three backends under 1,000 requests a second, and its return 1.5 s later.
fn outage(service: &str, steps: Steps) -> Outage {
    let mut backends = [Nginx::answering(), Nginx::answering(), Nginx::answering()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let gateway = Setup::new(BIN).start(&everything_to(&addresses, service));
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let load =
        Load { address: gateway.http, request, rate: 1000, time: Duration::from_secs(6), connections: 16 };
    let victim = &mut backends[1];
    let address = victim.address;
    let within = |what: &str, is_true: &dyn Fn() -> bool| match steps {
        Steps::Awaited => await_true(what, Duration::from_secs(4), is_true),
        Steps::Timed => Duration::ZERO,
    };
    let mut times = [Duration::ZERO; 3];
    let answers = std::thread::scope(|scope| {
        let load = scope.spawn(|| load.run());
        std::thread::sleep(Duration::from_secs(1));
        victim.kill();
        times[0] = within("the dead backend is out", &|| !is_up(&gateway, address));
        std::thread::sleep(Duration::from_millis(1500));
        let before = victim.requests().len();
        victim.revive();
        times[1] = within("it is back", &|| is_up(&gateway, address));
        times[2] = within("it is asked again", &|| victim.requests().len() > before);
        load.join().expect("the load")
    });
    let [until_down, until_up, until_asked] = times;
    Outage { answers, gateway, until_down, until_up, until_asked }
}

/// Nobody whose answer had not begun notices.
fn check_unnoticed(answers: &[Answer]) {
    let failed: Vec<_> = answers.iter().filter(|answer| answer.is_failed_unbegun()).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), answers.len(), failed.first());
    let late: Vec<_> = answers.iter().filter(|answer| answer.took > Duration::from_secs(1)).collect();
    assert!(late.is_empty(), "{} of {} took longer than a second", late.len(), answers.len());
}

#[test]
fn a_killed_backend_costs_no_get_and_comes_back_by_itself() {
    // In turn, so that the dead one is due at once and asked again as soon as it is back.
    let outage = outage("balance: round-robin", Steps::Awaited);
    println!(
        "out after {:?}, back after {:?}, asked {:?} later",
        outage.until_down, outage.until_up, outage.until_asked
    );
    assert_eq!(outage.answers.len(), 6000);
    check_unnoticed(&outage.answers);
    assert!(outage.until_down < Duration::from_secs(1), "out after {:?}", outage.until_down);
    let until_asked = outage.until_up + outage.until_asked;
    assert!(until_asked < Duration::from_secs(3), "asked again after {until_asked:?}");
    // Sixteen connections can be on it when it dies and, before the first refusal is known, connect once more.
    // After that nobody's request is spent on finding out.
    let retries = outage.gateway.metric("tidegate_retries_total", &[]);
    assert!(retries <= 32.0, "{retries} retries: it was asked again and again");
    outage.gateway.stop();
}

#[test]
fn a_killed_backend_costs_no_get_with_any_balancer_and_with_checks() {
    for service in ["balance: ewma", "balance: least-request, health: { path: /, every: 300ms }"] {
        let outage = outage(service, Steps::Timed);
        check_unnoticed(&outage.answers);
        outage.gateway.stop();
    }
}

/// All backends are gone: each request is told so at once, and the first that comes back serves.
#[test]
fn without_any_backend_requests_fail_fast_and_recover() {
    let mut backend = Nginx::answering();
    let gateway = Gateway::before(BIN, &[backend.address]);
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(gateway.ask(get).status(), 200);
    backend.kill();
    for _ in 0..20 {
        let status = gateway.ask(get).status();
        assert!(status == 502 || status == 503, "{status}");
    }
    backend.revive();
    await_true("it serves again", Duration::from_secs(3), || gateway.ask(get).status() == 200);
    gateway.stop();
}

/// Load is not ill-health: neither slow answers nor timeouts nor errors take the last backend out.
#[test]
fn saturation_and_slow_answers_never_take_the_last_backend_out() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/stuck" => vec![Act::AwaitEnd],
        "/error" => vec![Act::Send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec())],
        "/slow" => vec![Act::Pause(Duration::from_millis(200)), Act::Send(OK.to_vec())],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let config = everything_to(&[backend.address], "timeouts: { response: 400ms }");
    let gateway = Setup::new(BIN).start(&config);
    let run = |path: &str, rate: usize, connections: usize| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        Load { address: gateway.http, request, rate, time: Duration::from_secs(1), connections }.run()
    };
    let statuses = |answers: &[Answer]| {
        let mut counts: HashMap<u16, usize> = HashMap::new();
        for answer in answers {
            *counts.entry(answer.outcome.as_ref().map_or(0, |(status, _)| *status)).or_default() += 1;
        }
        counts
    };
    assert_eq!(statuses(&run("/slow", 200, 100)), HashMap::from([(200, 200)]));
    assert_eq!(statuses(&run("/stuck", 100, 50)), HashMap::from([(504, 100)]));
    assert_eq!(statuses(&run("/error", 200, 10)), HashMap::from([(500, 200)]));
    assert_eq!(statuses(&run("/", 200, 10)), HashMap::from([(200, 200)]), "as if nothing had been");
    assert!(is_up(&gateway, backend.address));
    gateway.stop();
}

/// Counts how often each POST was taken, and closes connections as `fate` says after an answer.
fn counting(taken: &Arc<Mutex<HashMap<String, usize>>>, fate: fn(&mut Random) -> Fate) -> RawBackend {
    let taken = taken.clone();
    let seed = Random::announced("fates").bits();
    RawBackend::start(move |visit| {
        let mut random = Random::new(seed ^ visit.number as u64);
        while let Some(request) = visit.request() {
            *taken.lock().unwrap().entry(request.target().to_owned()).or_default() += 1;
            match fate(&mut random) {
                Fate::Keep => drop(visit.connection.send(OK)),
                Fate::CloseAfter(pause) => {
                    visit.connection.send(OK);
                    std::thread::sleep(pause);
                    return;
                }
                Fate::Vanish => return,
            }
        }
    })
}

/// What becomes of a connection after a request has been taken.
enum Fate {
    Keep,
    /// Answered, then closed without a word after a pause.
    CloseAfter(Duration),
    /// Closed without an answer.
    Vanish,
}

/// Posts 2,000 requests over several connections. The statuses by path.
fn post_all(gateway: &Gateway, pause: fn(&mut Random) -> Duration) -> HashMap<String, u16> {
    const THREADS: usize = 4;
    let seed = Random::announced("posts").bits();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut random = Random::new(seed ^ thread as u64);
                    let mut client = gateway.connect();
                    let mut statuses = Vec::new();
                    for number in (thread..2000).step_by(THREADS) {
                        std::thread::sleep(pause(&mut random));
                        let path = format!("/{number}");
                        client.send(format!(
                            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                        ));
                        let (_, answer) =
                            client.final_response("POST").unwrap_or_else(|lost| panic!("{path}: {lost}"));
                        if answer.says_close() {
                            client = gateway.connect();
                        }
                        statuses.push((path, answer.status()));
                    }
                    statuses
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client")).collect()
    })
}

/// None was taken twice, those that were answered were taken, and the others were lost and said so. How many were.
fn lost_and_said_so(statuses: &HashMap<String, u16>, taken: &HashMap<String, usize>) -> usize {
    let seen = counts(statuses);
    println!("{seen:?}");
    assert!(taken.values().all(|count| *count == 1), "one was taken twice");
    let is_told = |(path, status): (&String, &u16)| match status {
        200 => taken.contains_key(path),
        502 => !taken.contains_key(path),
        _ => false,
    };
    assert!(statuses.iter().all(is_told), "a status tells of another end than it had");
    seen.get(&502).copied().unwrap_or_default()
}

/// The backend has closed its idle connection before the next request comes: a new one is taken.
#[test]
fn posts_after_the_backend_has_closed_are_taken_exactly_once() {
    let taken = Arc::new(Mutex::new(HashMap::new()));
    let backend = counting(&taken, |_| Fate::CloseAfter(Duration::ZERO));
    let gateway = Gateway::before(BIN, &[backend.address]);
    let statuses = post_all(&gateway, |_| Duration::from_millis(2));
    gateway.stop();
    // On a busy machine a thread of the backend may sleep for longer than the pause between its answer and its close,
    // and then closes with the request unread, which is the next test.
    let lost = lost_and_said_so(&statuses, &taken.lock().unwrap());
    assert!(lost < 100, "{lost} of 2000 lost");
}

/// It closes at any moment, also with a request in its kernel that it has not read. Such a reset is told in nothing
/// from one by a backend that has read the request and acted: it is not sent again, and the client is told.
#[test]
fn posts_while_the_backend_closes_are_taken_at_most_once_and_never_lost_unsaid() {
    let taken = Arc::new(Mutex::new(HashMap::new()));
    let backend = counting(&taken, |random| match random.below(3) {
        0 => Fate::CloseAfter(Duration::from_micros(random.below(1500) as u64)),
        _ => Fate::Keep,
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    let statuses = post_all(&gateway, |random| Duration::from_micros(random.below(1500) as u64));
    gateway.stop();
    assert!(backend.connections() > 300, "only {} connections: nothing was closed", backend.connections());
    let lost = lost_and_said_so(&statuses, &taken.lock().unwrap());
    assert!(lost < 1000, "{lost} of 2000 lost");
}

/// A request that was taken and not answered may have been done: it is not sent again.
#[test]
fn posts_that_were_taken_and_not_answered_are_not_sent_again() {
    let taken = Arc::new(Mutex::new(HashMap::new()));
    let backend = counting(&taken, |random| if random.below(4) == 0 { Fate::Vanish } else { Fate::Keep });
    let other = counting(&taken, |random| if random.below(4) == 0 { Fate::Vanish } else { Fate::Keep });
    let gateway = Gateway::before(BIN, &[backend.address, other.address]);
    let statuses = post_all(&gateway, |_| Duration::ZERO);
    gateway.stop();
    let seen = counts(&statuses);
    println!("{seen:?}");
    let taken = taken.lock().unwrap();
    assert!(taken.len() == 2000 && taken.values().all(|count| *count == 1), "one was taken twice");
    assert!(seen[&502] > 300 && seen[&200] > 1000 && seen[&502] + seen[&200] == 2000, "{seen:?}");
}

fn counts(statuses: &HashMap<String, u16>) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for status in statuses.values() {
        *counts.entry(*status).or_default() += 1;
    }
    counts
}

/// A GET that was taken and not answered is asked again, on another backend.
#[test]
fn gets_that_break_before_an_answer_are_asked_again_elsewhere() {
    let vanishing = RawBackend::by_request(|_| vec![Act::Close]);
    let good = RawBackend::answering(OK);
    let gateway = Gateway::before(BIN, &[vanishing.address, good.address]);
    for _ in 0..100 {
        assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    }
    gateway.stop();
    assert!(vanishing.connections() > 0, "the bad one was never tried, so nothing was shown");
    assert_eq!(good.take_arrivals().len(), 100, "each is answered once");
}
