//! One HTTP/1 connection from a client: waits idle as a small future without buffers, reads a head, hands the
//! request to the handler, and decides whether the connection lives on. Implements `Exchange`.

use super::encode::{self, Connection, ResponseFraming};
use super::inbound::Inbound;
use super::outbound::{Framing, Outbound};
use super::rate::RateWatch;
use super::request::{ParsedRequest, RequestParser, Version};
use crate::scratch::{self, Leased};
use crate::socket::{Peek, Socket};
use crate::timer::Timer;
use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{AnswerBody, Client, Exchange, Fault, Fill, Handler, Protocol, Sink, Source};
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead, Span};
use tidegate_core::limits::{HeadLimits, LINGER_TIME, UNREAD_BODY_BYTES_MAX};
use tidegate_core::outcome::Refusal;

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
    /// Set when the gateway ends: connections close as soon as they are between requests.
    pub is_draining: Rc<Cell<bool>>,
}

/// A connection between requests: all that a waiting client costs.
pub struct Idle {
    socket: Socket,
    address: Option<SocketAddr>,
    serving: Rc<Serving>,
    timer: Timer,
    served: u32,
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
        }
    }

    /// Waits for bytes; `false` when the connection has been idle too long, or the gateway ends.
    async fn wait(&mut self) -> bool {
        self.timer.set_after(self.serving.limits.get().idle);
        poll_fn(|cx| {
            if self.serving.is_draining.get() || self.timer.poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            self.socket.poll_readable(cx).map(|result| result.is_ok())
        })
        .await
    }
}

/// Why no request came.
enum NoRequest {
    /// Nothing to answer: the client left.
    Closed,
    /// It only seemed that something could be read: back to waiting, under the idle timeout.
    NotYet,
    /// Something to answer.
    Refused(Refusal),
}

/// A reader that takes nothing for so long is slow: a send buffer's worth on any link that is not takes less.
const SLOW_READER_WAIT: Duration = Duration::from_millis(100);

/// How long a connection stays ready for its client's next request before it becomes the small future that an idle
/// one is: above the pause of a program that works, below that of a person.
const BUSY_TIME: Duration = Duration::from_millis(50);
/// How many connections of a worker may do so at a time: some 4 KiB each.
const BUSY_MAX: usize = 128;

thread_local! {
    static BUSY: Cell<usize> = const { Cell::new(0) };
}

/// One of the places of `BUSY_MAX`.
struct Busy;

impl Busy {
    fn enter() -> Option<Busy> {
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

/// Before the first request.
const NO_REQUEST: ParsedRequest = ParsedRequest {
    bytes: 0,
    length: Length::Empty,
    version: Version::Http11,
    is_keep_alive: false,
    expects_continue: false,
    upgrade: None,
};

/// A connection with requests on it.
pub struct Server {
    socket: Socket,
    client: Client,
    serving: Rc<Serving>,
    timer: Timer,
    inbound: Inbound,
    outbound: Outbound,
    request: ParsedRequest,
    served: u32,
    sent: u64,
    slow_in: RateWatch,
    slow_out: RateWatch,
    is_slow_reader: bool,
    is_answered: bool,
    is_closing: bool,
    is_tunnel: bool,
}

impl Server {
    fn new(idle: Idle) -> Server {
        let listener = idle.serving.listener.clone();
        Server {
            socket: idle.socket,
            client: Client { address: idle.address, listener, is_secure: false },
            serving: idle.serving,
            timer: idle.timer,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            request: NO_REQUEST,
            served: idle.served,
            sent: 0,
            slow_in: RateWatch::default(),
            slow_out: RateWatch::default(),
            is_slow_reader: false,
            is_answered: false,
            is_closing: false,
            is_tunnel: false,
        }
    }

    fn into_idle(self) -> Idle {
        let Server { socket, client, serving, timer, served, .. } = self;
        Idle { socket, address: client.address, serving, timer, served }
    }

    /// Serves requests until none is waiting; `None` when the connection has ended.
    async fn work<H: Handler>(idle: Idle, handler: &H) -> Option<Idle> {
        let mut server = Server::new(idle);
        let mut head: Leased<RequestHead> = Leased::take();
        loop {
            match server.read_head(&mut head).await {
                Ok(request) => server.begin(request),
                Err(NoRequest::Closed) => return None,
                Err(NoRequest::NotYet) => return Some(server.into_idle()),
                Err(NoRequest::Refused(refusal)) => {
                    server.refuse(handler, refusal).await;
                    server.linger().await;
                    return None;
                }
            }
            handler.handle(&mut head, &mut server).await;
            if !server.end().await {
                if server.may_have_more() {
                    server.linger().await;
                }
                return None;
            }
            if server.inbound.buffer.is_empty() && !server.wait_a_little().await {
                return Some(server.into_idle());
            }
        }
    }

    /// After a request, waits briefly for the next one without its buffer but otherwise as it is: a busy client costs
    /// no unmaking and making between its requests. `false` when none came.
    async fn wait_a_little(&mut self) -> bool {
        let Some(_busy) = Busy::enter() else { return false };
        self.inbound.buffer.release();
        self.timer.set_after(BUSY_TIME);
        poll_fn(|cx| {
            if self.serving.is_draining.get() || self.timer.poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            self.socket.poll_readable(cx).map(|result| result.is_ok())
        })
        .await
    }

    async fn read_head(&mut self, head: &mut RequestHead) -> Result<ParsedRequest, NoRequest> {
        let limits = self.serving.limits.get();
        let mut parser = RequestParser::default();
        let mut is_timed = false;
        poll_fn(|cx| {
            loop {
                if !self.inbound.buffer.is_empty() {
                    match parser.parse(self.inbound.buffer.bytes(), &limits.head, head) {
                        Ok(Some(parsed)) => {
                            self.inbound.buffer.consume(parsed.bytes);
                            return Poll::Ready(Ok(parsed));
                        }
                        Ok(None) if !is_timed => {
                            is_timed = true;
                            self.timer.set_after(limits.head_time);
                        }
                        Ok(None) => {}
                        Err(refusal) => return Poll::Ready(Err(NoRequest::Refused(refusal))),
                    }
                }
                if is_timed && self.timer.poll(cx).is_ready() {
                    let refusal = Refusal::new(408, "the request head took too long");
                    return Poll::Ready(Err(NoRequest::Refused(refusal)));
                }
                match self.inbound.poll_read(&mut self.socket, cx) {
                    Poll::Pending if self.inbound.buffer.is_empty() => {
                        return Poll::Ready(Err(NoRequest::NotYet));
                    }
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(NoRequest::Closed)),
                    Poll::Ready(Ok(_)) => {}
                }
            }
        })
        .await
    }

    fn begin(&mut self, request: ParsedRequest) {
        self.inbound.begin(request.length, false);
        self.served += 1;
        self.is_answered = false;
        self.is_closing = !request.is_keep_alive
            || self.served >= self.serving.limits.get().requests
            || self.serving.is_draining.get();
        self.slow_in = RateWatch::default();
        self.slow_out = RateWatch::default();
        self.request = request;
    }

    /// After the handler: whether the connection can carry another request.
    async fn end(&mut self) -> bool {
        if !self.is_answered || !self.outbound.is_complete() || self.is_closing || self.is_tunnel {
            return false;
        }
        self.inbound.let_go();
        self.inbound.is_at_end() || self.drain_body().await
    }

    /// Whether the client may be sending, or have sent, what we have not read.
    fn may_have_more(&self) -> bool {
        !self.inbound.is_at_end() || !self.inbound.buffer.is_empty() || self.socket.peek() == Peek::Bytes
    }

    /// Reads away what is left of a request body, up to a bound in bytes and time.
    async fn drain_body(&mut self) -> bool {
        self.timer.set_after(LINGER_TIME);
        let mut drained = 0;
        poll_fn(|cx| {
            loop {
                match ready!(self.inbound.poll_fill(&mut self.socket, cx)) {
                    Ok(Fill::End) => return Poll::Ready(true),
                    Ok(Fill::Data) => {}
                    Err(_) => return Poll::Ready(false),
                }
                let mut piece: [&[u8]; 1] = [&[]];
                self.inbound.pieces(&mut piece);
                let n = piece[0].len();
                drained += n;
                if drained > UNREAD_BODY_BYTES_MAX {
                    return Poll::Ready(false);
                }
                self.inbound.consume(n);
            }
        })
        .timed(&self.timer)
        .await
        .unwrap_or(false)
    }

    async fn refuse<H: Handler>(&mut self, handler: &H, refusal: Refusal) {
        let mut answer: Leased<ResponseHead> = Leased::take();
        let mut body = scratch::text();
        handler.refuse(&self.client, refusal, &mut answer, &mut body);
        let framing = ResponseFraming {
            length: Length::Exact(body.len() as u64),
            stated_length: None,
            connection: Connection::Close,
            chunked: false,
        };
        encode::write_response_head(&mut self.outbound.pending, &answer, framing);
        self.outbound.pending.extend_from_slice(&body);
        scratch::give_back(&mut body);
        self.timer.set_after(LINGER_TIME);
        let _ = poll_fn(|cx| self.outbound.poll_flush(&mut self.socket, cx, &mut self.sent))
            .timed(&self.timer)
            .await;
    }

    /// Closes so that what was written still arrives: a close with unread bytes would reset the connection and
    /// may destroy the answer on its way (RFC 9112 §9.6).
    async fn linger(&mut self) {
        self.inbound.buffer.release();
        self.socket.shutdown_write();
        self.timer.set_after(LINGER_TIME);
        let mut drained = 0;
        let _ = poll_fn(|cx| {
            while drained <= UNREAD_BODY_BYTES_MAX {
                match ready!(self.inbound.poll_read(&mut self.socket, cx)) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => drained += n,
                }
                let n = self.inbound.buffer.len();
                self.inbound.buffer.consume(n);
            }
            Poll::Ready(())
        })
        .timed(&self.timer)
        .await;
    }

    fn framing_of(&self, head: &ResponseHead, body: AnswerBody) -> (Framing, bool, Connection<'static>) {
        let is_http10 = self.request.version == Version::Http10;
        let (framing, is_chunked, must_close) = match body.length {
            Length::Empty => (Framing::None, false, false),
            Length::Exact(n) => (Framing::Exact(n), false, false),
            Length::Streamed if is_http10 => (Framing::UntilClose, false, true),
            Length::Streamed => (Framing::Chunked, true, false),
        };
        let connection = match () {
            () if head.status == 101 => Connection::KeepAlive11,
            () if self.is_closing || must_close => Connection::Close,
            () if is_http10 => Connection::KeepAlive10,
            () => Connection::KeepAlive11,
        };
        (framing, is_chunked, connection)
    }

    /// Pending on bytes the client owes us: watches their rate.
    fn watch_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        let Some(min_rate) = self.serving.limits.get().min_rate.filter(|_| self.inbound.is_owed()) else {
            return Poll::Pending;
        };
        let taken = self.inbound.taken;
        match self.slow_in.waiting(clock::coarse(), min_rate, || taken) {
            Err(fault) => Poll::Ready(Err(fault)),
            Ok(deadline) => self.wake_at(deadline, cx),
        }
    }

    /// Pending on bytes we hold for the client: watches the rate at which its kernel acknowledges them.
    fn watch_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Some(min_rate) = self.serving.limits.get().min_rate.filter(|_| !self.is_tunnel) else {
            return Poll::Pending;
        };
        let (socket, sent) = (&self.socket, self.sent);
        match self
            .slow_out
            .waiting(clock::coarse(), min_rate, || socket.progress().acknowledged.unwrap_or(sent))
        {
            Err(fault) => Poll::Ready(Err(fault)),
            Ok(deadline) => self.wake_at(deadline, cx),
        }
    }

    /// The client took bytes. One that let us wait long for it is a slow reader: the kernel gets less ahead of it.
    fn moved_out(&mut self) {
        if self.slow_out.moving(clock::coarse()) > SLOW_READER_WAIT && !self.is_slow_reader {
            self.is_slow_reader = true;
            self.socket.bound_unsent();
        }
    }

    fn wake_at<T>(&self, deadline: Nanos, cx: &mut Context<'_>) -> Poll<T> {
        let now = clock::coarse();
        let current = self.timer.deadline();
        if current <= now || deadline < current {
            self.timer.set(deadline);
        }
        if self.timer.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Bounds a future by a timer's deadline.
trait Timed: Future + Sized {
    async fn timed(self, timer: &Timer) -> Option<Self::Output> {
        let mut future = std::pin::pin!(self);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => timer.poll(cx).map(|()| None),
        })
        .await
    }
}

impl<F: Future> Timed for F {}

impl Source for Server {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.inbound.poll_fill(&mut self.socket, cx) {
            Poll::Pending => self.watch_in(cx),
            ready => {
                self.slow_in.moving(clock::coarse());
                ready
            }
        }
    }

    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        self.inbound.pieces(out)
    }

    fn is_last(&self) -> bool {
        self.inbound.is_last()
    }

    fn consume(&mut self, n: usize) {
        self.inbound.consume(n);
    }

    fn trailers(&self) -> &Fields {
        self.inbound.trailers()
    }

    fn spliceable(&self) -> u64 {
        self.inbound.spliceable()
    }

    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<Result<usize, Fault>> {
        match self.inbound.poll_splice(&mut self.socket, cx, pipe, max) {
            Poll::Pending => self.watch_in(cx).map_ok(|_| 0),
            ready => {
                self.slow_in.moving(clock::coarse());
                ready
            }
        }
    }
}

impl Sink for Server {
    fn poll_send<S: Source>(&mut self, cx: &mut Context<'_>, from: &mut S) -> Poll<Result<(), Fault>> {
        match self.outbound.poll_send(&mut self.socket, cx, from, &mut self.sent) {
            Poll::Pending => self.watch_out(cx),
            ready => {
                self.moved_out();
                ready
            }
        }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &Fields) -> Poll<Result<(), Fault>> {
        match self.outbound.poll_finish(&mut self.socket, cx, trailers, &mut self.sent) {
            Poll::Pending => self.watch_out(cx),
            ready => ready,
        }
    }

    fn accepts_splice(&self) -> bool {
        self.outbound.accepts_splice()
    }

    fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        n: usize,
    ) -> Poll<Result<usize, Fault>> {
        match self.outbound.poll_splice_out(&mut self.socket, cx, pipe, n) {
            Poll::Pending => self.watch_out(cx).map_ok(|()| 0),
            ready => {
                self.moved_out();
                ready
            }
        }
    }
}

impl Exchange for Server {
    fn client(&self) -> &Client {
        &self.client
    }

    fn protocol(&self) -> Protocol {
        match self.request.version {
            Version::Http10 => Protocol::Http10,
            Version::Http11 => Protocol::Http11,
        }
    }

    fn length(&self) -> Length {
        self.request.length
    }

    fn expects_continue(&self) -> bool {
        self.request.expects_continue && !self.is_answered && self.inbound.buffer.is_empty()
    }

    fn upgrade(&self) -> Option<Span> {
        self.request.upgrade
    }

    fn rewind(&mut self) -> bool {
        self.inbound.rewind()
    }

    fn let_go(&mut self) {
        self.inbound.let_go();
    }

    fn taken(&self) -> u64 {
        self.inbound.taken
    }

    fn interim(&mut self, head: &ResponseHead) {
        // An HTTP/1.0 client does not know interim answers (RFC 9110 §15.2).
        if self.request.version == Version::Http11 {
            let framing = ResponseFraming {
                length: Length::Empty,
                stated_length: None,
                connection: Connection::KeepAlive11,
                chunked: false,
            };
            encode::write_response_head(&mut self.outbound.pending, head, framing);
        }
    }

    fn close_after(&mut self) {
        self.is_closing = true;
    }

    fn answer(&mut self, request: &RequestHead, head: &ResponseHead, body: AnswerBody) {
        self.is_answered = true;
        let (framing, is_chunked, mut connection) = self.framing_of(head, body);
        self.is_closing |= matches!(connection, Connection::Close);
        let length = body.length;
        let mut body_framing = framing;
        if head.status == 101 {
            let token = self.request.upgrade.map_or(&b""[..], |span| span.of(request.fields.text()));
            connection =
                Connection::Upgrade(head.fields.get(tidegate_core::name::Name::Upgrade).unwrap_or(token));
            body_framing = Framing::UntilClose;
            self.is_tunnel = true;
            self.inbound.begin_raw();
        }
        let stated_length = body.stated_length;
        let response = ResponseFraming { length, stated_length, connection, chunked: is_chunked };
        encode::write_response_head(&mut self.outbound.pending, head, response);
        self.outbound.begin(body_framing);
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self.outbound.poll_flush(&mut self.socket, cx, &mut self.sent) {
            Poll::Pending => self.watch_out(cx),
            ready => ready,
        }
    }

    fn shutdown_write(&mut self) {
        self.socket.shutdown_write();
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.socket.poll_readable(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(()),
            // Readable: a next request, an end, or a reset. Only the reset means that nobody waits any more.
            Poll::Ready(Ok(())) => match self.socket.peek() {
                Peek::Broken => Poll::Ready(()),
                Peek::Bytes | Peek::Closed if self.socket.progress().is_closed => Poll::Ready(()),
                _ => Poll::Pending,
            },
        }
    }
}
