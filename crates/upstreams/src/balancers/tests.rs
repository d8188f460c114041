//! What every member promises, and how they differ in one world: each rule is checked for the whole list.

use super::ALL;
use super::draw::{Dice, WeightMax};
use super::simulation::{World, built, member, ms, normal, pick, roster, steady};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::balance::{Balancer, Kind, Pick, Sample, Tried};
use tidegate_core::clock::Nanos;
use tidegate_core::service::Roster;
use tidegate_core::state::DownReason;

const NOW: Nanos = Nanos(1_000_000_000);

fn tried(indices: &[usize]) -> Tried {
    let mut tried = Tried::default();
    indices.iter().for_each(|&index| tried.add(index));
    tried
}

/// How often each backend is picked in so many picks, of requests that were at `tried` already.
fn counts(balancer: &dyn Balancer, roster: &Roster, tried: Tried, picks: usize) -> Vec<usize> {
    let mut dice = Dice::new(7);
    let mut counts = vec![0; roster.backends.len()];
    for _ in 0..picks {
        let pick = Pick { tried, ..pick(NOW, &mut dice) };
        counts[balancer.pick(roster, pick).expect("a backend, as the roster is not empty")] += 1;
    }
    counts
}

fn every_member(check: impl Fn(&Kind, Box<dyn Balancer>)) {
    ALL.iter().for_each(|kind| check(kind, built(kind)));
}

#[test]
fn the_members_are_those_of_the_reference() {
    let names: Vec<&str> = ALL.iter().map(|kind| kind.name).collect();
    assert_eq!(names, ["ewma", "least-request", "round-robin"]);
}

#[test]
fn an_empty_roster_has_nobody_and_a_single_backend_is_always_taken() {
    every_member(|kind, balancer| {
        let mut dice = Dice::new(1);
        assert_eq!(balancer.pick(&roster(&[]), pick(NOW, &mut dice)), None, "{}", kind.name);
        let single = roster(&[3]);
        single.backends[0].cell.connect_failed(NOW, DownReason::Refused);
        assert_eq!(counts(&*balancer, &single, tried(&[0]), 10), [10], "{}", kind.name);
    });
}

#[test]
fn who_is_up_and_untried_is_taken() {
    every_member(|kind, balancer| {
        let roster = roster(&[1, 1, 1, 1]);
        roster.backends[1].cell.connect_failed(NOW, DownReason::Refused);
        let picked = counts(&*balancer, &roster, tried(&[2]), 2000);
        assert_eq!((picked[1], picked[2]), (0, 0), "{}", kind.name);
        assert!(picked[0].abs_diff(picked[3]) < 200, "{}: the others share: {picked:?}", kind.name);
        roster.backends[3].cell.connect_failed(NOW, DownReason::Refused);
        assert_eq!(counts(&*balancer, &roster, tried(&[2]), 100), [100, 0, 0, 0], "{}", kind.name);
        roster.backends[3].cell.connected(NOW);
        assert_ne!(counts(&*balancer, &roster, tried(&[2]), 100)[3], 0, "{}: up again", kind.name);
    });
}

#[test]
fn the_one_usable_backend_of_many_is_found() {
    every_member(|kind, balancer| {
        let roster = roster(&[1; 200]);
        roster.backends.iter().for_each(|backend| backend.cell.connect_failed(NOW, DownReason::Refused));
        roster.backends[77].cell.connected(NOW);
        assert_eq!(counts(&*balancer, &roster, tried(&[3]), 500)[77], 500, "{}", kind.name);
    });
}

#[test]
fn the_one_rival_of_many_that_is_usable_is_found() {
    for name in ["ewma", "least-request"] {
        let balancer = built(member(name));
        let roster = roster(&[1; 200]);
        roster.backends[5..].iter().for_each(|backend| backend.cell.connect_failed(NOW, DownReason::Refused));
        roster.backends[4].cell.in_flight.store(50, Relaxed);
        let picked = counts(&*balancer, &roster, tried(&[0, 1, 2]), 500);
        assert_eq!(picked[3], 500, "{name}: the idle one of two");
    }
}

#[test]
fn a_weight_that_is_gone_wastes_no_draws_for_long() {
    let weight_max = WeightMax::default();
    let mut dice = Dice::new(1);
    let mut draw = |weights: &[u32]| {
        let pick = pick(NOW, &mut dice);
        weight_max.draw(&roster(weights), &pick, &mut dice)
    };
    (0..100).for_each(|_| assert!(draw(&[1, 1_000_000, 1]).is_some()));
    assert_eq!(weight_max.at_least(1), 1_000_000);
    (0..100).for_each(|_| assert!(draw(&[1, 2, 1]).is_some()));
    assert_eq!(weight_max.at_least(1), 2);
}

#[test]
fn when_nobody_is_usable_the_one_that_failed_least_recently_is_asked() {
    every_member(|kind, balancer| {
        let roster = roster(&[1, 9, 1]);
        for (backend, second) in roster.backends.iter().zip([5, 3, 4]) {
            backend.cell.connect_failed(Nanos(second * 1_000_000_000), DownReason::Refused);
        }
        let picked = |tries: &[usize]| counts(&*balancer, &roster, tried(tries), 50);
        assert_eq!(picked(&[]), [0, 50, 0], "{}", kind.name);
        assert_eq!(picked(&[1]), [0, 0, 50], "{}: rather than where it failed just now", kind.name);
        assert_eq!(picked(&[1, 2]), [50, 0, 0], "{}", kind.name);
        assert_eq!(picked(&[0, 1, 2]), [0, 50, 0], "{}: rather than nobody", kind.name);
        // It fails again: now another one has waited longest. So all are asked in turn.
        roster.backends[1].cell.connect_failed(Nanos(6_000_000_000), DownReason::Refused);
        assert_eq!(picked(&[]), [0, 0, 50], "{}", kind.name);
        // Up, although this request failed there: better than down, be it tried or not.
        roster.backends[0].cell.connected(NOW);
        assert_eq!(picked(&[0, 1, 2]), [50, 0, 0], "{}", kind.name);
        assert_eq!(picked(&[0]), [50, 0, 0], "{}", kind.name);
    });
}

#[test]
fn any_state_of_a_roster_gives_a_backend_and_a_usable_one_if_there_is_one() {
    every_member(|kind, balancer| {
        let mut dice = Dice::new(0x7169);
        for _ in 0..2000 {
            let weights: Vec<u32> = (0..1 + dice.below(70)).map(|_| 1 << dice.below(32)).collect();
            let roster = roster(&weights);
            let mut tried = Tried::default();
            for (index, backend) in roster.backends.iter().enumerate() {
                backend.cell.in_flight.store(dice.bits() as u32, Relaxed);
                backend.cell.latency_ns.store(dice.bits() >> dice.below(64), Relaxed);
                backend.cell.latency_at.store(dice.bits() >> dice.below(64), Relaxed);
                if dice.below(2) == 0 {
                    backend.cell.connect_failed(NOW, DownReason::Refused);
                }
                if dice.below(3) == 0 {
                    tried.add(index);
                }
            }
            let pick = Pick { tried, ..pick(NOW, &mut dice) };
            let index = balancer.pick(&roster, pick).expect("a backend");
            let is_usable = |i: usize| !tried.has(i) && !roster.backends[i].cell.is_down();
            let is_best = is_usable(index) || !(0..weights.len()).any(is_usable);
            assert!(is_best || weights.len() == 1, "{}: {index} of {weights:?}", kind.name);
            balancer.observe(&roster, index, NOW, Sample::Failed(Duration::from_nanos(dice.bits())));
        }
    });
}

/// Shares of requests against shares of weight, in points of all requests.
fn check_shares(kind: &Kind, weights: &[u32], counts: &[usize]) {
    let picks: usize = counts.iter().sum();
    let weight: u32 = weights.iter().sum();
    for (index, &count) in counts.iter().enumerate() {
        let (share, due) = (count as f64 / picks as f64, f64::from(weights[index]) / f64::from(weight));
        assert!((share - due).abs() < 0.02, "{} {weights:?}: {index} got {share:.3}", kind.name);
    }
}

#[test]
fn weights_decide_at_rest() {
    for weights in [&[3, 1][..], &[1, 2, 3, 4], &[10, 1, 1, 1, 1, 1], &[1; 100], &[1, 5000, 1]] {
        every_member(|kind, balancer| {
            let roster = roster(weights);
            counts(&*balancer, &roster, Tried::default(), 100); // it meets the weights
            check_shares(kind, weights, &counts(&*balancer, &roster, Tried::default(), 20_000));
        });
    }
}

#[test]
fn weights_decide_under_load_when_all_are_equally_fast() {
    // From a fifth of a request in flight per unit of weight to ten.
    for (weights, requests_per_s) in [
        (&[3, 1][..], 20.0),
        (&[3, 1], 100.0),
        (&[4, 3, 2, 1], 100.0),
        (&[4, 3, 2, 1], 2000.0),
        (&[10, 1, 1, 1, 1, 1], 60.0),
        (&[10, 1, 1, 1, 1, 1], 600.0),
    ] {
        every_member(|kind, balancer| {
            let seen = World {
                balancer,
                roster: roster(weights),
                services: weights.iter().map(|_| steady(ms(50))).collect(),
                slots: usize::MAX,
                requests_per_s,
                runs_for: Duration::from_secs_f64(20_000.0 / requests_per_s),
                seed: 11,
            }
            .run();
            check_shares(kind, weights, &seen.sent);
        });
    }
}

#[test]
fn a_backend_joins_leaves_and_changes_weight_under_a_balancer_that_stays() {
    every_member(|kind, balancer| {
        for weights in [&[1, 1][..], &[1, 1, 6], &[100, 1, 1], &[1, 1, 1], &[2, 1]] {
            let roster = roster(weights);
            counts(&*balancer, &roster, Tried::default(), 1000);
            check_shares(kind, weights, &counts(&*balancer, &roster, Tried::default(), 20_000));
        }
    });
}

/// Eleven backends that answer after 167 ms, one of which takes 2 s from 15 s to 45 s, at 1,000 requests/s
/// for a minute: the experiment published by Buoyant in "Beyond Round Robin" (2016).
fn one_of_eleven_is_stuck(balancer: Box<dyn Balancer>, seed: u64) -> f64 {
    let begin = Nanos(0).after(super::simulation::BEGIN);
    let stuck = move |now: Nanos, dice: &mut Dice| {
        Sample::Answered(match now.since(begin).as_secs() {
            15..45 => ms(2000),
            _ => ms(167).mul_f64(1.0 + 0.03 * normal(dice)),
        })
    };
    let mut services: Vec<super::simulation::Service> = vec![Box::new(stuck)];
    services.extend((1..11).map(|_| steady(ms(167))));
    World {
        balancer,
        roster: roster(&[1; 11]),
        services,
        slots: usize::MAX,
        requests_per_s: 1000.0,
        runs_for: Duration::from_secs(60),
        seed,
    }
    .run()
    .within(ms(1000))
}

#[test]
fn one_stuck_backend_costs_what_was_published() {
    let published = [("round-robin", 0.945..0.965), ("least-request", 0.985..0.999), ("ewma", 0.999..1.0)];
    for (name, expected) in published {
        let within = one_of_eleven_is_stuck(built(member(name)), 1);
        assert!(expected.contains(&within), "{name}: {within:.4} within a second, {expected:?} expected");
    }
    for seed in 2..20 {
        let within = one_of_eleven_is_stuck(built(member("ewma")), seed);
        assert!(within > 0.999, "seed {seed}: {within:.4} within a second");
    }
}

#[test]
fn saturation_never_takes_the_last_backend_out() {
    every_member(|kind, balancer| {
        let seen = World {
            balancer,
            roster: roster(&[1, 1, 1]),
            services: vec![steady(ms(100)), steady(ms(100)), steady(ms(100))],
            slots: 10,
            // Half more than they can serve.
            requests_per_s: 450.0,
            runs_for: Duration::from_secs(60),
            seed: 3,
        }
        .run();
        assert!(seen.quantile(0.5) > ms(2000), "{}: they were saturated", kind.name);
        check_shares(kind, &[1, 1, 1], &seen.sent);
    });
}
