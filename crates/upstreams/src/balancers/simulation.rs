//! A small world on a virtual clock for the members' tests: clients at a steady rate, backends with a
//! latency each, a balancer between them. Discrete events, nothing sleeps; one seed, one outcome.

use super::draw::Dice;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::balance::{Balancer, Build, Kind, Pick, Sample, Tried};
use tidegate_core::clock::Nanos;
use tidegate_core::service::{Address, Backend, Roster};

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// When a world begins: the process has been up for a while, so that a moment of 0 is nothing special.
pub(super) const BEGIN: Duration = Duration::from_secs(100);

/// A roster of so many backends with these weights, all up and unknown.
pub(crate) fn roster(weights: &[u32]) -> Roster {
    let backend = |(index, &weight): (usize, &u32)| {
        let address = Address::Inet(([10, 0, 0, index as u8], 80).into());
        Backend::new(address, weight, Arc::default())
    };
    Roster::new(weights.iter().enumerate().map(backend))
}

/// The member of that name.
pub(super) fn member(name: &str) -> &'static Kind {
    super::ALL.iter().find(|kind| kind.name == name).expect("a member")
}

/// A member as a service without settings for it gets it.
pub(super) fn built(kind: &Kind) -> Box<dyn Balancer> {
    match kind.build {
        Build::Plain(build) => build(),
        Build::With { .. } => panic!("{} needs settings", kind.name),
    }
}

/// A pick at that moment of a request that was nowhere yet.
pub(super) fn pick(now: Nanos, dice: &mut Dice) -> Pick {
    Pick { now, random: dice.bits(), tried: Tried::default() }
}

/// Above 0, up to 1.
fn uniform(dice: &mut Dice) -> f64 {
    (dice.below(1 << 31) as f64 + 1.0) / (1u64 << 31) as f64
}

/// Standard normal, by Box and Muller.
pub(super) fn normal(dice: &mut Dice) -> f64 {
    let radius = (-2.0 * uniform(dice).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(dice)).cos()
}

/// What a backend does with a request that it begins to serve at a moment.
pub(super) type Service = Box<dyn Fn(Nanos, &mut Dice) -> Sample>;

/// A backend that answers after about `mean`, give or take 3 %.
pub(super) fn steady(mean: Duration) -> Service {
    Box::new(move |_, dice| Sample::Answered(mean.mul_f64((1.0 + 0.03 * normal(dice)).max(0.1))))
}

/// A world, before it runs.
pub(super) struct World {
    pub(super) balancer: Box<dyn Balancer>,
    pub(super) roster: Roster,
    pub(super) services: Vec<Service>,
    /// Requests one backend serves at a time; the others wait in its line.
    pub(super) slots: usize,
    /// Requests arrive at random, so many on average.
    pub(super) requests_per_s: f64,
    pub(super) runs_for: Duration,
    pub(super) seed: u64,
}

/// What clients saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Of every request that was answered, with the moment it was sent.
    pub(super) latencies: Vec<(Nanos, Duration)>,
    pub(super) failures: usize,
    /// Requests sent to each backend.
    pub(super) sent: Vec<usize>,
}

impl Seen {
    pub(super) fn requests(&self) -> usize {
        self.latencies.len() + self.failures
    }

    /// The share of requests answered within a bound.
    pub(super) fn within(&self, bound: Duration) -> f64 {
        let good = self.latencies.iter().filter(|(_, latency)| *latency <= bound).count();
        good as f64 / self.requests() as f64
    }

    /// The latency that a share of the answers does not exceed.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let mut sorted: Vec<Duration> = self.latencies.iter().map(|(_, latency)| *latency).collect();
        sorted.sort_unstable();
        sorted[((sorted.len() - 1) as f64 * share) as usize]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives,
    /// At this backend, of a request sent at that moment; whether it failed.
    Ends {
        backend: usize,
        sent: Nanos,
        has_failed: bool,
    },
}

impl World {
    pub(super) fn run(self) -> Seen {
        println!("seed {}", self.seed);
        let mut dice = Dice::new(self.seed);
        let mut seen = Seen { sent: vec![0; self.services.len()], ..Seen::default() };
        let mut lines: Vec<VecDeque<Nanos>> = self.services.iter().map(|_| VecDeque::new()).collect();
        let mut busy = vec![0; self.services.len()];
        let begin = Nanos(0).after(BEGIN);
        let mut events = BinaryHeap::from([Reverse((begin, Event::Arrives))]);
        while let Some(Reverse((now, event))) = events.pop() {
            let backend = match event {
                Event::Arrives => {
                    let wait_s = -uniform(&mut dice).ln() / self.requests_per_s;
                    let next = now.after(Duration::from_secs_f64(wait_s));
                    if next < begin.after(self.runs_for) {
                        events.push(Reverse((next, Event::Arrives)));
                    }
                    let backend = self.balancer.pick(&self.roster, pick(now, &mut dice)).unwrap();
                    self.roster.backends[backend].cell.in_flight.fetch_add(1, Relaxed);
                    seen.sent[backend] += 1;
                    lines[backend].push_back(now);
                    backend
                }
                Event::Ends { backend, sent, has_failed } => {
                    busy[backend] -= 1;
                    self.ended(backend, sent, now, has_failed, &mut seen);
                    backend
                }
            };
            while busy[backend] < self.slots
                && let Some(sent) = lines[backend].pop_front()
            {
                busy[backend] += 1;
                let (after, has_failed) = match (self.services[backend])(now, &mut dice) {
                    Sample::Answered(after) => (after, false),
                    Sample::Failed(after) => (after, true),
                };
                let end = Event::Ends { backend, sent, has_failed };
                events.push(Reverse((now.after(after), end)));
            }
        }
        seen
    }

    fn ended(&self, backend: usize, sent: Nanos, now: Nanos, has_failed: bool, seen: &mut Seen) {
        let latency = now.since(sent);
        self.roster.backends[backend].cell.in_flight.fetch_sub(1, Relaxed);
        let sample = match has_failed {
            true => Sample::Failed(latency),
            false => Sample::Answered(latency),
        };
        self.balancer.observe(&self.roster, backend, now, sample);
        match has_failed {
            true => seen.failures += 1,
            false => seen.latencies.push((sent, latency)),
        }
    }
}
