//! What one pick costs, in nanoseconds: every balancer, 3 and 100 backends, all up, some weights. Claim: at
//! most 40 ns with equal weights. Run: `cargo run --release -p tidegate-upstreams --example pick_cost`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tidegate_core::balance::{Build, Kind, Pick, Sample, Tried};
use tidegate_core::clock::Nanos;
use tidegate_core::service::{Address, Backend, Roster};
use tidegate_upstreams::balancers::ALL;

/// Picks of one round: it takes less than a slice of the scheduler, so that other work hits whole rounds.
const PICKS: u64 = 20_000;
/// Rounds of which the median is shown.
const ROUNDS: usize = 199;

fn main() {
    println!("{:<16}{:>22}{:>12}{:>12}", "balancer", "weights", "3 backends", "100");
    for kind in ALL {
        for (weights, weight_of) in
            [("equal", (|_| 1) as fn(usize) -> u32), ("1, 2, 3, 4, 1, …", |i| 1 + i as u32 % 4)]
        {
            let cost = |count| pick_ns(kind, &roster(count, weight_of));
            println!("{:<16}{weights:>22}{:>12.1}{:>12.1}", kind.name, cost(3), cost(100));
        }
    }
}

fn roster(count: usize, weight_of: fn(usize) -> u32) -> Roster {
    let backend = |index: usize| {
        let address = Address::Inet(([10, 0, 0, index as u8], 80).into());
        Backend::new(address, weight_of(index), Arc::default())
    };
    Roster::new((0..count).map(backend))
}

fn pick_ns(kind: &Kind, roster: &Roster) -> f64 {
    let Build::Plain(build) = kind.build else { panic!("{} needs settings", kind.name) };
    let balancer = build();
    for (index, backend) in roster.backends.iter().enumerate() {
        balancer.observe(
            roster,
            index,
            Nanos(1),
            Sample::Answered(Duration::from_micros(900 + index as u64)),
        );
        backend.cell.in_flight.store(index as u32 % 3, Relaxed);
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            for at in 0..PICKS {
                // The flow has such bits at hand: the cost of making them is not the balancer's.
                let random = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let pick = Pick { now: Nanos(1000 + at), random, tried: Tried::default() };
                black_box(balancer.pick(black_box(roster), pick));
            }
            begin.elapsed().as_nanos() as f64 / PICKS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
