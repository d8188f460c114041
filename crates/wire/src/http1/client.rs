//! One HTTP/1.1 connection to a backend while a request is on it. Driven inline by the task that owns the
//! request: no second task, no channel. Between requests it waits in `pool`, without buffers.

use super::encode::{self, RequestFraming};
use super::inbound::Inbound;
use super::outbound::{Framing, Outbound};
use super::response::{ParsedResponse, ResponseParser};
use crate::socket::{Peek, Socket};
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};
use tidegate_core::descriptors::Held;
use tidegate_core::exchange::{Fault, Fill, Sink, Source};
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead};
use tidegate_core::limits::HeadLimits;
use tidegate_core::name::Method;
use tidegate_core::outcome::Refusal;

/// A connection that is carrying an exchange.
pub struct Upstream {
    socket: Socket,
    inbound: Inbound,
    outbound: Outbound,
    parser: ResponseParser,
    /// Bytes written on this connection before the request in progress.
    sent_before: u64,
    sent: u64,
    /// Whether an interim answer to the request in progress has come: its client may have seen it.
    pub has_interim: bool,
    /// Whether it served a request before this one: the backend may have closed it meanwhile.
    pub is_reused: bool,
    is_keep_alive: bool,
    is_tunnel: bool,
    /// Bytes were read behind the last answer.
    had_surplus: bool,
    /// Its descriptor, for as long as it is open.
    _held: Option<Held>,
}

impl Upstream {
    /// Takes a socket that was just connected.
    pub fn new(socket: Socket) -> Upstream {
        Upstream {
            socket,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            parser: ResponseParser::default(),
            sent_before: 0,
            sent: 0,
            has_interim: false,
            is_reused: false,
            is_keep_alive: false,
            is_tunnel: false,
            had_surplus: false,
            _held: None,
        }
    }

    /// One whose descriptor is counted.
    pub fn holding(self, held: Held) -> Upstream {
        Upstream { _held: Some(held), ..self }
    }

    /// Puts a request's head; it is written with the first send or finish.
    pub fn begin(&mut self, head: &RequestHead, host: &[u8], framing: RequestFraming<'_>) {
        let body = match framing.length {
            Length::Empty => Framing::None,
            Length::Exact(n) => Framing::Exact(n),
            Length::Streamed => Framing::Chunked,
        };
        encode::write_request_head(&mut self.outbound.pending, head, host, framing);
        self.outbound.begin(body);
        self.has_interim = false;
    }

    /// Writes what is pending: a head whose body is held back.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.outbound.poll_flush(&mut self.socket, cx, &mut self.sent)
    }

    /// The response head, interim ones too: call again after those. Fills `head`.
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: Method,
        head: &mut ResponseHead,
    ) -> Poll<Result<ParsedResponse, Fault>> {
        loop {
            if !self.inbound.buffer.is_empty() {
                let bytes = self.inbound.buffer.bytes();
                let parsed = self.parser.parse(bytes, method, &HeadLimits::RESPONSE, head);
                if let Some(parsed) = parsed.map_err(|bad| Fault::Malformed(Refusal::new(502, bad.0)))? {
                    self.inbound.buffer.consume(parsed.bytes);
                    self.parser.reset();
                    self.has_interim |= parsed.is_interim;
                    if !parsed.is_interim {
                        self.inbound.begin(parsed.length, parsed.is_close_delimited);
                        self.inbound.let_go();
                        self.is_keep_alive = parsed.is_keep_alive && !parsed.is_close_delimited;
                    }
                    return Poll::Ready(Ok(parsed));
                }
            }
            if ready!(self.inbound.poll_read(&mut self.socket, cx))? == 0 {
                return Poll::Ready(Err(Fault::Gone));
            }
        }
    }

    /// Whether any byte of a response has come.
    pub fn has_answered(&self) -> bool {
        !self.inbound.buffer.is_empty()
    }

    /// Whether any byte of the request was given to the kernel.
    pub fn has_sent(&self) -> bool {
        self.sent > self.sent_before
    }

    /// Whether the backend has certainly not seen any byte of the request, although some were written: it had ended
    /// its side before its kernel had any of them, as an end acknowledges what came before it. The one case in which
    /// any method may be sent again (RFC 9110 §9.2.2: "some means to know"). A bare reset tells nothing: it
    /// acknowledges nothing, and a kernel lets up to 40 ms pass before it acknowledges what was read. Over TLS it is
    /// never certain: what the kernel counts are bytes of records, those of the handshake too.
    pub fn is_certainly_unseen(&self) -> bool {
        if self.inbound.is_reset {
            return false;
        }
        // +1: the kernel counts the SYN as acknowledged.
        self.socket.progress().acknowledged.is_some_and(|bytes| bytes <= self.sent_before + 1)
    }

    /// Whether the peer is still there and silent, by one system call. For requests that must not be sent twice.
    pub fn is_open(&self) -> bool {
        self.socket.peek() == Peek::Silent
    }

    /// Whether there are bytes behind a whole answer, which nobody has asked for; by one system call unless they were read
    /// already. Once it rests. One that ends with this answer has nobody to reach.
    pub fn has_surplus(&self) -> bool {
        let is_over = !self.is_tunnel && self.inbound.is_at_end();
        is_over && self.is_keep_alive && (self.had_surplus || self.socket.has_bytes())
    }

    /// A 101 came and went on to the client: from here on bytes are only bytes.
    pub fn begin_tunnel(&mut self) {
        self.is_tunnel = true;
        self.inbound.begin_raw();
        self.outbound.begin(Framing::UntilClose);
    }

    /// Ends the sending side of a tunnel.
    pub fn shutdown_write(&mut self) {
        self.socket.say_end();
        self.socket.shutdown_write();
    }

    /// After an exchange: makes the connection ready to wait for another; `false` when it is not certain that both
    /// sides agree the exchange is over.
    pub fn rest(&mut self) -> bool {
        let is_fit = self.is_keep_alive
            && !self.is_tunnel
            && self.inbound.is_at_end()
            && self.inbound.buffer.is_empty()
            && self.outbound.is_complete();
        self.had_surplus |= !self.inbound.buffer.is_empty();
        self.inbound.buffer.release();
        self.is_reused = true;
        self.sent_before = self.sent;
        is_fit
    }

    /// Whether a waiting connection is still open and silent; without a system call in the ordinary case.
    pub fn is_resting(&mut self) -> bool {
        self.socket.is_idle_and_open()
    }
}

impl Source for Upstream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        self.inbound.poll_fill(&mut self.socket, cx)
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
        if self.socket.is_secure() { 0 } else { self.inbound.spliceable() }
    }

    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<Result<usize, Fault>> {
        self.inbound.poll_splice(&mut self.socket, cx, pipe, max)
    }
}

impl Sink for Upstream {
    fn poll_send<S: Source>(&mut self, cx: &mut Context<'_>, from: &mut S) -> Poll<Result<(), Fault>> {
        self.outbound.poll_send(&mut self.socket, cx, from, &mut self.sent)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &Fields) -> Poll<Result<(), Fault>> {
        self.outbound.poll_finish(&mut self.socket, cx, trailers, &mut self.sent)
    }

    fn accepts_splice(&self) -> bool {
        !self.socket.is_secure() && self.outbound.accepts_splice()
    }

    fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        n: usize,
    ) -> Poll<Result<usize, Fault>> {
        let moved = ready!(self.outbound.poll_splice_out(&mut self.socket, cx, pipe, n))?;
        self.sent += moved as u64;
        Poll::Ready(Ok(moved))
    }
}
