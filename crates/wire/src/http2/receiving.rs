//! The request's half of a stream: DATA frames as a body source, the client's window opened again as bytes are taken.

use bytes::{Buf, Bytes};
use h2::RecvStream;
use http::HeaderMap;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tidegate_core::exchange::{Fault, Fill};
use tidegate_core::head::Fields;
use tidegate_core::limits::PIECES_MAX;
use tidegate_core::name::Name;
use tidegate_core::outcome::Refusal;

use super::head;
use super::watch::{Flaw, Flaws};
use crate::http1::chunked::drop_undeclared;

/// So much of a body is kept for another try: as much as HTTP/1 keeps, and less than a client may send unasked.
const HELD_BYTES_MAX: usize = 48 << 10;
/// And in so many frames: a place in the list outweighs a frame of a few bytes.
const HELD_FRAMES_MAX: usize = 128;

/// The receiving half.
pub(super) struct Receiving {
    stream: RecvStream,
    /// Bytes that lie ready, frame by frame; never more frames than a sink looks at in one turn, but after `rewind`.
    ready: VecDeque<Bytes>,
    /// What was taken, for another try; `None` when it is not wanted or no longer whole.
    held: Option<Vec<Bytes>>,
    held_bytes: usize,
    /// Bytes taken in the present try.
    pub(super) taken: u64,
    /// Bytes the client was told it may send again. Not more when the same bytes are taken a second time.
    released: u64,
    /// Fields behind the body.
    pub(super) trailers: Fields,
    /// The trailers that may go on, as Trailer fields; `None` is all of them.
    announced: Option<Fields>,
    is_over: bool,
    flaws: Rc<Flaws>,
}

impl Receiving {
    pub(super) fn new(stream: RecvStream, flaws: Rc<Flaws>) -> Receiving {
        Receiving {
            is_over: stream.is_end_stream(),
            stream,
            ready: VecDeque::new(),
            held: Some(Vec::new()),
            held_bytes: 0,
            taken: 0,
            released: 0,
            trailers: Fields::default(),
            announced: None,
            flaws,
        }
    }

    /// Whether nothing has come of the body.
    pub(super) fn is_untouched(&self) -> bool {
        self.taken == 0 && self.ready.is_empty() && !self.is_over
    }

    /// See `Source::poll_fill`.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        while self.ready.len() < PIECES_MAX && !self.is_over {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(bytes))) if bytes.is_empty() => {}
                Poll::Ready(Some(Ok(bytes))) => self.ready.push_back(bytes),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Fault::Gone)),
                Poll::Ready(None) => match ready!(self.stream.poll_trailers(cx)) {
                    Ok(trailers) => {
                        self.is_over = true;
                        if let Some(map) = trailers {
                            self.take_trailers(&map).map_err(Fault::Malformed)?;
                        }
                    }
                    Err(_) => return Poll::Ready(Err(Fault::Gone)),
                },
                Poll::Pending if self.ready.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(if self.ready.is_empty() { Fill::End } else { Fill::Data }))
    }

    fn take_trailers(&mut self, map: &HeaderMap) -> Result<(), Refusal> {
        if self.flaws.take(self.stream.stream_id().as_u32(), Flaw::Pseudo) {
            return Err(Refusal::bad("pseudo-field in trailers"));
        }
        head::trailers(map, &mut self.trailers)?;
        if let Some(announced) = &self.announced {
            drop_undeclared(&mut self.trailers, announced);
            // Ours alone: the head has it.
            self.trailers.remove(Name::XRequestId);
        }
        Ok(())
    }

    /// See `Exchange::announce_trailers`.
    pub(super) fn announce_trailers(&mut self, head: &Fields) {
        let announced = self.announced.insert(Fields::default());
        for field in head.list().iter().filter(|field| field.name == Name::Trailer) {
            announced.add(Name::Trailer, field.value.of(head.text()));
        }
        if self.is_over {
            // They came ahead of the last bytes being taken.
            drop_undeclared(&mut self.trailers, announced);
        }
    }

    /// See `Source::pieces`.
    pub(super) fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        for (piece, bytes) in out.iter_mut().zip(&self.ready) {
            *piece = bytes;
        }
        out.len().min(self.ready.len())
    }

    /// See `Source::is_last`.
    pub(super) fn is_last(&self) -> bool {
        self.is_over && self.ready.len() <= PIECES_MAX
    }

    /// See `Source::consume`.
    pub(super) fn consume(&mut self, n: usize) {
        let mut left = n;
        while left > 0 {
            let Some(front) = self.ready.front_mut() else { break };
            let taken = front.split_to(left.min(front.len()));
            left -= taken.len();
            if !front.has_remaining() {
                self.ready.pop_front();
            }
            self.hold(taken);
        }
        self.taken += (n - left) as u64;
        let released = self.taken.saturating_sub(self.released);
        self.released += released;
        // Refused only for a stream that has ended meanwhile: then there is no window left to open.
        let _ = self.stream.flow_control().release_capacity(released as usize);
    }

    /// Takes all that lies ready, and says how much that was.
    pub(super) fn discard(&mut self) -> usize {
        let bytes = self.ready.iter().map(Bytes::len).sum();
        self.consume(bytes);
        bytes
    }

    fn hold(&mut self, bytes: Bytes) {
        self.held_bytes += bytes.len();
        match &mut self.held {
            Some(held) if self.held_bytes <= HELD_BYTES_MAX && held.len() < HELD_FRAMES_MAX => {
                held.push(bytes);
            }
            held => *held = None,
        }
    }

    /// See `Exchange::let_go`.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// See `Exchange::rewind`.
    pub(super) fn rewind(&mut self) -> bool {
        let Some(held) = &mut self.held else { return self.taken == 0 };
        for bytes in held.drain(..).rev() {
            self.ready.push_front(bytes);
        }
        self.held_bytes = 0;
        self.taken = 0;
        true
    }
}
