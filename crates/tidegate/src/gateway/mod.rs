//! A running gateway: the snapshot, its workers, the admin listener and the signals that change and end it. Start
//! either succeeds whole, or says everything that stood in the way and leaves nothing behind. What is bound where is in
//! `listening`, how the configuration changes in `reload`, when by itself in `watch`.

mod inherited;
mod kept;
mod listening;
mod reload;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_admin::{Access, Origin, Reloading, Running, View};
use tidegate_config::{Config, Workers, Workshop};
use tidegate_core::entry::NameBook;
use tidegate_core::meters::{Meters, WORKERS_MAX};
use tidegate_core::plan::Snapshot;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::service::CellBook;
use tidegate_core::shelf::Shelf;
use tidegate_core::units::Bind;
use tidegate_telemetry::access_log::AccessLog;
use tidegate_telemetry::recent::Recent;
use tidegate_telemetry::say;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

pub(crate) use kept::last_good;
pub(crate) use listening::connection_limits;
use listening::{SocketName, bind_admin, is_local};
pub(crate) use reload::Changer;
use reload::{Cause, Reloader};

use crate::access_log;
use crate::descriptors;
use crate::discovery::Discovery;
use crate::documents;
use crate::health;
use crate::local;
use crate::node::Node;
use crate::notify;
use crate::state;
use crate::stores::Stores;
use crate::tls;
use crate::worker::{self, Order, Start, WorkerListener};

/// How long the access log may take to write its last lines once all requests are over: a second more than a slow disk
/// needs for all rings.
const LOG_TIME: Duration = Duration::from_secs(2);
/// Orders waiting for a worker: it takes them at once, so one is enough; a few cost nothing.
const ORDERS_MAX: usize = 8;

/// What all parts of a running gateway share.
pub(crate) struct Shared {
    running: RwLock<Running>,
    cells: Arc<CellBook>,
    names: Arc<NameBook>,
    meters: Meters,
    discovery: Discovery,
    stores: Stores,
    recent: Recent,
    is_draining: AtomicBool,
    reloader: Reloader,
}

impl Shared {
    /// Whether it goes on: it has not been told to end.
    fn is_serving(&self) -> bool {
        !self.is_draining.load(Relaxed)
    }

    /// Connections of clients that are open.
    fn connections(&self) -> u64 {
        self.meters.listeners().iter().map(|(_, meters)| meters.connections.load(Relaxed)).sum()
    }

    /// The counters.
    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The snapshot in use.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.running().snapshot
    }
}

impl View for Shared {
    fn running(&self) -> Running {
        self.running.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn recent(&self) -> &Recent {
        &self.recent
    }

    fn meters(&self) -> &Meters {
        &self.meters
    }

    fn shelf(&self) -> &Shelf {
        self.stores.shelf()
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn is_ready(&self) -> bool {
        self.is_serving()
    }

    fn reload(self: Arc<Self>) -> Reloading {
        Box::pin(async move { Shared::renew(&self, Cause::Admin).await })
    }
}

/// Why a gateway did not start.
pub(crate) enum StartError {
    /// What the operator can mend.
    Problems(Problems),
}

impl From<Problem> for StartError {
    fn from(problem: Problem) -> StartError {
        StartError::Problems(problem.into())
    }
}

impl From<Problems> for StartError {
    fn from(problems: Problems) -> StartError {
        StartError::Problems(problems)
    }
}

/// Where changes of the configuration come from.
#[derive(Clone, Debug)]
pub(crate) enum Changes {
    /// From nowhere: it was made by the program.
    Never,
    /// From this file, when it changes or when asked for.
    File(PathBuf),
}

/// A running gateway.
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    control: tokio::runtime::Runtime,
    workers: Vec<JoinHandle<std::io::Result<()>>>,
    /// Hears the number of a worker that has ended.
    worker_ended: mpsc::Receiver<usize>,
    signals: Signals,
    greeting: String,
    link: Option<String>,
    /// Of the admin listener, if that is a Unix socket.
    admin_name: Option<SocketName>,
    /// Claimed for as long as it runs.
    _node: Node,
}

/// The signals that the gateway obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Asks for what does not exist yet; unheard, it would end the process.
    upgrade: Signal,
}

impl Signals {
    /// From now on they do not end the process.
    fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits until one tells the gateway to end.
    async fn end(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Announced,
            _ = self.interrupt.recv() => End::AtOnce,
        }
    }
}

/// How a gateway is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By a supervisor, whose load balancer looks at `/readyz`.
    Announced,
    /// By a person, who waits.
    AtOnce,
    /// By nobody: a worker has ended.
    Broken,
}

/// How a gateway has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it was told.
    Well,
    /// By itself.
    Badly,
}

impl End {
    /// The signal that means it.
    fn signal(self) -> Option<&'static str> {
        match self {
            End::Announced => Some("SIGTERM"),
            End::AtOnce => Some("SIGINT"),
            End::Broken => None,
        }
    }
}

impl Gateway {
    /// Starts a gateway from a checked configuration, whose members were built with `stores`. Returns when it serves.
    pub(crate) fn start(
        config: Config,
        origin: Origin,
        changes: Changes,
        stores: Stores,
    ) -> Result<Gateway, StartError> {
        descriptors::raise_limit();
        let count = worker_count(config.workers);
        descriptors::refuse_too_few(&config, count)?;
        let meters = Meters::new(count);
        if origin == Origin::LastGood {
            meters.begin_with_last_good();
        }
        let (cells, names) = (Arc::new(CellBook::new(count)), Arc::new(NameBook::default()));
        let workshop = Workshop { cells: &cells, names: &names, meters: &meters, previous: None };
        let snapshot = Arc::new(tidegate_config::compile(&config, 1, &workshop)?);
        prepare_state(&config.state.dir)?;
        stores.open(&config.state.dir)?;
        let node = Node::claim(&config.state.dir);
        let mut log = AccessLog::new(meters.log().clone());
        if let Some(destination) = access_log::open(&config)? {
            log.turn_to(destination).map_err(no_thread)?;
        }

        let control = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2) // health, admin and files; none of it is heavy
            .thread_name("tidegate-control")
            .enable_all()
            .build()
            .map_err(no_thread)?;
        // Before anybody can know that the gateway is there, and send one.
        let signals = control
            .block_on(async { Signals::catch() })
            .map_err(|error| Problem::new(format!("cannot listen to signals: {error}")))?;
        let access = Arc::new(Access::new(&config)?);
        let admin = bind_admin(&config.admin.bind)?;
        let (greeting, link) = (greeting(&config, count), link(&config, &access));
        warn_if_open(&config);
        tls::warn_of_the_unproved(&config, None);
        meters.set_certificates(tidegate_config::certificates(&config.listen));
        let (mut reloader, listeners) = Reloader::start(config, changes, log, count, &meters)?;
        let discovery = control.block_on(Discovery::start(cells.clone(), names.clone(), &snapshot));
        control.spawn(documents::run(stores.shelf().documents.clone()));
        control.block_on(documents::prepare(&stores.shelf().documents));
        let running = Running { config: reloader.config(), snapshot, origin };
        let (ended, worker_ended) = mpsc::channel(count);
        let crew = Crew { node: &node, snapshot: &running.snapshot, meters: &meters, ended };
        let (reloader, workers) = start_workers(reloader, listeners, crew)?;
        descriptors::share_out(&running.config)?;
        let shared = Arc::new(Shared {
            running: RwLock::new(running),
            cells,
            names,
            meters,
            discovery,
            stores,
            recent: Recent::default(),
            is_draining: AtomicBool::new(false),
            reloader,
        });
        let router = tidegate_admin::router(shared.clone(), access.clone());
        let (admin, admin_name) = admin.into_listener(&control).map_err(no_thread)?;
        control.spawn(tidegate_admin::serve(admin, router));
        look_after(&control, &shared);
        control.block_on(shared.keep_good());
        Ok(Gateway {
            greeting,
            link,
            shared,
            control,
            workers,
            worker_ended,
            signals,
            admin_name,
            _node: node,
        })
    }

    /// One line that says what was started and where.
    pub(crate) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Where a browser gets in, once; nothing where no browser can get.
    pub(crate) fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// What it serves now, with what was learnt about its backends.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// For who changes its configuration.
    pub(crate) fn changer(&self) -> Changer {
        Changer { shared: self.shared.clone(), control: self.control.handle().clone() }
    }

    /// Serves until SIGTERM or SIGINT, then drains; takes the configuration anew at SIGHUP. A worker that ends ends all:
    /// its share of the connections would be accepted by nobody, and whoever supervises the process starts it anew. That is
    /// `Ended::Badly`.
    pub(crate) fn serve_until_told(mut self) -> Ended {
        let Signals { terminate, interrupt, hangup, upgrade } = &mut self.signals;
        let end = self.control.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return End::Announced,
                    _ = interrupt.recv() => return End::AtOnce,
                    Some(number) = self.worker_ended.recv() => {
                        say::error("a worker has ended, and so this process ends", &[("worker", &number)]);
                        return End::Broken;
                    }
                    // What is wrong has been said.
                    _ = hangup.recv() => drop(self.shared.renew(Cause::Signal).await),
                    _ = upgrade.recv() => say::warn_each(
                        "SIGUSR2 is for handing over to another program, which is not there yet: nothing is done",
                        &[],
                    ),
                }
            }
        });
        if let Some(signal) = end.signal() {
            let open = self.shared.connections();
            say::info(
                "told to end, finishes what is under way",
                &[("signal", &signal), ("connections", &open)],
            );
        }
        self.end(end);
        say::info("has ended", &[]);
        if end == End::Broken { Ended::Badly } else { Ended::Well }
    }

    /// Stops accepting, lets requests in flight finish for a bounded time, and ends.
    pub(crate) fn drain(self) {
        self.end(End::AtOnce);
    }

    fn end(mut self, end: End) {
        self.shared.is_draining.store(true, Relaxed);
        notify::stopping();
        let is_cut = self.control.block_on(async {
            let drain = self.shared.running().config.drain.clone();
            let wait = drain.wait.on().filter(|_| end == End::Announced).unwrap_or_default();
            tokio::select! {
                () = finish(&self.shared.reloader, &self.workers, wait) => false,
                () = tokio::time::sleep(drain.time.max(wait)) => true,
                _ = self.signals.end() => true, // told twice: now

            }
        });
        if is_cut {
            let open = self.shared.connections();
            say::warn("connections were open at the end of their time and are cut off", &[("open", &open)]);
        }
        // Nobody writes any more, or has had its time: what is left is in the rings.
        if let Some(log) = self.control.block_on(self.shared.reloader.take_log()) {
            log.finish(LOG_TIME);
        }
        self.shared.stores.close();
        if let Some(name) = self.admin_name {
            name.remove();
        }
        self.control.shutdown_background();
    }
}

/// How often an ending gateway looks whether its workers have ended.
const END_LOOK: Duration = Duration::from_millis(5);

/// Has the workers finish what they were asked, after a moment in which others learn that they should ask elsewhere.
async fn finish(reloader: &Reloader, workers: &[JoinHandle<std::io::Result<()>>], wait: Duration) {
    if !wait.is_zero() {
        reloader.tell(|| Order::Close).await;
        tokio::time::sleep(wait).await;
    }
    reloader.hide_sockets().await;
    reloader.tell(|| Order::Drain).await;
    while !workers.iter().all(JoinHandle::is_finished) {
        tokio::time::sleep(END_LOOK).await;
    }
}

fn worker_count(workers: Workers) -> usize {
    let count = match workers {
        Workers::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Workers::Count(count) => usize::from(count.get()),
    };
    count.clamp(1, WORKERS_MAX)
}

/// Makes sure the state folder is there and can be written, before anything depends on it.
fn prepare_state(dir: &Path) -> Result<(), Problem> {
    let problem = |error: std::io::Error| {
        Problem::new(format!("cannot write to the state folder {}: {error}", dir.display()))
            .hint("set `state: { dir: … }` to a folder this user may write to")
    };
    state::prepare(dir).map_err(problem)
}

/// Everything beside the requests that runs for as long as the gateway does.
fn look_after(control: &tokio::runtime::Runtime, shared: &Arc<Shared>) {
    control.spawn(health::run(shared.clone()));
    control.spawn(reload::bury(shared.clone()));
    control.spawn(watch::run(shared.clone()));
    control.spawn(tls::watch_ends(shared.clone()));
    control.spawn(fold(shared.clone()));
    control.spawn(descriptors::watch());
}

/// Keeps the durations of late up to date.
async fn fold(shared: Arc<Shared>) {
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        every_second.tick().await;
        shared.recent.fold(&shared.meters);
    }
}

fn no_thread(error: std::io::Error) -> Problem {
    Problem::new(format!("cannot start a thread: {error}"))
}

type Threads = Vec<JoinHandle<std::io::Result<()>>>;

/// What all workers begin with.
struct Crew<'a> {
    node: &'a Node,
    snapshot: &'a Arc<Snapshot>,
    meters: &'a Meters,
    ended: mpsc::Sender<usize>,
}

/// One thread for each list of listeners. Returns when all of them serve, or one cannot.
fn start_workers(
    mut reloader: Reloader,
    listeners: Vec<Vec<WorkerListener>>,
    crew: Crew<'_>,
) -> Result<(Reloader, Threads), Problem> {
    let mut threads = Vec::new();
    let count = listeners.len();
    // Each says how it began, and perhaps that it ended.
    let (ready, begun) = std::sync::mpsc::sync_channel(2 * count);
    for (number, listeners) in listeners.into_iter().enumerate() {
        let (sender, orders) = mpsc::channel(ORDERS_MAX);
        let start = Start {
            number,
            workers: count,
            node: crew.node.name.clone(),
            snapshot: crew.snapshot.clone(),
            seed: random_bits(),
            listeners,
            lag: crew.meters.lag.clone(),
            orders,
            ready: ready.clone(),
            ended: crew.ended.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("tidegate-{number}"))
            .spawn(move || worker::run(start))
            .map_err(no_thread)?;
        threads.push(thread);
        reloader.orders.push(sender);
    }
    drop(ready);
    for said in begun.iter().take(count) {
        said.map_err(|error| Problem::new(format!("a worker cannot serve: {error}")))?;
    }
    Ok((reloader, threads))
}

/// Unpredictable bits for a worker's dice and ids.
pub(crate) fn random_bits() -> u64 {
    let mut bytes = [0u8; 8];
    // Filled or not, the clock keeps two workers apart.
    let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes) ^ tidegate_core::clock::exact().0
}

fn greeting(config: &Config, workers: usize) -> String {
    let listeners: Vec<String> = config
        .listen
        .iter()
        .map(|row| format!("{} on {}", row.name.as_str(), row.value.bind.value))
        .collect();
    format!(
        "tidegate {}: {}; {workers} {}; admin on {}",
        env!("CARGO_PKG_VERSION"),
        listeners.join(", "),
        if workers == 1 { "worker" } else { "workers" },
        config.admin.bind.value
    )
}

/// A line with the way in for a browser.
fn link(config: &Config, access: &Access) -> Option<String> {
    match &config.admin.bind.value {
        Bind::Inet(address) => {
            let url = local::url(*address);
            Some(format!("For a browser, once, within 5 minutes: {url}{}", access.link()))
        }
        Bind::Unix(_) => None,
    }
}

/// That anyone may knock is what the configuration says; that nobody chose the token may be an oversight.
fn warn_if_open(config: &Config) {
    let bind = &config.admin.bind.value;
    if config.admin.token.is_none() && !is_local(bind) {
        let token = config.state.dir.join("admin-token");
        let what =
            "other machines can reach the admin listener, and `admin.token` is not set: the made one holds";
        say::warn(what, &[("bind", bind), ("token", &token.display())]);
    }
}

#[cfg(test)]
mod tests;
