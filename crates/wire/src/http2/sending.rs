//! The answer's half of a stream: heads, DATA frames within what the client's windows allow, trailers, resets. Bytes
//! are copied once, into pieces that `h2` owns until they are written.

use h2::server::SendResponse;
use h2::{Reason, SendStream};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tidegate_core::exchange::{AnswerBody, Fault, Source};
use tidegate_core::head::{Fields, Length, ResponseHead};
use tidegate_core::limits::PIECES_MAX;

use super::head;
use super::outflow::{Outflow, Piece};

/// What is handed over at a time: a frame of the size that every client takes (RFC 9113 §4.2).
const PIECE_BYTES_MAX: usize = 16 << 10;

/// The sending half.
pub(super) struct Sending {
    respond: SendResponse<Piece>,
    /// There once the final head was sent.
    body: Option<SendStream<Piece>>,
    outflow: Rc<Outflow>,
    /// Bytes of body handed over.
    pub(super) sent: u64,
    /// END_STREAM was sent.
    pub(super) is_ended: bool,
    /// A head could not be sent: the stream is no more.
    is_broken: bool,
}

impl Sending {
    pub(super) fn new(respond: SendResponse<Piece>, outflow: Rc<Outflow>) -> Sending {
        Sending { respond, body: None, outflow, sent: 0, is_ended: false, is_broken: false }
    }

    /// Whether the final head was sent.
    pub(super) fn is_answered(&self) -> bool {
        self.body.is_some()
    }

    /// See `Exchange::interim`.
    pub(super) fn interim(&mut self, head: &ResponseHead) {
        self.is_broken |= self.respond.send_informational(head::interim(head)).is_err();
    }

    /// See `Exchange::answer`.
    pub(super) fn answer(&mut self, head: &ResponseHead, body: AnswerBody) {
        self.is_ended = matches!(body.length, Length::Empty | Length::Exact(0));
        match self.respond.send_response(head::response(head, body), self.is_ended) {
            Ok(stream) => self.body = Some(stream),
            Err(_) => self.is_broken = true,
        }
    }

    /// Ends an answer whose body is at hand, if it has one. Small: it waits in memory for the client's windows.
    pub(super) fn end_with(&mut self, body: &[u8]) {
        if let Some(stream) = self.body.as_mut().filter(|_| !self.is_ended) {
            self.is_ended = stream.send_data(self.outflow.gather(&[body], body.len()), true).is_ok();
        }
    }

    /// Ends the stream at once.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }

    /// See `Exchange::poll_gone`.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut self.body {
            _ if self.is_broken => return Poll::Ready(()),
            Some(_) if self.is_ended => return Poll::Pending,
            Some(body) => body.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        reset.map(|_| ())
    }

    /// See `Sink::poll_send`.
    pub(super) fn poll_send<S: Source>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut S,
    ) -> Poll<Result<(), Fault>> {
        loop {
            // Also while nothing lies ready: whoever waits for a silent source must learn that nobody listens.
            if self.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::Gone));
            }
            let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
            let count = from.pieces(&mut pieces);
            let ready: usize = pieces[..count].iter().map(|piece| piece.len()).sum();
            if ready == 0 {
                return Poll::Ready(Ok(()));
            }
            let Some(body) = self.body.as_mut().filter(|_| !self.is_ended) else {
                return Poll::Ready(Err(Fault::Gone));
            };
            if body.capacity() == 0 {
                body.reserve_capacity(ready);
                match ready!(body.poll_capacity(cx)) {
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return Poll::Ready(Err(Fault::Gone)),
                }
            }
            let sent = ready.min(body.capacity()).min(PIECE_BYTES_MAX).min(self.outflow.room());
            if sent == 0 {
                return Poll::Pending; // woken with all streams once the socket takes more
            }
            let data = self.outflow.gather(&pieces[..count], sent);
            self.is_ended = sent == ready && from.is_last() && from.trailers().count() == 0;
            if body.send_data(data, self.is_ended).is_err() {
                return Poll::Ready(Err(Fault::Gone));
            }
            self.sent += sent as u64;
            from.consume(sent);
        }
    }

    /// See `Sink::poll_finish`.
    pub(super) fn poll_finish(&mut self, trailers: &Fields) -> Poll<Result<(), Fault>> {
        if self.is_ended {
            return Poll::Ready(Ok(()));
        }
        let Some(body) = &mut self.body else { return Poll::Ready(Err(Fault::Gone)) };
        self.is_ended = true;
        let sent = match trailers.count() {
            0 => body.send_data(self.outflow.gather(&[], 0), true),
            _ => body.send_trailers(head::map(trailers)),
        };
        Poll::Ready(sent.map_err(|_| Fault::Gone))
    }
}
