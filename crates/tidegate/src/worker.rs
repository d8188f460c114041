//! A data-plane thread: its runtime, its accept loops, its housekeeping, and what it is told from outside.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::meters::{Lag, ListenerMeters, PerWorker};
use tidegate_core::plan::Snapshot;
use tidegate_flow::Worker;
use tidegate_wire::http1::server::{ConnectionLimits, Idle, Serving};
use tidegate_wire::listen::{Acceptor, Admitted, ConnectionCounts, Listening, PerAddress};
use tidegate_wire::timer;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::lag;

/// Pause after a failed accept (no descriptors left): long enough not to spin, short enough not to be felt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How often a draining worker looks whether its last connection has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// A listener as one worker serves it.
pub(crate) struct WorkerListener {
    pub(crate) name: Arc<str>,
    pub(crate) socket: Listening,
    pub(crate) limits: ConnectionLimits,
    pub(crate) connections_max: Option<usize>,
    pub(crate) per_address: Option<PerAddress>,
    pub(crate) counts: Arc<ConnectionCounts>,
    pub(crate) meters: Arc<ListenerMeters>,
}

/// What a worker can be told.
pub(crate) enum Order {
    /// Stop accepting, end idle connections, finish the rest, and return.
    Drain,
}

/// What a worker begins with.
pub(crate) struct Start {
    pub(crate) number: usize,
    pub(crate) workers: usize,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) seed: u64,
    pub(crate) listeners: Vec<WorkerListener>,
    pub(crate) lag: Arc<PerWorker<Lag>>,
    pub(crate) orders: mpsc::Receiver<Order>,
}

/// Runs a worker to its end, on the calling thread.
pub(crate) fn run(start: Start) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_unpark(|| {
            clock::exact();
        })
        .build_local(tokio::runtime::LocalOptions::default())?;
    runtime.block_on(work(start))
}

async fn work(start: Start) -> std::io::Result<()> {
    let Start { number, workers, snapshot, seed, listeners, lag, mut orders } = start;
    let worker = Rc::new(Worker::new(number, workers, NODE, snapshot, seed));
    let is_draining = Rc::new(Cell::new(false));
    let open = Rc::new(Cell::new(0usize));
    tokio::task::spawn_local(timer::drive());
    tokio::task::spawn_local(housekeeping(worker.clone()));
    tokio::task::spawn_local(lag::watch(lag, number));
    let mut accepting = Vec::new();
    for listener in listeners {
        let acceptor = Rc::new(Accepting {
            acceptor: listener.socket.into_acceptor()?,
            serving: Rc::new(Serving {
                listener: (&*listener.name).into(),
                limits: Cell::new(listener.limits),
                is_draining: is_draining.clone(),
            }),
            worker: worker.clone(),
            open: open.clone(),
            connections_max: listener.connections_max,
            per_address: listener.per_address,
            counts: listener.counts,
            meters: listener.meters,
        });
        let task = tokio::task::spawn_local({
            let acceptor = acceptor.clone();
            async move { acceptor.accept_for_ever().await }
        });
        accepting.push((acceptor, task));
    }
    match orders.recv().await {
        // The sender's end also means: finish.
        Some(Order::Drain) | None => drain(accepting, &is_draining, &open).await,
    }
    Ok(())
}

/// What this gateway calls itself in Via.
pub(crate) const NODE: &str = "tidegate";

async fn housekeeping(worker: Rc<Worker>) {
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        every_second.tick().await;
        worker.tick();
    }
}

async fn drain(
    accepting: Vec<(Rc<Accepting>, JoinHandle<()>)>,
    is_draining: &Cell<bool>,
    open: &Cell<usize>,
) {
    is_draining.set(true);
    for (acceptor, task) in accepting {
        task.abort();
        // What waits in the queue was accepted by the kernel on our behalf: it is served.
        acceptor.accept_waiting().await;
    }
    timer::wake_all();
    while open.get() > 0 {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}

/// One listener's accept loop.
struct Accepting {
    acceptor: Acceptor,
    serving: Rc<Serving>,
    worker: Rc<Worker>,
    open: Rc<Cell<usize>>,
    connections_max: Option<usize>,
    per_address: Option<PerAddress>,
    counts: Arc<ConnectionCounts>,
    meters: Arc<ListenerMeters>,
}

impl Accepting {
    async fn accept_for_ever(&self) {
        loop {
            match self.acceptor.accept().await {
                Ok((socket, address)) => self.begin(socket, address),
                // The connection ended before it was taken, or descriptors ran out: neither ends the listener.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn accept_waiting(&self) {
        while let Ok(Ok((socket, address))) =
            tokio::time::timeout(Duration::ZERO, self.acceptor.accept()).await
        {
            self.begin(socket, address);
        }
    }

    fn begin(&self, socket: tidegate_wire::socket::Socket, address: Option<std::net::SocketAddr>) {
        let Some(admitted) = self.counts.admit(address, self.connections_max, self.per_address) else {
            self.meters.refused.fetch_add(1, Relaxed);
            return; // dropped: the client sees a close
        };
        self.meters.count_accepted(self.worker.number);
        let open = Open::new(self.open.clone(), self.meters.clone(), admitted);
        let idle = Idle::new(socket, address, self.serving.clone());
        tokio::task::spawn_local(idle.serve(self.worker.clone(), open));
    }
}

/// An open connection: counted until dropped, be it by return, cancellation or panic.
struct Open {
    count: Rc<Cell<usize>>,
    meters: Arc<ListenerMeters>,
    _admitted: Admitted,
}

impl Open {
    fn new(count: Rc<Cell<usize>>, meters: Arc<ListenerMeters>, admitted: Admitted) -> Open {
        count.set(count.get() + 1);
        meters.connections.fetch_add(1, Relaxed);
        Open { count, meters, _admitted: admitted }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.meters.connections.fetch_sub(1, Relaxed);
    }
}
