//! A service and its backends: what is configured, and beside it what was learnt. The learnt part is one
//! cell per backend, shared by all workers and kept by name across reloads, so that balancing, limits and
//! ejection are true for the whole process.

use crate::balance::Balancer;
use crate::clock::{self, Nanos};
use crate::entry::Entry;
use crate::maintenance::Maintenance;
use crate::meters::{Answers, CLASSES, PerWorker, ServiceMeters};
use crate::roster::CurrentRoster;
use crate::state::{DownReason, ReasonCell, State, StateCell};
use crate::tls::Made;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where a backend listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Inet(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// An IP address and port that speaks TLS.
    Tls(SocketAddr),
}

impl Address {
    /// As it stands in `Host` and in a certificate: without a scheme.
    pub fn authority(&self) -> String {
        match self {
            Address::Tls(address) => address.to_string(),
            other => other.to_string(),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tls(address) => write!(f, "https://{address}"),
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
    /// What it is called in `Host` where it gets its own name: the host name it was found by, else its address.
    pub authority: Arc<str>,
    /// Its share of the traffic against its neighbours; at least 1.
    pub weight: u32,
    /// What was learnt about it.
    pub cell: Arc<BackendCell>,
}

impl Backend {
    /// A backend that is called by its address.
    pub fn new(address: Address, weight: u32, cell: Arc<BackendCell>) -> Backend {
        let label: Arc<str> = address.to_string().into();
        let authority = match &address {
            Address::Tls(_) => address.authority().into(),
            Address::Inet(_) | Address::Unix(_) => label.clone(),
        };
        Backend { authority, label, address, weight, cell }
    }
}

/// What was learnt about a backend. All relaxed: each number stands alone, and a lost update costs one sample.
/// 128 bytes apart, as processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct BackendCell {
    /// Its number in the process: an index into per-worker tables. No two cells in use have the same; that of a
    /// cell nobody uses is given to another.
    pub id: usize,
    /// How many services show it in their current roster; kept by `roster`.
    pub(crate) listings: AtomicU32,
    /// Requests sent to it and not yet finished.
    pub in_flight: AtomicU32,
    /// Whether it is given requests.
    pub state: StateCell,
    /// Why it is down, or was last.
    pub reason: ReasonCell,
    /// Checks in a row: good ones count up from 0, failed ones down.
    pub streak: AtomicI32,
    /// Whether it has yet to pass its checks.
    pub is_ill: AtomicBool,
    /// Exponentially weighted latency in nanoseconds, and when it was written; see `upstreams`' ewma.
    pub latency_ns: AtomicU64,
    /// When `latency_ns` was last written, as `Nanos`.
    pub latency_at: AtomicU64,
    /// Answers that `latency_ns` is made of, counted as far as it matters.
    pub latency_answers: AtomicU32,
    /// Requests sent, ever.
    pub requests: AtomicU64,
    /// Requests that failed: no connection, reset, timeout, unusable answer.
    pub failures: AtomicU64,
    /// When a connect last failed, as `Nanos`; of backends that are all gone, the first of these is asked next.
    pub failed_at: AtomicU64,
    /// When it last answered a request of a service with checks, as `Nanos`: a check that is late meanwhile was late
    /// because of load.
    pub answered_at: AtomicU64,
    /// What it answered.
    pub answers: PerWorker<Answers>,
}

impl BackendCell {
    /// Whether new requests should go elsewhere while there is an elsewhere.
    pub fn is_down(&self) -> bool {
        self.state.get().is_down()
    }

    /// Whether a service sends new requests to it. Connections to one that is not listed are not kept.
    pub fn is_listed(&self) -> bool {
        self.listings.load(Relaxed) != 0
    }

    /// Its answers so far by the class of their status, as in `CLASSES`.
    pub fn responses(&self) -> [u64; CLASSES.len()] {
        let mut sums = [0; CLASSES.len()];
        self.answers.used().for_each(|answers| answers.add_to(&mut sums));
        sums
    }

    /// Why it is down; `None` while it is not.
    pub fn down_reason(&self) -> Option<DownReason> {
        self.reason.get().filter(|_| self.is_down())
    }

    /// A connect was refused or timed out: gone from now on, whatever came before.
    pub fn connect_failed(&self, now: Nanos, reason: DownReason) {
        self.reason.set(reason);
        self.failed_at.store(now.0, Relaxed);
        self.is_ill.store(true, Relaxed);
        self.streak.store(0, Relaxed);
        self.state.set(State::Gone, now);
    }

    /// A connect succeeded, and no checks say whether that is enough: up.
    pub fn connected(&self, now: Nanos) {
        // A load first: the common case must not write to a line that other workers read.
        match self.state.get() {
            State::Up => {}
            State::Unknown => drop(self.state.change(State::Unknown, State::Up, now)),
            State::Out | State::Gone => self.back(now),
        }
    }

    /// A connect succeeded; if it is down, its checks bring it back and nothing else.
    pub fn reached(&self, now: Nanos) {
        if self.state.get() == State::Unknown {
            self.state.change(State::Unknown, State::Up, now);
        }
    }

    /// Up again. It starts anew: what was learnt of it before its end, slow answers above all, says nothing of it now.
    pub fn back(&self, now: Nanos) {
        self.latency_ns.store(0, Relaxed);
        self.latency_answers.store(0, Relaxed);
        self.is_ill.store(false, Relaxed);
        self.streak.store(0, Relaxed);
        self.state.set(State::Up, now);
    }
}

/// The backends of a service. Replaced as a whole, in `CurrentRoster`, when discovery or scaling changes them.
#[derive(Debug, Default)]
pub struct Roster {
    /// In the order of the configuration.
    pub backends: Box<[Backend]>,
    /// Whether the checks of its service are not believed, as all backends that take connections fail them: those are
    /// given requests all the same. Envoy's panic mode, at 100 %.
    pub is_panicking: AtomicBool,
}

impl Roster {
    /// These backends, of whose checks nothing is known yet.
    pub fn new(backends: impl IntoIterator<Item = Backend>) -> Roster {
        Roster { backends: backends.into_iter().collect(), is_panicking: AtomicBool::new(false) }
    }

    /// Whether all that take connections fail their checks, and there is one: the checks are not to be believed then.
    pub fn fails_all_checks(&self) -> bool {
        let cells = self.backends.iter().map(|backend| &backend.cell);
        let mut takers = cells.filter(|cell| cell.state.get() != State::Gone).peekable();
        takers.peek().is_some() && takers.all(|cell| cell.is_ill.load(Relaxed))
    }

    /// Whether a backend of it is given requests like any other.
    pub fn is_in_use(&self, backend: &Backend) -> bool {
        match backend.cell.state.get() {
            State::Unknown | State::Up => true,
            State::Out => self.is_panicking.load(Relaxed),
            State::Gone => false,
        }
    }
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

/// How backends are checked without waiting for a request to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// From the beginning of one check to that of the next.
    pub every: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Good ones in a row that bring a backend back.
    pub healthy: u32,
    /// Failed ones in a row that take it out.
    pub unhealthy: u32,
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// That a connection is taken.
    Connect,
    /// That a GET is answered.
    Get {
        /// The path, with a query perhaps.
        path: Arc<str>,
        /// The Host sent; the backend's own name, or its address, unless it is set.
        host: Option<Arc<str>>,
        /// The status codes that are good.
        statuses: RangeInclusive<u16>,
    },
}

/// Which Host a backend sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSent {
    /// What the client asked for.
    Client,
    /// The backend's own address, or the host name it was found by.
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
    /// What is configured as its backends.
    pub entries: Box<[Entry]>,
    /// Its backends now.
    pub roster: CurrentRoster,
    /// How one is chosen.
    pub balancer: Arc<dyn Balancer>,
    /// Time bounds.
    pub timeouts: Timeouts,
    /// Retries.
    pub retry: Retry,
    /// How its backends are checked; `None` leaves it to requests to find out.
    pub health: Option<Health>,
    /// The Host sent on.
    pub host: HostSent,
    /// How those of its backends are spoken to that speak TLS.
    pub tls: Option<Made>,
    /// Its counters.
    pub meters: Arc<ServiceMeters>,
    /// Most requests of the whole process at its backends at a time.
    pub connections_max: usize,
    /// Most idle connections of the whole process to each of its backends.
    pub connections_idle_max: usize,
    /// Closed on purpose, with this answer; its backends are checked all the same.
    pub maintenance: Option<Maintenance>,
}

/// Cells the book may hold before it first looks for unused ones: a look is not worth less.
const CELLS_LOOK_MIN: usize = 64;

/// Learnt state by service and address, so that a reload or an answer of the DNS finds it again. Grows with what is
/// in use, not with what ever was: whenever it has doubled, cells that only the book still holds are dropped.
#[derive(Debug)]
pub struct CellBook {
    cells: Mutex<Cells>,
    workers: usize,
}

/// Invariant: the ids of the cells and those free are the numbers below their count, each once.
#[derive(Debug, Default)]
struct Cells {
    by_name: HashMap<(Arc<str>, Address), Arc<BackendCell>>,
    ids_free: Vec<usize>,
    /// At so many cells the unused ones are looked for.
    look_at: usize,
}

impl CellBook {
    /// A book for so many workers.
    pub fn new(workers: usize) -> CellBook {
        CellBook { cells: Mutex::default(), workers }
    }

    /// The cell of a backend, made on first use.
    pub fn cell(&self, service: &Arc<str>, address: &Address) -> Arc<BackendCell> {
        let mut cells = self.cells.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let name = (service.clone(), address.clone());
        if let Some(cell) = cells.by_name.get(&name) {
            return cell.clone();
        }
        cells.drop_unused();
        let id = cells.ids_free.pop().unwrap_or(cells.by_name.len());
        let answers = PerWorker::new(self.workers);
        let state = StateCell::since_now(clock::exact());
        let cell = Arc::new(BackendCell { id, state, answers, ..BackendCell::default() });
        cells.by_name.insert(name, cell.clone());
        cell
    }
}

impl Cells {
    fn drop_unused(&mut self) {
        if self.by_name.len() < self.look_at.max(CELLS_LOOK_MIN) {
            return;
        }
        let Cells { by_name, ids_free, .. } = self;
        by_name.retain(|_, cell| {
            // Nobody can begin to use it meanwhile: only the book hands it out, and the book is locked.
            let is_used = Arc::strong_count(cell) > 1;
            if !is_used {
                ids_free.push(cell.id);
            }
            is_used
        });
        self.look_at = 2 * self.by_name.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn address(number: usize) -> Address {
        Address::Inet(([10, 0, (number >> 8) as u8, number as u8], 80).into())
    }

    #[test]
    fn cells_are_found_again_and_those_of_addresses_that_went_make_room() {
        let (book, service) = (CellBook::new(1), Arc::from("api"));
        let kept: Vec<_> = (0..10).map(|number| book.cell(&service, &address(number))).collect();
        for number in 10..20_000 {
            let passing = book.cell(&service, &address(number));
            assert!(passing.id < 2 * CELLS_LOOK_MIN, "numbers are used again: {}", passing.id);
            assert!(kept.iter().all(|cell| cell.id != passing.id), "a number in use is nobody else's");
        }
        for (number, cell) in kept.iter().enumerate() {
            assert!(Arc::ptr_eq(cell, &book.cell(&service, &address(number))), "{number}");
        }
        assert!(
            !Arc::ptr_eq(&kept[0], &book.cell(&Arc::from("other"), &address(0))),
            "each service has its own"
        );
    }

    #[test]
    fn any_number_of_cells_in_use_have_numbers_of_their_own() {
        let (book, service) = (CellBook::new(1), Arc::from("api"));
        let mut used: Vec<_> = (0..1000).map(|number| book.cell(&service, &address(number))).collect();
        for round in 1..20 {
            used.drain(..300);
            used.extend((0..300).map(|number| book.cell(&service, &address(1000 * round + number))));
            let ids: HashSet<usize> = used.iter().map(|cell| cell.id).collect();
            assert_eq!(ids.len(), used.len(), "round {round}");
            assert!(ids.iter().all(|id| *id < 4000), "round {round}");
        }
    }
}
