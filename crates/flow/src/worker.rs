//! What the steps of a request need of the worker they run on. One per worker thread; nothing in it is shared,
//! so nothing in it is locked.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use tidegate_core::clock;
use tidegate_core::descriptors::DESCRIPTORS;
use tidegate_core::exchange::{Client, Exchange, Handler};
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::outcome::Refusal;
use tidegate_core::plan::Snapshot;
use tidegate_core::roster::Version;
use tidegate_core::service::{Roster, Service};
use tidegate_wire::pool::Pool;

use crate::mirror::Copies;
use crate::pump::Pipes;

/// A worker's own reference to the shared snapshot: requests count it without an atomic instruction.
#[allow(clippy::redundant_allocation)] // the outer count is the point
pub(crate) type Pinned = Rc<Arc<Snapshot>>;

/// The same for the roster of a service.
#[allow(clippy::redundant_allocation)] // the outer count is the point
pub(crate) type PinnedRoster = Rc<Arc<Roster>>;

/// A roster as a worker keeps it.
struct Kept {
    version: Version,
    roster: PinnedRoster,
}

/// A worker's data plane: takes requests from codecs and runs them.
pub struct Worker {
    /// Its number, an index into tables by worker.
    pub number: usize,
    /// How many workers there are; per-process bounds are divided by it.
    pub workers: usize,
    /// What this gateway calls itself in Via and CDN-Loop: 64 bytes at most.
    pub node: Rc<str>,
    snapshot: RefCell<Pinned>,
    /// By `Service::index`. Services of two snapshots may share a place: the version tells whose roster it is.
    rosters: RefCell<Vec<Option<Kept>>>,
    rosters_seen: Cell<Version>,
    shortages_seen: Cell<u64>,
    /// Idle connections to backends.
    pub pool: Pool,
    pub(crate) pipes: Pipes,
    /// Requests that are copied to other services.
    pub(crate) copies: Copies,
    random: Cell<u64>,
}

impl Worker {
    /// A worker that serves this snapshot. `seed` feeds its dice and its request ids.
    pub fn new(number: usize, workers: usize, node: &str, snapshot: Arc<Snapshot>, seed: u64) -> Worker {
        Worker {
            number,
            workers: workers.max(1),
            node: node.into(),
            snapshot: RefCell::new(Rc::new(snapshot)),
            rosters: RefCell::default(),
            rosters_seen: Cell::new(Version::newest()),
            shortages_seen: Cell::new(DESCRIPTORS.shortages()),
            pool: Pool::default(),
            pipes: Pipes::default(),
            copies: Copies::default(),
            random: Cell::new(seed),
        }
    }

    /// The snapshot requests see now. Counted without an atomic instruction: it is this worker's own reference.
    pub(crate) fn snapshot(&self) -> Pinned {
        self.snapshot.borrow().clone()
    }

    /// Requests that begin from now on see this snapshot.
    pub fn swap(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.replace(Rc::new(snapshot));
    }

    /// The backends of a service now. While they stay the same it takes no lock and no atomic instruction that writes.
    pub(crate) fn roster(&self, service: &Service) -> PinnedRoster {
        let version = service.roster.version();
        if let Some(Some(kept)) = self.rosters.borrow().get(service.index)
            && kept.version == version
        {
            return kept.roster.clone();
        }
        self.keep_roster(service)
    }

    #[cold]
    fn keep_roster(&self, service: &Service) -> PinnedRoster {
        let (version, roster) = service.roster.load_versioned();
        let roster = Rc::new(roster);
        let mut rosters = self.rosters.borrow_mut();
        if rosters.len() <= service.index {
            rosters.resize_with(service.index + 1, || None);
        }
        rosters[service.index] = Some(Kept { version, roster: roster.clone() });
        roster
    }

    /// This worker's part of a bound of the process: the parts of all workers add up to it.
    pub(crate) fn share(&self, most: usize) -> usize {
        most / self.workers + usize::from(self.number < most % self.workers)
    }

    /// 64 fresh random bits: splitmix64 (Steele, Lea, Flood 2014), good for dice and ids, not for secrets.
    pub(crate) fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Housekeeping, about once a second.
    pub fn tick(&self) {
        let newest = Version::newest();
        if self.rosters_seen.replace(newest) != newest {
            // Some may be of the past, and hold what was learnt of backends that are gone.
            self.rosters.borrow_mut().clear();
        }
        let shortages = DESCRIPTORS.shortages();
        if self.shortages_seen.replace(shortages) != shortages {
            // Somebody had none: what is idle here is needed there.
            self.pipes.forget_all();
            self.pool.forget_all();
        }
        self.pool.sweep(clock::exact());
    }
}

impl Handler for Worker {
    async fn handle<E: Exchange>(&self, request: &mut RequestHead, exchange: &mut E) {
        crate::steps::run(self, request, exchange).await;
    }

    fn refuse(&self, client: &Client, refusal: Refusal, answer: &mut ResponseHead, body: &mut Vec<u8>) {
        crate::rescue::refuse(self, client, refusal, answer, body);
    }
}
