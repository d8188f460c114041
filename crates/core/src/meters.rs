//! Cells the flow writes and telemetry reads. One set per worker and route, made when first used, so that
//! a request touches no line another worker writes, and memory grows with what is configured and used.

mod backend;
mod histogram;
mod latency;
mod refusals;
mod route;
mod worker;

pub use backend::{Answers, CLASSES};
pub use histogram::{BOUNDS_SECONDS, Histogram, HistogramSum};
pub use latency::{LATENCY_BUCKETS, Latency, quantile};
pub use refusals::{Asked, Refusals, Refused, TOLD_MAX, Told};
pub use route::{Mirrored, RouteCells, RouteMeters};
pub use worker::{PerWorker, WORKERS_MAX, bump};

use crate::budget::RetryBudget;
use crate::clock::Nanos;
use crate::log::Log;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Routes counted by name unless the configuration says otherwise. Each takes about twenty lines of the metrics.
pub const ROUTES_MAX: usize = 2000;
/// The name under which all further ones are counted.
pub const OTHER_ROUTES: &str = "_other";
/// How urgent requests are, as in the label of `shed`; the middle one unless a route says otherwise.
pub const PRIORITIES: [&str; 3] = ["high", "normal", "low"];
/// Which of `PRIORITIES` requests have unless their route says.
pub const NORMAL_PRIORITY: usize = 1;

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
    /// Requests turned away for want of a place, by priority.
    pub shed: [AtomicU64; PRIORITIES.len()],
    /// Durations of requests, fine enough for quantiles.
    pub latency: PerWorker<Latency>,
}

impl ServiceMeters {
    /// Counters for so many workers.
    pub fn new(workers: usize) -> ServiceMeters {
        ServiceMeters { latency: PerWorker::new(workers), ..ServiceMeters::default() }
    }
}

/// Counters of one listener, shared by its workers: written once per connection.
#[derive(Debug, Default)]
pub struct ListenerMeters {
    /// Connections open now.
    pub connections: AtomicU64,
    accepted: Mutex<BTreeMap<usize, u64>>,
    /// Connections turned away at a limit.
    pub refused: AtomicU64,
    /// TLS handshakes with everything in them.
    pub handshakes_full: AtomicU64,
    /// TLS handshakes that resumed an earlier session.
    pub handshakes_resumed: AtomicU64,
    /// TLS handshakes that came to nothing, those with clients that began none not among them.
    pub handshakes_failed: AtomicU64,
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

/// How late a worker's loop was of late: the greatest delay of the last one to two `LAG_TIME`s.
#[derive(Debug, Default)]
pub struct Lag {
    now_ns: AtomicU64,
    before_ns: AtomicU64,
    turned_at: AtomicU64,
}

/// As long as the usual interval between two reads of the metrics, so that no delay is missed.
const LAG_TIME: Duration = Duration::from_secs(15);

impl Lag {
    /// Counts a delay. Only the worker it belongs to may.
    pub fn record(&self, now: Nanos, late: Duration) {
        if now.since(Nanos(self.turned_at.load(Relaxed))) > LAG_TIME {
            self.turned_at.store(now.0, Relaxed);
            self.before_ns.store(self.now_ns.swap(0, Relaxed), Relaxed);
        }
        self.now_ns.fetch_max(late.as_nanos() as u64, Relaxed);
    }

    /// The greatest of late.
    pub fn greatest(&self) -> Duration {
        Duration::from_nanos(self.now_ns.load(Relaxed).max(self.before_ns.load(Relaxed)))
    }
}

/// A thing that is counted while it is alive.
#[derive(Debug)]
pub struct Alive(Arc<AtomicU64>);

impl Alive {
    fn new(count: &Arc<AtomicU64>) -> Alive {
        count.fetch_add(1, Relaxed);
        Alive(count.clone())
    }
}

impl Default for Alive {
    /// Counted by nobody.
    fn default() -> Alive {
        Alive::new(&Arc::default())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Requests that the admin listener refused, by why; written rarely.
#[derive(Debug, Default)]
pub struct AdminMeters {
    /// Without a token or session.
    pub no_credential: AtomicU64,
    /// With a wrong one.
    pub wrong_credential: AtomicU64,
    /// With one that was not looked at, after too many wrong ones.
    pub throttled: AtomicU64,
    /// By a name that is not the listener's.
    pub wrong_host: AtomicU64,
    /// Writes from pages of others.
    pub cross_origin: AtomicU64,
}

/// By route, then by service.
type RoutesByName = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<RouteMeters>>>;

/// All meters, by name, so that a reload finds them again.
#[derive(Debug)]
pub struct Meters {
    workers: usize,
    routes: Mutex<RoutesByName>,
    routes_max: AtomicUsize,
    services: Mutex<BTreeMap<Arc<str>, Arc<ServiceMeters>>>,
    listeners: Mutex<BTreeMap<Arc<str>, Arc<ListenerMeters>>>,
    snapshots: Arc<AtomicU64>,
    log: Arc<Log>,
    /// How late each worker's loop was.
    pub lag: Arc<PerWorker<Lag>>,
    /// Reloads that took a new configuration.
    pub reloads_ok: AtomicU64,
    /// Reloads that were refused.
    pub reloads_failed: AtomicU64,
    /// Whether the configuration that was given last is the one in use.
    pub last_reload_ok: AtomicBool,
    /// Whether what is served was kept from an earlier start, as the files cannot be used.
    pub is_last_good: AtomicBool,
    /// Of the admin listener.
    pub admin: AdminMeters,
    certificates: Mutex<BTreeMap<Arc<str>, i64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Meters {
    /// Counts a reload.
    pub fn count_reload(&self, is_taken: bool) {
        let cell = if is_taken { &self.reloads_ok } else { &self.reloads_failed };
        cell.fetch_add(1, Relaxed);
        self.last_reload_ok.store(is_taken, Relaxed);
        if is_taken {
            self.is_last_good.store(false, Relaxed);
        }
    }

    /// What is served was kept from an earlier start: the configuration that was given cannot be used.
    pub fn begin_with_last_good(&self) {
        self.last_reload_ok.store(false, Relaxed);
        self.is_last_good.store(true, Relaxed);
    }

    /// Meters for so many workers.
    pub fn new(workers: usize) -> Meters {
        Meters {
            workers,
            routes: Mutex::default(),
            routes_max: AtomicUsize::new(ROUTES_MAX),
            services: Mutex::default(),
            listeners: Mutex::default(),
            snapshots: Arc::default(),
            log: Arc::new(Log::new(workers)),
            lag: Arc::new(PerWorker::new(workers)),
            reloads_ok: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            last_reload_ok: AtomicBool::new(true),
            is_last_good: AtomicBool::new(false),
            admin: AdminMeters::default(),
            certificates: Mutex::default(),
        }
    }

    /// From now on so many routes are counted by name, and further ones together.
    pub fn bound_routes(&self, most: usize) {
        self.routes_max.store(most, Relaxed);
    }

    /// The meters of a route. Beyond the bound those of names that no snapshot knows any more make room; when all are
    /// in use, `_other` counts for the rest.
    pub fn route(&self, route: &Arc<str>, service: &Arc<str>) -> Arc<RouteMeters> {
        let of_service = self.service(service);
        let mut routes = lock(&self.routes);
        let most = self.routes_max.load(Relaxed);
        if !routes.contains_key(route) && routes.len() >= most {
            let is_used = |meters: &Arc<RouteMeters>| Arc::strong_count(meters) > 1;
            routes.retain(|name, services| &**name == OTHER_ROUTES || services.values().any(is_used));
        }
        let name = match routes.contains_key(route) || routes.len() < most {
            true => route.clone(),
            false => OTHER_ROUTES.into(),
        };
        let make = || Arc::new(RouteMeters::new(name.clone(), service.clone(), of_service, self.workers));
        routes.entry(name.clone()).or_default().entry(service.clone()).or_insert_with(make).clone()
    }

    /// The meters of a service.
    pub fn service(&self, name: &Arc<str>) -> Arc<ServiceMeters> {
        let make = || Arc::new(ServiceMeters::new(self.workers));
        lock(&self.services).entry(name.clone()).or_insert_with(make).clone()
    }

    /// The meters of a listener.
    pub fn listener(&self, name: &Arc<str>) -> Arc<ListenerMeters> {
        lock(&self.listeners).entry(name.clone()).or_default().clone()
    }

    /// From now on these certificates are in use: each by its name, with the end of its time in seconds since 1970.
    /// Of several with the same name the one that ends first counts.
    pub fn set_certificates(&self, certificates: impl Iterator<Item = (Arc<str>, i64)>) {
        let mut by_name = BTreeMap::new();
        for (name, not_after) in certificates {
            by_name.entry(name).and_modify(|end: &mut i64| *end = not_after.min(*end)).or_insert(not_after);
        }
        *lock(&self.certificates) = by_name;
    }

    /// The certificates in use, in order of name, and when each ends.
    pub fn certificates(&self) -> Vec<(Arc<str>, i64)> {
        lock(&self.certificates).iter().map(|(name, end)| (name.clone(), *end)).collect()
    }

    /// Where the workers' access log lines go.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Counts a snapshot for as long as it holds what it is given.
    pub fn snapshot(&self) -> Alive {
        Alive::new(&self.snapshots)
    }

    /// Snapshots in memory now.
    pub fn snapshots_alive(&self) -> u64 {
        self.snapshots.load(Relaxed)
    }

    /// Every route's meters, in order of name.
    pub fn routes(&self) -> Vec<Arc<RouteMeters>> {
        lock(&self.routes).values().flat_map(|services| services.values().cloned()).collect()
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
mod tests;
