//! Quotas as the data plane asks for them: a map from keys to leases, bounded in memory, and the way to the store and
//! back. Most requests find their lease with something left and are done; the store is asked ahead of need.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};
use std::time::{Duration, Instant};
use tidegate_core::limits::{QUOTA_KEY_BYTES_MAX, QUOTA_KEYS_MAX, STORE_TIME};
use tidegate_core::problem::Problem;
use tidegate_core::quotas::{Ask, Debit, Quota, QuotaCounts, Quotas};
use tidegate_core::units::Period;

use super::lease::{Lease, Rest, Said, Taken, Want};
use super::sqlite::{Database, END_LOOK, Order, Row};

/// Maps of a quota: workers seldom meet in one.
const SHARDS: usize = 16;
/// Keys of a full map that are looked at for one to leave.
const LOOKS_MAX: usize = 8;
/// How many times its keys a map has while the store takes nothing. Beyond that, what one owes is forgotten.
const CROWDED: u64 = 2;

/// Route, name and period.
type QuotaName = (Box<str>, Box<str>, &'static str);
/// Leases by key.
type Shard = HashMap<Box<[u8]>, Arc<Lease>>;

/// Every quota of the gateway.
#[derive(Debug)]
pub struct Leases {
    shared: Arc<Shared>,
    quotas: Mutex<HashMap<QuotaName, Arc<OneQuota>>>,
}

/// What quotas share with each other and with the thread of the store.
#[derive(Debug)]
pub(super) struct Shared {
    keys_max: usize,
    database: OnceLock<Database>,
    pub(super) meters: Meters,
    /// The store did not answer in time: nobody waits for it until it does.
    pub(super) is_late: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Meters {
    keys: AtomicU64,
    pub(super) leases: AtomicU64,
    pub(super) flushes: AtomicU64,
    pub(super) failures: AtomicU64,
    owed: AtomicU64,
}

/// Where a key is counted.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) route: Box<str>,
    pub(super) name: Box<str>,
    pub(super) period: &'static str,
}

#[derive(Debug)]
struct OneQuota {
    place: Arc<Place>,
    shared: Arc<Shared>,
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Default for Leases {
    fn default() -> Leases {
        Leases::new(QUOTA_KEYS_MAX)
    }
}

impl Leases {
    /// Leases of so many keys, and a few more; the store is not open yet.
    pub(super) fn new(keys_max: usize) -> Leases {
        let (meters, is_late) = (Meters::default(), AtomicBool::new(false));
        let shared = Shared { keys_max, database: OnceLock::new(), meters, is_late };
        Leases { shared: Arc::new(shared), quotas: Mutex::default() }
    }

    /// Opens the store in this folder, if any quota has been asked for and it is not open yet.
    ///
    /// Errors: why it cannot be used, for the operator.
    pub fn open(&self, folder: &Path) -> Result<(), Problem> {
        if self.shared.database.get().is_some() || lock(&self.quotas).is_empty() {
            return Ok(());
        }
        let database = Database::open(folder, self.shared.clone())?;
        // Only one caller at a time starts or changes a gateway.
        let _ = self.shared.database.set(database);
        Ok(())
    }

    /// Gives back what is leased and not used, and waits until that is written, for a bounded time. Whoever asks
    /// afterwards is served on credit.
    pub fn close(&self, time: Duration) {
        let Some(database) = self.shared.database.get() else { return };
        let end = Instant::now() + time;
        let quotas: Vec<Arc<OneQuota>> = lock(&self.quotas).values().cloned().collect();
        for shard in quotas.iter().flat_map(|quota| quota.shards.iter().map(move |shard| (quota, shard))) {
            let (quota, shard) = shard;
            let shard = shard.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            for (key, lease) in shard.iter() {
                while lease.is_pending() && Instant::now() < end {
                    std::thread::sleep(END_LOOK);
                }
                // All before the first is told: what the store gives back is not told again.
                let closed: Vec<Rest> = std::iter::from_fn(|| lease.take_closed()).collect();
                for rest in closed.into_iter().chain(lease.take_rest()) {
                    database.order_until(end, quota.correct(key, lease, rest));
                }
            }
        }
        database.finish(end);
    }
}

impl Quotas for Leases {
    fn quota(&self, route: &str, name: &str, period: Period) -> Arc<dyn Quota> {
        let period = match period {
            Period::Second => "s",
            Period::Minute => "min",
            Period::Hour => "h",
            Period::Day => "day",
            Period::Month => "month",
        };
        let make = || {
            Arc::new(OneQuota {
                place: Arc::new(Place { route: route.into(), name: name.into(), period }),
                shared: self.shared.clone(),
                hasher: RandomState::new(),
                shards: Default::default(),
            })
        };
        lock(&self.quotas).entry((route.into(), name.into(), period)).or_insert_with(make).clone()
    }

    fn counts(&self) -> QuotaCounts {
        let meters = &self.shared.meters;
        QuotaCounts {
            keys: meters.keys.load(Relaxed),
            leases: meters.leases.load(Relaxed),
            flushes: meters.flushes.load(Relaxed),
            failures: meters.failures.load(Relaxed),
            owed: meters.owed.load(Relaxed),
        }
    }
}

impl OneQuota {
    /// The lease of a key. Allocates for one that is new.
    fn lease(&self, key: &[u8]) -> Arc<Lease> {
        let key = &key[..key.len().min(QUOTA_KEY_BYTES_MAX)];
        let shard = &self.shards[self.hasher.hash_one(key) as usize % SHARDS];
        if let Some(lease) = shard.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(key) {
            return lease.clone();
        }
        let mut shard = shard.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !shard.contains_key(key) {
            if self.shared.meters.keys.load(Relaxed) >= self.shared.keys_max as u64 {
                self.make_room(&mut shard);
            }
            self.shared.meters.keys.fetch_add(1, Relaxed);
        }
        shard.entry(key.into()).or_default().clone()
    }

    /// Forgets a key that nobody asks about just now. What the store does not know of it is told before: it leaves when
    /// somebody needs room again. A store that takes nothing thus lets the map grow, to its bound.
    fn make_room(&self, shard: &mut Shard) {
        let is_crowded = self.shared.meters.keys.load(Relaxed) >= self.shared.keys_max as u64 * CROWDED;
        let idle = shard.iter().filter(|(_, lease)| Arc::strong_count(lease) == 1).take(LOOKS_MAX);
        let (settled, unsettled): (Vec<_>, Vec<_>) = idle.partition(|(_, lease)| lease.is_settled());
        let (leaving, unsettled) = (settled.first().copied(), unsettled.first().copied());
        // Also when one can leave: so the next finds one too.
        if let Some((key, lease)) = unsettled {
            self.settle(key, lease);
        }
        let leaving = leaving.or(unsettled.filter(|_| is_crowded)).map(|(key, _)| key.clone());
        if leaving.is_some_and(|key| shard.remove(&key).is_some()) {
            self.shared.meters.keys.fetch_sub(1, Relaxed);
        }
    }

    /// Tells the store what it does not know of a key.
    fn settle(&self, key: &[u8], lease: &Arc<Lease>) {
        self.settle_closed(key, lease);
        if let Some(rest) = lease.take_rest() {
            self.tell(key, lease, rest);
        }
    }

    fn settle_closed(&self, key: &[u8], lease: &Arc<Lease>) {
        while let Some(rest) = lease.take_closed() {
            if !self.tell(key, lease, rest) {
                return;
            }
        }
    }

    /// Whether the store takes it. If not, the lease has it again.
    fn tell(&self, key: &[u8], lease: &Arc<Lease>, rest: Rest) -> bool {
        let is_taken = self.shared.order(self.correct(key, lease, rest));
        if !is_taken {
            lease.back(&rest);
        }
        is_taken
    }

    fn row(&self, key: &[u8], until_s: u64) -> Row {
        Row { place: self.place.clone(), key: key.into(), until_s }
    }

    fn correct(&self, key: &[u8], lease: &Arc<Lease>, rest: Rest) -> Order {
        Order::Correct { row: self.row(key, rest.until_s), rest, lease: lease.clone() }
    }

    /// Asks a lease, and the store for what it wants.
    fn ask(&self, lease: &Arc<Lease>, ask: &Ask<'_>) -> (Said, Asked) {
        let Taken { said, want, has_closed } = lease.take(ask);
        let key = &ask.key[..ask.key.len().min(QUOTA_KEY_BYTES_MAX)];
        if has_closed {
            self.settle_closed(key, lease);
        }
        let asked = match want {
            Some(want) => self.ask_store(lease, key, want, ask.now_s),
            None => Asked::Nothing,
        };
        (said, asked)
    }

    fn ask_store(&self, lease: &Arc<Lease>, key: &[u8], want: Want, now_s: u64) -> Asked {
        let row = self.row(key, want.until_s);
        if self.shared.order(Order::Lease { row, want, now_s, lease: lease.clone() }) {
            return Asked::Sent;
        }
        lease.failed(&want);
        Asked::Refused
    }

    fn owe<'a>(&self, lease: &Lease, ask: &Ask<'_>) -> Debit<'a> {
        match lease.owe(ask) {
            Said::Granted(left) => {
                self.shared.meters.owed.fetch_add(1, Relaxed);
                Debit::Granted { left }
            }
            Said::Spent | Said::Empty => Debit::Spent,
        }
    }
}

/// Whether the store was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// There was nothing to ask.
    Nothing,
    Sent,
    /// It takes no more, or is not there.
    Refused,
}

impl Shared {
    /// Whether the store takes it: it has room, and has not ended.
    fn order(&self, order: Order) -> bool {
        self.database.get().is_some_and(|database| database.orders.try_send(order).is_ok())
    }
}

impl Quota for OneQuota {
    fn take(&self, ask: Ask<'_>) -> Debit<'_> {
        let lease = self.lease(ask.key);
        let (said, asked) = self.ask(&lease, &ask);
        match said {
            Said::Granted(left) => Debit::Granted { left },
            Said::Spent => Debit::Spent,
            Said::Empty if asked == Asked::Refused || self.shared.is_late.load(Relaxed) => {
                self.owe(&lease, &ask)
            }
            Said::Empty => {
                let key: Box<[u8]> = ask.key.into();
                Debit::Wait(Box::pin(async move {
                    let ask = Ask { key: &key, ..ask };
                    self.wait(&lease, &ask).await
                }))
            }
        }
    }
}

impl OneQuota {
    async fn wait<'a>(&self, lease: &Arc<Lease>, ask: &Ask<'_>) -> Debit<'a> {
        let deadline = tokio::time::Instant::now() + STORE_TIME;
        loop {
            let mut answered = std::pin::pin!(lease.answered.notified());
            answered.as_mut().enable();
            let failures = self.shared.meters.failures.load(Relaxed);
            let (said, asked) = self.ask(lease, ask);
            match said {
                Said::Granted(left) => return Debit::Granted { left },
                Said::Spent => return Debit::Spent,
                Said::Empty if asked == Asked::Refused => return self.owe(lease, ask),
                Said::Empty => {}
            }
            let is_late = tokio::time::timeout_at(deadline, answered).await.is_err();
            if is_late {
                self.shared.is_late.store(true, Relaxed);
            }
            let has_failed = asked == Asked::Sent && self.shared.meters.failures.load(Relaxed) != failures;
            if is_late || has_failed {
                return self.owe(lease, ask);
            }
        }
    }
}
