//! What one answer teaches, how it is forgotten, and what follows for a service over minutes.

use super::*;
use crate::balancers::draw::Dice;
use crate::balancers::simulation::{BEGIN, Seen, Service, World, built, ms, pick, roster, steady};

fn at_s(second: u64) -> Nanos {
    Nanos(second * 1_000_000_000)
}

/// The expectation in ms after these samples, each with its second.
fn learnt(samples: &[(u64, Sample)]) -> u64 {
    let cell = BackendCell::default();
    samples.iter().for_each(|&(second, sample)| learn(&cell, at_s(second), sample));
    cell.latency_ns.load(Relaxed) / 1_000_000
}

#[test]
fn answers_teach() {
    let answered = |millis| Sample::Answered(ms(millis));
    let failed = |millis| Sample::Failed(ms(millis));
    for (samples, expected_ms) in [
        (&[(5, answered(40))][..], 40),
        // Slower: at once.
        (&[(5, answered(40)), (5, answered(300))], 300),
        // Faster: as far as the slower one has faded.
        (&[(5, answered(300)), (5, answered(100))], 300),
        (&[(5, answered(300)), (15, answered(100))], 150),
        (&[(5, answered(300)), (25, answered(100))], 100),
        (&[(5, answered(300)), (95, answered(100))], 100),
        // A failure is a second at least, and twice what was expected at least.
        (&[(5, failed(1))], 1000),
        (&[(5, failed(2500))], 2500),
        (&[(5, answered(5000)), (6, failed(1))], 10_000),
        (&[(5, failed(1)), (6, failed(1)), (7, failed(1))], 4000),
        // Bounded.
        (&[(5, answered(5_000_000))], 60_000),
        (&[(5, answered(50_000)), (6, failed(1))], 60_000),
        // Another worker's clock is ahead: nothing has passed.
        (&[(15, answered(300)), (5, answered(100))], 300),
    ] {
        assert_eq!(learnt(samples), expected_ms, "{samples:?}");
    }
    assert_eq!(learnt(&[(5, answered(0))]), 0);
    let cell = BackendCell::default();
    learn(&cell, at_s(5), answered(0));
    assert_ne!(cell.latency_ns.load(Relaxed), 0, "an answer within no time is not unknown");
}

fn check_latencies(a: (u64, u64), b: (u64, u64), now_s: u64, expected_ratio: f64) {
    let cell = |(latency_ms, second): (u64, u64)| {
        let cell = BackendCell::default();
        cell.latency_ns.store(latency_ms * 1_000_000, Relaxed);
        cell.latency_at.store(at_s(second).0, Relaxed);
        cell
    };
    let (a_ns, b_ns) = latencies(&cell(a), &cell(b), at_s(now_s));
    let ratio = a_ns / b_ns;
    assert!((ratio / expected_ratio - 1.0).abs() < 1e-6, "{a:?} {b:?} at {now_s} s: {ratio}");
}

#[test]
fn the_slower_one_fades_towards_the_faster() {
    check_latencies((400, 10), (100, 10), 10, 4.0);
    check_latencies((100, 10), (400, 10), 10, 0.25);
    // After half of 20 s a quarter of the difference is left.
    check_latencies((500, 10), (100, 20), 20, 2.0);
    check_latencies((500, 10), (100, 29), 30, 1.0);
    check_latencies((500, 10), (100, 29), 400, 1.0);
    // However old the good news is: it is what is known.
    check_latencies((500, 25), (100, 5), 25, 5.0);
    // Unknown is like the other.
    check_latencies((0, 0), (100, 10), 10, 1.0);
    check_latencies((100, 10), (0, 0), 10, 1.0);
    check_latencies((0, 0), (0, 0), 10, 1.0);
}

#[test]
fn noise_decides_nothing_and_a_clear_difference_everything() {
    // 10 % and 50 % apart, nothing in flight.
    for (latencies_ms, expected) in [([100, 110], 450..=550), ([110, 100], 450..=550), ([150, 100], 0..=0)] {
        let (balancer, roster) = (Ewma::default(), roster(&[1, 1]));
        for (index, latency_ms) in latencies_ms.into_iter().enumerate() {
            balancer.observe(&roster, index, at_s(5), Sample::Answered(ms(latency_ms)));
        }
        let mut dice = Dice::new(3);
        let mut picked = || balancer.pick(&roster, pick(at_s(5), &mut dice));
        let first = (0..1000).filter(|_| picked() == Some(0)).count();
        assert!(expected.contains(&first), "{latencies_ms:?}: {first} of 1000");
    }
}

/// A service of equal weights, at so many requests/s for a minute.
fn run(services: Vec<Service>, requests_per_s: f64) -> Seen {
    World {
        balancer: built(&KIND),
        roster: roster(&vec![1; services.len()]),
        services,
        slots: usize::MAX,
        requests_per_s,
        runs_for: Duration::from_secs(60),
        seed: 9,
    }
    .run()
}

/// Does one thing before a second of the run, and another from it on.
fn until(second: u64, before: Service, after: Service) -> Service {
    Box::new(move |now, dice| {
        let is_before = now < at_s(BEGIN.as_secs() + second);
        if is_before { before(now, dice) } else { after(now, dice) }
    })
}

#[test]
fn failing_fast_attracts_nobody() {
    for others in [1, 4] {
        let mut services: Vec<Service> = vec![Box::new(|_, _| Sample::Failed(ms(1)))];
        services.extend((0..others).map(|_| steady(ms(50))));
        let seen = run(services, 200.0);
        // Of 12,000 requests: one try at the beginning, and one whenever the last is old enough.
        assert!((3..=30).contains(&seen.failures), "{others} others: {} failures", seen.failures);
    }
}

#[test]
fn what_recovers_is_found_and_gets_its_share_again() {
    let recovers = until(20, Box::new(|_, _| Sample::Failed(ms(1))), steady(ms(50)));
    let mut services = vec![recovers];
    services.extend((0..2).map(|_| steady(ms(50))));
    let seen = run(services, 200.0);
    // A third of the last 20 s and no more: it failed for 20 s, and that may be held against it for 20 s.
    let due = 200 * 10 / 3;
    assert!(seen.sent[0] > due / 2, "{} requests", seen.sent[0]);
    assert!(seen.sent[0] < 200 * 40 / 3, "{} requests", seen.sent[0]);
}

#[test]
fn all_slow_or_all_failing_is_no_reason_to_send_nothing() {
    let slow = run(vec![until(10, steady(ms(20)), steady(ms(5000))), steady(ms(5000))], 50.0);
    assert!(slow.failures == 0 && slow.requests() > 2500);
    let failing = || -> Service { Box::new(|_, _| Sample::Failed(ms(1))) };
    let seen = run(vec![failing(), failing(), failing()], 50.0);
    let evenly = seen.requests() / 3;
    assert!(seen.sent.iter().all(|&sent| sent > evenly / 2), "{:?}", seen.sent);
}

#[test]
fn a_new_backend_gets_its_share_and_no_flood() {
    let roster = roster(&[1; 5]);
    let balancer = Ewma::default();
    for index in 0..4 {
        balancer.observe(&roster, index, at_s(5), Sample::Answered(ms(30)));
        roster.backends[index].cell.in_flight.store(10, Relaxed);
    }
    // It does not answer yet: it gets as many as the others hold, and then its fifth.
    let mut dice = Dice::new(4);
    for _ in 0..1000 {
        let index = balancer.pick(&roster, pick(at_s(5), &mut dice)).expect("a backend");
        if index == 4 {
            roster.backends[4].cell.in_flight.fetch_add(1, Relaxed);
        }
    }
    let held = roster.backends[4].cell.in_flight.load(Relaxed);
    assert!((10..=15).contains(&held), "{held} in flight at the new one, 10 at each of the others");
}
