//! A running gateway: the snapshot, its workers, the admin listener and the signals that end it. Start either
//! succeeds whole, or says everything that stood in the way and leaves nothing behind. What is bound where is in
//! `listening`.

mod listening;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_admin::{NotReloaded, Reloading, Running, View};
use tidegate_config::{Config, Workers, Workshop};
use tidegate_core::meters::{Meters, WORKERS_MAX};
use tidegate_core::plan::Snapshot;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::service::CellBook;
use tidegate_telemetry::access_log::AccessLog;
use tidegate_telemetry::recent::Recent;
use tidegate_wire::listen::{ConnectionCounts, Listening};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub(crate) use listening::connection_limits;
use listening::{AdminSocket, bind_admin, bind_all, per_address};

use crate::access_log;
use crate::revive;
use crate::worker::{self, Order, Start, WorkerListener};

/// How long requests in flight may take to finish once the gateway is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(30);
/// How long the access log may take to write its last lines once all requests are over: a second more than a slow disk
/// needs for all rings.
const LOG_TIME: Duration = Duration::from_secs(2);
/// Orders waiting for a worker: it takes them at once, so one is enough; a few cost nothing.
const ORDERS_MAX: usize = 8;

/// What all parts of a running gateway share.
pub(crate) struct Shared {
    running: RwLock<Running>,
    meters: Meters,
    recent: Recent,
    is_draining: AtomicBool,
}

impl Shared {
    /// The snapshot in use.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.running().snapshot
    }
}

impl View for Shared {
    fn running(&self) -> Running {
        self.running.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn meters(&self) -> &Meters {
        &self.meters
    }

    fn recent(&self) -> &Recent {
        &self.recent
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn is_ready(&self) -> bool {
        !self.is_draining.load(Relaxed)
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async {
            Err(NotReloaded::Impossible("this version takes a new configuration by a restart"))
        })
    }
}

/// Why a gateway did not start.
pub(crate) enum StartError {
    /// What the operator can mend.
    Problems(Problems),
}

impl From<Problem> for StartError {
    fn from(problem: Problem) -> StartError {
        let mut problems = Problems::default();
        problems.push(problem);
        StartError::Problems(problems)
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    log: AccessLog,
    control: tokio::runtime::Runtime,
    workers: Vec<(mpsc::Sender<Order>, JoinHandle<std::io::Result<()>>)>,
    greeting: String,
}

impl Gateway {
    /// Starts a gateway from a checked configuration. Returns when it serves.
    pub(crate) fn start(config: &Config) -> Result<Gateway, StartError> {
        raise_descriptor_limit();
        let count = worker_count(config.workers);
        let meters = Meters::new(count);
        let snapshot = compile(config, count, &meters)?;
        prepare_state(&config.state.dir)?;
        let log_to = access_log::open(config)?;

        let control = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2) // health, admin and files; none of it is heavy
            .thread_name("tidegate-control")
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let admin = bind_admin(&config.admin.bind)?;
        let sockets = bind_all(config, count)?;

        let shared = Arc::new(Shared {
            running: RwLock::new(Running { config: Arc::new(config.clone()), snapshot: Arc::new(snapshot) }),
            meters,
            recent: Recent::default(),
            is_draining: AtomicBool::new(false),
        });
        let mut log = AccessLog::new(shared.meters.log().clone());
        if let Some(destination) = log_to {
            log.turn_to(destination).map_err(no_thread)?;
        }
        let workers = start_workers(config, count, sockets, &shared)?;
        control.spawn(serve_admin(admin, shared.clone()));
        control.spawn(revive::run(shared.clone()));
        control.spawn(fold(shared.clone()));
        Ok(Gateway { greeting: greeting(config, count), shared, log, control, workers })
    }

    /// One line that says what was started and where.
    pub(crate) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// What it serves now, with what was learnt about its backends.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// Serves until SIGTERM or SIGINT, then drains.
    pub(crate) fn serve_until_told(self) {
        self.control.block_on(async {
            let (Ok(mut term), Ok(mut interrupt)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return std::future::pending().await; // without signals only SIGKILL ends it
            };
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        self.drain();
    }

    /// Stops accepting, lets requests in flight finish for a bounded time, and ends.
    pub(crate) fn drain(self) {
        self.shared.is_draining.store(true, Relaxed);
        for (orders, _) in &self.workers {
            // A worker that is gone needs no order.
            let _ = orders.try_send(Order::Drain);
        }
        let deadline = std::time::Instant::now() + DRAIN_TIME;
        while self.workers.iter().any(|(_, thread)| !thread.is_finished())
            && std::time::Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nobody writes any more, or has had its time: what is left is in the rings.
        self.log.finish(LOG_TIME);
        self.control.shutdown_background();
    }
}

fn compile(config: &Config, workers: usize, meters: &Meters) -> Result<Snapshot, StartError> {
    let cells = CellBook::new(workers);
    tidegate_config::compile(config, 1, &Workshop { cells: &cells, meters }).map_err(StartError::Problems)
}

fn worker_count(workers: Workers) -> usize {
    let count = match workers {
        Workers::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Workers::Count(count) => usize::from(count.get()),
    };
    count.clamp(1, WORKERS_MAX)
}

/// Connections are descriptors: takes as many as the system lets this process have.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused or not, the gateway works with what it has.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Makes sure the state folder is there and can be written, before anything depends on it.
fn prepare_state(dir: &Path) -> Result<(), Problem> {
    let problem = |error: std::io::Error| {
        Problem::new(format!("cannot write to the state folder {}: {error}", dir.display()))
            .hint("set `state: { dir: … }` to a folder this user may write to")
    };
    std::fs::create_dir_all(dir).map_err(problem)?;
    let probe = dir.join(".writable");
    std::fs::write(&probe, b"").map_err(problem)?;
    std::fs::remove_file(&probe).map_err(problem)
}

async fn serve_admin(socket: AdminSocket, shared: Arc<Shared>) -> std::io::Result<()> {
    let router = tidegate_admin::router(shared);
    match socket {
        AdminSocket::Inet(listener) => {
            listener.set_nonblocking(true)?;
            axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
        }
        AdminSocket::Unix(listener) => {
            listener.set_nonblocking(true)?;
            axum::serve(tokio::net::UnixListener::from_std(listener)?, router).await
        }
    }
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

type Threads = Vec<(mpsc::Sender<Order>, JoinHandle<std::io::Result<()>>)>;

fn start_workers(
    config: &Config,
    count: usize,
    sockets: Vec<Vec<Listening>>,
    shared: &Arc<Shared>,
) -> Result<Threads, Problem> {
    let mut by_worker: Vec<Vec<WorkerListener>> = (0..count).map(|_| Vec::new()).collect();
    for (row, sockets) in config.listen.iter().zip(sockets) {
        let counts = Arc::new(ConnectionCounts::default());
        let meters = shared.meters.listener(&row.name.shared());
        for (listeners, socket) in by_worker.iter_mut().zip(sockets) {
            listeners.push(WorkerListener {
                name: row.name.shared(),
                socket,
                limits: connection_limits(&row.value),
                connections_max: row.value.limits.connections.on().map(|most| most.get() as usize),
                per_address: per_address(&row.value),
                counts: counts.clone(),
                meters: meters.clone(),
            });
        }
    }
    let mut threads = Vec::new();
    for (number, listeners) in by_worker.into_iter().enumerate() {
        let (sender, orders) = mpsc::channel(ORDERS_MAX);
        let start = Start {
            number,
            workers: count,
            snapshot: shared.snapshot(),
            seed: seed(),
            listeners,
            lag: shared.meters.lag.clone(),
            orders,
        };
        let thread = std::thread::Builder::new()
            .name(format!("tidegate-{number}"))
            .spawn(move || worker::run(start))
            .map_err(no_thread)?;
        threads.push((sender, thread));
    }
    Ok(threads)
}

/// Unpredictable bits for a worker's dice and ids.
fn seed() -> u64 {
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
