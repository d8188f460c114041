//! The lease of one key: what was debited in the store and is not used yet. Pure state behind a lock that is held for a
//! few instructions; who asks the store is told what to ask for.
//!
//! Invariant: `debited` is what the store counts, so what was served in the period is `debited - left + owed`. When a
//! period ends, what is left and owed of it waits in `closed` until the store has counted it.

use std::sync::{Mutex, MutexGuard};
use tidegate_core::quotas::Ask;
use tokio::sync::Notify;

/// A lease is at most a hundredth of a quota: that is what a killed process may have counted too much.
const SHARE: u64 = 100;
/// And at most this: at 10,000 requests a second of one key, ten leases a second.
const LEASE_MAX: u64 = 1000;
/// Near the end a lease is at most a tenth of what is left, so that a killed process takes little of it.
const END_SHARE: u64 = 10;
/// How far behind the latest request one may be that is counted with it in a new period: it may have waited for the store
/// or on a worker that stood still. What is further behind shows that the clock was put back.
const BEHIND_S: u64 = 10;
/// Periods that wait for the store at a time. The store keeps counts for a day after their end, which is 24 hours' quotas.
const CLOSED_MAX: usize = 24;

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
    /// How many periods it was of: an answer to an earlier one is told by it, also when a period comes again.
    turn: u64,
    /// The latest time that a request of the period told.
    seen_s: u64,
    left: u64,
    debited: u64,
    /// Whether `debited` has ever been read in this period.
    is_known: bool,
    /// Served on credit.
    owed: u64,
    /// Whether the store is being asked; and how much of `owed` it is asked to debit.
    pending: Option<u64>,
    /// Periods that are over and not yet right in the store.
    closed: Vec<Rest>,
}

/// What to ask the store for: a debit of `owed`, and a lease of `wanted` more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) until_s: u64,
    turn: u64,
    pub(super) count: u64,
    pub(super) wanted: u64,
    pub(super) owed: u64,
}

/// What the store has to be told of a period so that its count is what was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) until_s: u64,
    turn: u64,
    /// Leased and not used.
    pub(super) unused: u64,
    /// Served and not counted.
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

/// What comes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) said: Said,
    /// What the store should be asked for now.
    pub(super) want: Option<Want>,
    /// Whether the store has to be told of periods that are over.
    pub(super) has_closed: bool,
}

fn size(count: u64, debited: u64) -> u64 {
    let left = count.saturating_sub(debited);
    (count / SHARE).min(left / END_SHARE).clamp(1, LEASE_MAX).min(left)
}

impl Lease {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Uses one up, if there is one.
    pub(super) fn take(&self, ask: &Ask<'_>) -> Taken {
        let mut state = self.lock();
        state.come_to(ask);
        let said = match state.left {
            0 if state.is_known && state.debited + state.owed >= ask.count => Said::Spent,
            0 => Said::Empty,
            left => {
                state.left = left - 1;
                Said::Granted((ask.count + left - 1).saturating_sub(state.debited + state.owed))
            }
        };
        let want = state.want(ask.count);
        Taken { said, want, has_closed: !state.closed.is_empty() }
    }

    /// Serves one more on credit, within what is known to be left; of the period that the lease is of by now, which may
    /// have begun since the request came.
    pub(super) fn owe(&self, ask: &Ask<'_>) -> Said {
        let mut state = self.lock();
        if state.debited + state.owed < ask.count {
            state.owed += 1;
            return Said::Granted(ask.count - state.debited - state.owed);
        }
        Said::Spent
    }

    /// The store could not be asked, or did not do it.
    pub(super) fn failed(&self, want: &Want) {
        let mut state = self.lock();
        if state.turn == want.turn {
            state.pending = None;
        } else {
            state.keep(Rest { until_s: want.until_s, turn: want.turn, unused: 0, owed: want.owed });
        }
        drop(state);
        self.answered.notify_waiters();
    }

    /// The store has done what it was asked. What it leased for a period that is over is of no use and goes back.
    pub(super) fn granted(&self, want: &Want, grant: Grant) {
        let mut state = self.lock();
        if state.turn == want.turn {
            state.left += grant.granted;
            state.debited = grant.debited;
            state.owed -= want.owed.min(state.owed);
            (state.is_known, state.pending) = (true, None);
        } else {
            state.keep(Rest { until_s: want.until_s, turn: want.turn, unused: grant.granted, owed: 0 });
        }
        drop(state);
        self.answered.notify_waiters();
    }

    /// Whether the store is being asked.
    pub(super) fn is_pending(&self) -> bool {
        self.lock().pending.is_some()
    }

    /// Whether the store knows all that is known here.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.lock();
        state.left == 0 && state.owed == 0 && state.pending.is_none() && state.closed.is_empty()
    }

    /// Takes out what the store has to be told of a period that is over. It is told, or it is put `back`.
    pub(super) fn take_closed(&self) -> Option<Rest> {
        self.lock().closed.pop()
    }

    /// The same of the period that goes on: nothing is leased any more. `None` where there is nothing to tell, or the
    /// store is being asked.
    pub(super) fn take_rest(&self) -> Option<Rest> {
        let mut state = self.lock();
        if state.pending.is_some() || state.left == 0 && state.owed == 0 {
            return None;
        }
        let rest = Rest { until_s: state.until_s, turn: state.turn, unused: state.left, owed: state.owed };
        state.debited = (state.debited + rest.owed).saturating_sub(rest.unused);
        (state.left, state.owed, state.pending) = (0, 0, Some(0));
        Some(rest)
    }

    /// The store has counted it.
    pub(super) fn settled(&self, rest: &Rest) {
        let mut state = self.lock();
        if state.turn == rest.turn {
            state.pending = None;
        }
        drop(state);
        self.answered.notify_waiters();
    }

    /// The store has not counted it.
    pub(super) fn back(&self, rest: &Rest) {
        let mut state = self.lock();
        if state.turn == rest.turn {
            state.debited = (state.debited + rest.unused).saturating_sub(rest.owed);
            (state.left, state.pending) = (state.left + rest.unused, None);
            state.owed += rest.owed;
        } else {
            state.keep(*rest);
        }
        drop(state);
        self.answered.notify_waiters();
    }
}

impl State {
    /// Goes on to the period of a request. One that came before the turn and is served after it is counted in the new
    /// period: going back would forget what is leased there, for this one and for all that come with it.
    fn come_to(&mut self, ask: &Ask<'_>) {
        let is_put_back = ask.until_s < self.until_s && self.seen_s.saturating_sub(ask.now_s) > BEHIND_S;
        if ask.until_s > self.until_s || is_put_back {
            // What the store is asked just now is told by its answer.
            let owed = self.owed - self.pending.unwrap_or(0).min(self.owed);
            self.keep(Rest { until_s: self.until_s, turn: self.turn, unused: self.left, owed });
            let (turn, closed) = (self.turn + 1, std::mem::take(&mut self.closed));
            *self = State { until_s: ask.until_s, turn, seen_s: ask.now_s, closed, ..State::default() };
        }
        self.seen_s = self.seen_s.max(ask.now_s);
    }

    /// Keeps what the store has to be told of a period that is over.
    fn keep(&mut self, rest: Rest) {
        if rest.unused == 0 && rest.owed == 0 {
            return;
        }
        if self.closed.len() >= CLOSED_MAX {
            self.closed.remove(0);
        }
        self.closed.push(rest);
    }

    /// Half a lease is used, or something is owed: the store should be asked, unless it is being asked.
    fn want(&mut self, count: u64) -> Option<Want> {
        let size = size(count, self.debited).max(u64::from(!self.is_known));
        let is_low = self.left <= size / 2 && (!self.is_known || self.debited < count);
        if self.pending.is_some() || !(is_low || self.owed > 0) {
            return None;
        }
        self.pending = Some(self.owed);
        // Never more than a lease in all: that is what is lost if the process is killed.
        let wanted = size.saturating_sub(self.left);
        Some(Want { until_s: self.until_s, turn: self.turn, count, wanted, owed: self.owed })
    }
}

/// How much of a want the store gives when it counts so much.
pub(super) fn grant(want: &Want, used: u64) -> Grant {
    let used = used + want.owed;
    // What is known now may be nearer to the end than what was known when it was asked.
    let granted = want.wanted.min(size(want.count, used));
    Grant { granted, debited: used + granted }
}
