//! TLS on a connected stream. rustls does the protocol, without I/O and without buffers of its own; here its records
//! meet the socket. What is read is decrypted where it was read; what is written is gathered into records that leave
//! in one system call. A connection that waits holds no buffer.
//!
//! Server certificates are read in `identity` and chosen in `server`; handshakes are in `accept` and `connect`.

mod accept;
mod connect;
mod gather;
mod identity;
mod server;
mod session;
mod turn;

pub use accept::{Accepted, Refused, accept};
pub use connect::{Client, secured};
pub use identity::Identity;
pub use server::{Server, ServerSettings, Tickets};

use crate::buffer::{LARGE_BYTES, SMALL_BYTES};
use crate::stream::{Peek, Stream};
use gather::Gather;
use session::{Held, Session, Step, Wish};
use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll, Waker, ready};

/// The most plaintext of one record (RFC 8446 §5.1).
const RECORD_BYTES_MAX: usize = 16 << 10;
/// More than a record's head, tag and padding take in any suite we speak: 29 bytes is the most.
const RECORD_EXTRA_BYTES: usize = 64;
/// With more than this left unsent nothing is encrypted behind it: handshake messages, tickets, are shorter.
const UNSENT_BYTES_MAX: usize = 8 << 10;

/// A stream with TLS, its handshake done.
///
/// Memory: what was read and not yet decrypted and what was encrypted and not yet sent are leased buffers of
/// `SMALL_BYTES`, each held only while it holds something; with HTTP's own buffers both directions of an exchange stay
/// below 256 KiB.
#[derive(Debug)]
pub struct Tls {
    stream: Stream,
    session: Session,
    held: Held,
}

impl Tls {
    fn new(stream: Stream, session: Session) -> Tls {
        Tls { stream, session, held: Held::default() }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn has_agreed_on_h2(&self) -> bool {
        self.session.protocol() == Some(H2)
    }

    /// See `Socket::poll_read`.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let n = self.held.take_ready(room);
        if n > 0 {
            return Poll::Ready(Ok(n));
        }
        loop {
            if self.held.turn.is_over() {
                self.held.turn.begin();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let n = self.decrypt(room)?;
            if n > 0 {
                self.held.let_go();
                return Poll::Ready(Ok(n));
            }
            if self.held.is_ended {
                return Poll::Ready(Ok(0));
            }
            if self.poll_fetch(cx)?.is_pending() {
                self.held.turn.begin();
                self.held.let_go();
                // Tickets, say, that were to leave with an answer: nobody is about to give one.
                let _ = self.poll_flush(cx)?;
                return Poll::Pending;
            }
        }
    }

    /// Decrypts what lies ready, as long as whole records are sure to fit and it is this connection's turn.
    fn decrypt(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (mut n, room_bytes) = (0, room.len());
        let fits = |n: usize| n == 0 || room_bytes - n >= RECORD_BYTES_MAX;
        while self.held.is_unread && fits(n) && !(n > 0 && self.held.turn.is_over()) {
            match self.step(Wish::Read(&mut room[n..]))? {
                Step::Read(count) => n += count,
                _ => self.held.is_unread = false,
            }
        }
        Ok(n)
    }

    /// Reads what the peer has sent, once. An end that was not announced is an error.
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        self.held.incoming.pack();
        match self.stream.poll_read(cx, self.held.incoming.room())? {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(0) => Err(ErrorKind::UnexpectedEof.into()),
            Poll::Ready(n) => {
                self.held.incoming.filled(n);
                self.held.is_unread = true;
                Ok(Poll::Ready(()))
            }
        }
    }

    /// See `Socket::begin_turn`.
    pub(crate) fn begin_turn(&mut self) {
        self.held.turn.begin();
    }

    /// See `Socket::spent`.
    pub(crate) fn spent(&self) -> u64 {
        self.held.turn.spent()
    }

    /// See `Socket::poll_write`. Takes what fits into one buffer of records.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held.is_blocked || self.held.outgoing.len() > UNSENT_BYTES_MAX {
            ready!(self.poll_flush(cx))?;
        }
        let taken = match self.step(Wish::Write(&mut Gather::new(slices)))? {
            Step::Written(taken) => taken,
            // Nothing can be written before a handshake, and nobody holds one of those.
            _ => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
        };
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    /// See `Socket::poll_flush`.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.outgoing.is_empty() {
            let slice = [IoSlice::new(self.held.outgoing.bytes())];
            match self.stream.poll_write(cx, &slice) {
                Poll::Ready(n) => self.held.outgoing.consume(n?),
                Poll::Pending => {
                    self.held.is_blocked = true;
                    return Poll::Pending;
                }
            }
        }
        self.held.is_blocked = false;
        self.held.outgoing.release();
        Poll::Ready(Ok(()))
    }

    /// See `Socket::poll_readable`.
    pub(crate) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.has_bytes() || self.held.is_ended {
            true => Poll::Ready(Ok(())),
            false => self.stream.poll_readable(cx),
        }
    }

    /// See `Socket::is_owed`.
    pub(crate) fn is_owed(&self) -> bool {
        !self.held.incoming.is_empty()
    }

    /// Whether something that was sent lies here, decrypted or not yet tried.
    pub(crate) fn has_bytes(&self) -> bool {
        self.held.is_unread || !self.held.ready.is_empty()
    }

    /// See `Socket::poll_gone`.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_gone(cx)
    }

    /// See `Socket::is_idle_and_open`. Takes in what is no news to HTTP: tickets, new keys.
    pub(crate) fn is_idle_and_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if !self.held.ready.is_empty() || self.held.is_ended {
                return false;
            }
            // Whatever is decrypted is a byte too many: it is not kept.
            match self.decrypt(&mut [0; 1]) {
                Ok(0) if self.held.is_ended => return false,
                Ok(0) => {}
                _ => return false,
            }
            match self.stream.poll_readable(&mut cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) if self.stream.peek() == Peek::Silent => {}
                Poll::Ready(_) => match self.poll_fetch(&mut cx) {
                    Ok(Poll::Ready(())) => continue,
                    Ok(Poll::Pending) => {}
                    Err(_) => return false,
                },
            }
            self.held.let_go();
            return true;
        }
    }

    /// Sends a `close_notify`, if the kernel takes it at once: who has let the kernel fill up will not miss it.
    pub(crate) fn notify_close(&mut self) {
        if self.step(Wish::Close).is_ok() {
            let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// One step of the protocol. After an error the peer has been told of it, as far as there are words (RFC 8446 §6.2).
    fn step(&mut self, wish: Wish<'_, '_>) -> io::Result<Step> {
        self.session.step(&mut self.held, wish).map_err(|error| {
            let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
            io::Error::new(ErrorKind::InvalidData, error)
        })
    }

    /// Takes part in the handshake until it is done.
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let step = self.step(Wish::ShakeHands)?;
            if let Step::Shaken = step {
                self.held.is_unread = !self.held.incoming.is_empty();
                // A client's Finished leaves with its first data. That of a server may be waited for.
                if let Session::Server(_) = self.session {
                    let _ = self.poll_flush(cx)?;
                }
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_flush(cx))?;
            if self.held.is_ended {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            if self.held.incoming.len() >= LARGE_BYTES {
                return Poll::Ready(Err(ErrorKind::InvalidData.into()));
            }
            if self.poll_fetch(cx)?.is_pending() {
                self.held.let_go();
                return Poll::Pending;
            }
        }
    }
}

/// The names of protocols in ALPN (RFC 7301 §6).
const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

const _: () = assert!(SMALL_BYTES >= RECORD_BYTES_MAX + RECORD_EXTRA_BYTES + UNSENT_BYTES_MAX);
