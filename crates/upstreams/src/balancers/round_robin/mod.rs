//! Everyone in turn, by weight. Learns nothing. One counter deals the turns to all workers, so the shares
//! are exact for the whole process; a backend that is passed over gives its turn to the next one dealt,
//! not to its neighbour.

use super::draw::{Dice, WeightMax, is_usable};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tidegate_core::balance::{Balancer, Build, Kind, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::service::Roster;

#[cfg(test)]
mod tests;

/// The member.
pub(super) const KIND: Kind = Kind {
    name: "round-robin",
    doc: "Every backend in turn, as often as its weight says.",
    build: Build::Plain(|| Box::new(RoundRobin::default())),
};

/// Turns one pick may pass over before it is drawn by weight instead: the order is lost for that pick, the
/// shares are not. Bounds a pick where one weight is far above the others.
const TURNS_MAX: usize = 64;

/// Deals turns: turn t belongs to backend t mod n, in round t div n. A backend of the largest weight takes
/// its turn in every round, one of half that weight in every second: exactly `weight` out of any
/// `weight_max` consecutive rounds, evenly spread (gRPC's static stride scheduler is built the same way).
#[derive(Debug, Default)]
struct RoundRobin {
    turn: AtomicU64,
    weight_max: WeightMax,
}

impl Balancer for RoundRobin {
    fn pick(&self, roster: &Roster, pick: Pick) -> Option<usize> {
        let count = roster.backends.len() as u64;
        if count <= 1 {
            return count.checked_sub(1).map(|index| index as usize);
        }
        for _ in 0..TURNS_MAX {
            let turn = self.turn.fetch_add(1, Relaxed);
            let (index, round) = ((turn % count) as usize, turn / count);
            let backend = &roster.backends[index];
            let weight_max = self.weight_max.at_least(backend.weight);
            if takes_turn(index, round, backend.weight, weight_max)
                && is_usable(roster, &pick, index, backend)
            {
                return Some(index);
            }
        }
        self.weight_max.draw_exactly(roster, &pick, &mut Dice::new(pick.random))
    }

    fn observe(&self, _roster: &Roster, _index: usize, _now: Nanos, _sample: Sample) {}
}

/// Whether the multiples of `weight` pass a multiple of `weight_max` in this round.
fn takes_turn(index: usize, round: u64, weight: u32, weight_max: u32) -> bool {
    if weight == weight_max {
        return true;
    }
    // Backends of one weight start at different points, spread by the golden ratio (2^32 / phi), so that
    // they do not all sit out the same rounds.
    let spread = u64::from((index as u32).wrapping_mul(0x9e37_79b9));
    let (weight, weight_max) = (u64::from(weight), u64::from(weight_max));
    let start = (spread * weight_max) >> 32;
    (start + round % weight_max * weight) % weight_max < weight
}
