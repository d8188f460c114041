//! One HTTP/2 connection from a client as one task: accepts its streams, runs them, writes what they have answered in
//! one go, and decides when the connection ends. Frames are the business of `h2`.

use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Request;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tidegate_core::charge::{Charge, UNTAKEN};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{Client, Handler};
use tidegate_core::limits::LINGER_TIME;
use tidegate_core::units::counted_address;

use super::edges::{Frames, end_streams, linger, shake_hands};
use super::inbox::{Account, Inbox};
use super::limits;
use super::link::Link;
use super::outflow::{Outflow, Piece};
use super::ready::{CONNECTION, Ready};
use super::stream::{self, Shared};
use super::streams::Streams;
use crate::http1::server::{Serving, Stage};
use crate::socket::Socket;
use crate::timer::Timer;

/// Turns of streams between two looks at the other connections of the worker: at some 10 µs each they stay below the
/// 500 µs that nothing may hold a worker for.
pub(super) const STREAM_TURNS_MAX: usize = 32;
/// Times that what the streams did is taken up by the connection and the other way round, before others have their
/// turn. Three do for a request whose answer lies ready: its head is read, it is answered, the answer is written.
const ROUNDS_MAX: usize = 4;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// As its listener's limits say.
    Open,
    /// The client was told to open no further streams; those it has end as they would.
    Leaving,
    /// The client was told that nothing goes on; it only remains to be written.
    Over,
}

/// A connection that has shaken hands.
struct Connection<H> {
    frames: Frames,
    link: Rc<RefCell<Link>>,
    streams: Streams,
    shared: Rc<Shared>,
    handler: Rc<H>,
    ready: Arc<Ready>,
    waker: Waker,
    timer: Timer,
    phase: Phase,
    /// Streams accepted.
    served: u32,
    /// Since when nothing is under way.
    idle_since: Option<Nanos>,
    /// When it is cut off at the latest, once it ends.
    cut_at: Nanos,
}

/// Serves a socket that has been connected, plain or with its TLS handshake done, to its end; `open` is held for as
/// long.
pub async fn serve<H: Handler, G>(
    socket: Socket,
    address: Option<SocketAddr>,
    serving: Rc<Serving>,
    handler: Rc<H>,
    open: G,
) {
    let _open = open;
    let link = Rc::new(RefCell::new(Link::new(socket)));
    let timer = Timer::new();
    let Some(frames) = shake_hands(&link, &serving, &timer).await else { return };
    let trusted = serving.trusts(address);
    let client = Client {
        address,
        listener: serving.listener.clone(),
        is_secure: link.borrow().socket.is_secure(),
        trusted,
        door: serving.door.borrow().clone(),
    };
    // A trusted proxy stands for many clients, and has no share but the whole.
    let counted = address.filter(|_| client.trusted.is_none()).map(|address| counted_address(address.ip()));
    let shared = Rc::new(Shared {
        account: Rc::new(Account::new(Charge::of(&UNTAKEN, counted))),
        client,
        serving,
        outflow: Rc::new(Outflow::default()),
        flaws: link.borrow().watch.flaws.clone(),
        streams: Cell::new(0),
        refused: Cell::new(0),
    });
    let ready = Ready::new();
    let mut connection = Connection {
        frames,
        link: link.clone(),
        streams: Streams::new(ready.clone()),
        shared,
        handler,
        waker: ready.waker(CONNECTION),
        ready,
        timer,
        phase: Phase::Open,
        served: 0,
        idle_since: None,
        cut_at: Nanos::NEVER,
    };
    connection.ready.wake(CONNECTION);
    // The connection keeps its own account of whose turn it is.
    tokio::task::unconstrained(poll_fn(|cx| connection.poll(cx))).await;
    let Connection { frames, streams, ready, timer, .. } = connection;
    drop(frames);
    end_streams(streams, &ready, &timer).await;
    linger(&link, &timer).await;
}

/// Wakes the task once the worker has looked at its sockets. A plain wake would have it run again before that, up to 61 times:
/// with some connections that always have more to do, everybody else would wait for as many of their turns.
fn let_others_go_first(cx: &mut Context<'_>) {
    // Whoever yields is woken by the runtime, also when what it yields with is gone.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    Over,
}

impl<H: Handler> Connection<H> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ready.enter(cx.waker());
        self.link.borrow_mut().begin_turn();
        self.judge();
        let going = match self.turn() {
            Going::On => self.look_at_time(cx),
            Going::Over => Going::Over,
        };
        let is_unfinished = self.ready.leave();
        if going == Going::Over {
            return Poll::Ready(());
        }
        if is_unfinished {
            let_others_go_first(cx);
        }
        Poll::Pending
    }

    /// Everything that can be done now, within bounds.
    fn turn(&mut self) -> Going {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let mut turns = STREAM_TURNS_MAX;
        for _ in 0..ROUNDS_MAX {
            let is_woken = self.ready.take(CONNECTION);
            if is_woken && self.accept(&mut cx) == Going::Over {
                return Going::Over;
            }
            if self.shared.outflow.has_room_again() {
                self.streams.wake_all();
            }
            let ran = self.streams.run(turns);
            turns -= ran;
            self.shared.streams.set(self.streams.count() as u32);
            if turns == 0 || (ran == 0 && !is_woken) {
                break;
            }
        }
        if self.link.borrow_mut().watch.take_data() {
            self.streams.collect();
        }
        self.shared.account.settle();
        match self.link.borrow_mut().poll_flush(&mut cx) {
            Poll::Ready(Err(_)) => Going::Over,
            Poll::Ready(Ok(())) | Poll::Pending => Going::On,
        }
    }

    /// Lets `h2` read and write, and takes the streams it has found.
    fn accept(&mut self, cx: &mut Context<'_>) -> Going {
        loop {
            match self.frames.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(Some(Err(_)) | None) => return Going::Over,
                Poll::Pending => break,
            }
        }
        self.judge();
        Going::On
    }

    /// A stream with a request on it. One that was reset and is still worked for takes the place of this one.
    fn begin(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Piece>) {
        self.served = self.served.saturating_add(1);
        if self.streams.count() >= limits::STREAMS_MAX as usize {
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        let (parts, body) = request.into_parts();
        let inbox = (!body.is_end_stream())
            .then(|| Rc::new(RefCell::new(Inbox::new(body, self.shared.account.clone()))));
        let work = stream::serve(self.handler.clone(), self.shared.clone(), parts, inbox.clone(), respond);
        self.streams.add(Box::pin(work), inbox);
    }

    /// Whether the client may go on as it does.
    fn judge(&mut self) {
        let requests = self.shared.serving.limits.get().requests;
        let stage = self.shared.serving.stage.get();
        let is_flooded = self.link.borrow().watch.is_flooded()
            || self.shared.refused.get() >= limits::REFUSED_MAX
            // It was told to leave.
            || self.served >= requests.saturating_add(limits::STREAMS_MAX);
        if is_flooded {
            self.end(Reason::ENHANCE_YOUR_CALM);
        } else if stage == Stage::Ended && self.streams.count() == 0 {
            self.end(Reason::NO_ERROR);
        } else if self.phase == Phase::Open && (stage != Stage::Open || self.served >= requests) {
            self.phase = Phase::Leaving;
            self.frames.graceful_shutdown();
            self.ready.wake(CONNECTION);
        }
    }

    /// Ends the connection with all that is under way on it.
    fn end(&mut self, reason: Reason) {
        if self.phase < Phase::Over {
            self.phase = Phase::Over;
            self.cut_at = clock::coarse().after(LINGER_TIME);
            self.frames.abrupt_shutdown(reason);
            self.ready.wake(CONNECTION);
        }
    }

    /// Ends what takes too long, and arranges to be woken when something will.
    fn look_at_time(&mut self, cx: &mut Context<'_>) -> Going {
        let now = clock::coarse();
        let limits = self.shared.serving.limits.get();
        if self.streams.count() > 0 {
            self.idle_since = None;
        } else if self.idle_since.is_none() {
            self.idle_since = Some(now);
            self.link.borrow_mut().rest();
        }
        let mut link = self.link.borrow_mut();
        let head_due = link.watch.head_since().map(|since| since.after(limits.head_time));
        let Ok(slow_due) = link.poll_slow(limits.min_rate) else { return Going::Over };
        drop(link);
        let idle = if self.phase == Phase::Open { limits.idle } else { LINGER_TIME };
        let idle_due = self.idle_since.map(|since| since.after(idle));
        if head_due.is_some_and(|due| due <= now) {
            self.end(Reason::ENHANCE_YOUR_CALM);
        } else if idle_due.is_some_and(|due| due <= now) {
            self.end(Reason::NO_ERROR);
        }
        if self.cut_at <= now {
            return Going::Over;
        }
        let dues = match self.phase {
            Phase::Over => [Some(self.cut_at), slow_due, None],
            Phase::Open | Phase::Leaving => [head_due, slow_due, idle_due],
        };
        self.timer.set(dues.into_iter().flatten().min().unwrap_or(Nanos::NEVER));
        if self.timer.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Going::On
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_task_that_always_goes_on_lets_a_socket_be_heard_behind_each_turn() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let turns = Rc::new(Cell::new(0));
        let counted = turns.clone();
        let heard = async {
            let (mut far, near) = UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let near = tokio::net::UnixStream::from_std(near).unwrap();
            // The runtime has looked at it once and found nothing.
            tokio::task::yield_now().await;
            let _greedy = tokio::task::spawn_local(poll_fn(move |cx| {
                counted.set(counted.get() + 1);
                let_others_go_first(cx);
                Poll::<()>::Pending
            }));
            far.write_all(b"x").unwrap();
            near.readable().await.unwrap();
        };
        tokio::task::LocalSet::new().block_on(&runtime, heard);
        assert!((1..=3).contains(&turns.get()), "{} turns", turns.get());
    }
}
