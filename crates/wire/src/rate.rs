//! Watches that a peer moves bytes no slower than `min_rate`. Only time spent waiting for the peer counts: a
//! connection that is slow because a backend is slow is nobody's attack.

use std::time::Duration;
use tidegate_core::clock::Nanos;
use tidegate_core::exchange::Fault;

/// Time waited before the rate is judged. 10 s forgive a lost packet and its retransmissions.
const WINDOW: Duration = Duration::from_secs(10);

/// One direction of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateWatch {
    /// Since when the peer has been waited for; `None` while bytes move.
    waiting_since: Option<Nanos>,
    /// Time waited in this window before that.
    waited: Duration,
    /// The count of bytes when the window began.
    bytes_at_start: Option<u64>,
}

impl RateWatch {
    /// The peer keeps us waiting at `now`. Says when to look again, or that the peer is too slow. `moved` counts
    /// the bytes moved so far; it is asked once per window.
    pub(crate) fn waiting(
        &mut self,
        now: Nanos,
        min_rate: u64,
        moved: impl FnOnce() -> u64,
    ) -> Result<Nanos, Fault> {
        let since = *self.waiting_since.get_or_insert(now);
        let waited = self.waited + now.since(since);
        if waited < WINDOW {
            if self.bytes_at_start.is_none() {
                self.bytes_at_start = Some(moved());
            }
            return Ok(now.after(WINDOW - waited));
        }
        let moved = moved();
        let in_window = moved.saturating_sub(self.bytes_at_start.unwrap_or(0));
        if (in_window as f64) < min_rate as f64 * waited.as_secs_f64() {
            return Err(Fault::Slow);
        }
        *self = RateWatch { waiting_since: Some(now), waited: Duration::ZERO, bytes_at_start: Some(moved) };
        Ok(now.after(WINDOW))
    }

    /// Whether the peer is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// The peer moved bytes: the wait is over for now. Says how long it was.
    pub(crate) fn moving(&mut self, now: Nanos) -> Duration {
        let wait = self.waiting_since.take().map_or(Duration::ZERO, |since| now.since(since));
        self.waited += wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Waits in steps of a second with `per_second` bytes moved in each; returns when it was found too slow.
    fn too_slow_after(per_second: u64, min_rate: u64, seconds: u64) -> Option<u64> {
        let mut watch = RateWatch::default();
        (0..seconds)
            .find(|second| watch.waiting(Nanos(second * SECOND), min_rate, || second * per_second).is_err())
    }

    #[test]
    fn a_peer_below_the_rate_is_found_after_one_window() {
        assert_eq!(too_slow_after(0, 1000, 100), Some(10));
        assert_eq!(too_slow_after(999, 1000, 100), Some(10));
        assert_eq!(too_slow_after(1000, 1000, 100), None);
    }

    #[test]
    fn time_in_which_bytes_move_or_others_are_waited_for_does_not_count() {
        let mut watch = RateWatch::default();
        for hour in 0..9 {
            let now = Nanos(hour * 3600 * SECOND);
            assert!(watch.waiting(now, 1000, || 0).is_ok(), "one second of waiting an hour");
            watch.moving(now.after(Duration::from_secs(1)));
        }
    }
}
