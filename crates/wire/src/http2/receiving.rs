//! The request's half of a stream: DATA frames as a body source, the client's window opened again as bytes are taken.

use bytes::{Buf, Bytes};
use http::HeaderMap;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tidegate_core::charge::Full;
use tidegate_core::exchange::{Fault, Fill};
use tidegate_core::head::Fields;
use tidegate_core::limits::PIECES_MAX;
use tidegate_core::name::Name;
use tidegate_core::outcome::Refusal;

use super::head;
use super::inbox::{Inbox, Next};
use super::watch::{Flaw, Flaws};
use crate::http1::chunked::drop_undeclared;

/// The receiving half.
pub(super) struct Receiving {
    /// What has come of it; `None` when there is no body.
    inbox: Option<Rc<RefCell<Inbox>>>,
    /// Bytes that lie ready, frame by frame; never more frames than a sink looks at in one turn, but after `rewind`.
    ready: VecDeque<Bytes>,
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
    pub(super) fn new(inbox: Option<Rc<RefCell<Inbox>>>, flaws: Rc<Flaws>) -> Receiving {
        Receiving {
            is_over: inbox.is_none(),
            inbox,
            ready: VecDeque::new(),
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

    /// Who held too much when more came.
    pub(super) fn full(&self) -> Option<Full> {
        self.inbox.as_ref()?.borrow().full
    }

    /// See `Source::poll_fill`.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        if let Some(inbox) = self.inbox.as_ref().filter(|_| !self.is_over) {
            let mut inbox = inbox.borrow_mut();
            let next = inbox.pull(cx);
            if let Some(full) = inbox.full {
                return Poll::Ready(Err(Fault::Full(full)));
            }
            inbox.lend(&mut self.ready);
            match next {
                _ if !inbox.is_empty() => {}
                Next::Data if self.ready.is_empty() => return Poll::Pending,
                Next::Data => {}
                Next::Gone => return Poll::Ready(Err(Fault::Gone)),
                Next::End => {
                    let trailers = ready!(inbox.stream.poll_trailers(cx));
                    drop(inbox);
                    self.end(trailers)?;
                }
            }
        }
        Poll::Ready(Ok(if self.ready.is_empty() { Fill::End } else { Fill::Data }))
    }

    fn end(&mut self, trailers: Result<Option<HeaderMap>, h2::Error>) -> Result<(), Fault> {
        let trailers = trailers.map_err(|_| Fault::Gone)?;
        self.is_over = true;
        trailers.map_or(Ok(()), |map| self.take_trailers(&map)).map_err(Fault::Malformed)
    }

    fn take_trailers(&mut self, map: &HeaderMap) -> Result<(), Refusal> {
        let stream = self.inbox.as_ref().map(|inbox| inbox.borrow().stream.stream_id().as_u32());
        if stream.is_some_and(|stream| self.flaws.take(stream, Flaw::Pseudo)) {
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
        let Some(inbox) = &self.inbox else { return };
        let inbox = &mut *inbox.borrow_mut();
        let mut left = n;
        while left > 0 {
            let Some(front) = self.ready.front_mut() else { break };
            let taken = front.split_to(left.min(front.len()));
            left -= taken.len();
            if !front.has_remaining() {
                self.ready.pop_front();
            }
            inbox.keep(taken);
        }
        let _ = inbox.recount(); // it is no more than before
        self.taken += (n - left) as u64;
        let released = self.taken.saturating_sub(self.released);
        self.released += released;
        // Refused only for a stream that has ended meanwhile: then there is no window left to open.
        let _ = inbox.stream.flow_control().release_capacity(released as usize);
    }

    /// Takes all that lies ready, and says how much that was.
    pub(super) fn discard(&mut self) -> usize {
        let bytes = self.ready.iter().map(Bytes::len).sum();
        self.consume(bytes);
        bytes
    }

    /// See `Exchange::let_go`.
    pub(super) fn let_go(&mut self) {
        if let Some(inbox) = &self.inbox {
            let _ = inbox.borrow_mut().let_go(); // it is no more than before
        }
    }

    /// See `Exchange::rewind`.
    pub(super) fn rewind(&mut self) -> bool {
        let Some(inbox) = &self.inbox else { return self.taken == 0 };
        if !inbox.borrow_mut().rewind(&mut self.ready) {
            return self.taken == 0;
        }
        self.taken = 0;
        true
    }
}
