//! What is counted of a route: requests by method and status, by how they ended, bytes, durations.

use super::ServiceMeters;
use super::histogram::Histogram;
use super::refusals::Refusals;
use super::worker::{PerWorker, bump};
use crate::name::Method;
use crate::outcome::Outcome;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Different (method, status) pairs one route counts in its first line: few see more than GET 200, GET 404 and two
/// others.
const CODES_FIRST: usize = 4;
/// Further ones, in memory taken when a fifth comes. What comes after those is counted as `_OTHER` with the code `000`.
const CODES_MORE: usize = 44;
/// Marks a place as taken: a key of 0 is free.
const KEY_USED: u16 = 1 << 15;

/// Counts by (method, status). The key is both in one number; 0 marks a free place.
#[derive(Debug)]
struct Codes<const PLACES: usize> {
    keys: [AtomicU16; PLACES],
    counts: [AtomicU64; PLACES],
}

impl<const PLACES: usize> Default for Codes<PLACES> {
    fn default() -> Self {
        Codes { keys: [const { AtomicU16::new(0) }; PLACES], counts: [const { AtomicU64::new(0) }; PLACES] }
    }
}

impl<const PLACES: usize> Codes<PLACES> {
    /// Counts a key in its place, or in a free one; `false` if there is neither.
    fn count(&self, key: u16) -> bool {
        for (there, count) in self.keys.iter().zip(&self.counts) {
            match there.load(Relaxed) {
                0 => there.store(key, Relaxed),
                taken if taken != key => continue,
                _ => {}
            }
            bump(count, 1);
            return true;
        }
        false
    }

    fn all(&self) -> impl Iterator<Item = (u16, u64)> {
        let loaded =
            self.keys.iter().zip(&self.counts).map(|(key, count)| (key.load(Relaxed), count.load(Relaxed)));
        loaded.filter(|(key, _)| *key != 0)
    }
}

/// One worker's counters of one route. What an ordinary request touches lies in its first two cache lines: with ten
/// thousand routes asked in turn each line is a wait for memory.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct RouteCells {
    codes: Codes<CODES_FIRST>,
    /// Bytes of bodies from clients.
    pub bytes_in: AtomicU64,
    /// Bytes of bodies to clients.
    pub bytes_out: AtomicU64,
    /// Requests that ended as `Outcome::Ok`: counted apart, as it is nearly all of them.
    ok: AtomicU64,
    /// From the head until the answer was given.
    pub duration: Histogram,
    more_codes: OnceLock<Box<Codes<CODES_MORE>>>,
    other_codes: AtomicU64,
    /// Requests by outcome, all but `ok`; in memory taken when the first of them comes.
    other_outcomes: OnceLock<Box<[AtomicU64; Outcome::ALL.len()]>>,
}

impl RouteCells {
    /// Counts a request that is over.
    pub fn count(&self, method: Method, status: u16, outcome: Outcome) {
        let key = (method as u16) << 10 | status.min(999) | KEY_USED;
        if !self.codes.count(key) && !self.more_codes.get_or_init(Box::default).count(key) {
            bump(&self.other_codes, 1);
        }
        match outcome {
            Outcome::Ok => bump(&self.ok, 1),
            other => bump(&self.other_outcomes.get_or_init(Box::default)[other as usize], 1),
        }
    }

    /// How requests ended so far, as far as any did so.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        let ok = (Outcome::Ok, self.ok.load(Relaxed));
        let others = self.other_outcomes.get().into_iter().flat_map(|counts| counts.iter());
        let others =
            Outcome::ALL.into_iter().zip(others).map(|(outcome, count)| (outcome, count.load(Relaxed)));
        [ok].into_iter().chain(others).filter(|(_, count)| *count > 0)
    }

    /// Every (method, status, count) so far.
    pub fn counts(&self) -> impl Iterator<Item = (Method, u16, u64)> {
        let more = self.more_codes.get().into_iter().flat_map(|codes| codes.all());
        let others = Some(self.other_codes.load(Relaxed)).filter(|count| *count > 0);
        let split = |(key, count): (u16, u64)| {
            let is_method = |method: Method| method as u16 == (key & !KEY_USED) >> 10;
            let method = Method::ALL.iter().find(|(method, _)| is_method(*method));
            (method.map_or(Method::Other, |(method, _)| *method), key & 0x3ff, count)
        };
        let others = others.map(|count| (Method::Other, 0, count));
        self.codes.all().chain(more).map(split).chain(others)
    }
}

/// A route's counters over all workers.
#[derive(Debug)]
pub struct RouteMeters {
    cells: PerWorker<RouteCells>,
    /// The route's name.
    pub route: Arc<str>,
    /// The service it leads to; `none` where it leads to no single one.
    pub service: Arc<str>,
    /// The counters of that service.
    pub of_service: Arc<ServiceMeters>,
    /// What its policies have refused.
    pub refusals: Refusals,
    /// What became of copies of its requests.
    pub mirrored: Mirrored,
}

/// Copies of requests, by what became of them, over all workers.
#[derive(Debug, Default)]
pub struct Mirrored {
    /// Answered, whatever the answer.
    pub answered: AtomicU64,
    /// Not answered, or not in time.
    pub failed: AtomicU64,
    /// Not sent: too many were under way.
    pub dropped: AtomicU64,
    /// Not sent: the request was no longer whole, or never was.
    pub skipped: AtomicU64,
}

impl Mirrored {
    /// All of them, with the words of metrics.
    pub fn all(&self) -> [(&'static str, u64); 4] {
        [
            ("answered", self.answered.load(Relaxed)),
            ("failed", self.failed.load(Relaxed)),
            ("dropped", self.dropped.load(Relaxed)),
            ("skipped", self.skipped.load(Relaxed)),
        ]
    }
}

impl RouteMeters {
    /// Counters for so many workers.
    pub fn new(
        route: Arc<str>,
        service: Arc<str>,
        of_service: Arc<ServiceMeters>,
        workers: usize,
    ) -> RouteMeters {
        RouteMeters {
            cells: PerWorker::new(workers),
            route,
            service,
            of_service,
            refusals: Refusals::default(),
            mirrored: Mirrored::default(),
        }
    }

    /// The cells of one worker.
    pub fn of(&self, worker: usize) -> &RouteCells {
        self.cells.of(worker)
    }

    /// The cells, if they were ever used.
    pub fn used(&self) -> impl Iterator<Item = &RouteCells> {
        self.cells.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_counted_apart_until_the_places_are_gone() {
        let cells = RouteCells::default();
        for _ in 0..2 {
            for status in 200..200 + (CODES_FIRST + CODES_MORE) as u16 + 3 {
                cells.count(Method::Put, status, Outcome::Ok);
            }
        }
        let counts: Vec<_> = cells.counts().collect();
        assert_eq!(counts.len(), CODES_FIRST + CODES_MORE + 1);
        assert!(
            counts[..CODES_FIRST + CODES_MORE]
                .iter()
                .all(|(method, _, count)| (*method, *count) == (Method::Put, 2))
        );
        assert_eq!(counts.last(), Some(&(Method::Other, 0, 6)), "three pairs too many, twice");
        assert_eq!(counts.iter().map(|(_, _, count)| count).sum::<u64>(), 2 * 51, "none is lost");
    }

    #[test]
    fn outcomes_are_counted_beside_codes() {
        let cells = RouteCells::default();
        assert_eq!(cells.outcomes().count(), 0);
        for outcome in [Outcome::Ok, Outcome::Internal, Outcome::Shed, Outcome::Ok, Outcome::Shed] {
            cells.count(Method::Get, 200, outcome);
        }
        let counts: Vec<_> = cells.outcomes().collect();
        assert_eq!(counts, [(Outcome::Ok, 2), (Outcome::Shed, 2), (Outcome::Internal, 1)]);
    }

    #[test]
    fn an_ordinary_request_touches_two_lines() {
        // What is counted of every request, and the buckets of durations up to 75 ms with their sum.
        assert_eq!(std::mem::offset_of!(RouteCells, duration), 64);
        assert!(size_of::<RouteCells>() <= 256);
    }
}
