//! What one answer teaches, how it is forgotten, and what follows for a service over minutes.

use super::*;
use crate::balancers::draw::Dice;
use crate::balancers::simulation::{BEGIN, Seen, Service, World, built, ms, normal, pick, roster, steady};
use tidegate_core::state::DownReason;

fn at_s(second: u64) -> Nanos {
    Nanos(second * 1_000_000_000)
}

/// The expectation in ms after so many answers of 100 ms at second 5, and these samples, each with its second.
fn learnt(answers: u32, samples: &[(u64, Sample)]) -> u64 {
    let cell = BackendCell::default();
    (0..answers).for_each(|_| learn(&cell, at_s(5), Sample::Answered(ms(100))));
    samples.iter().for_each(|&(second, sample)| learn(&cell, at_s(second), sample));
    cell.latency_ns.load(Relaxed).div_ceil(1_000_000)
}

#[test]
fn answers_teach() {
    let answered = |millis| Sample::Answered(ms(millis));
    let failed = |millis| Sample::Failed(ms(millis));
    for (answers, samples, expected_ms) in [
        // The first few are averaged.
        (0, &[(5, answered(40))][..], 40),
        (0, &[(5, answered(40)), (5, answered(60))], 50),
        (0, &[(5, answered(40)), (5, answered(60)), (5, answered(20))], 40),
        // A first one that was slow by chance is outvoted by the second, and one after it counts four times.
        (0, &[(5, answered(2500)), (5, answered(100))], 250),
        (1, &[(5, answered(2500))], 250),
        // Later on each counts an eighth, either way, and an outlier four times of what was expected.
        (20, &[(5, answered(180))], 110),
        (20, &[(5, answered(20))], 90),
        (20, &[(5, answered(2500))], 138),
        // After 10 s of silence three quarters are forgotten, after 20 s all.
        (20, &[(15, answered(200))], 175),
        (20, &[(15, answered(20))], 40),
        (20, &[(25, answered(50))], 50),
        (20, &[(95, answered(50))], 50),
        // A failure is a second at least, and twice what was expected at least; so are those that follow.
        (0, &[(5, failed(1))], 1000),
        (20, &[(5, failed(2500))], 2500),
        (0, &[(5, answered(5000)), (6, failed(1))], 10_000),
        (20, &[(5, failed(1)), (6, failed(1)), (7, failed(1))], 4000),
        // A good answer does not outweigh it.
        (20, &[(5, failed(1)), (5, answered(200))], 900),
        (0, &[(5, failed(1)), (5, answered(200))], 900),
        // Bounded.
        (0, &[(5, answered(5_000_000))], 60_000),
        (0, &[(5, answered(50_000)), (6, failed(1))], 60_000),
        // Another worker's clock is ahead: nothing has passed.
        (20, &[(5, answered(100)), (3, answered(180))], 110),
    ] {
        assert_eq!(learnt(answers, samples), expected_ms, "{answers} {samples:?}");
    }
    let cell = BackendCell::default();
    learn(&cell, at_s(5), answered(0));
    assert_ne!(cell.latency_ns.load(Relaxed), 0, "an answer within no time is not unknown");
}

fn check_latencies(a: (u64, u64), b: (u64, u64), now_s: u64, expected_ratio: f64) {
    let cell = |(latency_ms, second): (u64, u64)| {
        let cell = BackendCell::default();
        cell.latency_ns.store(latency_ms * 1_000_000, Relaxed);
        cell.latency_at.store(at_s(second).0, Relaxed);
        cell.latency_answers.store(ANSWERS_FEW, Relaxed);
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
fn nobody_is_called_slow_for_a_few_answers() {
    let (slow, fast) = (BackendCell::default(), BackendCell::default());
    learn(&fast, at_s(5), Sample::Answered(ms(1)));
    for answers in 1..=ANSWERS_FEW {
        learn(&slow, at_s(5), Sample::Answered(ms(100)));
        let (slow_ns, fast_ns) = latencies(&slow, &fast, at_s(5));
        assert_eq!(slow_ns > fast_ns, answers == ANSWERS_FEW, "after {answers} answers");
    }
    let failing = BackendCell::default();
    learn(&failing, at_s(5), Sample::Failed(ms(1)));
    let (failing_ns, fast_ns) = latencies(&failing, &fast, at_s(5));
    assert!(failing_ns > 100.0 * fast_ns, "one failure is enough");
}

/// How many of 10,000 requests the first of two gets, which are expected to take so many ms and have so many
/// requests in flight.
fn first_of_two(latencies_ms: [u64; 2], in_flight: u32) -> usize {
    let (balancer, roster) = (Ewma::default(), roster(&[1, 1]));
    for (backend, latency_ms) in roster.backends.iter().zip(latencies_ms) {
        (0..8).for_each(|_| learn(&backend.cell, at_s(5), Sample::Answered(ms(latency_ms))));
        backend.cell.in_flight.store(in_flight, Relaxed);
    }
    let mut dice = Dice::new(3);
    let mut picked = || balancer.pick(&roster, pick(at_s(5), &mut dice));
    (0..10_000).filter(|_| picked() == Some(0)).count()
}

#[test]
fn noise_decides_nothing_and_a_clear_difference_everything() {
    for (latencies_ms, in_flight, expected) in [
        // Under load 10 % decide nothing and 50 % everything.
        ([100, 110], 1, 4800..=5200),
        ([110, 100], 1, 4800..=5200),
        ([150, 100], 1, 0..=0),
        // At rest 40 % decide nothing, and one that is slower may prove itself: the less the slower it is. It
        // is drawn first half of the time.
        ([140, 100], 0, 4800..=5200),
        ([300, 100], 0, 450..=650),
        ([1000, 100], 0, 5..=30),
        ([30_000, 30], 0, 0..=0),
    ] {
        let first = first_of_two(latencies_ms, in_flight);
        assert!(expected.contains(&first), "{latencies_ms:?}, {in_flight} in flight: {first} of 10,000");
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

/// About a median, log-normal, of which so many in 100,000 take 25 times as long.
fn scattered(median: Duration, sigma: f64, outliers: u64) -> Service {
    Box::new(move |_, dice| {
        let is_outlier = dice.below(100_000) < outliers;
        let times = if is_outlier { 25.0 } else { 1.0 };
        Sample::Answered(median.mul_f64((sigma * normal(dice)).exp() * times))
    })
}

/// By how much shares are off what they should be after 10 s, as a share of that: on average (the root of the
/// mean square) and at most, over so many seeds.
fn off(weights: &[u32], requests_per_s: f64, service: impl Fn() -> Service) -> (f64, f64) {
    let mut offs = Vec::new();
    for seed in 0..SEEDS {
        let world = World {
            balancer: built(&KIND),
            roster: roster(weights),
            services: weights.iter().map(|_| service()).collect(),
            slots: usize::MAX,
            requests_per_s,
            runs_for: Duration::from_secs(10),
            seed,
        };
        let seen = world.run();
        let due_by_weight = seen.requests() as f64 / f64::from(weights.iter().sum::<u32>());
        let off = |(&sent, &weight): (&usize, &u32)| sent as f64 / (due_by_weight * f64::from(weight)) - 1.0;
        offs.extend(seen.sent.iter().zip(weights).map(off));
    }
    let mean = offs.iter().map(|off| off * off).sum::<f64>() / offs.len() as f64;
    (mean.sqrt(), offs.iter().fold(0.0, |most, off| off.abs().max(most)))
}

const SEEDS: u64 = 5;

#[test]
fn equal_backends_stay_equal_however_their_answers_scatter() {
    for (sigma, outliers) in [(0.1, 10), (0.1, 100), (0.1, 1000), (0.5, 100), (1.0, 0), (1.0, 1000)] {
        for median in [Duration::from_micros(200), ms(50)] {
            // Of 500 requests in 10 s a third would by chance alone be off by 6 %, and by 18 % at most.
            for (requests_per_s, off_mean, off_max) in
                [(50.0, 0.15, 0.40), (200.0, 0.12, 0.25), (1000.0, 0.05, 0.15), (2000.0, 0.04, 0.12)]
            {
                let (mean, max) = off(&[1, 1, 1], requests_per_s, || scattered(median, sigma, outliers));
                let of = format!("{median:?}, sigma {sigma}, {outliers} outliers, {requests_per_s}/s");
                assert!(mean < off_mean && max < off_max, "{of}: off by {mean:.3}, at most {max:.3}");
            }
        }
    }
}

#[test]
fn weights_are_kept_about_as_well_when_answers_scatter() {
    for weights in [&[3, 1][..], &[4, 3, 2, 1]] {
        for median in [Duration::from_micros(200), ms(50)] {
            for (sigma, outliers) in [(0.1, 100), (0.1, 1000), (0.5, 100), (1.0, 0)] {
                let (mean, max) = off(weights, 1000.0, || scattered(median, sigma, outliers));
                let of = format!("{weights:?}, {median:?}, sigma {sigma}, {outliers} outliers");
                assert!(mean < 0.12 && max < 0.25, "{of}: off by {mean:.3}, at most {max:.3}");
            }
        }
    }
}

#[test]
fn one_that_comes_back_is_neither_flooded_nor_starved() {
    // Its first answers may be good or bad: cold caches, or nothing to do yet.
    for first_answers in [ms(50), Duration::from_micros(20)] {
        let usual = Duration::from_micros(200);
        let (balancer, roster) = (built(&KIND), roster(&[1, 1, 1]));
        let known = |index: usize| (0..8).map(move |_| (index, Sample::Answered(usual)));
        (0..3).flat_map(known).for_each(|(index, sample)| balancer.observe(&roster, index, at_s(5), sample));
        roster.backends[0].cell.connect_failed(at_s(5), DownReason::Refused);
        roster.backends[0].cell.connected(at_s(6));
        (0..2).for_each(|_| balancer.observe(&roster, 0, at_s(6), Sample::Answered(first_answers)));
        // 300 requests/s, none of which meets another.
        let (mut dice, mut sent) = (Dice::new(8), [0; 3]);
        for request in 0..3000u64 {
            let now = at_s(6).after(ms(request * 10 / 3));
            let index = balancer.pick(&roster, pick(now, &mut dice)).expect("a backend");
            sent[index] += 1;
            balancer.observe(&roster, index, now, Sample::Answered(usual));
        }
        assert!((800..=1200).contains(&sent[0]), "first {first_answers:?}: {sent:?}");
    }
}
