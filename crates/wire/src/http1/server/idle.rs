//! What a connection is between requests, what its listener allows it, and how long it stays ready for the next
//! request before it becomes small again.

use super::Server;
use crate::socket::Socket;
use crate::timer::Timer;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tidegate_core::exchange::Handler;
use tidegate_core::limits::HeadLimits;
use tidegate_core::tls::Door;
use tidegate_core::trusted::Trusted;

/// What a listener allows its connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Bounds of a request head.
    pub head: HeadLimits,
    /// From a request's first byte to the end of its head.
    pub head_time: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Requests on one connection.
    pub requests: u32,
    /// Slowest rate in bytes per second at which a peer may move bytes it owes us or that we hold; `None` = any.
    pub min_rate: Option<u64>,
}

/// What all connections of a listener share on one worker.
pub struct Serving {
    /// The listener's name.
    pub listener: Rc<str>,
    /// What they are allowed.
    pub limits: Cell<ConnectionLimits>,
    /// The peers that are believed, and in what; `None` when there are none.
    pub trusted: RefCell<Option<Rc<Trusted>>>,
    /// What is done to every request, if anything is.
    pub door: RefCell<Option<Rc<Door>>>,
    /// How long their connections live now.
    pub stage: Rc<Cell<Stage>>,
}

impl Serving {
    /// The trusted peers, if this address is one of them.
    pub fn trusts(&self, address: Option<SocketAddr>) -> Option<Rc<Trusted>> {
        let trusted = self.trusted.borrow();
        trusted.as_ref().filter(|trusted| trusted.has(address)).cloned()
    }
}

/// How long the connections of a listener live: two steps to its end, so that clients can leave without losing a
/// request on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// As its limits say.
    #[default]
    Open,
    /// Until the next answer, which says that it is the last (`Connection: close`).
    Closing,
    /// Those between requests close at once.
    Ended,
}

/// A connection between requests: all that a waiting client costs.
pub struct Idle {
    pub(super) socket: Socket,
    pub(super) address: Option<SocketAddr>,
    pub(super) serving: Rc<Serving>,
    pub(super) timer: Timer,
    pub(super) served: u32,
}

impl Idle {
    /// A connection just accepted.
    pub fn new(socket: Socket, address: Option<SocketAddr>, serving: Rc<Serving>) -> Idle {
        Idle { socket, address, serving, timer: Timer::new(), served: 0 }
    }

    /// Serves the connection to its end; `open` is held for as long. Not an `async fn`: that would keep its arguments
    /// twice, and this future is what an idle connection costs.
    pub fn serve<H: Handler, G>(self, handler: Rc<H>, open: G) -> impl Future<Output = ()> {
        let mut idle = self;
        async move {
            let _open = &open;
            while idle.wait().await {
                // Boxed: only connections with a request in flight pay for what a request needs.
                match Box::pin(Server::work(idle, &*handler)).await {
                    Some(back) => idle = back,
                    None => return,
                }
            }
            idle.socket.say_end();
        }
    }

    /// Waits for bytes; `false` when the connection has been idle too long, or its listener ends.
    async fn wait(&mut self) -> bool {
        self.timer.set_after(self.serving.limits.get().idle);
        poll_fn(|cx| readable_before_end(&mut self.socket, &self.serving, &self.timer, cx)).await
    }
}

/// Ready with whether a request may have come. Bytes come first: a request that arrived before the end is served.
pub(super) fn readable_before_end(
    socket: &mut Socket,
    serving: &Serving,
    timer: &Timer,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    if let Poll::Ready(result) = socket.poll_readable(cx) {
        return Poll::Ready(result.is_ok());
    }
    match serving.stage.get() == Stage::Ended || timer.poll(cx).is_ready() {
        true => Poll::Ready(false),
        false => Poll::Pending,
    }
}

/// How long a connection stays ready for its client's next request before it becomes the small future that an idle
/// one is: above the pause of a program that works, below that of a person.
pub(super) const BUSY_TIME: Duration = Duration::from_millis(50);
/// How many connections of a worker may do so at a time: some 4 KiB each.
const BUSY_MAX: usize = 128;

thread_local! {
    static BUSY: Cell<usize> = const { Cell::new(0) };
}

/// One of the places of `BUSY_MAX`.
pub(super) struct Busy;

impl Busy {
    /// Takes one, if one is free.
    pub(super) fn enter() -> Option<Busy> {
        let count = BUSY.get();
        (count < BUSY_MAX).then(|| {
            BUSY.set(count + 1);
            Busy
        })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.set(BUSY.get() - 1);
    }
}
