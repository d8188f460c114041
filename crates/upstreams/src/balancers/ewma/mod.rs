//! The one expected to answer first of two: peak-EWMA, after Finagle and Linkerd, with failures as slow
//! answers. A backend that hangs, crawls or fails fast is left alone after one such answer, and asked again
//! as that answer grows old. Pure: the clock is given, what is learnt is in the backends' cells.

use super::Kind;
use super::choose::{Dice, WeightMax, rival};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::balance::{Balancer, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::service::{Backend, BackendCell, Roster};

/// The member.
pub(super) const KIND: Kind = Kind {
    name: "ewma",
    doc: "Of two backends drawn at random, the one expected to answer first: by latency, requests in flight \
          and weight, where a failure counts as a slow answer.",
    build: || Box::new(Ewma::default()),
};

/// How long an answer slower than usual is held against a backend that keeps answering. 10 s as in Linkerd.
const DECAY_NS: f64 = 10e9;
/// What an answer of that age says about a backend nobody asks any more: nothing. With `DECAY_NS` alone a
/// failure would be forgotten after 10 s times the logarithm of how bad it was.
const FORGET_NS: f64 = 30e9;
/// A failure counts as an answer after at least so long, and after twice what was expected.
const FAILURE_MIN: Duration = Duration::from_secs(1);
/// No answer counts as slower: beyond, all are equally useless, and the way back stays short.
const LATENCY_MAX_NS: f64 = 60e9;
/// The rival must be expected to answer in less than this share of the first one's time. Without such a
/// margin the last millisecond of noise decides, and neither weights nor an even spread are kept.
const MARGIN: f64 = 0.8;

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Ewma {
    weight_max: WeightMax,
}

impl Balancer for Ewma {
    fn pick(&self, roster: &Roster, pick: Pick) -> Option<usize> {
        if roster.backends.len() == 1 {
            return Some(0);
        }
        let mut dice = Dice::new(pick.random);
        let first = self.weight_max.draw(roster, &pick, &mut dice)?;
        match rival(roster, &pick, first, &mut dice) {
            Some(rival) if is_faster(&roster.backends[rival], &roster.backends[first], pick.now) => {
                Some(rival)
            }
            _ => Some(first),
        }
    }

    fn observe(&self, roster: &Roster, index: usize, now: Nanos, sample: Sample) {
        if let Some(backend) = roster.backends.get(index) {
            learn(&backend.cell, now, sample);
        }
    }
}

/// Whether `a` is expected to answer sooner than `b`, by more than the margin: latency × (in flight per
/// weight + 1). The first was drawn by weight, so a weight must not count a second time at rest.
fn is_faster(a: &Backend, b: &Backend, now: Nanos) -> bool {
    let (latency_a, latency_b) = latencies(&a.cell, &b.cell, now);
    latency_a * queue(a) < latency_b * queue(b) * MARGIN
}

fn queue(backend: &Backend) -> f64 {
    f64::from(backend.cell.in_flight.load(Relaxed)) / f64::from(backend.weight) + 1.0
}

/// What two backends are expected to take, in nanoseconds; only the ratio is meant. One that is unknown
/// is taken to be like the other, so a new backend gets its share, and no more than that until it answers.
/// The slower one fades towards the other while nobody asks it: that is its way back.
fn latencies(a: &BackendCell, b: &BackendCell, now: Nanos) -> (f64, f64) {
    match (a.latency_ns.load(Relaxed), b.latency_ns.load(Relaxed)) {
        (0, _) | (_, 0) => (1.0, 1.0),
        (slow, fast) if slow > fast => (faded(slow, fast, a, now), fast as f64),
        (fast, slow) => (fast as f64, faded(slow, fast, b, now)),
    }
}

fn faded(slow: u64, fast: u64, cell: &BackendCell, now: Nanos) -> f64 {
    let left = (1.0 - age_ns(cell, now) / FORGET_NS).max(0.0);
    fast as f64 + (slow - fast) as f64 * left * left
}

fn age_ns(cell: &BackendCell, now: Nanos) -> f64 {
    now.since(Nanos(cell.latency_at.load(Relaxed))).as_nanos() as f64
}

/// A slower answer than expected replaces the expectation at once; a faster one pulls it down by the share
/// of `DECAY_NS` that has passed since the last.
fn learn(cell: &BackendCell, now: Nanos, sample: Sample) {
    let known = cell.latency_ns.load(Relaxed) as f64;
    let sampled = match sample {
        Sample::Answered(after) => after.as_nanos() as f64,
        Sample::Failed(after) => (after.max(FAILURE_MIN).as_nanos() as f64).max(known * 2.0),
    };
    let age = age_ns(cell, now);
    let expected = match sampled >= known {
        true => sampled,
        false => known + (sampled - known) * (age / (age + DECAY_NS)),
    };
    // At least 1, as 0 is "unknown".
    cell.latency_ns.store(expected.clamp(1.0, LATENCY_MAX_NS) as u64, Relaxed);
    cell.latency_at.store(now.0, Relaxed);
}
