//! Whether a backend is given requests, and since when: what requests and checks found out, in one cell that all
//! workers read. Who decides on checks is `upstreams::health`.

use crate::clock::Nanos;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

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

/// Why a backend is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// It refused a connection: nothing listens there.
    Refused,
    /// It did not take a connection in time.
    Timeout,
    /// No connection came about for another reason: no way there, or it was reset.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// A check was not answered in time.
    CheckTimeout,
    /// A check was answered with a status that is not good.
    CheckStatus(u16),
    /// A check was not answered with HTTP, or the answer broke off.
    CheckInvalid,
    /// The TLS handshake of a check failed.
    CheckTls,
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::Refused => f.write_str("refused"),
            DownReason::Timeout => f.write_str("timeout"),
            DownReason::Unreachable => f.write_str("unreachable"),
            DownReason::Tls => f.write_str("tls"),
            DownReason::CheckTimeout => f.write_str("check: timeout"),
            DownReason::CheckStatus(status) => write!(f, "check: status {status}"),
            DownReason::CheckInvalid => f.write_str("check: no HTTP answer"),
            DownReason::CheckTls => f.write_str("check: tls"),
        }
    }
}

/// A reason in one word that workers and checks write: its number below, a status code above.
#[derive(Debug, Default)]
pub struct ReasonCell(AtomicU32);

impl ReasonCell {
    /// From now on it is this.
    pub fn set(&self, reason: DownReason) {
        let word = match reason {
            DownReason::Refused => 1,
            DownReason::Timeout => 2,
            DownReason::Unreachable => 3,
            DownReason::Tls => 4,
            DownReason::CheckTimeout => 5,
            DownReason::CheckStatus(status) => 6 | u32::from(status) << 8,
            DownReason::CheckInvalid => 7,
            DownReason::CheckTls => 8,
        };
        self.0.store(word, Relaxed);
    }

    /// The last one; `None` if there never was any.
    pub fn get(&self) -> Option<DownReason> {
        let word = self.0.load(Relaxed);
        Some(match word & 0xff {
            1 => DownReason::Refused,
            2 => DownReason::Timeout,
            3 => DownReason::Unreachable,
            4 => DownReason::Tls,
            5 => DownReason::CheckTimeout,
            6 => DownReason::CheckStatus((word >> 8) as u16),
            7 => DownReason::CheckInvalid,
            8 => DownReason::CheckTls,
            _ => return None,
        })
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
    fn a_reason_is_read_as_it_was_written() {
        let cell = ReasonCell::default();
        assert_eq!(cell.get(), None);
        for reason in [
            DownReason::Refused,
            DownReason::Timeout,
            DownReason::Unreachable,
            DownReason::Tls,
            DownReason::CheckTimeout,
            DownReason::CheckStatus(503),
            DownReason::CheckInvalid,
            DownReason::CheckTls,
        ] {
            cell.set(reason);
            assert_eq!(cell.get(), Some(reason));
        }
    }

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
