//! When a check is due: each backend at a moment of its own within `every`, so that a thousand of them are not asked
//! at once, and at the same moment of every later round.

use std::time::Duration;
use tidegate_core::clock::Nanos;

/// The first check of a backend: a random moment within `every` from now.
pub fn first(now: Nanos, every: Duration, random: u64) -> Nanos {
    let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
    let wait_ns = (u128::from(random) * u128::from(every_ns)) >> 64;
    now.after(Duration::from_nanos(wait_ns as u64))
}

/// The next one after that which was due at `due`. Rounds that were missed, as the process was stopped or the machine
/// asleep, are left out, and the moment within the round stays: nobody is asked twice to catch up, nor all at once.
pub fn next(due: Nanos, now: Nanos, every: Duration) -> Nanos {
    let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1);
    let missed = now.0.saturating_sub(due.0) / every_ns;
    Nanos(due.0.saturating_add(every_ns.saturating_mul(missed.saturating_add(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_checks_are_spread_over_a_round() {
        let every = Duration::from_secs(2);
        let at = |share: f64| first(Nanos(5), every, (share * u64::MAX as f64) as u64).since(Nanos(5));
        assert_eq!(at(0.0), Duration::ZERO);
        assert_eq!(at(0.5), Duration::from_secs(1));
        assert!(at(1.0) <= every);
    }

    #[test]
    fn later_checks_keep_their_moment_of_the_round() {
        let every = Duration::from_nanos(100);
        // Due, now, next.
        let cases =
            [(30, 30, 130), (30, 35, 130), (30, 129, 130), (30, 130, 230), (30, 999, 1030), (130, 90, 230)];
        for (due, now, expected) in cases {
            assert_eq!(next(Nanos(due), Nanos(now), every), Nanos(expected), "due at {due}, now {now}");
        }
        assert_eq!(next(Nanos(7), Nanos(u64::MAX), Duration::MAX), Nanos(u64::MAX));
    }
}
