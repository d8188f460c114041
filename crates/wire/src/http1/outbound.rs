//! The writing half of an HTTP/1 connection: what is pending (a head, a chunk's frame) and body pieces leave
//! together in one gathered write. The same for requests and responses.

use super::encode;
use crate::scratch;
use crate::socket::Socket;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};
use tidegate_core::exchange::{Fault, Source};
use tidegate_core::head::Fields;
use tidegate_core::limits::PIECES_MAX;

/// Data up to so many bytes is copied behind a head: a copy of 4 KiB costs 60 ns, a gathered write some 150 ns more
/// than a plain one.
const TAKEN_ALONG_MAX: usize = 4 << 10;
/// Behind a chunk's data.
const CHUNK_END: &[u8] = b"\r\n";
/// Behind the last chunk's data, when no trailers follow.
const CHUNK_AND_BODY_END: &[u8] = b"\r\n0\r\n\r\n";

/// How the body in progress is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body.
    None,
    /// So many bytes to go.
    Exact(u64),
    /// In chunks.
    Chunked,
    /// Until the connection closes; also tunnels.
    UntilClose,
}

/// The writing half.
pub(super) struct Outbound {
    /// Goes out before anything else; `pending[at..]` is what is left of it.
    pub(super) pending: Vec<u8>,
    at: usize,
    framing: Framing,
    /// Data bytes the chunk in progress still has to get.
    chunk_left: usize,
    /// The end of the body has been written or is pending.
    is_ended: bool,
}

impl Outbound {
    pub(super) fn new() -> Outbound {
        let pending = scratch::text();
        Outbound { pending, at: 0, framing: Framing::None, chunk_left: 0, is_ended: true }
    }

    /// A message begins whose head has been put into `pending`.
    pub(super) fn begin(&mut self, framing: Framing) {
        debug_assert_eq!(self.chunk_left, 0, "the message before was ended");
        self.framing = framing;
        self.is_ended = framing == Framing::None;
    }

    /// Whether the message is over and all of it was written.
    pub(super) fn is_complete(&self) -> bool {
        self.at == self.pending.len() && (self.is_ended || self.framing == Framing::Exact(0))
    }

    /// Writes all that is pending.
    pub(super) fn poll_flush(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        sent_total: &mut u64,
    ) -> Poll<Result<(), Fault>> {
        while self.at < self.pending.len() {
            let slice = [IoSlice::new(&self.pending[self.at..])];
            let n = ready!(socket.poll_write(cx, &slice)).map_err(|_| Fault::Gone)?;
            self.at += n;
            *sent_total += n as u64;
        }
        self.pending.clear();
        self.at = 0;
        socket.poll_flush(cx).map_err(|_| Fault::Gone)
    }

    /// See `Sink::poll_send`.
    pub(super) fn poll_send<S: Source>(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        from: &mut S,
        sent_total: &mut u64,
    ) -> Poll<Result<(), Fault>> {
        // Sources give several pieces only of chunked bodies; the ordinary answer is one, and takes the short way.
        match self.framing {
            Framing::Chunked => {
                self.poll_pieces::<S, PIECES_MAX, { PIECES_MAX + 2 }>(socket, cx, from, sent_total)
            }
            _ => self.poll_pieces::<S, 1, 3>(socket, cx, from, sent_total),
        }
    }

    /// Up to `N` pieces in a write of up to `M` slices: what is pending goes before them, a chunk's end after.
    fn poll_pieces<S: Source, const N: usize, const M: usize>(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        from: &mut S,
        sent_total: &mut u64,
    ) -> Poll<Result<(), Fault>> {
        loop {
            let mut pieces: [&[u8]; N] = [&[]; N];
            let count = from.pieces(&mut pieces);
            let ready: usize = pieces[..count].iter().map(|piece| piece.len()).sum();
            let data = self.admit(ready)?;
            if self.takes_along(data, ready) {
                pieces[..count].iter().for_each(|piece| self.pending.extend_from_slice(piece));
                if let Framing::Exact(left) = &mut self.framing {
                    *left -= data as u64;
                }
                from.consume(data);
                ready!(self.poll_flush(socket, cx, sent_total))?;
                continue;
            }
            if data == 0 && self.at == self.pending.len() {
                self.pending.clear();
                self.at = 0;
                return socket.poll_flush(cx).map_err(|_| Fault::Gone);
            }
            let tail = self.tail(data, ready, from);
            let mut slices = Slices::<M>::default();
            slices.add(&self.pending[self.at..]);
            let mut left = data;
            for piece in &pieces[..count] {
                slices.add(&piece[..left.min(piece.len())]);
                left -= left.min(piece.len());
            }
            slices.add(tail);
            let written = ready!(socket.poll_write(cx, slices.list())).map_err(|_| Fault::Gone)?;
            *sent_total += written as u64;
            if written == 0 {
                return Poll::Ready(Err(Fault::Gone));
            }
            let sent = self.account(written, data, tail);
            from.consume(sent);
        }
    }

    /// Whether the data is so little that copying it behind the head is cheaper than a gathered write.
    fn takes_along(&self, data: usize, ready: usize) -> bool {
        data > 0
            && data == ready
            && data <= TAKEN_ALONG_MAX
            && self.at < self.pending.len()
            && matches!(self.framing, Framing::Exact(_))
    }

    /// How much of `ready` may be written now. Starts a chunk when none is in progress.
    fn admit(&mut self, ready: usize) -> Result<usize, Fault> {
        match self.framing {
            Framing::None => Ok(0),
            Framing::UntilClose => Ok(ready),
            Framing::Exact(left) if ready as u64 > left => {
                debug_assert!(false, "a body is never longer than its head says");
                Err(Fault::Gone)
            }
            Framing::Exact(_) => Ok(ready),
            Framing::Chunked => {
                if self.chunk_left == 0 && ready > 0 {
                    self.pending.extend_from_slice(encode::chunk_head(ready).as_bytes());
                    self.chunk_left = ready;
                }
                Ok(ready.min(self.chunk_left))
            }
        }
    }

    /// What follows the data in the same write.
    fn tail<S: Source>(&self, data: usize, ready: usize, from: &S) -> &'static [u8] {
        let is_chunk_end = self.framing == Framing::Chunked && data > 0 && data == self.chunk_left;
        if !is_chunk_end {
            b""
        } else if data == ready && from.is_last() && from.trailers().list().is_empty() {
            CHUNK_AND_BODY_END
        } else {
            CHUNK_END
        }
    }

    /// Books what was written: first what was pending, then data, then the tail. Returns the data's share.
    fn account(&mut self, written: usize, data: usize, tail: &'static [u8]) -> usize {
        let head = written.min(self.pending.len() - self.at);
        self.at += head;
        if self.at == self.pending.len() {
            self.pending.clear();
            self.at = 0;
        }
        let sent = (written - head).min(data);
        if let Framing::Exact(left) = &mut self.framing {
            *left -= sent as u64;
        }
        if self.framing == Framing::Chunked {
            self.chunk_left -= sent;
            if !tail.is_empty() && sent == data {
                let rest = &tail[written - head - sent..];
                self.pending.extend_from_slice(rest);
                self.is_ended = tail.len() == CHUNK_AND_BODY_END.len();
            }
        }
        sent
    }

    /// See `Sink::poll_finish`.
    pub(super) fn poll_finish(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        trailers: &Fields,
        sent_total: &mut u64,
    ) -> Poll<Result<(), Fault>> {
        if !self.is_ended {
            match self.framing {
                Framing::Exact(left) if left > 0 => return Poll::Ready(Err(Fault::Gone)),
                Framing::Chunked => {
                    encode::write_trailers(&mut self.pending, trailers);
                }
                _ => {}
            }
            self.is_ended = true;
        }
        self.poll_flush(socket, cx, sent_total)
    }

    /// See `Sink::accepts_splice`.
    pub(super) fn accepts_splice(&self) -> bool {
        self.at == self.pending.len() && matches!(self.framing, Framing::Exact(_) | Framing::UntilClose)
    }

    /// See `Sink::poll_splice_out`.
    pub(super) fn poll_splice_out(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        n: usize,
    ) -> Poll<Result<usize, Fault>> {
        let moved = ready!(socket.poll_splice_out(cx, pipe, n)).map_err(|_| Fault::Gone)?;
        if let Framing::Exact(left) = &mut self.framing {
            *left = left.saturating_sub(moved as u64);
        }
        Poll::Ready(Ok(moved))
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        scratch::give_back(&mut self.pending);
    }
}

/// The slices of one gathered write; empty ones are left out.
struct Slices<'a, const M: usize> {
    list: [IoSlice<'a>; M],
    count: usize,
}

impl<const M: usize> Default for Slices<'_, M> {
    fn default() -> Self {
        Slices { list: [IoSlice::new(&[]); M], count: 0 }
    }
}

impl<'a, const M: usize> Slices<'a, M> {
    fn add(&mut self, bytes: &'a [u8]) {
        if !bytes.is_empty() {
            self.list[self.count] = IoSlice::new(bytes);
            self.count += 1;
        }
    }

    fn list(&self) -> &[IoSlice<'a>] {
        &self.list[..self.count]
    }
}
