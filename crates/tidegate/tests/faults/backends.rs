//! Backends that go down and come up: a line each time, with the reason, and the same in the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::peers::Nginx;
use tidegate_testkit::{Gateway, RawBackend, Setup, backend};

use crate::{BIN, GET, SOON, lines, page};

/// The so-many-th backend as the API shows it.
fn shown(gateway: &Gateway, index: usize) -> (String, String) {
    let page = page(gateway, "/api/v1/services/origin/backends");
    let one = &page["backends"][index];
    (one["state"].as_str().unwrap_or_default().into(), one["reason"].as_str().unwrap_or_default().into())
}

#[test]
fn a_backend_that_dies_and_comes_back_is_a_line_each() {
    let mut backends = [Nginx::answering(), Nginx::answering()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let gateway = Setup::new(BIN).start(&everything_to(&addresses, "balance: round-robin"));
    let name = format!("backend={}", addresses[1]);
    backends[1].kill();
    for _ in 0..4 {
        assert_eq!(gateway.ask(GET).status(), 200);
    }
    await_true("it is told", SOON, || {
        lines(&gateway, &["WARN a backend is down service=origin", &name, "reason=refused"]).len() == 1
    });
    assert_eq!(shown(&gateway, 1), ("down".into(), "refused".into()));
    assert!(lines(&gateway, &[&name, "is up"]).is_empty());
    backends[1].revive();
    await_true("it is told", SOON, || {
        lines(&gateway, &["INFO a backend is up again service=origin", &name]).len() == 1
    });
    assert_eq!(shown(&gateway, 1), ("up".into(), String::new()));
    assert_eq!(lines(&gateway, &["a backend is"]).len(), 2, "and nothing else");
    gateway.stop();
}

#[test]
fn a_backend_that_takes_no_connection_in_time_says_so() {
    let (address, _full) = backend::full_listener();
    let well = RawBackend::answering(OK);
    let service = "balance: round-robin, timeouts: { connect: 200ms }";
    let gateway = Setup::new(BIN).start(&everything_to(&[address, well.address], service));
    (0..2).for_each(|_| drop(gateway.ask(GET)));
    await_true("it is told", SOON, || lines(&gateway, &["a backend is down", "reason=timeout"]).len() == 1);
    gateway.stop();
}

/// When all fail their checks they are asked all the same (decision 0006), and each is told to be down all the same.
#[test]
fn when_all_fail_their_checks_that_is_said_and_they_are_asked() {
    let statuses = Arc::new([AtomicU16::new(500), AtomicU16::new(503)]);
    let backends: [RawBackend; 2] = std::array::from_fn(|index| {
        let statuses = statuses.clone();
        RawBackend::by_request(move |request| {
            let status = if request.target() == "/healthz" { statuses[index].load(Relaxed) } else { 200 };
            vec![Act::Send(format!("HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nok").into())]
        })
    });
    let addresses = backends.each_ref().map(|backend| backend.address);
    let health = "balance: round-robin, health: { path: /healthz, every: 100ms, unhealthy: 2, healthy: 2 }";
    let gateway = Setup::new(BIN).start(&everything_to(&addresses, health));
    let up = || addresses.map(|address| gateway.metric("tidegate_backend_up", &[&format!("\"{address}\"")]));
    let panic = || gateway.metric("tidegate_service_panic", &["service=\"origin\""]);
    assert_eq!(gateway.metric("tidegate_service_panic", &[]), 0.0);
    await_true("both are down", SOON, || up() == [0.0; 2] && panic() == 1.0);
    assert_eq!(shown(&gateway, 0), ("down".into(), "check: status 500".into()));
    assert_eq!(shown(&gateway, 1), ("down".into(), "check: status 503".into()));
    let service = &page(&gateway, "/api/v1/services")["services"][0];
    assert_eq!((&service["panic"], &service["available"]), (&true.into(), &0.into()));
    assert_eq!(page(&gateway, "/api/v1/services/origin/backends")["panic"], true);
    backends.iter().for_each(|backend| drop(backend.take_arrivals()));
    for _ in 0..8 {
        assert_eq!(gateway.ask(GET).status(), 200);
    }
    for backend in &backends {
        let arrivals = backend.take_arrivals();
        let targets = arrivals.iter().filter_map(|a| Some(a.request.as_ref().ok()?.target().to_owned()));
        assert_eq!(targets.filter(|target| target == "/work").count(), 4, "each has its share");
    }
    await_true("both are told", SOON, || lines(&gateway, &["a backend is down", "check: status"]).len() == 2);
    let disbelief = ["WARN all backends of a service fail their checks", "requests go on", "service=origin"];
    await_true("disbelief is told", SOON, || lines(&gateway, &disbelief).len() == 1);

    statuses[1].store(200, Relaxed);
    await_true("one is well", SOON, || up() == [0.0, 1.0] && panic() == 0.0);
    let belief = ["INFO the checks of a service are believed again", "service=origin"];
    await_true("belief is told", SOON, || lines(&gateway, &belief).len() == 1);
    assert_eq!((0..6).filter(|_| gateway.ask(GET).status() == 200).count(), 6);
    let asked = backends[0].take_arrivals().into_iter().filter_map(|arrival| arrival.request.ok());
    assert_eq!(asked.filter(|request| request.target() == "/work").count(), 0, "it is believed again");
    gateway.stop();
}

/// What a reload changes of a service makes nothing forgotten of its backends: until the next checks they are asked as before
/// it, and operators read the same.
#[test]
fn a_reload_does_not_forget_that_all_fail_their_checks() {
    let backends: [RawBackend; 2] = std::array::from_fn(|_| {
        RawBackend::by_request(move |request| {
            let status = if request.target() == "/healthz" { 500 } else { 200 };
            vec![Act::Send(format!("HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nok").into())]
        })
    });
    let addresses = backends.each_ref().map(|backend| backend.address);
    let service = "balance: round-robin, health: { path: /healthz, every: 1s, unhealthy: 1 }";
    let gateway = Setup::new(BIN).start(&everything_to(&addresses, service));
    let text = gateway.configuration();
    let panic = || gateway.metric("tidegate_service_panic", &["service=\"origin\""]);
    await_true("both are down", SOON, || panic() == 1.0);
    for reload in 1..=5 {
        gateway.reload(&text.replace(service, &format!("{service}, connections: {{ max: {reload} }}")));
        assert_eq!(panic(), 1.0, "reload {reload}");
        assert_eq!(page(&gateway, "/api/v1/services/origin/backends")["panic"], true, "reload {reload}");
    }
    gateway.stop();
}
