//! A body on its way through filters: a source that pulls from another and gives what they make of it. Holds at most
//! what they make of one turn's bytes, asks for more only when that was taken, and flushes them whenever nothing more
//! lies ready, so that whoever waits for an event gets it. Only plans with filters come here.

use std::mem::{replace, swap};
use std::task::{Context, Poll};
use tidegate_core::exchange::{Fault, Fill, Source};
use tidegate_core::filter::Filter;
use tidegate_core::head::Fields;
use tidegate_core::limits::{FILTER_BYTES_MAX, PIECES_MAX};
use tidegate_wire::scratch;

/// The filters of one answer, in the order in which the body meets them, and what lies between them and the client.
pub(crate) struct Filtering {
    filters: Vec<Box<dyn Filter>>,
    /// What they have made; `out[at..]` is to be taken.
    out: Vec<u8>,
    at: usize,
    /// What goes from one filter to the next. Without memory while there is only one.
    between: [Vec<u8>; 2],
    /// Bytes given to them since other connections of this worker had their turn.
    given: usize,
    /// They may have kept something back.
    owes_flush: bool,
    is_over: bool,
}

/// What filters are asked for beside taking bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Wait,
    Flush,
    Finish,
}

impl Filtering {
    pub(crate) fn new(filters: Vec<Box<dyn Filter>>) -> Filtering {
        Filtering {
            filters,
            out: scratch::text(),
            at: 0,
            between: [Vec::new(), Vec::new()],
            given: 0,
            owes_flush: false,
            is_over: false,
        }
    }

    /// The source as the filters leave it.
    pub(crate) fn over<'a, S: Source>(&'a mut self, source: &'a mut S) -> Filtered<'a, S> {
        Filtered { filtering: self, source }
    }

    /// Gives bytes to the first filter, what it makes of them to the next, and so on.
    fn pass(&mut self, bytes: &[u8], then: Then) {
        let Filtering { filters, out, between: [before, after], .. } = self;
        let last = filters.len() - 1;
        for (index, filter) in filters.iter_mut().enumerate() {
            let input = if index == 0 { bytes } else { &before[..] };
            let output = if index == last { &mut *out } else { &mut *after };
            for part in input.chunks(FILTER_BYTES_MAX) {
                filter.push(part, output);
            }
            match then {
                Then::Wait => {}
                Then::Flush => filter.flush(output),
                Then::Finish => filter.finish(output),
            }
            swap(before, after);
            after.clear();
        }
        self.owes_flush = then == Then::Wait;
    }
}

impl Drop for Filtering {
    fn drop(&mut self) {
        scratch::give_back(&mut self.out);
    }
}

/// See `Filtering::over`.
pub(crate) struct Filtered<'a, S> {
    filtering: &'a mut Filtering,
    source: &'a mut S,
}

impl<S: Source> Filtered<'_, S> {
    /// Gives the filters what lies ready, as far as this turn's share goes.
    fn pull(&mut self) {
        let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
        let count = self.source.pieces(&mut pieces);
        let mut taken = 0;
        for piece in &pieces[..count] {
            let share = FILTER_BYTES_MAX - self.filtering.given;
            let part = &piece[..piece.len().min(share)];
            if !part.is_empty() {
                self.filtering.pass(part, Then::Wait);
            }
            self.filtering.given += part.len();
            taken += part.len();
        }
        self.source.consume(taken);
    }
}

impl<S: Source> Source for Filtered<'_, S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        if self.filtering.at < self.filtering.out.len() {
            return Poll::Ready(Ok(Fill::Data));
        }
        self.filtering.out.clear();
        self.filtering.at = 0;
        loop {
            let has_some = !self.filtering.out.is_empty();
            if self.filtering.is_over {
                return Poll::Ready(Ok(if has_some { Fill::Data } else { Fill::End }));
            }
            if self.filtering.given >= FILTER_BYTES_MAX {
                if has_some {
                    return Poll::Ready(Ok(Fill::Data));
                }
                // What filters do costs time: others have their turn before the next share.
                self.filtering.given = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.source.poll_fill(cx) {
                Poll::Ready(Ok(Fill::Data)) => self.pull(),
                Poll::Ready(Ok(Fill::End)) => {
                    self.filtering.pass(b"", Then::Finish);
                    self.filtering.is_over = true;
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                Poll::Pending => {
                    self.filtering.given = 0;
                    if replace(&mut self.filtering.owes_flush, false) {
                        self.filtering.pass(b"", Then::Flush);
                    }
                    return match self.filtering.out.is_empty() {
                        true => Poll::Pending,
                        false => Poll::Ready(Ok(Fill::Data)),
                    };
                }
            }
        }
    }

    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        let ready = &self.filtering.out[self.filtering.at..];
        match out.first_mut() {
            Some(piece) if !ready.is_empty() => {
                *piece = ready;
                1
            }
            _ => 0,
        }
    }

    fn is_last(&self) -> bool {
        self.filtering.is_over
    }

    fn consume(&mut self, n: usize) {
        self.filtering.at += n;
    }

    fn trailers(&self) -> &Fields {
        self.source.trailers()
    }
}

#[cfg(test)]
mod tests;
