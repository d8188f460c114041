//! The better of two: one backend drawn by weight, one rival, and the rival if it is the lighter one
//! (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). Two looks cost the same
//! for three backends and for three hundred, and workers that choose at the same moment do not all choose
//! the same one. Pure; called by the members that weigh backends against each other.

use super::draw::{DRAWS_MAX, Dice, WeightMax, is_usable};
use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::balance::Pick;
use tidegate_core::service::{Backend, Roster};

/// See the file.
#[derive(Debug, Default)]
pub(super) struct TwoChoices {
    weight_max: WeightMax,
}

impl TwoChoices {
    /// The better of two, where `burden(rival, first, dice)` says how heavy one request is at each of them;
    /// only the ratio is meant. Without a usable backend, the last resort; `None` only for an empty roster.
    pub(super) fn pick(
        &self,
        roster: &Roster,
        pick: &Pick,
        burden: impl Fn(&Backend, &Backend, &mut Dice) -> (f64, f64),
    ) -> Option<usize> {
        if roster.backends.len() == 1 {
            return Some(0);
        }
        let mut dice = Dice::new(pick.random);
        let first_index = self.weight_max.draw(roster, pick, &mut dice)?;
        let Some(rival_index) = rival(roster, pick, first_index, &mut dice) else {
            return Some(first_index);
        };
        let (rival, first) = (&roster.backends[rival_index], &roster.backends[first_index]);
        let burden = burden(rival, first, &mut dice);
        let is_rival = is_lighter(rival, first, burden, &mut dice);
        Some(if is_rival { rival_index } else { first_index })
    }
}

/// A usable backend other than the first, all equally likely.
fn rival(roster: &Roster, pick: &Pick, first: usize, dice: &mut Dice) -> Option<usize> {
    let others = (roster.backends.len() as u64).checked_sub(1)?;
    let nth_other = |nth: usize| if nth < first { nth } else { nth + 1 };
    let is_usable = |index: &usize| {
        roster.backends.get(*index).is_some_and(|backend| is_usable(roster, pick, *index, backend))
    };
    let start = dice.below(others) as usize;
    let drawn = (0..DRAWS_MAX).map(|_| nth_other(dice.below(others) as usize)).find(is_usable);
    drawn.or_else(|| {
        (0..others as usize).map(|step| nth_other((start + step) % others as usize)).find(is_usable)
    })
}

/// Whether the rival should take the request rather than the first, who was drawn by weight. Each counts its
/// requests in flight per weight, this one included, by their burden. At rest and with equal burdens the
/// first keeps it, and so the weights decide alone.
fn is_lighter(rival: &Backend, first: &Backend, burden: (f64, f64), dice: &mut Dice) -> bool {
    let rival_in_flight = rival.cell.in_flight.load(Relaxed);
    let first_in_flight = first.cell.in_flight.load(Relaxed);
    let rival_line = line(rival_in_flight, rival.weight, dice) * burden.0;
    let first_line = line(first_in_flight, first.weight, dice) * burden.1;
    if rival_line >= first_line || rival.weight >= first.weight {
        return rival_line < first_line;
    }
    // A heavy backend is drawn first more often than it is the rival, so by chance alone it would lose more
    // requests than it wins. It yields only in that proportion, unless the rival could take two more and be
    // lighter still: that is not chance. (Simulated: keeps shares within 2 % of all requests at any load;
    // without, a weight of 10 among ones can fall from 67 % to 38 %.)
    // Both sides are multiplied by both weights, to save the divisions.
    let of = |in_flight: f64, weight: u32, other: u32| (in_flight + f64::from(weight)) * f64::from(other);
    let rival_later = of(f64::from(rival_in_flight) + 2.0, rival.weight, first.weight) * burden.0;
    let first_now = of(f64::from(first_in_flight), first.weight, rival.weight) * burden.1;
    rival_later <= first_now || dice.below(u64::from(first.weight)) < u64::from(rival.weight)
}

/// The place in the line that a request would get: a backend of weight w is like w of weight 1 that share
/// its requests as evenly as whole numbers can, and one of them at random is asked.
fn line(in_flight: u32, weight: u32, dice: &mut Dice) -> f64 {
    if weight <= 1 || in_flight == 0 {
        return f64::from(in_flight) + 1.0;
    }
    let has_one_more = dice.below(u64::from(weight)) < u64::from(in_flight % weight);
    f64::from(in_flight / weight + u32::from(has_one_more)) + 1.0
}
