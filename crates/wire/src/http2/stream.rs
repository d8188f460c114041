//! One stream as an exchange: joins its two halves, and decides when the handler is done what becomes of the stream.

use h2::Reason;
use h2::server::SendResponse;
use http::request::Parts;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{AnswerBody, Client, Exchange, Fault, Fill, Handler, Protocol, Sink, Source};
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead, Span};
use tidegate_core::limits::{DRAIN_BYTES_MAX, DRAIN_TIME, LINGER_TIME};
use tidegate_core::name::Method;
use tidegate_core::outcome::Refusal;

use super::head::{self, Announced, Follows};
use super::inbox::{Account, Inbox};
use super::outflow::{Outflow, Piece};
use super::pace::{Pace, Way};
use super::receiving::Receiving;
use super::sending::Sending;
use super::watch::{Flaw, Flaws};
use crate::http1::server::{Serving, Stage};
use crate::scratch::{self, Leased};

/// What the streams of a connection share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) serving: Rc<Serving>,
    pub(super) outflow: Rc<Outflow>,
    /// What the streams hold of their bodies.
    pub(super) account: Rc<Account>,
    pub(super) flaws: Rc<Flaws>,
    /// Streams under way.
    pub(super) streams: Cell<u32>,
    /// Requests that were refused here.
    pub(super) refused: Cell<u32>,
}

/// A stream with a request on it.
struct Stream {
    shared: Rc<Shared>,
    announced: Announced,
    receiving: Receiving,
    sending: Sending,
    pace: Pace,
    /// The client was told to go on with its body.
    has_continued: bool,
    drained: Drained,
}

/// What was thrown away of a request.
#[derive(Default)]
struct Drained {
    bytes: usize,
    begun: Option<Nanos>,
    heard: Nanos,
}

impl Drained {
    fn take(&mut self, bytes: usize, now: Nanos) {
        self.bytes += bytes;
        self.heard = now;
    }

    /// How long it is waited for more; `None` when it was enough.
    fn until(&mut self, now: Nanos, most: Duration) -> Option<Nanos> {
        let begun = *self.begun.get_or_insert(now);
        let due = self.heard.max(begun).after(LINGER_TIME).min(begun.after(most));
        (self.bytes <= DRAIN_BYTES_MAX).then_some(due)
    }
}

/// Serves a stream to its end. One that was answered before its request had ended is drained for a while, and then reset
/// by `h2` with NO_ERROR (RFC 9113 §8.1); what the handler left undone is reset here.
pub(super) async fn serve<H: Handler>(
    handler: Rc<H>,
    shared: Rc<Shared>,
    parts: Parts,
    inbox: Option<Rc<RefCell<Inbox>>>,
    respond: SendResponse<Piece>,
) {
    let has_fragment = shared.flaws.take(respond.stream_id().as_u32(), Flaw::Fragment);
    let receiving = Receiving::new(inbox, shared.flaws.clone());
    let follows = if receiving.is_untouched() { Follows::Something } else { Follows::Nothing };
    let mut head: Leased<RequestHead> = Leased::take();
    let limits = shared.serving.limits.get().head;
    let mut announced = head::request(&parts, follows, &limits, &mut head);
    if has_fragment {
        announced = announced.and(Err(Refusal::bad("fragment in the request target")));
    }
    drop(parts);
    let sending = Sending::new(respond, shared.outflow.clone());
    let mut stream = Stream {
        shared,
        announced: announced.unwrap_or_default(),
        receiving,
        sending,
        pace: Pace::new(),
        has_continued: false,
        drained: Drained::default(),
    };
    match announced {
        Ok(_) => handler.handle(&mut head, &mut stream).await,
        Err(refusal) => stream.refuse(&*handler, &head, refusal),
    }
    // What the request needed is not kept for what is thrown away.
    drop(head);
    stream.drain().await;
}

impl Drop for Stream {
    /// Also after a panic, and when the connection is lost.
    fn drop(&mut self) {
        if !self.sending.is_ended {
            self.sending.reset(Reason::INTERNAL_ERROR);
        }
    }
}

impl Stream {
    /// Answers what is no request. A second way to an answer: the handler's own goes through the exchange.
    fn refuse<H: Handler>(&mut self, handler: &H, request: &RequestHead, refusal: Refusal) {
        self.shared.refused.set(self.shared.refused.get() + 1);
        let mut head: Leased<ResponseHead> = Leased::take();
        let mut body = scratch::text();
        handler.refuse(&self.shared.client, refusal, &mut head, &mut body);
        let length = body.len() as u64;
        let answer = match request.method {
            Method::Head => AnswerBody { length: Length::Empty, stated_length: Some(length) },
            _ => AnswerBody { length: Length::Exact(length), stated_length: None },
        };
        self.answer(request, &head, answer);
        self.sending.end_with(&body);
        scratch::give_back(&mut body);
    }

    /// What is left of the request behind its answer.
    async fn drain(&mut self) {
        if self.sending.is_ended {
            poll_fn(|cx| self.poll_drain(cx)).await;
        }
    }

    /// Whether the client still waits for 100 (Continue), for all we know.
    fn waits_for_100(&self) -> bool {
        self.announced.expects_continue && !self.has_continued && self.receiving.is_untouched()
    }

    /// The slowest rate at which this stream may move: the listener's, which the streams of a connection share, as they
    /// share its way. A stream that moves nothing is too slow in any case.
    fn min_rate(&self) -> Option<u64> {
        let min_rate = self.shared.serving.limits.get().min_rate?;
        Some((min_rate / u64::from(self.shared.streams.get().max(1))).max(1))
    }

    /// Pending on bytes the client owes us if it has stated how many there are: watches their rate.
    fn watch_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match (self.announced.length, self.min_rate()) {
            (Length::Exact(_), Some(min_rate)) => self.pace.wait(cx, Way::In, min_rate, self.receiving.taken),
            _ => Poll::Pending,
        }
    }

    /// The same of a body that is held in memory until it is there, whatever its length. Without one it has to come at
    /// the listener's whole rate: streams that ask for nothing shall not divide what such a one owes.
    fn watch_awaited(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        let min_rate = self.shared.serving.limits.get().min_rate;
        match (self.announced.length, min_rate) {
            (Length::Streamed, Some(min_rate)) => {
                self.pace.wait(cx, Way::In, min_rate.max(1), self.receiving.taken)
            }
            _ => self.watch_in(cx),
        }
    }

    /// Pending on bytes we hold for the client: watches the rate at which it opens its windows.
    fn watch_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self.min_rate() {
            Some(min_rate) => self.pace.wait(cx, Way::Out, min_rate, self.sending.sent),
            None => Poll::Pending,
        }
    }
}

impl Source for Stream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.receiving.poll_fill(cx) {
            Poll::Pending => self.watch_in(cx),
            ready => {
                self.pace.moved(Way::In);
                ready
            }
        }
    }

    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        self.receiving.pieces(out)
    }

    fn is_last(&self) -> bool {
        self.receiving.is_last()
    }

    fn consume(&mut self, n: usize) {
        self.receiving.consume(n);
    }

    fn trailers(&self) -> &Fields {
        &self.receiving.trailers
    }
}

impl Sink for Stream {
    fn poll_send<S: Source>(&mut self, cx: &mut Context<'_>, from: &mut S) -> Poll<Result<(), Fault>> {
        let sent = self.sending.sent;
        match self.sending.poll_send(cx, from) {
            Poll::Pending => {
                if self.sending.sent != sent {
                    self.pace.moved(Way::Out);
                }
                self.watch_out(cx)
            }
            ready => {
                self.pace.moved(Way::Out);
                ready
            }
        }
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, trailers: &Fields) -> Poll<Result<(), Fault>> {
        self.sending.poll_finish(trailers)
    }
}

impl Exchange for Stream {
    fn client(&self) -> &Client {
        &self.shared.client
    }

    fn protocol(&self) -> Protocol {
        Protocol::Http2
    }

    fn poll_awaited(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.receiving.poll_fill(cx) {
            Poll::Pending => self.watch_awaited(cx),
            ready => {
                self.pace.moved(Way::In);
                ready
            }
        }
    }

    fn length(&self) -> Length {
        self.announced.length
    }

    fn expects_continue(&self) -> bool {
        self.announced.expects_continue && !self.sending.is_answered() && self.receiving.is_untouched()
    }

    fn upgrade(&self) -> Option<Span> {
        None // HTTP/2 has none (RFC 9113 §8.6)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_for_100() {
            return Poll::Ready(());
        }
        self.receiving.let_go();
        let now = clock::coarse();
        while let Poll::Ready(filled) = self.receiving.poll_fill(cx) {
            if filled != Ok(Fill::Data) {
                return Poll::Ready(());
            }
            self.drained.take(self.receiving.discard(), now);
        }
        // A listener that ends waits no longer than it waits for a connection's last bytes.
        let most = match self.shared.serving.stage.get() {
            Stage::Open => DRAIN_TIME,
            Stage::Closing | Stage::Ended => LINGER_TIME,
        };
        match self.drained.until(now, most) {
            Some(due) => self.pace.poll_deadline(cx, due),
            None => Poll::Ready(()),
        }
    }

    fn rewind(&mut self) -> bool {
        self.receiving.rewind()
    }

    fn let_go(&mut self) {
        self.receiving.let_go();
    }

    fn taken(&self) -> u64 {
        self.receiving.taken
    }

    fn interim(&mut self, head: &ResponseHead) {
        self.has_continued |= head.status == 100;
        self.sending.interim(head);
    }

    fn answer(&mut self, _: &RequestHead, head: &ResponseHead, body: AnswerBody) {
        self.sending.answer(head, body);
    }

    fn announce_trailers(&mut self, head: &RequestHead) {
        self.receiving.announce_trailers(&head.fields);
    }

    /// Every stream ends with its answer, and the connection is the other streams' too.
    fn close_after(&mut self) {}

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(())) // heads are handed on at once
    }

    /// Only tunnels ask for it, and nothing leads to one.
    fn shutdown_write(&mut self) {}

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Nanos) -> Poll<()> {
        self.pace.poll_deadline(cx, at)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        match self.receiving.full() {
            Some(full) => Poll::Ready(Fault::Full(full)),
            None => self.sending.poll_gone(cx).map(|()| Fault::Gone),
        }
    }
}
