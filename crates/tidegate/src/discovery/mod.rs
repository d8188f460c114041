//! Keeps the rosters of services true to what their host names resolve to: asks for each name of the snapshot in use
//! before its answer ends, and replaces the rosters of the services that mention it when its addresses change.
//! Control plane: nothing here is waited for by a worker. What an answer means is in `upstreams`' sources.

mod resolver;

use resolver::Resolver;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tidegate_core::entry::{self, NameBook};
use tidegate_core::plan::Snapshot;
use tidegate_core::service::{CellBook, Roster, Service};
use tidegate_telemetry::say;
use tidegate_upstreams::sources::dns::{Answer, Name, News};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::gateway::random_bits;

/// How long a start or a reload waits for names that are new: long enough for a name server that has to ask others,
/// short enough that one that does not answer is no outage of the services that do not need it.
const PREPARE_TIME_MAX: Duration = Duration::from_secs(2);
/// How often to look whether a snapshot that was prepared has been refused and is gone, unless woken before.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lookups at a time: a thousand names are asked for in turn, not in one burst that name servers drop.
const AT_ONCE_MAX: usize = 64;
/// Orders that wait: reloads come one after the other, with two each.
const ORDERS_MAX: usize = 4;

/// Looks after names for as long as it is held.
pub(crate) struct Discovery {
    orders: mpsc::Sender<Order>,
}

enum Order {
    /// A snapshot is about to be served; tell when its names were answered for.
    Prepare(Weak<Snapshot>, oneshot::Sender<()>),
    /// This one is served, and no other.
    Serve(Weak<Snapshot>),
}

impl Discovery {
    /// Begins with the first snapshot, on the runtime it is called in. Returns as `prepare` does.
    pub(crate) async fn start(
        cells: Arc<CellBook>,
        names: Arc<NameBook>,
        snapshot: &Arc<Snapshot>,
    ) -> Discovery {
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let task = Task {
            cells,
            book: names,
            resolver: None,
            names: HashMap::new(),
            asking: JoinSet::new(),
            asked: HashMap::new(),
            current: Arc::downgrade(snapshot),
            next: Weak::new(),
            followed: Vec::new(),
            waiting: None,
        };
        tokio::spawn(task.run(received));
        let discovery = Discovery { orders };
        discovery.prepare(snapshot).await;
        discovery
    }

    /// Looks up the names that are new in a snapshot and gives it their addresses. Returns when each was answered for,
    /// well or not, or after `PREPARE_TIME_MAX`; what is not known then follows when it is.
    pub(crate) async fn prepare(&self, snapshot: &Arc<Snapshot>) {
        if names(snapshot).next().is_none() {
            return;
        }
        let (done, prepared) = oneshot::channel();
        if self.orders.send(Order::Prepare(Arc::downgrade(snapshot), done)).await.is_ok() {
            // Late, or overtaken by another snapshot: in both cases it is not waited for any longer.
            let _ = tokio::time::timeout(PREPARE_TIME_MAX, prepared).await;
        }
    }

    /// From now on this snapshot is served: names that only others have are not looked after any more.
    pub(crate) async fn serve(&self, snapshot: &Arc<Snapshot>) {
        // The task ends with the runtime, and then nothing is served.
        let _ = self.orders.send(Order::Serve(Arc::downgrade(snapshot))).await;
    }
}

/// The host names in a snapshot, some perhaps more than once.
fn names(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<str>> {
    let entries = snapshot.services.iter().flat_map(|service| &service.entries);
    entries.filter_map(|entry| entry.site.name())
}

fn mentions(service: &Service, name: &str) -> bool {
    service.entries.iter().any(|entry| entry.site.name().is_some_and(|its| **its == *name))
}

/// A name that is looked after.
struct Tracked {
    name: Name,
    due: Instant,
    is_asking: bool,
    is_answered: bool,
}

struct Task {
    cells: Arc<CellBook>,
    book: Arc<NameBook>,
    /// Made for the first name: without any, no file of the system is read.
    resolver: Option<Resolver>,
    names: HashMap<Arc<str>, Tracked>,
    asking: JoinSet<Answer>,
    /// Which name each lookup is for.
    asked: HashMap<Id, Arc<str>>,
    /// The snapshot that is served. Neither is kept alive here.
    current: Weak<Snapshot>,
    /// The one that may be served next.
    next: Weak<Snapshot>,
    /// The snapshots whose names are looked after.
    followed: Vec<Weak<Snapshot>>,
    /// Who waits for the names of `next`.
    waiting: Option<oneshot::Sender<()>>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let snapshots = self.snapshots();
            self.follow(&snapshots);
            self.ask(&snapshots);
            self.tell(&snapshots);
            drop(snapshots);
            let wake_at = self.wake_at();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Prepare(snapshot, done)) => {
                        self.next = snapshot;
                        self.waiting = Some(done);
                    }
                    Some(Order::Serve(snapshot)) => {
                        self.current = snapshot;
                        self.next = Weak::new();
                    }
                    None => return, // the gateway has ended
                },
                Some(result) = self.asking.join_next_with_id() => self.take(result),
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    /// The snapshot that is served, and behind it the one that may follow.
    fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        let mut snapshots: Vec<_> = self.current.upgrade().into_iter().chain(self.next.upgrade()).collect();
        snapshots.dedup_by(|one, other| Arc::ptr_eq(one, other));
        snapshots
    }

    /// Looks after the names of these snapshots and of no others.
    fn follow(&mut self, snapshots: &[Arc<Snapshot>]) {
        let is_same = self.followed.len() == snapshots.len()
            && self.followed.iter().zip(snapshots).all(|(weak, arc)| weak.as_ptr() == Arc::as_ptr(arc));
        if is_same {
            return;
        }
        self.followed = snapshots.iter().map(Arc::downgrade).collect();
        let wanted: HashSet<&Arc<str>> = snapshots.iter().flat_map(|snapshot| names(snapshot)).collect();
        self.names.retain(|text, _| {
            let is_wanted = wanted.contains(text);
            if !is_wanted {
                self.book.forget(text);
            }
            is_wanted
        });
        for text in wanted {
            self.names.entry(text.clone()).or_insert_with(|| Tracked {
                name: Name::default(),
                due: Instant::now(),
                is_asking: false,
                is_answered: false,
            });
        }
        // What a snapshot began with may be older than what is known now.
        for service in snapshots.iter().flat_map(|snapshot| &snapshot.services) {
            if service.entries.iter().any(|entry| entry.site.name().is_some()) {
                self.renew(service);
            }
        }
    }

    /// Begins the lookups that are due.
    fn ask(&mut self, snapshots: &[Arc<Snapshot>]) {
        let now = Instant::now();
        let due = self.names.iter_mut().filter(|(_, tracked)| !tracked.is_asking && tracked.due <= now);
        let due: Vec<_> = due.take(AT_ONCE_MAX.saturating_sub(self.asking.len())).collect();
        let (false, Some(newest)) = (due.is_empty(), snapshots.last()) else { return };
        let resolver = self.resolver.get_or_insert_with(|| Resolver::new(&newest.resolver));
        resolver.renew(&newest.resolver);
        for (text, tracked) in due {
            tracked.is_asking = true;
            let lookup = self.asking.spawn(resolver.asker().ask(text.clone()));
            self.asked.insert(lookup.id(), text.clone());
        }
    }

    /// Tells who waits for the next snapshot, once all its names were answered for.
    fn tell(&mut self, snapshots: &[Arc<Snapshot>]) {
        let is_answered = |text| self.names.get(text).is_some_and(|tracked| tracked.is_answered);
        if let Some(newest) = snapshots.last()
            && names(newest).all(is_answered)
            && let Some(waiting) = self.waiting.take()
        {
            // Gone if it took too long.
            let _ = waiting.send(());
        }
    }

    fn wake_at(&self) -> Instant {
        let latest = Instant::now() + LOOK_EVERY;
        if self.asking.len() >= AT_ONCE_MAX {
            return latest; // an answer makes room, and wakes
        }
        let waiting = self.names.values().filter(|tracked| !tracked.is_asking);
        waiting.map(|tracked| tracked.due).min().map_or(latest, |due| due.min(latest))
    }

    /// Takes the answer of a lookup.
    fn take(&mut self, result: Result<(Id, Answer), JoinError>) {
        let (id, answer) = match result {
            Ok(answered) => answered,
            Err(error) => (error.id(), Answer::failed("the lookup broke off")),
        };
        let Some(text) = self.asked.remove(&id) else { return };
        let Some(tracked) = self.names.get_mut(&text) else { return }; // not wanted any more
        let meaning = tracked.name.take(answer, random_bits());
        tracked.due = Instant::now() + meaning.ask_after;
        tracked.is_asking = false;
        tracked.is_answered = true;
        let known = tracked.name.addresses().len();
        let snapshots = self.snapshots();
        let services = snapshots.iter().flat_map(|snapshot| &snapshot.services);
        let services: Vec<&Arc<Service>> = services.filter(|service| mentions(service, &text)).collect();
        if let Some(addresses) = meaning.addresses {
            self.book.set(&text, addresses.into());
            services.iter().for_each(|service| self.renew(service));
        }
        if let Some(news) = meaning.news {
            tell(&text, &services, known, &news);
        }
    }

    /// Gives a service the roster that follows from what is known, if it is another one.
    fn renew(&self, service: &Service) {
        let roster = entry::roster(&service.name, &service.entries, &self.cells, &self.book);
        if !is_same(&service.roster.load(), &roster) {
            service.roster.replace(roster);
        }
    }
}

fn is_same(one: &Roster, other: &Roster) -> bool {
    one.backends.len() == other.backends.len()
        && one.backends.iter().zip(&other.backends).all(|(one, other)| {
            (&one.address, one.weight, &one.authority) == (&other.address, other.weight, &other.authority)
        })
}

/// Tells the operator of a name: which one, of which services, with how many addresses.
fn tell(name: &str, services: &[&Arc<Service>], known: usize, news: &News) {
    let mut of: Vec<&str> = services.iter().map(|service| &*service.name).collect();
    of.dedup();
    let of = of.join(",");
    let mut details: Vec<(&str, &dyn Display)> =
        vec![("name", &name), ("services", &of), ("addresses", &known)];
    match news {
        News::Failing(reason) => {
            let text = match known {
                0 => "a host name of backends cannot be resolved",
                _ => "a host name of backends cannot be resolved any more, known addresses stay in use",
            };
            details.push(("reason", reason));
            say::warn_of(name, text, &details);
        }
        News::Well => say::well_again(name, "a host name of backends is resolved again", &details),
    }
}
