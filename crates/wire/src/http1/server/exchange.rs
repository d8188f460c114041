//! A client's connection as an exchange: what the flow asks of it, and the watch on how fast its client is.

use super::{SLOW_READER_WAIT, Server, Stage};
use crate::http1::encode::{self, Connection, ResponseFraming};
use crate::http1::outbound::Framing;
use crate::http1::request::Version;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{AnswerBody, Client, Exchange, Fault, Fill, Protocol, Sink, Source};
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead, Span};

impl Server {
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

    /// Pending on bytes that the client owes us if it has stated how many there are. Others come when they come.
    fn watch_owed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        if self.inbound.is_owed() { self.watch_in(cx) } else { Poll::Pending }
    }

    /// Pending on bytes the client owes us: watches their rate.
    fn watch_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        let Some(min_rate) = self.serving.limits.get().min_rate else { return Poll::Pending };
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

    /// The client gave bytes.
    fn moved_in(&mut self) {
        if self.slow_in.is_waiting() {
            self.slow_in.moving(clock::coarse());
            self.forget_rate();
        }
    }

    /// The client took bytes. One that let us wait long for it is a slow reader: the kernel gets less ahead of it.
    fn moved_out(&mut self) {
        if !self.slow_out.is_waiting() {
            return;
        }
        let waited = self.slow_out.moving(clock::coarse());
        self.forget_rate();
        if waited > SLOW_READER_WAIT && !self.is_slow_reader {
            self.is_slow_reader = true;
            self.socket.bound_unsent();
        }
    }

    /// Nothing is due once the client is waited for in neither direction.
    fn forget_rate(&mut self) {
        if !self.slow_in.is_waiting() && !self.slow_out.is_waiting() {
            self.rate_due = Nanos::NEVER;
        }
    }

    /// Wakes this task to judge a rate.
    fn wake_at<T>(&mut self, due: Nanos, cx: &mut Context<'_>) -> Poll<T> {
        let now = clock::coarse();
        self.rate_due = if self.rate_due > now { self.rate_due.min(due) } else { due };
        self.arm(self.rate_due, cx);
        Poll::Pending
    }

    fn arm(&self, due: Nanos, cx: &mut Context<'_>) {
        self.timer.set(due);
        if self.timer.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

impl Source for Server {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.inbound.poll_fill(&mut self.socket, cx) {
            Poll::Pending => self.watch_owed(cx),
            ready => {
                self.moved_in();
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
        if self.socket.is_secure() { 0 } else { self.inbound.spliceable() }
    }

    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<Result<usize, Fault>> {
        match self.inbound.poll_splice(&mut self.socket, cx, pipe, max) {
            Poll::Pending => self.watch_owed(cx).map_ok(|_| 0),
            ready => {
                self.moved_in();
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
            ready => {
                self.moved_out();
                ready
            }
        }
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
        match self.outbound.poll_splice_out(&mut self.socket, cx, pipe, n) {
            Poll::Pending => self.watch_out(cx).map_ok(|()| 0),
            ready => {
                if let Poll::Ready(Ok(moved)) = ready {
                    self.sent += moved as u64;
                }
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

    fn poll_awaited(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.inbound.poll_fill(&mut self.socket, cx) {
            Poll::Pending => self.watch_in(cx),
            ready => {
                self.moved_in();
                ready
            }
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
            self.has_continued |= head.status == 100;
            let framing = ResponseFraming {
                length: Length::Empty,
                stated_length: None,
                connection: Connection::KeepAlive11,
                chunked: false,
            };
            encode::write_response_head(&mut self.outbound.pending, head, framing);
        }
    }

    fn announce_trailers(&mut self, head: &RequestHead) {
        self.inbound.announce_trailers(&head.fields);
    }

    fn close_after(&mut self) {
        self.is_closing = true;
    }

    fn answer(&mut self, request: &RequestHead, head: &ResponseHead, body: AnswerBody) {
        // A client that was not told to go on may leave the body out or send it all the same: what follows cannot be
        // told to be one or the other (RFC 9110 §10.1.1). And what is answered while the gateway ends is the last.
        let waits_for_100 = self.expects_continue() && !self.has_continued && self.inbound.taken == 0;
        self.is_closing |= waits_for_100 || self.serving.stage.get() != Stage::Open;
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
            ready => {
                self.moved_out();
                ready
            }
        }
    }

    fn shutdown_write(&mut self) {
        self.socket.say_end();
        self.socket.shutdown_write();
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Nanos) -> Poll<()> {
        if at <= clock::coarse() {
            return Poll::Ready(());
        }
        if self.rate_due <= clock::coarse() {
            // Whoever still waits for the client has judged it anew in this turn. Nobody does, and it would wake us
            // again and again.
            self.rate_due = Nanos::NEVER;
        }
        self.arm(at.min(self.rate_due), cx);
        Poll::Pending
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        self.socket.poll_gone(cx).map(|()| Fault::Gone)
    }
}
