//! One stream as an exchange: joins its two halves, and decides when the handler is done what becomes of the stream.

use crate::scratch::Leased;
use crate::timer::Timer;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Request;
use std::rc::Rc;
use std::task::{Context, Poll};
use tidegate_core::clock::Nanos;
use tidegate_core::exchange::{AnswerBody, Client, Exchange, Fault, Fill, Handler, Protocol, Sink, Source};
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead, Span};
use tidegate_core::name::Method;
use tidegate_core::outcome::Refusal;

use super::head::{self, Announced, Follows};
use super::receiving::Receiving;
use super::sending::Sending;

/// A stream with a request on it.
struct Stream {
    client: Client,
    announced: Announced,
    receiving: Receiving,
    sending: Sending,
    timer: Timer,
}

/// Serves a stream to its end. One that was answered before its request had ended is reset by `h2` behind the answer,
/// with NO_ERROR (RFC 9113 §8.1); what the handler left undone is reset here.
pub(super) async fn serve<H: Handler>(
    handler: Rc<H>,
    client: Client,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (parts, body) = request.into_parts();
    let receiving = Receiving::new(body);
    let follows = if receiving.is_untouched() { Follows::Something } else { Follows::Nothing };
    let mut head: Leased<RequestHead> = Leased::take();
    let announced = head::request(&parts, follows, &mut head);
    drop(parts);
    let sending = Sending::new(respond);
    let mut stream =
        Stream { client, announced: announced.unwrap_or_default(), receiving, sending, timer: Timer::new() };
    match announced {
        Ok(_) => handler.handle(&mut head, &mut stream).await,
        Err(refusal) => stream.refuse(&*handler, &head, refusal),
    }
    if !stream.sending.is_ended {
        stream.sending.reset(Reason::INTERNAL_ERROR);
    }
}

impl Stream {
    /// Answers what is no request. A second way to an answer: the handler's own goes through the exchange.
    fn refuse<H: Handler>(&mut self, handler: &H, request: &RequestHead, refusal: Refusal) {
        let mut head: Leased<ResponseHead> = Leased::take();
        let mut body = Vec::new();
        handler.refuse(&self.client, refusal, &mut head, &mut body);
        let length = body.len() as u64;
        let answer = match request.method {
            Method::Head => AnswerBody { length: Length::Empty, stated_length: Some(length) },
            _ => AnswerBody { length: Length::Exact(length), stated_length: None },
        };
        self.answer(request, &head, answer);
        self.sending.end_with(body);
    }
}

impl Source for Stream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        self.receiving.poll_fill(cx)
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
        self.sending.poll_send(cx, from)
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, trailers: &Fields) -> Poll<Result<(), Fault>> {
        self.sending.poll_finish(trailers)
    }
}

impl Exchange for Stream {
    fn client(&self) -> &Client {
        &self.client
    }

    fn protocol(&self) -> Protocol {
        Protocol::Http2
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
        self.sending.interim(head);
    }

    fn answer(&mut self, _: &RequestHead, head: &ResponseHead, body: AnswerBody) {
        self.sending.answer(head, body);
    }

    /// All pass: no test here has any that should not.
    fn announce_trailers(&mut self, _: &RequestHead) {}

    /// Every stream ends with its answer, and the connection is the other streams' too.
    fn close_after(&mut self) {}

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(())) // heads are handed on at once
    }

    /// Only tunnels ask for it, and nothing leads to one.
    fn shutdown_write(&mut self) {}

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Nanos) -> Poll<()> {
        self.timer.set(at);
        self.timer.poll(cx)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sending.poll_gone(cx)
    }
}
