//! The less loaded of two, by requests in flight per weight. Learns nothing: what is in flight, the flow
//! counts.

use super::two_choices::TwoChoices;
use tidegate_core::balance::{Balancer, Build, Kind, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::service::Roster;

#[cfg(test)]
mod tests;

/// The member.
pub(super) const KIND: Kind = Kind {
    name: "least-request",
    doc: "Of two backends drawn at random, the one with fewer requests in flight for its weight.",
    build: Build::Plain(|| Box::new(LeastRequest::default())),
};

/// See the file.
#[derive(Debug, Default)]
struct LeastRequest {
    two: TwoChoices,
}

impl Balancer for LeastRequest {
    fn pick(&self, roster: &Roster, pick: Pick) -> Option<usize> {
        self.two.pick(roster, &pick, |_, _, _| (1.0, 1.0))
    }

    fn observe(&self, _roster: &Roster, _index: usize, _now: Nanos, _sample: Sample) {}
}
