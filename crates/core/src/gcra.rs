//! The rule of a rate limit: the generic cell rate algorithm (ATM Forum, Traffic Management 4.0, §4.4.2). All that is
//! remembered of a key is one moment, its theoretical arrival time (`tat`): when everything it has used will be given
//! back. Pure; who keeps the moments is behind `limiter::Limiter`.

use crate::clock::Nanos;
use std::time::Duration;

/// A rate and what may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// One is given back each. Rounded down: what is counted is never slower than what was written.
    interval_ns: u64,
    /// How far ahead of the clock `tat` may be for one more to pass.
    tolerance_ns: u64,
}

/// The shortest time between two: 10 million in a second, more than a gateway serves. A nanosecond is then a hundredth
/// of it, which bounds what rounding gives away.
pub const INTERVAL_NS_MIN: u64 = 100;
/// The longest time until everything is given back: a week. What is further ahead belongs to a calendar, not to a rate.
pub const HORIZON_NS_MAX: u64 = 7 * 86_400 * 1_000_000_000;
/// How far the clocks of two workers may be apart when they look at the same key: each knows the moment at which its
/// turn of the loop began.
const SKEW_NS: u64 = 1_000_000_000;

/// What a limit says to one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How long until one may pass; `None` if this one may.
    pub wait: Option<Duration>,
    /// How many more may come at once.
    pub left: u64,
    /// When as many may come at once as ever.
    pub reset: Duration,
}

impl Gcra {
    /// `count` in each `period`, of which `burst` may come at once. `None` if that is faster than
    /// `INTERVAL_NS_MIN` allows, or is given back later than `HORIZON_NS_MAX`.
    pub fn new(count: u64, period: Duration, burst: u64) -> Option<Gcra> {
        let interval_ns = u64::try_from(period.as_nanos()).ok()?.checked_div(count)?;
        let horizon = interval_ns.checked_mul(burst.max(1))?;
        let is_countable = interval_ns >= INTERVAL_NS_MIN && horizon <= HORIZON_NS_MAX;
        is_countable.then_some(Gcra { interval_ns, tolerance_ns: horizon - interval_ns })
    }

    /// Judges one more request of a key with this `tat`: 0 for one that is new. The second value is its `tat` from now
    /// on if the request may pass.
    pub fn judge(self, tat: u64, now: Nanos) -> (Taken, u64) {
        // Further ahead than it can be: left over from a slower limit of the same name, before a reload.
        let is_possible = tat <= now.0.saturating_add(self.tolerance_ns + self.interval_ns + SKEW_NS);
        let begin = if is_possible { tat.max(now.0) } else { now.0 };
        let ahead = begin - now.0;
        if ahead > self.tolerance_ns {
            let wait = Some(Duration::from_nanos(ahead - self.tolerance_ns));
            return (Taken { wait, left: 0, reset: Duration::from_nanos(ahead) }, begin);
        }
        let next = begin + self.interval_ns;
        let left = (self.tolerance_ns - ahead) / self.interval_ns;
        (Taken { wait: None, left, reset: Duration::from_nanos(next - now.0) }, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// The process has run for a while.
    const START: u64 = 1000 * SECOND;

    fn gcra(count: u64, seconds: u64, burst: u64) -> Gcra {
        Gcra::new(count, Duration::from_secs(seconds), burst).unwrap()
    }

    /// Lets requests come at these moments, in milliseconds; which of them pass.
    fn passed(gcra: Gcra, moments: &[u64]) -> Vec<bool> {
        let mut tat = 0;
        let ask = |ms: &u64| {
            let (taken, next) = gcra.judge(tat, Nanos(START + ms * 1_000_000));
            if taken.wait.is_none() {
                tat = next;
            }
            taken.wait.is_none()
        };
        moments.iter().map(ask).collect()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (yes, no) = (true, false);
        let cases: [(Gcra, &[u64], &[bool]); 5] = [
            (gcra(2, 1, 2), &[0, 0, 0, 499, 500, 501, 999, 1000], &[yes, yes, no, no, yes, no, no, yes]),
            (gcra(1, 1, 1), &[0, 999, 1000, 1000, 2500, 3499, 3500], &[yes, no, yes, no, yes, no, yes]),
            // A refused request uses nothing up, however many there are.
            (gcra(1, 1, 1), &[0, 900, 950, 990, 1000], &[yes, no, no, no, yes]),
            // After a long rest there is one burst, not all that was missed.
            (gcra(2, 1, 2), &[0, 60_000, 60_000, 60_000], &[yes, yes, yes, no]),
            (gcra(60, 60, 3), &[0, 0, 0, 0, 1000, 1000], &[yes, yes, yes, no, yes, no]),
        ];
        for (gcra, moments, expected) in cases {
            assert_eq!(passed(gcra, moments), expected, "{gcra:?} at {moments:?}");
        }
    }

    #[test]
    fn what_is_left_and_when_it_is_back_is_told() {
        let gcra = gcra(4, 2, 4); // one each half second
        let (mut tat, now) = (0, Nanos(START));
        for (left, reset_ms) in [(3, 500), (2, 1000), (1, 1500), (0, 2000)] {
            let (taken, next) = gcra.judge(tat, now);
            assert_eq!(taken, Taken { wait: None, left, reset: Duration::from_millis(reset_ms) });
            tat = next;
        }
        let (taken, _) = gcra.judge(tat, Nanos(START + SECOND / 5));
        let wait = Some(Duration::from_millis(300));
        assert_eq!(taken, Taken { wait, left: 0, reset: Duration::from_millis(1800) });
    }

    #[test]
    fn what_a_slower_limit_left_behind_is_forgotten() {
        let slow = gcra(1, 3600, 1).judge(0, Nanos(START)).1;
        let fast = gcra(10, 1, 10);
        assert_eq!(fast.judge(slow, Nanos(START)).0.wait, None);
        // But not what a worker with a clock a little ahead has counted.
        let (now, mut ahead) = (Nanos(START), 0);
        for _ in 0..10 {
            ahead = fast.judge(ahead, Nanos(START + SECOND / 2)).1;
        }
        assert!(fast.judge(ahead, now).0.wait.is_some());
    }

    #[test]
    fn rates_beyond_counting_are_none() {
        let minute = Duration::from_secs(60);
        assert!(Gcra::new(0, minute, 1).is_none());
        assert!(Gcra::new(10_000_000, Duration::from_secs(1), 1).is_some());
        assert!(Gcra::new(10_000_001, Duration::from_secs(1), 1).is_none());
        assert!(Gcra::new(1, minute, 7 * 1440).is_some());
        assert!(Gcra::new(1, minute, 7 * 1440 + 1).is_none());
        assert!(Gcra::new(1, minute, u64::MAX).is_none());
    }
}
