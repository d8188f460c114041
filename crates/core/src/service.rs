//! A service and its backends: what is configured, and beside it what was learnt. The learnt part is one
//! cell per backend, shared by all workers and kept by name across reloads, so that balancing, limits and
//! ejection are true for the whole process.

use crate::balance::Balancer;
use crate::clock::Nanos;
use crate::meters::{Histogram, PerWorker, ServiceMeters};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where a backend listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Inet(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One instance of a service.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: Address,
    /// The same as text, for labels and logs.
    pub label: Arc<str>,
    /// Its share of the traffic against its neighbours; at least 1.
    pub weight: u32,
    /// What was learnt about it.
    pub cell: Arc<BackendCell>,
}

/// What was learnt about a backend. All relaxed: each number stands alone, and a lost update costs one sample.
/// 128 bytes apart, as processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct BackendCell {
    /// Its number in the process: an index into per-worker tables.
    pub id: usize,
    /// Requests sent to it and not yet finished.
    pub in_flight: AtomicU32,
    /// Refused or timed-out connects in a row; 0 once one succeeded. Not 0 = down.
    pub connect_failures: AtomicU32,
    /// Exponentially weighted latency in nanoseconds, and when it was written; see `upstreams`' ewma.
    pub latency_ns: AtomicU64,
    /// When `latency_ns` was last written, as `Nanos`.
    pub latency_at: AtomicU64,
    /// Requests sent, ever.
    pub requests: AtomicU64,
    /// Requests that failed: no connection, reset, timeout, unusable answer.
    pub failures: AtomicU64,
    /// When it last changed between up and down, as `Nanos`.
    pub changed_at: AtomicU64,
    /// When a connect last failed, as `Nanos`; of backends that are all down, the first of these is asked next.
    pub failed_at: AtomicU64,
    /// From a try's beginning until the head of its answer.
    pub durations: PerWorker<Histogram>,
}

impl BackendCell {
    /// Whether new requests should go elsewhere while there is an elsewhere.
    pub fn is_down(&self) -> bool {
        self.connect_failures.load(Relaxed) != 0
    }

    /// A connect was refused or timed out: down from now on, whatever came before.
    pub fn connect_failed(&self, now: Nanos) {
        self.failed_at.store(now.0, Relaxed);
        if self.connect_failures.fetch_add(1, Relaxed) == 0 {
            self.changed_at.store(now.0, Relaxed);
        }
    }

    /// A connect succeeded: up. One that was down starts anew: what was learnt of it before its end, slow answers
    /// above all, says nothing of it now.
    pub fn connected(&self, now: Nanos) {
        // A load first: the common case must not write to a line that other workers read.
        if self.connect_failures.load(Relaxed) != 0 {
            self.latency_ns.store(0, Relaxed);
            self.connect_failures.store(0, Relaxed);
            self.changed_at.store(now.0, Relaxed);
        }
    }
}

/// The backends of a service now. Replaced as a whole when discovery or scaling changes them.
#[derive(Debug, Default)]
pub struct Roster {
    /// In the order of the configuration.
    pub backends: Box<[Backend]>,
}

/// Time bounds towards a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// From the request sent until the response head.
    pub response: Duration,
    /// No byte either way.
    pub idle: Duration,
}

/// What a failed try may be repeated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RetryOn {
    /// No connection.
    pub connect: bool,
    /// Lost before a response byte.
    pub reset: bool,
    /// `timeouts.response` ran out.
    pub timeout: bool,
    /// The answer was 502, 503 or 504, each by itself.
    pub statuses: [bool; RETRY_STATUSES.len()],
}

/// The status codes of answers a request may be tried again for.
pub const RETRY_STATUSES: [u16; 3] = [502, 503, 504];

impl RetryOn {
    /// Whether an answer with this status is as good as none.
    pub fn has_status(&self, status: u16) -> bool {
        RETRY_STATUSES.iter().zip(self.statuses).any(|(listed, is_on)| is_on && *listed == status)
    }
}

/// How often a request may be tried again, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Up to so many more tries, on other backends while there are any.
    pub attempts: u32,
    /// For which causes, beside "no byte was sent" which is always safe.
    pub on: RetryOn,
    /// Most of them as a share of recent requests, in millionths; see `budget`.
    pub budget_millionths: u32,
}

/// Which Host a backend sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSent {
    /// What the client asked for.
    Client,
    /// The backend's own address.
    Backend,
    /// This name.
    Named(Arc<str>),
}

/// A service as the configuration compiled it.
pub struct Service {
    /// Its name.
    pub name: Arc<str>,
    /// Its number among the services of the snapshot; an index into per-worker tables.
    pub index: usize,
    /// Its backends.
    pub roster: Arc<Roster>,
    /// How one is chosen.
    pub balancer: Arc<dyn Balancer>,
    /// Time bounds.
    pub timeouts: Timeouts,
    /// Retries.
    pub retry: Retry,
    /// The Host sent on.
    pub host: HostSent,
    /// Its counters.
    pub meters: Arc<ServiceMeters>,
    /// Most connections of the whole process to it.
    pub connections_max: usize,
    /// Most idle connections of the whole process to it.
    pub connections_idle_max: usize,
}

/// By service and address.
type CellsByName = HashMap<(Arc<str>, Address), Arc<BackendCell>>;

/// Learnt state by service and address, so that a reload finds it again.
#[derive(Debug)]
pub struct CellBook {
    cells: Mutex<CellsByName>,
    workers: usize,
}

impl CellBook {
    /// A book for so many workers.
    pub fn new(workers: usize) -> CellBook {
        CellBook { cells: Mutex::default(), workers }
    }

    /// The cell of a backend, made on first use.
    pub fn cell(&self, service: &Arc<str>, address: &Address) -> Arc<BackendCell> {
        let mut cells = self.cells.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let id = cells.len();
        let durations = || PerWorker::new(self.workers);
        let make = || Arc::new(BackendCell { id, durations: durations(), ..BackendCell::default() });
        cells.entry((service.clone(), address.clone())).or_insert_with(make).clone()
    }
}
