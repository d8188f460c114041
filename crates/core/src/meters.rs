//! Cells the flow writes and telemetry reads. One set per worker and route, made when first used, so that
//! a request touches no line another worker writes, and memory grows with what is configured and used.

use crate::budget::RetryBudget;
use crate::name::Method;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Most workers a process may have; tables by worker are this long at most. More cores than that share.
pub const WORKERS_MAX: usize = 256;
/// Different (method, status) pairs one route counts in its first line: few see more than GET 200, GET 404 and two
/// others.
const CODES_FIRST: usize = 4;
/// Further ones, in memory taken when a fifth comes. What comes after those is counted as `_OTHER` with the code `000`.
const CODES_MORE: usize = 44;
/// Marks a place as taken: a key of 0 is free.
const KEY_USED: u16 = 1 << 15;
/// Upper bounds of the histogram in seconds: the OpenTelemetry advice for HTTP durations, and 500 µs and 1 ms
/// below it, as a gateway's own answers are faster than its lowest bound.
pub const BOUNDS_SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];

/// Adds to a cell that only this thread writes: no locked instruction.
pub fn bump(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Durations in buckets. Written by one worker.
#[derive(Debug, Default)]
#[repr(C)] // see `RouteCells`
pub struct Histogram {
    sum_ns: AtomicU64,
    buckets: [AtomicU64; BOUNDS_SECONDS.len() + 1],
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let ns = duration.as_nanos() as u64;
        let index = BOUNDS_NS.partition_point(|bound| *bound < ns);
        bump(&self.buckets[index], 1);
        bump(&self.sum_ns, ns);
    }

    /// Adds what is here to a sum.
    pub fn add_to(&self, sum: &mut HistogramSum) {
        for (total, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        sum.sum_seconds += self.sum_ns.load(Relaxed) as f64 / 1e9;
    }
}

const BOUNDS_NS: [u64; BOUNDS_SECONDS.len()] = {
    let mut bounds = [0; BOUNDS_SECONDS.len()];
    let mut i = 0;
    while i < bounds.len() {
        bounds[i] = (BOUNDS_SECONDS[i] * 1e9) as u64;
        i += 1;
    }
    bounds
};

/// Histograms of several workers added up.
#[derive(Clone, Debug, Default)]
pub struct HistogramSum {
    /// Counts per bucket, not cumulative; the last is above every bound.
    pub buckets: [u64; BOUNDS_SECONDS.len() + 1],
    /// Sum of all durations.
    pub sum_seconds: f64,
}

impl HistogramSum {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

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
    /// From the head until the answer was given.
    pub duration: Histogram,
    more_codes: OnceLock<Box<Codes<CODES_MORE>>>,
    other_codes: AtomicU64,
}

impl RouteCells {
    /// Counts a request.
    pub fn count(&self, method: Method, status: u16) {
        let key = (method as u16) << 10 | status.min(999) | KEY_USED;
        if !self.codes.count(key) && !self.more_codes.get_or_init(Box::default).count(key) {
            bump(&self.other_codes, 1);
        }
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
    /// Made for all workers at once when one of them first needs its own: a request finds its cells in one step.
    cells: OnceLock<Box<[RouteCells]>>,
    workers: usize,
    /// The route's name.
    pub route: Arc<str>,
    /// The service it leads to; `none` where it leads to no single one.
    pub service: Arc<str>,
}

impl RouteMeters {
    /// Counters for so many workers.
    pub fn new(route: Arc<str>, service: Arc<str>, workers: usize) -> RouteMeters {
        RouteMeters { cells: OnceLock::new(), workers: workers.clamp(1, WORKERS_MAX), route, service }
    }

    /// The cells of one worker.
    pub fn of(&self, worker: usize) -> &RouteCells {
        let cells = self.cells.get_or_init(|| (0..self.workers).map(|_| RouteCells::default()).collect());
        &cells[worker.min(self.workers - 1)]
    }

    /// The cells, if they were ever used.
    pub fn used(&self) -> impl Iterator<Item = &RouteCells> {
        self.cells.get().into_iter().flatten()
    }
}

/// Counters of one service; written rarely (retries) or shared anyway. What every request writes lies in the first
/// line, which no other service shares.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct ServiceMeters {
    /// Requests being served now, by all workers.
    pub in_flight: AtomicU64,
    /// What may be tried again.
    pub budget: RetryBudget,
    /// Further tries that were then answered.
    pub retries_answered: AtomicU64,
    /// Further tries that failed as well.
    pub retries_failed: AtomicU64,
    /// Further tries that were not made because the budget was spent.
    pub retries_over_budget: AtomicU64,
}

/// Counters of one listener, shared by its workers: written once per connection.
#[derive(Debug, Default)]
pub struct ListenerMeters {
    /// Connections open now.
    pub connections: AtomicU64,
    accepted: Mutex<BTreeMap<usize, u64>>,
    /// Connections turned away at a limit.
    pub refused: AtomicU64,
}

impl ListenerMeters {
    /// Counts a connection that this worker accepted.
    pub fn count_accepted(&self, worker: usize) {
        *lock(&self.accepted).entry(worker).or_default() += 1;
    }

    /// Connections accepted, ever, by worker.
    pub fn accepted(&self) -> BTreeMap<usize, u64> {
        lock(&self.accepted).clone()
    }
}

/// By route and service.
type RoutesByName = BTreeMap<(Arc<str>, Arc<str>), Arc<RouteMeters>>;

/// All meters, by name, so that a reload finds them again.
#[derive(Debug)]
pub struct Meters {
    workers: usize,
    routes: Mutex<RoutesByName>,
    services: Mutex<BTreeMap<Arc<str>, Arc<ServiceMeters>>>,
    listeners: Mutex<BTreeMap<Arc<str>, Arc<ListenerMeters>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Meters {
    /// Meters for so many workers.
    pub fn new(workers: usize) -> Meters {
        Meters { workers, routes: Mutex::default(), services: Mutex::default(), listeners: Mutex::default() }
    }

    /// The meters of a route.
    pub fn route(&self, route: &Arc<str>, service: &Arc<str>) -> Arc<RouteMeters> {
        let make = || Arc::new(RouteMeters::new(route.clone(), service.clone(), self.workers));
        lock(&self.routes).entry((route.clone(), service.clone())).or_insert_with(make).clone()
    }

    /// The meters of a service.
    pub fn service(&self, name: &Arc<str>) -> Arc<ServiceMeters> {
        lock(&self.services).entry(name.clone()).or_default().clone()
    }

    /// The meters of a listener.
    pub fn listener(&self, name: &Arc<str>) -> Arc<ListenerMeters> {
        lock(&self.listeners).entry(name.clone()).or_default().clone()
    }

    /// Every route's meters, in order of name.
    pub fn routes(&self) -> Vec<Arc<RouteMeters>> {
        lock(&self.routes).values().cloned().collect()
    }

    /// Every service's meters, in order of name.
    pub fn services(&self) -> Vec<(Arc<str>, Arc<ServiceMeters>)> {
        lock(&self.services).iter().map(|(name, meters)| (name.clone(), meters.clone())).collect()
    }

    /// Every listener's meters, in order of name.
    pub fn listeners(&self) -> Vec<(Arc<str>, Arc<ListenerMeters>)> {
        lock(&self.listeners).iter().map(|(name, meters)| (name.clone(), meters.clone())).collect()
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
                cells.count(Method::Put, status);
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
    fn an_ordinary_request_touches_two_lines() {
        assert_eq!(std::mem::offset_of!(RouteCells, duration) + size_of::<AtomicU64>(), 64);
        assert!(size_of::<RouteCells>() <= 256);
    }

    #[test]
    fn durations_fall_into_their_buckets() {
        let histogram = Histogram::default();
        for ms in [0, 1, 3, 20_000] {
            histogram.record(Duration::from_millis(ms));
        }
        let mut sum = HistogramSum::default();
        histogram.add_to(&mut sum);
        assert_eq!(sum.count(), 4);
        assert_eq!((sum.buckets[0], sum.buckets[1], sum.buckets[3], sum.buckets[16]), (1, 1, 1, 1));
        assert!((sum.sum_seconds - 20.004).abs() < 1e-9);
    }
}
