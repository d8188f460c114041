//! The lease of one key: what was debited in the store and is not used yet. Pure state behind a lock that is held for a
//! few instructions; who asks the store is told what to ask for.
//!
//! Invariant: `debited` is what the store counts, so what was served in the period is `debited - left + owed`.

use std::sync::{Mutex, MutexGuard};
use tidegate_core::quotas::Ask;
use tokio::sync::Notify;

/// A lease is at most a hundredth of a quota: that is what a killed process may have counted too much.
const SHARE: u64 = 100;
/// And at most this: at 10,000 requests a second of one key, ten leases a second.
const LEASE_MAX: u64 = 1000;
/// Near the end a lease is at most a tenth of what is left, so that a killed process takes little of it.
const END_SHARE: u64 = 10;

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Lease {
    state: Mutex<State>,
    /// Tells those who wait that the store has answered.
    pub(super) answered: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The period it is of, by its end. 0 before the first request.
    until_s: u64,
    left: u64,
    debited: u64,
    /// Whether `debited` has ever been read in this period.
    is_known: bool,
    /// Served on credit.
    owed: u64,
    /// Whether the store is being asked.
    is_pending: bool,
}

/// What to ask the store for: a debit of `owed`, and a lease of `wanted` more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) until_s: u64,
    pub(super) count: u64,
    pub(super) wanted: u64,
    pub(super) owed: u64,
}

/// What the store has done for a `Want`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// How much of `wanted` it leased.
    pub(super) granted: u64,
    /// What it counts now.
    pub(super) debited: u64,
}

/// What a lease says to one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Granted(u64),
    Spent,
    /// Nothing is leased.
    Empty,
}

fn size(count: u64, debited: u64) -> u64 {
    let left = count.saturating_sub(debited);
    (count / SHARE).min(left / END_SHARE).clamp(1, LEASE_MAX).min(left)
}

impl Lease {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Uses one up, if there is one. The second value is what the store should be asked for now.
    pub(super) fn take(&self, ask: &Ask<'_>) -> (Said, Option<Want>) {
        let mut state = self.lock();
        if state.until_s != ask.until_s {
            // What was leased for another period is of no use: that one is over.
            *state = State { until_s: ask.until_s, ..State::default() };
        }
        let said = match state.left {
            0 if state.is_known && state.debited + state.owed >= ask.count => Said::Spent,
            0 => Said::Empty,
            left => {
                state.left = left - 1;
                Said::Granted((ask.count + left - 1).saturating_sub(state.debited + state.owed))
            }
        };
        let want = state.want(ask.count);
        (said, want)
    }

    /// Serves one more on credit, within what is known to be left.
    pub(super) fn owe(&self, ask: &Ask<'_>) -> Said {
        let mut state = self.lock();
        if state.until_s == ask.until_s && state.debited + state.owed < ask.count {
            state.owed += 1;
            return Said::Granted(ask.count - state.debited - state.owed);
        }
        Said::Spent
    }

    /// The store could not be asked, or did not do it.
    pub(super) fn failed(&self, want: &Want) {
        let mut state = self.lock();
        if state.until_s == want.until_s {
            state.is_pending = false;
        }
        drop(state);
        self.answered.notify_waiters();
    }

    /// The store has done what it was asked. What it leased for a period that is over is of no use to anyone.
    pub(super) fn granted(&self, want: &Want, grant: Grant) {
        let mut state = self.lock();
        if state.until_s == want.until_s {
            state.left += grant.granted;
            state.debited = grant.debited;
            state.owed -= want.owed.min(state.owed);
            (state.is_known, state.is_pending) = (true, false);
        }
        drop(state);
        self.answered.notify_waiters();
    }

    /// Whether the store is being asked.
    pub(super) fn is_pending(&self) -> bool {
        self.lock().is_pending
    }

    /// Takes back everything: the period it is of, what is not used, and what is owed. Nothing is left here. `None` while
    /// the store is being asked.
    pub(super) fn close(&self) -> Option<(u64, u64, u64)> {
        let mut state = self.lock();
        if state.is_pending {
            return None;
        }
        let State { until_s, left, owed, .. } = std::mem::take(&mut *state);
        Some((until_s, left, owed))
    }
}

impl State {
    /// Half a lease is used, or something is owed: the store should be asked, unless it is being asked.
    fn want(&mut self, count: u64) -> Option<Want> {
        let size = size(count, self.debited).max(u64::from(!self.is_known));
        let is_low = self.left <= size / 2 && (!self.is_known || self.debited < count);
        if self.is_pending || !(is_low || self.owed > 0) {
            return None;
        }
        self.is_pending = true;
        // Never more than a lease in all: that is what is lost if the process is killed.
        Some(Want { until_s: self.until_s, count, wanted: size.saturating_sub(self.left), owed: self.owed })
    }
}

/// How much of a want the store gives when it counts so much.
pub(super) fn grant(want: &Want, used: u64) -> Grant {
    let used = used + want.owed;
    // What is known now may be nearer to the end than what was known when it was asked.
    let granted = want.wanted.min(size(want.count, used));
    Grant { granted, debited: used + granted }
}
