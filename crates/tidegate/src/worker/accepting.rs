//! One listener as one worker serves it: its accept loop, its limits, its end.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::meters::ListenerMeters;
use tidegate_core::units::Network;
use tidegate_flow::Worker;
use tidegate_wire::http1::server::{ConnectionLimits, Idle, Serving, Stage};
use tidegate_wire::http2;
use tidegate_wire::listen::{Acceptor, Admitted, Bind, ConnectionCounts, Listening, PerAddress};
use tidegate_wire::socket::Socket;
use tokio::task::{AbortHandle, spawn_local};

/// Pause after a failed accept (no descriptors left): long enough not to spin, short enough not to be felt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What a worker is told of a listener.
pub(crate) struct WorkerListener {
    pub(crate) name: Arc<str>,
    pub(crate) socket: Listening,
    pub(crate) limits: ConnectionLimits,
    pub(crate) trusted: Vec<Network>,
    pub(crate) spoken: Spoken,
    pub(crate) connections_max: Option<usize>,
    pub(crate) per_address: Option<PerAddress>,
    pub(crate) counts: Arc<ConnectionCounts>,
    pub(crate) meters: Arc<ListenerMeters>,
}

/// What a listener's clients may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http1,
    Http2,
    /// Either, told apart by what a client begins with.
    Both,
}

/// A listener that trusts nobody asks nothing of its connections.
fn trusted(networks: &[Network]) -> Option<Rc<[Network]>> {
    (!networks.is_empty()).then(|| networks.into())
}

/// A listener that is served.
pub(super) struct Accepting {
    bind: Bind,
    /// Until it is closed.
    acceptor: RefCell<Option<Rc<Acceptor>>>,
    serving: Rc<Serving>,
    /// How long its connections live; the same cell as in `serving`.
    pub(super) stage: Rc<Cell<Stage>>,
    worker: Rc<Worker>,
    open: Rc<Cell<usize>>,
    spoken: Cell<Spoken>,
    connections_max: Cell<Option<usize>>,
    per_address: Cell<Option<PerAddress>>,
    counts: Arc<ConnectionCounts>,
    meters: Arc<ListenerMeters>,
    task: RefCell<Option<AbortHandle>>,
}

impl Accepting {
    pub(super) fn new(
        listener: WorkerListener,
        worker: Rc<Worker>,
        open: Rc<Cell<usize>>,
    ) -> io::Result<Rc<Accepting>> {
        let stage = Rc::<Cell<Stage>>::default();
        Ok(Rc::new(Accepting {
            bind: listener.socket.bind().clone(),
            acceptor: RefCell::new(Some(Rc::new(listener.socket.into_acceptor()?))),
            serving: Rc::new(Serving {
                listener: (&*listener.name).into(),
                limits: Cell::new(listener.limits),
                trusted: RefCell::new(trusted(&listener.trusted)),
                stage: stage.clone(),
            }),
            stage,
            worker,
            open,
            spoken: Cell::new(listener.spoken),
            connections_max: Cell::new(listener.connections_max),
            per_address: Cell::new(listener.per_address),
            counts: listener.counts,
            meters: listener.meters,
            task: RefCell::default(),
        }))
    }

    /// Whether this is the listener meant: of one name and bind.
    pub(super) fn is_of(&self, listener: &WorkerListener) -> bool {
        self.bind == *listener.socket.bind() && *self.serving.listener == *listener.name
    }

    pub(super) fn bind(&self) -> &Bind {
        &self.bind
    }

    /// Goes on under other limits. Connections that are open find them at their next request.
    pub(super) fn take_limits(&self, listener: &WorkerListener) {
        self.serving.limits.set(listener.limits);
        self.serving.trusted.replace(trusted(&listener.trusted));
        self.spoken.set(listener.spoken);
        self.connections_max.set(listener.connections_max);
        self.per_address.set(listener.per_address);
    }

    /// Starts accepting.
    pub(super) fn begin(self: &Rc<Self>) {
        let Some(acceptor) = self.acceptor.borrow().clone() else { return };
        let accepting = self.clone();
        let task = spawn_local(async move { accepting.accept_for_ever(&acceptor).await });
        self.task.replace(Some(task.abort_handle()));
    }

    /// Stops accepting. The socket's queue stays as it is, for those who have the same socket.
    pub(super) fn stop(&self) -> Option<Rc<Acceptor>> {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.acceptor.take()
    }

    /// Stops accepting, serves what waits in the queue, and closes the socket.
    pub(super) async fn close(&self) {
        if let Some(acceptor) = self.stop() {
            acceptor.close(|socket, address| self.serve(socket, address)).await;
        }
    }

    async fn accept_for_ever(&self, acceptor: &Acceptor) {
        loop {
            match acceptor.accept().await {
                Ok((socket, address)) => self.serve(socket, address),
                // The connection ended before it was taken, or descriptors ran out: neither ends the listener.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn serve(&self, socket: Socket, address: Option<SocketAddr>) {
        let Some(admitted) = self.counts.admit(address, self.connections_max.get(), self.per_address.get())
        else {
            self.meters.refused.fetch_add(1, Relaxed);
            return; // dropped: the client sees a close
        };
        self.meters.count_accepted(self.worker.number);
        let open = Open::new(self.open.clone(), self.meters.clone(), admitted);
        let (serving, worker) = (self.serving.clone(), self.worker.clone());
        match self.spoken.get() {
            Spoken::Http1 => spawn_local(Idle::new(socket, address, serving).serve(worker, open)),
            Spoken::Http2 => spawn_local(http2::serve(socket, address, serving, worker, open)),
            Spoken::Both => spawn_local(http2::serve_either(socket, address, serving, worker, open)),
        };
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
