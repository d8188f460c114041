//! How many requests of a service may be tried again: a share of the recent ones, and a few a second for services
//! that have few. Counted over all workers without a lock. The flow counts and takes; the control plane ticks once a
//! second; there is no clock in it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Ticks that are recent: ten seconds, as in Finagle. Long enough that the requests in flight at a backend that dies
/// are covered by those before them, short enough that an hour of peace does not pay for a minute of storm.
const WINDOW_TICKS: usize = 10;
/// Retries a second beside the share, as in Finagle: without them a service with one request a second had no retries.
pub const FLOOR_PER_TICK: u64 = 10;
/// All of a share.
const MILLION: u64 = 1_000_000;

/// What both counters were at a tick.
#[derive(Debug, Default)]
struct Mark {
    requests: AtomicU64,
    retries: AtomicU64,
}

/// See the file. Retries of the window are at most the share of its requests and `FLOOR_PER_TICK` for each tick of
/// it. Takers at the same moment see each other; one at the moment of a tick may be judged by the window before.
#[derive(Debug, Default)]
#[repr(C)] // see `ServiceMeters`: `requests` shares a line with what every request writes anyway
pub struct RetryBudget {
    requests: AtomicU64,
    retries: AtomicU64,
    ticks: AtomicU64,
    marks: [Mark; WINDOW_TICKS],
}

impl RetryBudget {
    /// A request is tried for the first time.
    pub fn count(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Takes one retry; `false` if there is none left. The share is in millionths.
    pub fn take(&self, share_millionths: u32) -> bool {
        let (requests, retries, ticks) = self.before();
        let recent = self.requests.load(Relaxed).wrapping_sub(requests);
        let by_share = u128::from(recent) * u128::from(share_millionths) / u128::from(MILLION);
        let allowed = by_share as u64 + FLOOR_PER_TICK * ticks;
        let is_left = self.retries.fetch_add(1, Relaxed).wrapping_sub(retries) < allowed;
        if !is_left {
            self.give_back();
        }
        is_left
    }

    /// One that was taken was not made.
    pub fn give_back(&self) {
        self.retries.fetch_sub(1, Relaxed);
    }

    /// A second has passed. Called by one thread.
    pub fn tick(&self) {
        let ticks = self.ticks.load(Relaxed);
        let mark = &self.marks[ticks as usize % WINDOW_TICKS];
        mark.requests.store(self.requests.load(Relaxed), Relaxed);
        mark.retries.store(self.retries.load(Relaxed), Relaxed);
        self.ticks.store(ticks + 1, Relaxed);
    }

    /// Both counters at the beginning of the window, and the ticks in it, the one under way included.
    fn before(&self) -> (u64, u64, u64) {
        let ticks = self.ticks.load(Relaxed);
        if ticks < WINDOW_TICKS as u64 {
            return (0, 0, ticks + 1);
        }
        let oldest = &self.marks[ticks as usize % WINDOW_TICKS];
        (oldest.requests.load(Relaxed), oldest.retries.load(Relaxed), WINDOW_TICKS as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every second so many requests, each of which wants a retry. How many retries each second gave.
    fn storm(budget: &RetryBudget, share: u32, requests: &[u64]) -> Vec<u64> {
        let second = |&requests: &u64| {
            let given = (0..requests).filter(|_| {
                budget.count();
                budget.take(share)
            });
            let given = given.count() as u64;
            budget.tick();
            given
        };
        requests.iter().map(second).collect()
    }

    #[test]
    fn retries_are_a_share_of_recent_requests_and_a_few_a_second() {
        // Share in percent, requests each second, retries each second.
        let cases: [(u32, &[u64], &[u64]); 6] = [
            (20, &[1000, 1000, 1000], &[210, 210, 210]),
            (0, &[1000, 1000], &[10, 10]),
            (100, &[500, 500], &[500, 500]),
            (20, &[3, 3, 3], &[3, 3, 3]),
            // Peace saves up: the share and the few a second of ten seconds, but not of more.
            (
                20,
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000],
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 300],
            ),
            // What was spent counts for as long as the requests that paid for it.
            (20, &[100, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100], &[30, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100]),
        ];
        for (share, requests, retries) in cases {
            let given = storm(&RetryBudget::default(), share * 10_000, requests);
            assert_eq!(given, retries, "{share} % of {requests:?}");
        }
    }

    #[test]
    fn a_long_outage_costs_no_more_than_the_share() {
        let budget = RetryBudget::default();
        let given: u64 = storm(&budget, 200_000, &[1000; 60]).iter().sum();
        assert!(
            (12_000..=12_000 + 60 * FLOOR_PER_TICK).contains(&given),
            "{given} retries of 60,000 requests"
        );
    }

    #[test]
    fn takers_at_once_do_not_take_more_than_there_is() {
        let budget = RetryBudget::default();
        let given: usize = std::thread::scope(|scope| {
            let takers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1000).filter(|_| budget.take(0)).count())).collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(given, FLOOR_PER_TICK as usize);
        budget.give_back();
        assert!(budget.take(0) && !budget.take(0));
    }
}
