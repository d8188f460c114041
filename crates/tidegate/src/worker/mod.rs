//! A data-plane thread: its runtime, its listeners, its housekeeping, and what it is told from outside.

mod accepting;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::meters::{Lag, PerWorker};
use tidegate_core::plan::Snapshot;
use tidegate_flow::Worker;
use tidegate_telemetry::say;
use tidegate_wire::http1::server::Stage;
use tidegate_wire::timer;
use tokio::sync::{mpsc, oneshot};

use accepting::Accepting;
pub(crate) use accepting::{Spoken, WorkerListener};

use crate::lag;

/// How often a draining worker looks whether its last connection has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// How long the connections of a listener that a reload took away may wait for their next, last request.
const FAREWELL_TIME: Duration = Duration::from_secs(5);

/// What a worker can be told.
pub(crate) enum Order {
    /// Serve another snapshot, on these listeners and no others.
    Swap(Box<Swap>),
    /// From now on every answer is the last of its connection.
    Close,
    /// Stop accepting, end idle connections, finish the rest, and return.
    Drain,
}

/// A change of what is served.
pub(crate) struct Swap {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) listeners: Vec<WorkerListener>,
    /// Told once nothing new is served as before.
    pub(crate) done: oneshot::Sender<io::Result<()>>,
}

/// What a worker begins with.
pub(crate) struct Start {
    pub(crate) number: usize,
    pub(crate) workers: usize,
    /// What this gateway is called in Via and CDN-Loop.
    pub(crate) node: Arc<str>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) seed: u64,
    pub(crate) listeners: Vec<WorkerListener>,
    pub(crate) lag: Arc<PerWorker<Lag>>,
    pub(crate) orders: mpsc::Receiver<Order>,
    /// Told once it serves, or why it does not.
    pub(crate) ready: std::sync::mpsc::SyncSender<io::Result<()>>,
    /// Told when it ends, however it does.
    pub(crate) ended: mpsc::Sender<usize>,
}

/// Tells that a worker has ended when it is dropped, by a panic too.
struct Ending {
    number: usize,
    ready: std::sync::mpsc::SyncSender<io::Result<()>>,
    ended: mpsc::Sender<usize>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Heard only where nothing else was: by whoever waits for it to begin.
        let _ = self.ready.try_send(Err(io::Error::other("it ended at once")));
        // There is room for every worker, or nobody listens any more.
        let _ = self.ended.try_send(self.number);
    }
}

/// Runs a worker to its end, on the calling thread.
pub(crate) fn run(start: Start) -> io::Result<()> {
    let number = start.number;
    let ending = Ending { number, ready: start.ready.clone(), ended: start.ended.clone() };
    let result = run_until_drained(start);
    if let Err(error) = &result {
        // Whoever starts it tells of it; an error later than that is told here.
        let is_heard = ending.ready.try_send(Err(io::Error::new(error.kind(), error.to_string()))).is_ok();
        if !is_heard {
            say::error("a worker ended", &[("worker", &number), ("error", error)]);
        }
    }
    result
}

fn run_until_drained(start: Start) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_unpark(|| {
            clock::exact();
        })
        .build_local(tokio::runtime::LocalOptions::default())?;
    runtime.block_on(work(start))
}

async fn work(start: Start) -> io::Result<()> {
    let Start { number, workers, node, snapshot, seed, listeners, lag, mut orders, ready, .. } = start;
    let worker = Rc::new(Worker::new(number, workers, &node, snapshot, seed));
    tokio::task::spawn_local(timer::drive());
    tokio::task::spawn_local(housekeeping(worker.clone()));
    tokio::task::spawn_local(lag::watch(lag, number));
    tokio::task::spawn_local(copying(worker.clone()));
    let mut bench = Bench { worker, open: Rc::default(), accepting: Vec::new() };
    bench.listen(listeners)?;
    let _ = ready.try_send(Ok(())); // unheard only where another worker has failed
    loop {
        match orders.recv().await {
            Some(Order::Swap(swap)) => bench.swap(*swap).await,
            Some(Order::Close) => bench.all_to(Stage::Closing),
            // The sender's end also means: finish.
            Some(Order::Drain) | None => {
                bench.drain().await;
                return Ok(());
            }
        }
    }
}

async fn housekeeping(worker: Rc<Worker>) {
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        every_second.tick().await;
        worker.tick();
    }
}

/// Sends copies of requests to the services that mirror others. It owns them: those that are left when the worker ends
/// end with it, as nobody waits for their answers.
async fn copying(worker: Rc<Worker>) {
    let mut under_way = tokio::task::JoinSet::new();
    loop {
        let copy = worker.next_copy().await;
        under_way.spawn_local(copy.send(worker.clone()));
        while under_way.try_join_next().is_some() {}
    }
}

/// All that a worker serves.
struct Bench {
    worker: Rc<Worker>,
    /// Connections, of all listeners.
    open: Rc<Cell<usize>>,
    accepting: Vec<Rc<Accepting>>,
}

impl Bench {
    /// Serves these listeners: those that are there already go on under their new limits, others begin. Returns those
    /// that are not in the list any more. After an error everything is as before.
    fn listen(&mut self, listeners: Vec<WorkerListener>) -> io::Result<Vec<Rc<Accepting>>> {
        let mut begun = Vec::new();
        let mut kept = Vec::new();
        for listener in listeners {
            match self.accepting.iter().position(|accepting| accepting.is_of(&listener)) {
                Some(index) => kept.push((self.accepting[index].clone(), listener)),
                None => begun.push(Accepting::new(listener, self.worker.clone(), self.open.clone())?),
            }
        }
        let mut all = begun;
        all.iter().for_each(|accepting| accepting.begin());
        for (accepting, listener) in kept {
            accepting.take_limits(&listener);
            all.push(accepting);
        }
        let before = std::mem::replace(&mut self.accepting, all);
        let is_served = |one: &Rc<Accepting>| self.accepting.iter().any(|other| Rc::ptr_eq(one, other));
        Ok(before.into_iter().filter(|accepting| !is_served(accepting)).collect())
    }

    async fn swap(&mut self, swap: Swap) {
        let gone = match self.listen(swap.listeners) {
            Ok(gone) => gone,
            Err(error) => {
                // Nobody waits any more only when the process ends.
                let _ = swap.done.send(Err(error));
                return;
            }
        };
        self.worker.swap(swap.snapshot);
        let closing = gone.into_iter().map(|accepting| {
            let is_renamed = self.accepting.iter().any(|other| other.bind() == accepting.bind());
            tokio::task::spawn_local(async move {
                match is_renamed {
                    // The socket goes on under another name: what waits in its queue is not lost.
                    true => drop(accepting.stop()),
                    false => accepting.close().await,
                }
                accepting
            })
        });
        for closed in closing.collect::<Vec<_>>() {
            let Ok(accepting) = closed.await else { continue }; // it panicked: told already
            tokio::task::spawn_local(farewell(accepting));
        }
        let _ = swap.done.send(Ok(()));
    }

    fn all_to(&self, stage: Stage) {
        self.accepting.iter().for_each(|accepting| accepting.stage.set(stage));
        // Clients of HTTP/2 are told at once, those between requests too.
        timer::wake_all();
    }

    async fn drain(self) {
        self.all_to(Stage::Closing);
        for accepting in &self.accepting {
            // What waits in the queue was accepted by the kernel on our behalf: it is served.
            accepting.close().await;
        }
        self.all_to(Stage::Ended);
        while self.open.get() > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }
}

/// The connections of a listener that is gone: they have a moment to be told by an answer, then those between requests
/// are closed.
async fn farewell(accepting: Rc<Accepting>) {
    accepting.stage.set(Stage::Closing);
    timer::wake_all();
    tokio::time::sleep(FAREWELL_TIME).await;
    accepting.stage.set(Stage::Ended);
    timer::wake_all();
}
