//! The one expected to answer first of two: an average of late answers, after Finagle and Linkerd, with
//! failures as slow answers. A backend that fails is left alone after one such answer and asked again as that
//! grows old; one that hangs or crawls after a few. A single late answer is chance and takes nobody out: equal
//! backends stay equal however their answers scatter. Pure: the clock is given, what is learnt is in the
//! backends' cells.

use super::draw::Dice;
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

/// What the nth answer counts in the average. From the eighth on an eighth: an average of so many sways by a
/// third when answers scatter as wildly as they do (log-normal, sigma 1), and follows a change within twenty.
const SHARES: [f64; 8] = [1.0, 1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0, 1.0 / 5.0, 1.0 / 6.0, 1.0 / 7.0, 1.0 / 8.0];
/// So many answers make the average one.
const ANSWERS_ALL: u32 = SHARES.len() as u32 - 1;
/// With fewer answers than this nobody is called slow: the first ones pay for cold caches and connections.
const ANSWERS_FEW: u32 = 4;
/// An answer counts at most so many times what was expected: alone it then weighs three eighths more, which
/// `FORGIVEN` covers, while thirty such answers, of requests that were stuck together, tell the whole truth.
const OUTLIER: f64 = 4.0;
/// An idle backend is asked as if it were as fast as the other with this probability times the cube of
/// fast / slow, so that it can prove itself: always at 1.4 times the latency, once in nine at 3 times, once in
/// 300 at 10 times, one 1,000 times slower never. The cube, as a service with one of three backends 10 times
/// slower must keep its 99th percentile (with the square that one gets 0.9 % of all requests, so 0.3 %).
const FORGIVEN: f64 = 3.0;
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
        self.two.pick(roster, &pick, |rival, first, dice| {
            let (rival_ns, first_ns) = latencies(&rival.cell, &first.cell, pick.now);
            let is_forgiven = match rival_ns < first_ns {
                true => may_prove_itself(&first.cell, first_ns, rival_ns, dice),
                false => may_prove_itself(&rival.cell, rival_ns, first_ns, dice),
            };
            if is_forgiven { (1.0, 1.0) } else { (rival_ns, first_ns * MARGIN) }
        })
    }

    fn observe(&self, roster: &Roster, index: usize, now: Nanos, sample: Sample) {
        if let Some(backend) = roster.backends.get(index) {
            learn(&backend.cell, now, sample);
        }
    }
}

/// Whether the slower of two is asked this time as if it were not. Only while it has nothing to do: so it is
/// asked by one request at a time, however many there are.
fn may_prove_itself(slow: &BackendCell, slow_ns: f64, fast_ns: f64, dice: &mut Dice) -> bool {
    let cube = |ns: f64| ns * ns * ns;
    slow.in_flight.load(Relaxed) == 0 && dice.share() * cube(slow_ns) < FORGIVEN * cube(fast_ns)
}

/// What two backends are expected to take, in nanoseconds; only the ratio is meant. One that is unknown
/// is taken to be like the other, so a new backend gets its share, and no more than that until it answers.
/// The slower one fades towards the other while nobody asks it: that is its way back.
fn latencies(a: &BackendCell, b: &BackendCell, now: Nanos) -> (f64, f64) {
    let (a_ns, b_ns) = (a.latency_ns.load(Relaxed), b.latency_ns.load(Relaxed));
    let slow = if a_ns > b_ns { a } else { b };
    if a_ns == 0 || b_ns == 0 || slow.latency_answers.load(Relaxed) < ANSWERS_FEW {
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

/// An answer moves the average by its share, and further if what was known has faded. A failure replaces it:
/// the good answers around it do not make it a good one.
fn learn(cell: &BackendCell, now: Nanos, sample: Sample) {
    let known = cell.latency_ns.load(Relaxed) as f64;
    let expected = match sample {
        Sample::Answered(after) => average(cell, known, after.as_nanos() as f64, now),
        Sample::Failed(after) => {
            cell.latency_answers.store(ANSWERS_ALL, Relaxed);
            (after.max(FAILURE_MIN).as_nanos() as f64).max(known * 2.0)
        }
    };
    // At least 1, as 0 is "unknown".
    cell.latency_ns.store(expected.clamp(1.0, LATENCY_MAX_NS) as u64, Relaxed);
    cell.latency_at.store(now.0, Relaxed);
}

/// What is expected after one more answer. While there are few, one that is much faster than those before
/// it tells that they were the outliers.
fn average(cell: &BackendCell, known: f64, answer: f64, now: Nanos) -> f64 {
    let answers = cell.latency_answers.load(Relaxed).min(ANSWERS_ALL);
    if known == 0.0 {
        cell.latency_answers.store(1, Relaxed);
        return answer;
    }
    let mut known = known;
    if answers < ANSWERS_ALL {
        cell.latency_answers.store(answers + 1, Relaxed);
        known = known.min(answer * OUTLIER);
    }
    let share = SHARES[answers as usize].max(1.0 - left(cell, now));
    known + (answer.min(known * OUTLIER) - known) * share
}
