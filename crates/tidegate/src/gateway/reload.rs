//! A change of the configuration while requests are served: read and compile beside the traffic, bind what is new,
//! swap every worker once, close what has gone. Any failure leaves everything as it was.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use tidegate_admin::{NotReloaded, Origin, Reloaded, Running};
use tidegate_config::{Config, Families, Previous, Workshop};
use tidegate_core::meters::Meters;
use tidegate_core::plan::Snapshot;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings::Setting;
use tidegate_core::units::Label;
use tidegate_telemetry::access_log::{AccessLog, Destination};
use tidegate_telemetry::say;
use tidegate_wire::listen::{Bind, ConnectionCounts, Listeners};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::listening::{bind_all, bind_of, connection_limits, per_address, spoken};
use super::watch::Stamps;
use super::{Changes, Shared, inherited, kept};
use crate::tls::{self, AtReload, TicketBook};
use crate::worker::{Order, Swap, WorkerListener};
use crate::{access_log, descriptors, documents, notify};

/// What made the gateway read its files anew.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    /// SIGHUP.
    Signal,
    /// Somebody asked for it by the admin listener.
    Admin,
    /// They have changed.
    Files,
}

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Signal => "SIGHUP",
            Cause::Admin => "admin",
            Cause::Files => "files",
        })
    }
}

/// How often snapshots that nobody sees any more are looked for.
const BURY_EVERY: Duration = Duration::from_secs(1);
/// How long an ending gateway waits for a change under way: whatever else looks at what is served takes no time.
const HIDE_TIME: Duration = Duration::from_millis(250);
/// Changes named when one is told of; the rest is counted.
const CHANGES_TOLD_MAX: usize = 10;

/// Changes what is served, one change at a time.
pub(crate) struct Reloader {
    /// The orders of each worker.
    pub(super) orders: Vec<mpsc::Sender<Order>>,
    /// Where changes come from.
    pub(super) changes: Changes,
    workers: usize,
    serving: Mutex<Serving>,
    /// What the files looked like when they were last read.
    pub(super) read: std::sync::Mutex<Stamps>,
}

/// What is served, as far as a change needs to know.
struct Serving {
    config: Arc<Config>,
    sockets: Listeners,
    /// Open connections by listener, over all workers.
    counts: HashMap<Label, Arc<ConnectionCounts>>,
    tickets: TicketBook,
    /// Snapshots that requests may still see. They are dropped from here: a large one would hold up a worker.
    retired: Vec<Arc<Snapshot>>,
    /// Until the end.
    log: Option<AccessLog>,
}

impl Reloader {
    /// Binds the listeners of the first configuration: for each worker, what it listens on.
    pub(super) fn start(
        config: Config,
        changes: Changes,
        log: AccessLog,
        workers: usize,
        meters: &Meters,
    ) -> Result<(Reloader, Vec<Vec<WorkerListener>>), Problems> {
        let mut serving = Serving {
            config: Arc::new(config),
            sockets: inherited::sockets()?,
            counts: HashMap::new(),
            tickets: TicketBook::new(),
            retired: Vec::new(),
            log: Some(log),
        };
        let config = serving.config.clone();
        let listeners = serving.listeners(&config, workers, meters)?;
        serving.close_unwanted();
        let read = std::sync::Mutex::new(match changes {
            Changes::Never => Stamps::default(),
            Changes::File(_) => Stamps::of(&config.sources),
        });
        Ok((Reloader { orders: Vec::new(), changes, workers, serving: Mutex::new(serving), read }, listeners))
    }

    /// What was taken last.
    pub(super) fn config(&mut self) -> Arc<Config> {
        self.serving.get_mut().config.clone()
    }

    /// The access log, which is to end.
    pub(super) async fn take_log(&self) -> Option<AccessLog> {
        self.serving.lock().await.log.take()
    }

    /// Takes the names of Unix sockets away: from now on nobody new finds them. While a change is under way they stay,
    /// for the next start to take over: nobody waits for it at the end.
    pub(super) async fn hide_sockets(&self) {
        if let Ok(serving) = tokio::time::timeout(HIDE_TIME, self.serving.lock()).await {
            serving.sockets.hide_all_but(&[]);
        }
    }

    /// Tells every worker. One that has ended needs no order.
    pub(super) async fn tell(&self, order: impl Fn() -> Order) {
        for orders in &self.orders {
            let _ = orders.send(order()).await;
        }
    }

    /// Gives every worker another snapshot and its listeners, and waits until all serve them.
    async fn swap(
        &self,
        snapshot: &Arc<Snapshot>,
        listeners: Vec<Vec<WorkerListener>>,
    ) -> Result<(), Problem> {
        let mut waiting = Vec::new();
        for (orders, listeners) in self.orders.iter().zip(listeners) {
            let (done, waits) = oneshot::channel();
            let swap = Box::new(Swap { snapshot: snapshot.clone(), listeners, done });
            let _ = orders.send(Order::Swap(swap)).await; // one that has ended: seen below
            waiting.push(waits);
        }
        let mut result = Ok(());
        for waits in waiting {
            match waits.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    result = Err(Problem::new(format!("a worker cannot serve a new listener: {error}")));
                }
                Err(_) => result = Err(Problem::new("a worker has ended")),
            }
        }
        result
    }
}

impl Serving {
    /// For each worker, what it listens on by this configuration. What is bound already is bound no second time.
    fn listeners(
        &mut self,
        config: &Config,
        workers: usize,
        meters: &Meters,
    ) -> Result<Vec<Vec<WorkerListener>>, Problems> {
        let bound = match bind_all(config, &mut self.sockets, workers) {
            Ok(bound) => bound,
            Err(problems) => {
                self.sockets.keep_only(&binds(&self.config));
                return Err(problems);
            }
        };
        let mut by_worker: Vec<Vec<WorkerListener>> = (0..workers).map(|_| Vec::new()).collect();
        for (row, sockets) in config.listen.iter().zip(bound) {
            let counts = self.counts.entry(row.name.clone()).or_default().clone();
            let meters = meters.listener(&row.name.shared());
            let server = tls::server(&row.name, &row.value, &mut self.tickets)?;
            let door = tls::door(&row.value, config);
            for (listeners, socket) in by_worker.iter_mut().zip(sockets) {
                listeners.push(WorkerListener {
                    name: row.name.shared(),
                    socket,
                    limits: connection_limits(&row.value),
                    tls: server.clone(),
                    handshake_time: row.value.limits.handshake_time,
                    door: door.clone(),
                    trusted: row.value.trusted.clone(),
                    spoken: spoken(&row.value),
                    connections_max: row.value.limits.connections.on().map(|most| most.get() as usize),
                    per_address: per_address(&row.value),
                    counts: counts.clone(),
                    meters: meters.clone(),
                });
            }
        }
        Ok(by_worker)
    }

    /// Closes what was passed to the process and no listener asks for, and tells of it.
    fn close_unwanted(&mut self) {
        let wanted = binds(&self.config);
        for bind in self.sockets.binds().filter(|bind| !wanted.contains(bind)) {
            say::warn("no listener has the bind of a socket that was passed", &[("bind", bind)]);
        }
        self.sockets.keep_only(&wanted);
    }

    fn turn_log(&mut self, turn: LogTurn) {
        let Some(log) = &mut self.log else { return };
        match turn {
            LogTurn::To(destination) => {
                if let Err(error) = log.turn_to(destination) {
                    say::error("the access log cannot be written", &[("error", &error)]);
                }
            }
            LogTurn::Again => log.reopen(),
            LogTurn::Off => log.turn_off(),
        }
    }
}

/// What becomes of the access log.
enum LogTurn {
    /// Its lines go elsewhere from now on.
    To(Destination),
    /// Its lines go to the same place, which may be another file of the same name.
    Again,
    /// There are no more lines.
    Off,
}

fn binds(config: &Config) -> Vec<Bind> {
    config.listen.iter().map(|row| bind_of(&row.value.bind.value)).collect()
}

impl Shared {
    /// Takes the configuration anew, whole or not at all, and says what came of it. Goes on to its end should the
    /// caller lose interest.
    pub(crate) async fn renew(self: &Arc<Shared>, cause: Cause) -> Result<Reloaded, NotReloaded> {
        const NOT_TAKEN: &str = "the configuration is not taken, the one before stays in use";
        let result = self.renew_silently().await;
        let cause = ("cause", &cause as &dyn Display);
        match &result {
            Ok(Reloaded { snapshot, changed, warnings }) => {
                let changed = named(changed);
                let details = [cause, ("snapshot", snapshot), ("changed", &changed)];
                say::info("a configuration is taken", &details);
                for warning in warnings.iter() {
                    say::plainly(&format_args!("warning: {warning}"));
                }
            }
            Err(NotReloaded::Problems(problems)) => {
                say::warn_each(NOT_TAKEN, &[cause]);
                say::plainly(problems);
            }
            Err(NotReloaded::Impossible(reason)) => say::warn_each(NOT_TAKEN, &[cause, ("reason", reason)]),
        }
        result
    }

    /// The same for who says by himself what came of it.
    async fn renew_silently(self: &Arc<Shared>) -> Result<Reloaded, NotReloaded> {
        if let Changes::Never = self.reloader.changes {
            return Err(NotReloaded::Impossible("this gateway was started without a file"));
        }
        let shared = self.clone();
        let task = tokio::spawn(async move {
            let mut serving = shared.reloader.serving.lock().await;
            notify::reloading();
            let result = shared.change(&mut serving).await;
            notify::ready();
            shared.meters.count_reload(result.is_ok());
            result.map_err(NotReloaded::Problems)
        });
        task.await.unwrap_or(Err(NotReloaded::Impossible("the reload itself has failed: please report it")))
    }

    async fn change(self: &Arc<Shared>, serving: &mut Serving) -> Result<Reloaded, Problems> {
        let (config, snapshot) = self.prepare(serving.config.clone()).await?;
        let reloader = &self.reloader;
        let is_log_new = serving.config.telemetry.access_log != config.telemetry.access_log;
        let log_to = match is_log_new {
            true => access_log::open(&config)?.map_or(LogTurn::Off, LogTurn::To),
            false => LogTurn::Again,
        };
        self.discovery.prepare(&snapshot).await;
        documents::prepare(&self.stores.shelf().documents).await;
        let listeners = serving.listeners(&config, reloader.workers, &self.meters)?;
        let kept = binds(&config);
        serving.sockets.hide_all_but(&kept);
        if let Err(problem) = reloader.swap(&snapshot, listeners).await {
            let old = serving.config.clone();
            if let Ok(listeners) = serving.listeners(&old, reloader.workers, &self.meters) {
                // What cannot be served even so is told of above.
                let _ = reloader.swap(&self.snapshot(), listeners).await;
            }
            serving.sockets.keep_only(&binds(&old));
            return Err(problem.into());
        }
        serving.sockets.keep_only(&kept);
        serving.counts.retain(|name, _| config.listen.get(name).is_some());
        serving.tickets.retain(|name, _| config.listen.get(name).is_some());
        self.meters.set_certificates(tidegate_config::certificates(&config.listen));
        tls::warn_of_the_unproved(&config, Some(&serving.config));
        descriptors::warn_if_few(&config);
        let changed = serving.config.changes(&config);
        let warnings = config.warnings.clone();
        let number = snapshot.number;
        self.discovery.serve(&snapshot).await;
        let running = Running { config: config.clone(), snapshot, origin: Origin::Files };
        let before =
            std::mem::replace(&mut *self.running.write().unwrap_or_else(|p| p.into_inner()), running);
        serving.retired.push(before.snapshot);
        serving.config = config;
        serving.turn_log(log_to);
        kept::keep(&reloader.changes, &serving.config).await;
        Ok(Reloaded { snapshot: number, changed, warnings })
    }

    /// Reads the file and makes a snapshot of it, beside the traffic.
    async fn prepare(self: &Arc<Shared>, old: Arc<Config>) -> Result<(Arc<Config>, Arc<Snapshot>), Problems> {
        let shared = self.clone();
        let prepared = at_leisure(move || {
            let Changes::File(path) = &shared.reloader.changes else {
                return Err(Problem::new("there is no file to take it from").into());
            };
            let before = Stamps::of(&old.sources);
            let maker = AtReload(&old);
            let families = Families { tls: &maker, ..shared.stores.families() };
            let (config, sources) = tidegate_config::load_from(path, &families);
            *shared.reloader.read.lock().unwrap_or_else(|p| p.into_inner()) = Stamps::since(before, &sources);
            let config = config?;
            refuse_unchangeable(&old, &config)?;
            shared.stores.open(&config.state.dir)?;
            let current = shared.snapshot();
            let previous = Some(Previous { config: &old, snapshot: &current });
            let workshop =
                Workshop { cells: &shared.cells, names: &shared.names, meters: &shared.meters, previous };
            let snapshot = tidegate_config::compile(&config, current.number + 1, &workshop)?;
            Ok((Arc::new(config), Arc::new(snapshot)))
        });
        let prepared = prepared.map_err(|error| Problem::new(format!("cannot start a thread: {error}")))?;
        prepared.await.unwrap_or_else(|_| Err(Problem::new("the file could not be read to its end").into()))
    }

    /// Keeps the configuration in use as the last good one.
    pub(super) async fn keep_good(&self) {
        kept::keep(&self.reloader.changes, &self.reloader.serving.lock().await.config).await;
    }
}

/// How far the thread that makes a snapshot stands behind others: of a core they share, requests take nine tenths
/// (sched(7): a tenth for each step of about 1.25).
const LEISURE: i32 = 10;

/// Does something on a thread of its own that lets the workers go first. One at a time: a reload holds the lock.
fn at_leisure<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let (done, waits) = oneshot::channel();
    std::thread::Builder::new().name("tidegate-reload".into()).spawn(move || {
        // Refused or not, the work is done.
        let _ = rustix::process::nice(LEISURE);
        let _ = done.send(work()); // nobody waits any more only when the process ends
    })?;
    Ok(waits)
}

/// Changes a running gateway's configuration from another part of the program.
pub(crate) struct Changer {
    pub(super) shared: Arc<Shared>,
    pub(super) control: tokio::runtime::Handle,
}

impl Changer {
    /// Has the configuration taken anew, without a word; what came of it is received, and how long it took.
    pub(crate) fn change(&self) -> Receiver<(Result<Reloaded, NotReloaded>, Duration)> {
        let (tell, told) = sync_channel(1);
        let (shared, begun) = (self.shared.clone(), Instant::now());
        self.control.spawn(async move {
            let result = shared.renew_silently().await;
            let _ = tell.try_send((result, begun.elapsed())); // nobody may be left to hear it
        });
        told
    }
}

/// Tells of what only a start can change.
fn refuse_unchangeable(old: &Config, new: &Config) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let mut refuse = |key: &str, was: String, place: Option<&tidegate_core::problem::Place>| {
        let reason = format!("`{key}` cannot change while the gateway runs; it is {was}");
        let problem = match place {
            Some(place) => Problem::at(place, reason),
            None => Problem::new(reason),
        };
        problems.push(problem.hint("restart the gateway, or put it back"));
    };
    if old.workers != new.workers {
        refuse("workers", format!("`{}`", old.workers.show()), None);
    }
    if old.admin.bind != new.admin.bind {
        refuse("admin.bind", format!("`{}`", old.admin.bind.value), new.admin.bind.place());
    }
    if old.state != new.state {
        refuse("state.dir", format!("`{}`", old.state.dir.display()), None);
    }
    problems.unless_any(())
}

/// What has changed, in a line.
fn named(changed: &[String]) -> String {
    let named = changed.iter().take(CHANGES_TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match changed.len() {
        0 => String::from("nothing"),
        n if n > CHANGES_TOLD_MAX => format!("{named} and {} more", n - CHANGES_TOLD_MAX),
        _ => named,
    }
}

/// Drops snapshots that nobody sees any more, for as long as the gateway runs.
pub(super) async fn bury(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(BURY_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let dead: Vec<_> = {
            let mut serving = shared.reloader.serving.lock().await;
            serving.retired.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect()
        };
        if !dead.is_empty() {
            let _ = tokio::task::spawn_blocking(move || drop(dead)).await;
        }
    }
}
