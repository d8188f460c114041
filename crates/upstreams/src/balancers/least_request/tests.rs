//! Who is lighter. Shares, fallbacks and the stuck backend: the tests of the family.

use super::*;
use crate::balancers::draw::Dice;
use crate::balancers::simulation::{World, built, member, ms, pick, roster, steady};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How many of 1,000 requests the first of two backends gets, with so many in flight at each.
fn first_of_two(weights: [u32; 2], in_flight: [u32; 2]) -> usize {
    let (balancer, roster) = (LeastRequest::default(), roster(&weights));
    for (backend, in_flight) in roster.backends.iter().zip(in_flight) {
        backend.cell.in_flight.store(in_flight, Relaxed);
    }
    let mut dice = Dice::new(17);
    let mut picked = || balancer.pick(&roster, pick(Nanos(1), &mut dice));
    (0..1000).filter(|_| picked() == Some(0)).count()
}

#[test]
fn the_lighter_of_two_gets_it() {
    for (weights, in_flight, expected) in [
        ([1, 1], [0, 1], 1000..=1000),
        ([1, 1], [8, 7], 0..=0),
        ([1, 1], [5, 5], 450..=550),
        // Two in flight per unit of weight at both: the weights decide.
        ([3, 1], [6, 2], 700..=800),
        // By far too much for its weight, although more for its weight would be in order.
        ([3, 1], [12, 1], 0..=0),
        ([3, 1], [2, 3], 1000..=1000),
        // Numbers that no sane process has are still numbers.
        ([1, 1], [u32::MAX, 1], 0..=0),
        ([u32::MAX, 1], [0, 1], 999..=1000),
    ] {
        let first = first_of_two(weights, in_flight);
        assert!(expected.contains(&first), "{weights:?} {in_flight:?}: {first} of 1000 went to the first");
    }
}

fn unequal(balancer: &str) -> Duration {
    // Eight backends three times as fast as the other two, ten requests at a time each, at 80 % of what
    // they can do together.
    let means = [50, 50, 50, 50, 50, 50, 50, 50, 150, 150];
    World {
        balancer: built(member(balancer)),
        roster: roster(&[1; 10]),
        services: means.iter().map(|&mean| steady(ms(mean))).collect(),
        slots: 10,
        requests_per_s: 0.8 * means.iter().map(|&mean| 10_000.0 / mean as f64).sum::<f64>(),
        runs_for: Duration::from_secs(20),
        seed: 2,
    }
    .run()
    .quantile(0.99)
}

#[test]
fn slow_machines_are_not_overloaded_as_they_are_in_turn() {
    let in_turn = unequal("round-robin");
    for balancer in ["least-request", "ewma"] {
        let p99 = unequal(balancer);
        assert!(p99 < ms(250), "{balancer}: {p99:?}");
        assert!(in_turn > 10 * p99, "{balancer}: {p99:?}, in turn {in_turn:?}");
    }
}
