//! A client whose request body was gathered in memory, as an exchange like any other: the body comes from memory first
//! and then from the client, byte for byte, and can start over while all that was taken of it is still held. One type
//! for all protocols: codecs know nothing of it. Made by `steps` for requests that were gathered.

use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};
use tidegate_core::clock::Nanos;
use tidegate_core::exchange::{AnswerBody, Client, Exchange, Fault, Fill, Protocol, Sink, Source};
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead, Span};

use crate::gather::Gathered;

/// See the file. Invariant: `at` is at most the length of what is held.
pub(crate) struct Held<'a, E> {
    client: &'a mut E,
    /// What comes first; `None` once it is of no more use.
    body: Option<Box<Gathered>>,
    /// How much of that was taken.
    at: usize,
    /// What the client had given when all of that was gathered.
    given: u64,
    is_let_go: bool,
}

impl<'a, E: Exchange> Held<'a, E> {
    /// The client, with what was gathered from it before all that it still has.
    pub(crate) fn new(client: &'a mut E, body: Box<Gathered>) -> Held<'a, E> {
        let given = client.taken();
        Held { client, body: Some(body), at: 0, given, is_let_go: false }
    }

    /// What is left in memory, and whether it is the last of the body.
    fn left(&self) -> Option<(&[u8], bool)> {
        let body = self.body.as_ref()?;
        let left = &body.bytes()[self.at..];
        (!left.is_empty()).then_some((left, body.is_whole()))
    }

    /// Frees what is held once it is of no more use.
    fn tidy(&mut self) {
        let is_taken = self.left().is_none();
        let has_gone_on = self.client.taken() > self.given;
        if is_taken && (self.is_let_go || has_gone_on) {
            self.body = None;
        }
    }
}

impl<E: Exchange> Source for Held<'_, E> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.left() {
            Some(_) => Poll::Ready(Ok(Fill::Data)),
            None => self.client.poll_fill(cx),
        }
    }

    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        match (self.left(), out.first_mut()) {
            (None, _) => self.client.pieces(out),
            (Some((left, _)), Some(piece)) => {
                *piece = left;
                1
            }
            (Some(_), None) => 0,
        }
    }

    fn is_last(&self) -> bool {
        self.left().map_or_else(|| self.client.is_last(), |(_, is_whole)| is_whole)
    }

    fn consume(&mut self, n: usize) {
        match self.left() {
            Some((left, _)) => {
                debug_assert!(n <= left.len(), "no more is taken than lies ready");
                self.at += n.min(left.len());
            }
            None => self.client.consume(n),
        }
        self.tidy();
    }

    fn trailers(&self) -> &Fields {
        self.client.trailers()
    }

    fn spliceable(&self) -> u64 {
        self.left().map_or_else(|| self.client.spliceable(), |_| 0)
    }

    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<Result<usize, Fault>> {
        self.client.poll_splice(cx, pipe, max)
    }
}

impl<E: Exchange> Sink for Held<'_, E> {
    fn poll_send<S: Source>(&mut self, cx: &mut Context<'_>, from: &mut S) -> Poll<Result<(), Fault>> {
        self.client.poll_send(cx, from)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &Fields) -> Poll<Result<(), Fault>> {
        self.client.poll_finish(cx, trailers)
    }

    fn accepts_splice(&self) -> bool {
        self.client.accepts_splice()
    }

    fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        n: usize,
    ) -> Poll<Result<usize, Fault>> {
        self.client.poll_splice_out(cx, pipe, n)
    }
}

impl<E: Exchange> Exchange for Held<'_, E> {
    fn client(&self) -> &Client {
        self.client.client()
    }

    fn protocol(&self) -> Protocol {
        self.client.protocol()
    }

    fn poll_awaited(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.left() {
            Some(_) => Poll::Ready(Ok(Fill::Data)),
            None => self.client.poll_awaited(cx),
        }
    }

    fn length(&self) -> Length {
        self.client.length()
    }

    /// Not any more: it was told to go on before its body was gathered.
    fn expects_continue(&self) -> bool {
        false
    }

    fn upgrade(&self) -> Option<Span> {
        self.client.upgrade()
    }

    fn rewind(&mut self) -> bool {
        let is_whole = self.body.is_some() && self.client.taken() == self.given;
        if is_whole {
            self.at = 0;
        }
        is_whole
    }

    fn let_go(&mut self) {
        self.is_let_go = true;
        self.tidy();
    }

    fn taken(&self) -> u64 {
        self.client.taken()
    }

    fn interim(&mut self, head: &ResponseHead) {
        self.client.interim(head);
    }

    fn answer(&mut self, request: &RequestHead, head: &ResponseHead, body: AnswerBody) {
        if head.status == 101 {
            self.body = None; // a tunnel has no body
        }
        self.client.answer(request, head, body);
    }

    fn announce_trailers(&mut self, head: &RequestHead) {
        self.client.announce_trailers(head);
    }

    fn close_after(&mut self) {
        self.client.close_after();
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.client.poll_flush(cx)
    }

    fn shutdown_write(&mut self) {
        self.client.shutdown_write();
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Nanos) -> Poll<()> {
        self.client.poll_deadline(cx, at)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        self.client.poll_gone(cx)
    }
}
