//! One listener as one worker serves it: its accept loop, its limits, its end.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::descriptors::{DESCRIPTORS, Held, Side};
use tidegate_core::meters::ListenerMeters;
use tidegate_core::tls::Door;
use tidegate_core::trusted::Trusted;
use tidegate_flow::Worker;
use tidegate_wire::http1::server::{ConnectionLimits, Idle, Serving, Stage};
use tidegate_wire::http2;
use tidegate_wire::listen::{
    Acceptor, Admitted, Bind, ConnectionCounts, Listening, PerAddress, counted_address,
};
use tidegate_wire::socket::{Socket, is_out_of_descriptors};
use tidegate_wire::tls::{Accepted, Refused, Server, accept};
use tokio::task::{AbortHandle, spawn_local};

use crate::tls::{self, Handshake};

/// Pause after a failed accept (no descriptors left): long enough not to spin, short enough not to be felt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What a worker is told of a listener.
pub(crate) struct WorkerListener {
    pub(crate) name: Arc<str>,
    pub(crate) socket: Listening,
    pub(crate) limits: ConnectionLimits,
    pub(crate) trusted: Trusted,
    pub(crate) spoken: Spoken,
    pub(crate) tls: Option<Arc<Server>>,
    pub(crate) handshake_time: Duration,
    pub(crate) door: Option<Door>,
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

impl Spoken {
    /// What is spoken after a handshake. A client that knows of no agreement speaks HTTP/1.1, or what the listener alone
    /// speaks: it began the connection knowing that.
    fn secured(self, has_agreed_on_h2: bool) -> Spoken {
        match self {
            _ if has_agreed_on_h2 => Spoken::Http2,
            Spoken::Http2 => Spoken::Http2,
            Spoken::Http1 | Spoken::Both => Spoken::Http1,
        }
    }
}

/// A listener that trusts nobody asks nothing of its connections.
fn trusted(trusted: &Trusted) -> Option<Rc<Trusted>> {
    (!trusted.from.is_empty()).then(|| Rc::new(trusted.clone()))
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
    tls: RefCell<Option<Arc<Server>>>,
    handshake_time: Cell<Duration>,
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
                door: RefCell::new(listener.door.map(Rc::new)),
                stage: stage.clone(),
            }),
            stage,
            worker,
            open,
            spoken: Cell::new(listener.spoken),
            tls: RefCell::new(listener.tls),
            handshake_time: Cell::new(listener.handshake_time),
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
        self.serving.door.replace(listener.door.clone().map(Rc::new));
        self.tls.replace(listener.tls.clone());
        self.handshake_time.set(listener.handshake_time);
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
    pub(super) async fn close(self: &Rc<Self>) {
        if let Some(acceptor) = self.stop() {
            acceptor.close(|socket, address| self.serve(socket, address)).await;
        }
    }

    async fn accept_for_ever(self: &Rc<Self>, acceptor: &Acceptor) {
        loop {
            match acceptor.accept().await {
                Ok((socket, address)) => self.serve(socket, address),
                // The connection ended before it was taken, or descriptors ran out: neither ends the listener.
                Err(error) => {
                    if is_out_of_descriptors(&error) {
                        DESCRIPTORS.wants.accept.fetch_add(1, Relaxed);
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(self: &Rc<Self>, socket: Socket, address: Option<SocketAddr>) {
        let trusted = self.serving.trusts(address);
        let per_address = self.per_address.get().and_then(|cap| cap.of_peer(trusted.as_deref()));
        let Some(admitted) = self.counts.admit(address, self.connections_max.get(), per_address) else {
            self.meters.refused.fetch_add(1, Relaxed);
            return; // dropped: the client sees a close
        };
        let Some(held) = DESCRIPTORS.take(Side::Client, 1) else {
            DESCRIPTORS.wants.accept.fetch_add(1, Relaxed);
            self.meters.refused.fetch_add(1, Relaxed);
            return; // its own descriptor is given back at once
        };
        self.meters.count_accepted(self.worker.number);
        let open = Open::new(self.open.clone(), self.meters.clone(), (admitted, held));
        match self.tls.borrow().clone() {
            Some(server) => drop(spawn_local(self.shake_hands(socket, address, server, open))),
            None => self.speak(self.spoken.get(), socket, address, open),
        }
    }

    /// Serves a connection that is ready for requests.
    fn speak(&self, spoken: Spoken, socket: Socket, address: Option<SocketAddr>, open: Open) {
        let (serving, worker) = (self.serving.clone(), self.worker.clone());
        match spoken {
            Spoken::Http1 => spawn_local(Idle::new(socket, address, serving).serve(worker, open)),
            Spoken::Http2 => spawn_local(http2::serve(socket, address, serving, worker, open)),
            Spoken::Both => spawn_local(http2::serve_either(socket, address, serving, worker, open)),
        };
    }

    /// The client whose share of what there is for all is taken, if it is one that `per_ip` counts.
    fn counted(&self, address: Option<SocketAddr>) -> Option<IpAddr> {
        let trusted = self.serving.trusts(address);
        let cap = self.per_address.get()?.of_peer(trusted.as_deref())?;
        let client = counted_address(address?.ip());
        let is_one = cap.is_asked_for || !client.is_loopback();
        is_one.then_some(client)
    }

    /// A task of its own: the one that serves the connection is made when it is needed, and is as small as any.
    fn shake_hands(
        self: &Rc<Self>,
        socket: Socket,
        address: Option<SocketAddr>,
        server: Arc<Server>,
        open: Open,
    ) -> impl Future<Output = ()> + use<> {
        let accepting = self.clone();
        async move {
            let within = accepting.handshake_time.get();
            let client = accepting.counted(address);
            let (ended, socket) = match accept(socket, &server, within, client).await {
                Ok(Accepted { socket, is_resumed: true }) => (Handshake::Resumed, Some(socket)),
                Ok(Accepted { socket, is_resumed: false }) => (Handshake::Full, Some(socket)),
                Err(Refused::Silent) => return,
                Err(Refused::Failed) => (Handshake::Failed, None),
                Err(Refused::Crowded) => {
                    accepting.meters.refused.fetch_add(1, Relaxed);
                    return;
                }
            };
            tls::count(&accepting.meters, ended);
            if let Some(socket) = socket {
                let spoken = accepting.spoken.get().secured(socket.has_agreed_on_h2());
                accepting.speak(spoken, socket, address, open);
            }
        }
    }
}

/// An open connection: counted until dropped, be it by return, cancellation or panic.
struct Open {
    count: Rc<Cell<usize>>,
    meters: Arc<ListenerMeters>,
    _places: (Admitted, Held),
}

impl Open {
    fn new(count: Rc<Cell<usize>>, meters: Arc<ListenerMeters>, places: (Admitted, Held)) -> Open {
        count.set(count.get() + 1);
        meters.connections.fetch_add(1, Relaxed);
        Open { count, meters, _places: places }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.meters.connections.fetch_sub(1, Relaxed);
    }
}
