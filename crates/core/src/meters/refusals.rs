//! What policies of a route have refused: counts by policy and reason, and the last ones in words, so that an operator
//! finds by a request's id what its client was not told. Only refusals touch any of it.

use crate::clock::Nanos;
use crate::policy::Reason;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, RwLock};

/// What was refused and why: words of the policies' own, so there are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The key of the policy.
    pub policy: &'static str,
    /// One of its words for a reason.
    pub reason: &'static str,
    /// Whether the policy only watched: nobody was refused.
    pub is_observed: bool,
}

/// Refusals that are kept in words, for one route: what somebody asks about has just happened.
pub const TOLD_MAX: usize = 64;

/// A refusal in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When, by the clock of flows.
    pub at: Nanos,
    /// The request's id.
    pub request_id: Box<str>,
    /// What it was.
    pub refused: Refused,
    /// What else is worth knowing.
    pub detail: Box<str>,
}

/// Refusals of one route, over all workers.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: RwLock<Vec<(Refused, AtomicU64)>>,
    told: Mutex<VecDeque<Told>>,
}

impl Refusals {
    /// Counts one and keeps it in words, unless another worker is just doing so: no worker waits for another.
    pub fn tell(
        &self,
        at: Nanos,
        request_id: &[u8],
        policy: &'static str,
        reason: &Reason,
        is_observed: bool,
    ) {
        let refused = Refused { policy, reason: reason.code, is_observed };
        self.count(refused);
        let Ok(mut told) = self.told.try_lock() else { return };
        if told.len() == TOLD_MAX {
            told.pop_front();
        }
        let request_id = String::from_utf8_lossy(request_id).into_owned().into();
        told.push_back(Told { at, request_id, refused, detail: reason.detail.as_ref().into() });
    }

    /// The last ones in words, the oldest first.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter().cloned().collect()
    }

    /// Counts one.
    fn count(&self, refused: Refused) {
        let count = |counts: &[(Refused, AtomicU64)]| {
            let known = counts.iter().find(|(known, _)| *known == refused);
            known.map(|(_, count)| count.fetch_add(1, Relaxed)).is_some()
        };
        if count(&self.counts.read().unwrap_or_else(|poisoned| poisoned.into_inner())) {
            return;
        }
        let mut counts = self.counts.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !count(&counts) {
            counts.push((refused, AtomicU64::new(1)));
        }
    }

    /// All counts so far.
    pub fn all(&self) -> Vec<(Refused, u64)> {
        let counts = self.counts.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        counts.iter().map(|(refused, count)| (*refused, count.load(Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_in_words() {
        let refusals = Refusals::default();
        for number in 0..TOLD_MAX + 2 {
            let reason = Reason::with("scope", format!("{number}"));
            refusals.tell(Nanos(1), b"7f", "allow", &reason, false);
        }
        let told = refusals.told();
        assert_eq!(told.len(), TOLD_MAX);
        assert_eq!((&*told[0].detail, &*told[TOLD_MAX - 1].detail), ("2", "65"));
    }

    #[test]
    fn each_reason_is_counted_apart() {
        let refusals = Refusals::default();
        let refused = |policy, reason, is_observed| Refused { policy, reason, is_observed };
        for one in [
            refused("auth", "absent", false),
            refused("auth", "expired", false),
            refused("auth", "absent", true),
            refused("auth", "absent", false),
        ] {
            refusals.count(one);
        }
        assert_eq!(
            refusals.all(),
            [
                (refused("auth", "absent", false), 2),
                (refused("auth", "expired", false), 1),
                (refused("auth", "absent", true), 1)
            ]
        );
    }
}
