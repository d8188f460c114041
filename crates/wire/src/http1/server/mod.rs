//! One HTTP/1 connection from a client: waits idle as a small future without buffers, reads a head, hands the
//! request to the handler, and decides whether the connection lives on. Implements `Exchange`.

mod exchange;
mod idle;

use super::encode::{self, Connection, ResponseFraming};
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::request::{ParsedRequest, RequestParser, Version};
use crate::rate::RateWatch;
use crate::scratch::{self, Leased};
use crate::socket::{Peek, Socket};
use crate::timer::Timer;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;
use tidegate_core::clock::Nanos;
use tidegate_core::exchange::{Client, Fill, Handler};
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::limits::{LINGER_TIME, UNREAD_BODY_BYTES_MAX};
use tidegate_core::outcome::Refusal;

use idle::{BUSY_TIME, Busy, readable_before_end};
pub use idle::{ConnectionLimits, Idle, Serving, Stage};

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
    /// When the next of them must be looked at; `NEVER` while bytes move.
    rate_due: Nanos,
    is_slow_reader: bool,
    is_answered: bool,
    /// The client was told to go on with its body.
    has_continued: bool,
    is_closing: bool,
    is_tunnel: bool,
}

impl Server {
    fn new(idle: Idle) -> Server {
        let listener = idle.serving.listener.clone();
        let trusted = idle.serving.trusts(idle.address);
        let door = idle.serving.door.borrow().clone();
        Server {
            client: Client {
                address: idle.address,
                listener,
                is_secure: idle.socket.is_secure(),
                trusted,
                door,
            },
            socket: idle.socket,
            serving: idle.serving,
            timer: idle.timer,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            request: NO_REQUEST,
            served: idle.served,
            sent: 0,
            slow_in: RateWatch::default(),
            slow_out: RateWatch::default(),
            rate_due: Nanos::NEVER,
            is_slow_reader: false,
            is_answered: false,
            has_continued: false,
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
                    server.socket.say_end();
                    server.linger().await;
                    return None;
                }
            }
            handler.handle(&mut head, &mut server).await;
            if !server.end().await {
                if server.is_answered && server.outbound.is_complete() {
                    server.socket.say_end();
                }
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
        poll_fn(|cx| readable_before_end(&mut self.socket, &self.serving, &self.timer, cx)).await
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
                    Poll::Pending if self.inbound.buffer.is_empty() && !self.socket.is_owed() => {
                        return Poll::Ready(Err(NoRequest::NotYet));
                    }
                    // A part of a record: the client owes the rest as it owes the rest of a head.
                    Poll::Pending if !is_timed => {
                        is_timed = true;
                        self.timer.set_after(limits.head_time);
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
        self.has_continued = false;
        self.is_closing = !request.is_keep_alive
            || self.served >= self.serving.limits.get().requests
            || self.serving.stage.get() != Stage::Open;
        self.slow_in = RateWatch::default();
        self.slow_out = RateWatch::default();
        self.rate_due = Nanos::NEVER;
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
