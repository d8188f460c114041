//! Bounds of the whole process hold however many workers reach for the last place at the same moment, and through tries
//! that are made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::load::Load;
use tidegate_testkit::{RawBackend, Setup};

use crate::{BIN, GET, SOON};

/// What is at the backends together at a time, at most: counted by them.
#[derive(Default)]
struct Busy {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Busy {
    fn begin(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
    }
}

#[test]
fn no_more_requests_are_at_the_backends_than_may_be() {
    const MOST: usize = 3;
    let busy = Arc::new(Busy::default());
    let (flaky, steady) = (busy.clone(), busy.clone());
    let work = |busy: &Busy| {
        busy.begin();
        std::thread::sleep(Duration::from_millis(2));
        busy.now.fetch_sub(1, SeqCst);
    };
    let flaky = RawBackend::by_request(move |_| {
        work(&flaky);
        vec![Act::Send(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec())]
    });
    let steady = RawBackend::by_request(move |_| {
        work(&steady);
        vec![Act::Send(OK.to_vec())]
    });
    let service = format!(
        "balance: round-robin, connections: {MOST}, retry: {{ attempts: 2, on: [connect, reset, 503], budget: 100% }}"
    );
    let gateway =
        Setup::new(BIN).workers(4).start(&everything_to(&[flaky.address, steady.address], &service));
    let request = GET.as_bytes().to_vec();
    let load =
        Load { address: gateway.http, request, rate: 3000, time: Duration::from_secs(3), connections: 48 };
    let answers = load.run();
    let shed = gateway.metric("tidegate_outcomes_total", &["outcome=\"shed\""]);
    println!("{} answers, {shed} shed, {} at a time", answers.len(), busy.most.load(SeqCst));
    assert!(shed > 0.0, "the bound was reached");
    assert!(busy.most.load(SeqCst) <= MOST, "{} at a time", busy.most.load(SeqCst));
    await_true("all places are given back", SOON, || {
        let in_flight = |of: &str| gateway.metric(&format!("tidegate_{of}requests_in_flight"), &[]);
        in_flight("") == 0.0 && in_flight("backend_") == 0.0
    });
    gateway.stop();
}
