//! The socket as `h2` sees it. Collects what `h2` writes, so that the answers of all streams that are ready at once,
//! heads and data, leave in one system call at the end of the connection's turn; shows the watch what is read; and
//! knows how long the client has taken nothing.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::Fault;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::Watch;
use crate::rate::RateWatch;
use crate::scratch;
use crate::socket::Socket;

/// What is collected before it is written without waiting for the turn's end. As much as a spare text may keep: some
/// fourteen answers of 1 KiB.
const COLLECTED_BYTES_MAX: usize = 16 << 10;
/// What is read in one turn, over TLS with what its records cost. Between two turns the other connections of the worker have theirs; 64 KiB of the smallest
/// requests are 100 streams and more.
const READ_BYTES_MAX: usize = 64 << 10;

/// What is written in one turn, for the same reason: a socket on this machine takes megabytes at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// A connection's socket.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) watch: Watch,
    collected: Vec<u8>,
    /// `collected[at..]` is to be written.
    at: usize,
    /// Bytes written so far.
    written: u64,
    read_in_turn: usize,
    written_in_turn: usize,
    slow: RateWatch,
}

impl Link {
    /// Nothing has moved.
    pub(super) fn new(socket: Socket) -> Link {
        Link {
            socket,
            watch: Watch::new(),
            collected: Vec::new(),
            at: 0,
            written: 0,
            read_in_turn: 0,
            written_in_turn: 0,
            slow: RateWatch::default(),
        }
    }

    /// A turn of the connection begins.
    pub(super) fn begin_turn(&mut self) {
        self.read_in_turn = 0;
        self.written_in_turn = 0;
        self.socket.begin_turn();
    }

    /// Writes all that was collected.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.at < self.collected.len() {
            let n = ready!(self.poll_write(cx, &[]))?;
            debug_assert_eq!(n, 0, "nothing was given beside what is collected");
        }
        self.socket.poll_flush(cx)
    }

    /// While the client takes nothing of what was collected: when to look again, or that it is too slow.
    pub(super) fn poll_slow(&mut self, min_rate: Option<u64>) -> Result<Option<Nanos>, Fault> {
        let Some(min_rate) = min_rate.filter(|_| self.at < self.collected.len()) else { return Ok(None) };
        let (socket, written) = (&self.socket, self.written);
        let moved = || socket.progress().acknowledged.unwrap_or(written);
        self.slow.waiting(clock::coarse(), min_rate, moved).map(Some)
    }

    /// Nothing is under way: the memory goes back.
    pub(super) fn rest(&mut self) {
        if self.at == self.collected.len() {
            self.at = 0;
            scratch::give_back(&mut self.collected);
        }
    }

    /// Writes what was collected and the slices behind it; says how much of the slices was taken, which is at least a
    /// byte unless they are empty.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        /// `h2` gives two: a frame's head and its data.
        const SLICES_MAX: usize = 4;
        loop {
            let mut all = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            let pending = &self.collected[self.at..];
            if !pending.is_empty() {
                all[0] = IoSlice::new(pending);
                count = 1;
            }
            for slice in slices.iter().take(SLICES_MAX - 1).filter(|slice| !slice.is_empty()) {
                all[count] = IoSlice::new(slice);
                count += 1;
            }
            if count == 0 {
                return Poll::Ready(Ok(0));
            }
            if self.written_in_turn >= WRITE_BYTES_MAX {
                // The next turn goes on.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let pending = pending.len();
            let n = ready!(self.socket.poll_write(cx, &all[..count]))?;
            self.written += n as u64;
            self.written_in_turn += n;
            if self.slow.is_waiting() {
                self.slow.moving(clock::coarse());
            }
            if n >= pending {
                self.collected.clear();
                self.at = 0;
                if n > pending || slices.iter().all(|slice| slice.is_empty()) {
                    return Poll::Ready(Ok(n - pending));
                }
            } else {
                self.at += n;
            }
        }
    }

    fn collect(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let given: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.collected.len() + given > COLLECTED_BYTES_MAX {
            return self.poll_write(cx, slices);
        }
        if self.collected.capacity() == 0 {
            self.collected = scratch::text();
        }
        for slice in slices {
            self.collected.extend_from_slice(slice);
        }
        Poll::Ready(Ok(given))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        scratch::give_back(&mut self.collected);
    }
}

/// `h2`'s end of a link.
pub(super) struct End(pub(super) Rc<RefCell<Link>>);

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let link = &mut *self.0.borrow_mut();
        if link.read_in_turn >= READ_BYTES_MAX || link.watch.is_flooded() {
            // The next turn goes on, or ends the connection.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let room = buf.initialize_unfilled();
        let before = link.socket.spent();
        let read = link.socket.poll_read(cx, room);
        // Records cost us what they are, whatever there is in them.
        link.read_in_turn += (link.socket.spent() - before) as usize;
        let n = ready!(read)?;
        link.watch.look(&room[..n], clock::coarse());
        if !link.socket.is_secure() {
            link.read_in_turn += n;
        }
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().collect(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().collect(cx, slices)
    }

    /// Long data is written from where it lies.
    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The connection flushes at the end of its turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let link = &mut *self.0.borrow_mut();
        ready!(link.poll_flush(cx))?;
        link.socket.say_end();
        link.socket.shutdown_write();
        Poll::Ready(Ok(()))
    }
}
