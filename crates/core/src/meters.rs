//! Cells the flow writes and telemetry reads. One set per worker and route, made when first used, so that
//! a request touches no line another worker writes, and memory grows with what is configured and used.

use crate::name::Method;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Most workers a process may have; tables by worker are this long at most. More cores than that share.
pub const WORKERS_MAX: usize = 256;
/// Different (method, status) pairs one route counts apart, plus one place for all that come after: those are
/// counted as `_OTHER` with the code `000`.
const CODES_MAX: usize = 48;
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
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_SECONDS.len() + 1],
    sum_ns: AtomicU64,
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

/// One worker's counters of one route.
#[derive(Debug)]
pub struct RouteCells {
    keys: [AtomicU16; CODES_MAX],
    counts: [AtomicU64; CODES_MAX],
    /// From the head until the answer was given.
    pub duration: Histogram,
    /// Bytes of bodies from clients and to clients.
    pub bytes_in: AtomicU64,
    /// Bytes of bodies to clients.
    pub bytes_out: AtomicU64,
}

impl Default for RouteCells {
    fn default() -> Self {
        RouteCells {
            keys: [const { AtomicU16::new(0) }; CODES_MAX],
            counts: [const { AtomicU64::new(0) }; CODES_MAX],
            duration: Histogram::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }
}

impl RouteCells {
    /// Counts a request. The key is method and status in one number; 0 marks a free place.
    pub fn count(&self, method: Method, status: u16) {
        let key = (method as u16) << 10 | status.min(999) | KEY_USED;
        for place in 0..CODES_MAX - 1 {
            let there = self.keys[place].load(Relaxed);
            if there == 0 {
                self.keys[place].store(key, Relaxed);
            } else if there != key {
                continue;
            }
            return bump(&self.counts[place], 1);
        }
        self.keys[CODES_MAX - 1].store((Method::Other as u16) << 10 | KEY_USED, Relaxed);
        bump(&self.counts[CODES_MAX - 1], 1);
    }

    /// Every (method, status, count) so far.
    pub fn counts(&self) -> impl Iterator<Item = (Method, u16, u64)> {
        self.keys.iter().zip(&self.counts).filter(|(key, _)| key.load(Relaxed) != 0).map(|(key, count)| {
            let key = key.load(Relaxed) & !KEY_USED;
            let method =
                Method::ALL.iter().find(|(m, _)| *m as u16 == key >> 10).map_or(Method::Other, |(m, _)| *m);
            (method, key & 0x3ff, count.load(Relaxed))
        })
    }
}

/// A route's counters over all workers.
#[derive(Debug)]
pub struct RouteMeters {
    /// The route's name.
    pub route: Arc<str>,
    /// The service it leads to; `none` where it leads to no single one.
    pub service: Arc<str>,
    workers: Box<[OnceLock<Box<RouteCells>>]>,
}

impl RouteMeters {
    /// Counters for so many workers.
    pub fn new(route: Arc<str>, service: Arc<str>, workers: usize) -> RouteMeters {
        RouteMeters {
            route,
            service,
            workers: (0..workers.clamp(1, WORKERS_MAX)).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The cells of one worker.
    pub fn of(&self, worker: usize) -> &RouteCells {
        self.workers[worker % self.workers.len()].get_or_init(Box::default)
    }

    /// Those cells that were ever used.
    pub fn used(&self) -> impl Iterator<Item = &RouteCells> {
        self.workers.iter().filter_map(|cell| cell.get().map(|cells| &**cells))
    }
}

/// Counters of one service; written rarely (retries) or shared anyway.
#[derive(Debug, Default)]
pub struct ServiceMeters {
    /// Further tries that were then answered.
    pub retries_answered: AtomicU64,
    /// Further tries that failed as well.
    pub retries_failed: AtomicU64,
    /// Requests being served now, by all workers.
    pub in_flight: AtomicU64,
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
