//! What members share: dice, who may be chosen, drawing one by weight, and whom to take when nobody is
//! usable. Pure; called by the members and by `two_choices`.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tidegate_core::balance::Pick;
use tidegate_core::service::{Backend, Roster};
use tidegate_core::state::State;

/// Draws by rejection before the exact way, which looks at every backend. With equal weights and all up the
/// first draw is taken; at half of that the exact way is needed once in 256 picks.
pub(super) const DRAWS_MAX: usize = 8;

/// A short random sequence grown from the bits of one pick (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(random: u64) -> Dice {
        Dice(random)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, for ends below 2^32. Uneven by less than `end` / 2^32.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((self.bits() >> 32) * end) >> 32
    }

    /// From 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53; // all of which an f64 can tell apart
        (self.bits() >> 11) as f64 * (1.0 / STEPS as f64)
    }
}

/// Whether a backend is given requests and this one has not been there yet.
pub(super) fn is_usable(roster: &Roster, pick: &Pick, index: usize, backend: &Backend) -> bool {
    !pick.tried.has(index) && roster.is_in_use(backend)
}

/// The largest weight of the roster, as far as it was met. Only a hint, which rosters may change under: too
/// small, and it is raised when the weight shows up; too large, and draws are wasted until the exact way sets
/// it right. Shares are true in both cases once it is at least the largest weight.
#[derive(Debug)]
pub(super) struct WeightMax(AtomicU32);

impl Default for WeightMax {
    fn default() -> WeightMax {
        WeightMax(AtomicU32::new(1))
    }
}

impl WeightMax {
    /// The hint, at least `weight`.
    pub(super) fn at_least(&self, weight: u32) -> u32 {
        let known = self.0.load(Relaxed);
        if weight > known {
            self.0.fetch_max(weight, Relaxed);
        }
        known.max(weight)
    }

    /// Draws a usable backend, each with the probability of its weight. Without one, the last resort; `None`
    /// only for an empty roster.
    pub(super) fn draw(&self, roster: &Roster, pick: &Pick, dice: &mut Dice) -> Option<usize> {
        let count = roster.backends.len() as u64;
        for _ in 0..DRAWS_MAX {
            let index = dice.below(count) as usize;
            let backend = roster.backends.get(index)?;
            let weight_max = self.at_least(backend.weight);
            let is_drawn =
                backend.weight == weight_max || dice.below(u64::from(weight_max)) < u64::from(backend.weight);
            if is_drawn && is_usable(roster, pick, index, backend) {
                return Some(index);
            }
        }
        self.draw_exactly(roster, pick, dice)
    }

    /// The same by looking at every backend: for rosters of very uneven weights, or mostly down.
    #[cold]
    pub(super) fn draw_exactly(&self, roster: &Roster, pick: &Pick, dice: &mut Dice) -> Option<usize> {
        let usable =
            || roster.backends.iter().enumerate().filter(|(i, backend)| is_usable(roster, pick, *i, backend));
        let weight_max = roster.backends.iter().map(|backend| backend.weight).max()?;
        self.0.store(weight_max.max(1), Relaxed);
        let total: u64 = usable().map(|(_, backend)| u64::from(backend.weight)).sum();
        let mut left = ((u128::from(dice.bits()) * u128::from(total)) >> 64) as u64;
        for (index, backend) in usable() {
            match left.checked_sub(u64::from(backend.weight)) {
                Some(rest) => left = rest,
                None => return Some(index),
            }
        }
        last_resort(roster, pick, dice)
    }
}

/// When no backend is usable: rather one that is up where this very request failed, which may have been a
/// stale connection, than one that is down; and of those that are down rather another one than the same.
/// One that takes connections and fails its checks is better than one that takes none. Among those that are gone the
/// one that failed least recently, so that every one is asked in turn; among others any.
#[cold]
fn last_resort(roster: &Roster, pick: &Pick, dice: &mut Dice) -> Option<usize> {
    let count = roster.backends.len();
    // Those that never failed, or at the same moment, are not to be told apart by their place in the file.
    let start = dice.below(count as u64) as usize;
    (0..count).map(|step| (start + step) % count).min_by_key(|&index| {
        let cell = &roster.backends[index].cell;
        let state = cell.state.get().max(State::Up); // unknown is not down
        let failed_at = if state == State::Gone { cell.failed_at.load(Relaxed) } else { 0 };
        (state, pick.tried.has(index), failed_at)
    })
}
