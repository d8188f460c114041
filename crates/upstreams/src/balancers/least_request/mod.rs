//! The less loaded of two: one drawn by weight, one rival, and the one with fewer requests in flight per
//! weight takes the next (Mitzenmacher, "The Power of Two Choices", 2001). Learns nothing beyond what is
//! in flight, which the flow counts.

use super::Kind;
use super::choose::{Dice, WeightMax, rival};
use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::balance::{Balancer, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::service::{Backend, Roster};

/// The member.
pub(super) const KIND: Kind = Kind {
    name: "least-request",
    doc: "Of two backends drawn at random, the one with fewer requests in flight for its weight.",
    build: || Box::new(LeastRequest::default()),
};

/// See the file.
#[derive(Debug, Default)]
pub(super) struct LeastRequest {
    weight_max: WeightMax,
}

impl Balancer for LeastRequest {
    fn pick(&self, roster: &Roster, pick: Pick) -> Option<usize> {
        if roster.backends.len() == 1 {
            return Some(0);
        }
        let mut dice = Dice::new(pick.random);
        let first = self.weight_max.draw(roster, &pick, &mut dice)?;
        match rival(roster, &pick, first, &mut dice) {
            Some(rival) if is_less(&roster.backends[rival], &roster.backends[first]) => Some(rival),
            _ => Some(first),
        }
    }

    fn observe(&self, _roster: &Roster, _index: usize, _now: Nanos, _sample: Sample) {}
}

/// Whether `a` has fewer requests in flight per weight than `b`.
fn is_less(a: &Backend, b: &Backend) -> bool {
    let in_flight = |backend: &Backend| u64::from(backend.cell.in_flight.load(Relaxed));
    in_flight(a) * u64::from(b.weight) < in_flight(b) * u64::from(a.weight)
}
