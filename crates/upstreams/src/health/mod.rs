//! What checks mean for a backend, and what becomes of its service: counts them, takes out what fails, brings back
//! what is well. Pure: who checks hands in what was found and when. Called by the program's prober; writes the cells
//! that balancers read.
//!
//! - Unknown is not down: a new backend is given requests at once.
//! - A refused connection means that nothing listens there: out at once, whoever met it, a request or a check.
//!   Any other failed check may be chance or load: out after `unhealthy` in a row.
//! - Load is not ill-health: a check that is late does not count if the backend answered a request meanwhile.
//! - Checks alone never leave a service without anybody. When all that take connections fail their checks, each is down,
//!   as its checks say, but the checks are not believed (`Roster::is_panicking`): every one of them is given requests, so
//!   that what is left of a service is spread over all of it and not heaped on the last one to fail.
//! - What is down comes back after `healthy` good checks in a row, whatever took it out.

pub mod phase;

#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::clock::Nanos;
use tidegate_core::service::{BackendCell, Health, Roster};
use tidegate_core::state::{DownReason, State};

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// All was as it should be.
    Good,
    /// Nothing listens there.
    Refused,
    /// It did not connect or answer in time.
    Late,
    /// It answered, but not as it should, or broke off.
    Bad,
}

/// A check and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    /// What it found.
    pub finding: Finding,
    /// What was wrong; of a good one nobody reads it.
    pub reason: DownReason,
    /// When it began.
    pub began: Nanos,
    /// When it ended.
    pub ended: Nanos,
}

/// Notes a check. Whether the backend is out or in is settled for the whole service, by `settle`: to be called after
/// this when it returns true, as the verdict on this backend has changed.
#[must_use]
pub fn note(cell: &BackendCell, health: &Health, checked: Checked) -> bool {
    let Checked { finding, reason, began, ended } = checked;
    if finding == Finding::Late && cell.answered_at.load(Relaxed) >= began.0 {
        return false;
    }
    let is_gone = cell.state.get() == State::Gone;
    let was_ill = cell.is_ill.load(Relaxed);
    let after = Verdict { streak: cell.streak.load(Relaxed), is_ill: was_ill }.after(finding, health);
    cell.streak.store(after.streak, Relaxed);
    cell.is_ill.store(after.is_ill, Relaxed);
    match (finding, after.is_ill) {
        (Finding::Refused, _) => cell.connect_failed(ended, reason),
        (Finding::Good, false) if cell.state.get().is_down() => {
            cell.back(ended);
            cell.streak.store(after.streak, Relaxed);
        }
        (Finding::Good, false) => cell.reached(ended),
        // It takes connections again and has yet to pass its checks: its service may have nobody better.
        (Finding::Good | Finding::Bad, true) if is_gone => {
            if finding == Finding::Bad {
                cell.reason.set(reason);
            }
            cell.state.change(State::Gone, State::Out, ended);
        }
        (Finding::Late | Finding::Bad, true) if !is_gone => cell.reason.set(reason),
        _ => {}
    }
    was_ill != after.is_ill || is_gone
}

/// Takes those out that fail their checks, those back in that do not, and finds whether the checks are to be believed.
/// Also to be called now and then without a check, as requests find out what is gone.
pub fn settle(roster: &Roster, now: Nanos) {
    let takes_connections = |cell: &&BackendCell| cell.state.get() != State::Gone;
    let cells = roster.backends.iter().map(|backend| &*backend.cell).filter(takes_connections);
    roster.is_panicking.store(roster.fails_all_checks(), Relaxed);
    for cell in cells {
        let state = cell.state.get();
        match (state, cell.is_ill.load(Relaxed)) {
            (State::Unknown | State::Up, true) => drop(cell.state.change(state, State::Out, now)),
            (State::Out, false) => drop(cell.state.change(State::Out, State::Up, now)),
            _ => {}
        }
    }
}

/// What the checks of one backend come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Good ones in a row above 0, failed ones below.
    streak: i32,
    is_ill: bool,
}

impl Verdict {
    fn after(self, finding: Finding, health: &Health) -> Verdict {
        let count = |limit: u32| i32::try_from(limit).unwrap_or(i32::MAX);
        if finding == Finding::Good {
            let streak = self.streak.max(0).saturating_add(1);
            return Verdict { streak, is_ill: self.is_ill && streak < count(health.healthy) };
        }
        let streak = self.streak.min(0).saturating_sub(1);
        let is_over = finding == Finding::Refused || streak <= -count(health.unhealthy);
        Verdict { streak, is_ill: self.is_ill || is_over }
    }
}
