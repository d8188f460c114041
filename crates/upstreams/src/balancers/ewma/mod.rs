//! The one expected to answer first of two: peak-EWMA, after Finagle and Linkerd, with failures as slow
//! answers. A backend that hangs, crawls or fails fast is left alone after one such answer, and asked again
//! as that answer grows old. Pure: the clock is given, what is learnt is in the backends' cells.

use super::two_choices::TwoChoices;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::balance::{Balancer, Build, Kind, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::service::{BackendCell, Roster};

#[cfg(test)]
mod tests;

/// The member.
pub(super) const KIND: Kind = Kind {
    name: "ewma",
    doc: "Of two backends drawn at random, the one expected to answer first: by latency, requests in flight \
          and weight, where a failure counts as a slow answer.",
    build: Build::Plain(|| Box::new(Ewma::default())),
};

/// After so long a time an answer says nothing any more. What it says fades with the square of the time that
/// is left, which is at first a decay of 10 s, as in Linkerd, and then comes to an end: e^-t would hold a
/// failure against a backend longer, the worse it was.
const FORGET_NS: f64 = 20e9;
/// A failure counts as an answer after at least so long, and after twice what was expected.
const FAILURE_MIN: Duration = Duration::from_secs(1);
/// No answer counts as slower: beyond, all are equally useless, and the way back stays short.
const LATENCY_MAX_NS: f64 = 60e9;
/// The rival must be expected to answer in less than this share of the first one's time. With 1 the last
/// millisecond of noise decides, and neither weights nor an even spread are kept; with 0.8 one stuck backend
/// of eleven costs more than one request in a thousand (the tests of the family, over 40 seeds).
const MARGIN: f64 = 0.85;

/// See the file.
#[derive(Debug, Default)]
struct Ewma {
    two: TwoChoices,
}

impl Balancer for Ewma {
    fn pick(&self, roster: &Roster, pick: Pick) -> Option<usize> {
        self.two.pick(roster, &pick, |rival, first| {
            let (rival, first) = latencies(&rival.cell, &first.cell, pick.now);
            (rival, first * MARGIN)
        })
    }

    fn observe(&self, roster: &Roster, index: usize, now: Nanos, sample: Sample) {
        if let Some(backend) = roster.backends.get(index) {
            learn(&backend.cell, now, sample);
        }
    }
}

/// What two backends are expected to take, in nanoseconds; only the ratio is meant. One that is unknown
/// is taken to be like the other, so a new backend gets its share, and no more than that until it answers.
/// The slower one fades towards the other while nobody asks it: that is its way back.
fn latencies(a: &BackendCell, b: &BackendCell, now: Nanos) -> (f64, f64) {
    let (a_ns, b_ns) = (a.latency_ns.load(Relaxed), b.latency_ns.load(Relaxed));
    if a_ns == 0 || b_ns == 0 {
        return (1.0, 1.0);
    }
    // Which one is the slower is anyone's guess, the processor's too: both are faded, one by nothing.
    let fast_ns = a_ns.min(b_ns);
    let faded = |ns: u64, cell| fast_ns as f64 + (ns - fast_ns) as f64 * left(cell, now);
    (faded(a_ns, a), faded(b_ns, b))
}

/// How much of what a cell says still counts: 1 for a fresh answer, 0 for a forgotten one.
fn left(cell: &BackendCell, now: Nanos) -> f64 {
    let age_ns = now.0.saturating_sub(cell.latency_at.load(Relaxed)) as f64;
    let left = (1.0 - age_ns * (1.0 / FORGET_NS)).max(0.0);
    left * left
}

/// A slower answer than expected replaces the expectation at once; a faster one as far as it has faded.
fn learn(cell: &BackendCell, now: Nanos, sample: Sample) {
    let known = cell.latency_ns.load(Relaxed) as f64;
    let sampled = match sample {
        Sample::Answered(after) => after.as_nanos() as f64,
        Sample::Failed(after) => (after.max(FAILURE_MIN).as_nanos() as f64).max(known * 2.0),
    };
    let expected = match sampled >= known {
        true => sampled,
        false => sampled + (known - sampled) * left(cell, now),
    };
    // At least 1, as 0 is "unknown".
    cell.latency_ns.store(expected.clamp(1.0, LATENCY_MAX_NS) as u64, Relaxed);
    cell.latency_at.store(now.0, Relaxed);
}
