//! Whether a backend is given requests, and since when: what requests and checks found out, in one cell that all
//! workers read. Who decides on checks is `upstreams::health`.

use crate::clock::Nanos;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// What is known of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Nothing yet. It is given requests like one that is up: unknown is not down.
    #[default]
    Unknown,
    /// It took a connection, or passed its checks.
    Up,
    /// It takes connections and fails its checks.
    Out,
    /// The last connection was refused or not taken in time.
    Gone,
}

impl State {
    const ALL: [State; 4] = [State::Unknown, State::Up, State::Out, State::Gone];

    /// Whether new requests should go elsewhere while there is an elsewhere.
    pub const fn is_down(self) -> bool {
        matches!(self, State::Out | State::Gone)
    }

    /// As operators read it.
    pub const fn text(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Out | State::Gone => "down",
        }
    }
}

/// A state and when the backend last came to be down, or not to be.
#[derive(Debug, Default)]
pub struct StateCell {
    state: AtomicU8,
    since: AtomicU64,
}

impl StateCell {
    /// Unknown, since this moment.
    pub fn since_now(now: Nanos) -> StateCell {
        StateCell { state: AtomicU8::new(State::Unknown as u8), since: AtomicU64::new(now.0) }
    }

    /// Now.
    pub fn get(&self) -> State {
        State::ALL[usize::from(self.state.load(Relaxed)) % State::ALL.len()]
    }

    /// Since when it has been up, down or unknown.
    pub fn since(&self) -> Nanos {
        Nanos(self.since.load(Relaxed))
    }

    /// A state whatever it was before. Gives what it was.
    pub fn set(&self, to: State, now: Nanos) -> State {
        let from = State::ALL[usize::from(self.state.swap(to as u8, Relaxed)) % State::ALL.len()];
        self.stamp(from, to, now);
        from
    }

    /// From one state to another; `false`, and nothing done, if somebody was faster and it is no longer that.
    pub fn change(&self, from: State, to: State, now: Nanos) -> bool {
        let is_changed = self.state.compare_exchange(from as u8, to as u8, Relaxed, Relaxed).is_ok();
        if is_changed {
            self.stamp(from, to, now);
        }
        is_changed
    }

    fn stamp(&self, from: State, to: State, now: Nanos) {
        if from.text() != to.text() {
            self.since.store(now.0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_when_the_word_changed() {
        let cell = StateCell::since_now(Nanos(1));
        assert_eq!((cell.get(), cell.since()), (State::Unknown, Nanos(1)));
        assert_eq!(cell.set(State::Up, Nanos(2)), State::Unknown);
        assert_eq!(cell.set(State::Up, Nanos(3)), State::Up);
        assert_eq!(cell.since(), Nanos(2));
        assert!(cell.change(State::Up, State::Out, Nanos(4)));
        assert_eq!((cell.get(), cell.since()), (State::Out, Nanos(4)));
        assert_eq!(cell.set(State::Gone, Nanos(5)), State::Out);
        assert_eq!(cell.since(), Nanos(4), "down all the time");
        assert!(!cell.change(State::Out, State::Up, Nanos(6)), "it is gone by now");
        assert_eq!(cell.get(), State::Gone);
        assert!(State::ALL.iter().enumerate().all(|(index, state)| *state as usize == index));
    }
}
