//! What policies of a route have refused: counts by policy and reason, and the last ones in words, so that an operator
//! finds by a request's id what its client was not told. Only refusals touch any of it.

use crate::clock::Nanos;
use crate::limits::REFUSED_TEXT_BYTES_MAX;
use std::collections::VecDeque;
use std::net::IpAddr;
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
    /// The client's address; behind a trusted proxy, what that says. None on a Unix socket.
    pub client: Option<IpAddr>,
    /// The request's method.
    pub method: Box<str>,
    /// Its path as the client asked for it, without the query; of a long one the beginning.
    pub path: Box<str>,
    /// What it was.
    pub refused: Refused,
    /// What else is worth knowing.
    pub detail: Box<str>,
}

/// The request that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// When its head had come, by the clock of flows.
    pub at: Nanos,
    /// Its id.
    pub request_id: &'a [u8],
    /// Its client's address.
    pub client: Option<IpAddr>,
    /// Its method.
    pub method: &'a [u8],
    /// Its path as the client asked for it, without the query.
    pub path: &'a [u8],
}

/// Refusals of one route, over all workers.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: RwLock<Vec<(Refused, AtomicU64)>>,
    told: Mutex<VecDeque<Told>>,
}

impl Refusals {
    /// Counts one and keeps it in words, unless another worker is just doing so: no worker waits for another.
    pub fn tell(&self, asked: Asked<'_>, refused: Refused, detail: &str) {
        self.count(refused);
        let Ok(mut told) = self.told.try_lock() else { return };
        if told.len() == TOLD_MAX {
            told.pop_front();
        }
        told.push_back(Told {
            at: asked.at,
            request_id: bounded(asked.request_id),
            client: asked.client,
            method: bounded(asked.method),
            path: bounded(asked.path),
            refused,
            detail: detail.into(),
        });
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

/// The beginning of what a client sent.
fn bounded(bytes: &[u8]) -> Box<str> {
    let most = bytes.len().min(REFUSED_TEXT_BYTES_MAX);
    String::from_utf8_lossy(&bytes[..most]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_in_words() {
        let refusals = Refusals::default();
        for number in 0..TOLD_MAX + 2 {
            let asked =
                Asked { at: Nanos(1), request_id: b"7f", client: None, method: b"GET", path: &[b'a'; 9000] };
            let refused = Refused { policy: "allow", reason: "scope", is_observed: false };
            refusals.tell(asked, refused, &number.to_string());
        }
        let told = refusals.told();
        assert_eq!(told.len(), TOLD_MAX);
        assert_eq!((&*told[0].detail, &*told[TOLD_MAX - 1].detail), ("2", "65"));
        assert_eq!((&*told[0].method, told[0].path.len()), ("GET", REFUSED_TEXT_BYTES_MAX));
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
