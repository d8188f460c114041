//! The reading half of an HTTP/1 connection while a message body is on its way: from socket bytes to body
//! pieces. The same for requests and responses. Framing is decided by the head; here it is only followed.

use super::chunked::{Decoder, Step, drop_undeclared};
use crate::buffer::{Buffer, LARGE_BYTES};
use crate::scratch::{Leased, Reusable, Spares};
use crate::socket::Socket;
use std::cell::RefCell;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};
use std::thread::LocalKey;
use tidegate_core::exchange::{Fault, Fill};
use tidegate_core::head::{Fields, Length, NO_FIELDS};
use tidegate_core::limits::PIECES_MAX;
use tidegate_core::name::Name;
use tidegate_core::outcome::Refusal;

/// Bodies up to this size stay whole in the buffer until they are of no more use, so that a failed try can be
/// repeated. Leaves a quarter of the large buffer for a following request.
const HELD_BYTES_MAX: u64 = (LARGE_BYTES - LARGE_BYTES / 4) as u64;

/// How the body in progress ends.
enum Body {
    Over,
    Exact(u64),
    Chunked(Leased<Chunks>),
    UntilClose,
}

/// A chunked body: pieces of payload found in the buffer and not yet taken, as offsets from its front.
#[derive(Default)]
struct Chunks {
    decoder: Decoder,
    pieces: [(u32, u32); PIECES_MAX],
    count: usize,
    /// Bytes at the buffer's front that the decoder has been through.
    scanned: usize,
    is_ended: bool,
    /// The trailers that may go on, as Trailer fields; `None` is all of them.
    announced: Option<Fields>,
}

/// The reading half.
pub(super) struct Inbound {
    /// Bytes read; what lies behind the body belongs to the next message.
    pub(super) buffer: Buffer,
    body: Body,
    /// Whether taken bytes stay at the buffer's front for `rewind`, and how many do.
    is_held: bool,
    held: usize,
    /// The last read filled the buffer: take a larger one for the next.
    wants_more_room: bool,
    /// Bytes of payload taken so far, of this message.
    pub(super) taken: u64,
    /// The peer has reset the connection without having ended its side of it before.
    pub(super) is_reset: bool,
}

impl Inbound {
    pub(super) fn new() -> Inbound {
        Inbound {
            buffer: Buffer::default(),
            body: Body::Over,
            is_held: false,
            held: 0,
            wants_more_room: false,
            taken: 0,
            is_reset: false,
        }
    }

    /// A body begins at the buffer's front. `Streamed` is chunked, or lasts until the peer closes.
    pub(super) fn begin(&mut self, length: Length, is_until_close: bool) {
        self.taken = 0;
        self.held = 0;
        self.is_held = matches!(length, Length::Exact(n) if n > 0 && n <= HELD_BYTES_MAX);
        self.body = match length {
            Length::Empty | Length::Exact(0) => Body::Over,
            Length::Exact(n) => Body::Exact(n),
            Length::Streamed if is_until_close => Body::UntilClose,
            Length::Streamed => Body::Chunked(Leased::take()),
        };
    }

    /// Of the trailers only those go on that these fields announce in Trailer.
    pub(super) fn announce_trailers(&mut self, head: &Fields) {
        let Body::Chunked(chunks) = &mut self.body else { return };
        let Chunks { announced, decoder, is_ended, .. } = &mut **chunks;
        let announced = announced.insert(Fields::default());
        for field in head.list().iter().filter(|field| field.name == Name::Trailer) {
            announced.add(Name::Trailer, field.value.of(head.text()));
        }
        if *is_ended {
            // They were decoded ahead of the last bytes.
            drop_undeclared(&mut decoder.trailers, announced);
        }
    }

    /// Whether a stated length is outstanding: the peer owes us bytes.
    pub(super) fn is_owed(&self) -> bool {
        matches!(self.body, Body::Exact(_))
    }

    /// Taken bytes need not be kept any longer.
    pub(super) fn let_go(&mut self) {
        if self.is_held {
            self.buffer.consume(self.held);
            self.held = 0;
            self.is_held = false;
        }
    }

    /// Makes the body start over, if all that was taken of it is still here.
    pub(super) fn rewind(&mut self) -> bool {
        if self.taken == 0 {
            return true;
        }
        if !self.is_held {
            return false;
        }
        self.body = match self.body {
            Body::Exact(left) => Body::Exact(left + self.held as u64),
            _ => Body::Exact(self.held as u64),
        };
        self.taken = 0;
        self.held = 0;
        true
    }

    /// One read into the buffer. `Ok(0)` is the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Fault>> {
        if self.wants_more_room && self.buffer.is_empty() {
            self.buffer.grow();
        }
        if self.buffer.len() == LARGE_BYTES {
            self.let_go();
        }
        let n = ready!(socket.poll_read(cx, self.buffer.room())).map_err(|error| {
            self.is_reset = error.kind() == io::ErrorKind::ConnectionReset;
            Fault::Gone
        })?;
        self.buffer.filled(n);
        self.wants_more_room = self.buffer.is_full();
        Poll::Ready(Ok(n))
    }

    /// See `Source::poll_fill`.
    pub(super) fn poll_fill(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fill, Fault>> {
        loop {
            match &mut self.body {
                Body::Over => return Poll::Ready(Ok(Fill::End)),
                Body::Exact(_) | Body::UntilClose => {
                    if self.buffer.len() > self.held {
                        return Poll::Ready(Ok(Fill::Data));
                    }
                }
                Body::Chunked(chunks) => {
                    chunks.decode(self.buffer.bytes())?;
                    if chunks.count > 0 {
                        return Poll::Ready(Ok(Fill::Data));
                    }
                    if chunks.is_ended {
                        self.buffer.consume(chunks.scanned);
                        chunks.scanned = 0;
                        return Poll::Ready(Ok(Fill::End));
                    }
                    self.buffer.consume(chunks.scanned);
                    chunks.scanned = 0;
                }
            }
            if ready!(self.poll_read(socket, cx))? == 0 {
                if matches!(self.body, Body::UntilClose) {
                    self.body = Body::Over;
                    return Poll::Ready(Ok(Fill::End));
                }
                return Poll::Ready(Err(Fault::Gone));
            }
        }
    }

    /// See `Source::pieces`.
    pub(super) fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        let bytes = &self.buffer.bytes()[self.held..];
        match &self.body {
            Body::Over => 0,
            Body::Exact(left) => {
                one_piece(&bytes[..bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX))], out)
            }
            Body::UntilClose => one_piece(bytes, out),
            Body::Chunked(chunks) => {
                let pieces = &chunks.pieces[..chunks.count];
                for (slice, (offset, length)) in out.iter_mut().zip(pieces) {
                    *slice = &bytes[*offset as usize..(*offset + *length) as usize];
                }
                pieces.len().min(out.len())
            }
        }
    }

    /// See `Source::is_last`.
    pub(super) fn is_last(&self) -> bool {
        match &self.body {
            Body::Over => true,
            Body::Exact(left) => (self.buffer.len() - self.held) as u64 >= *left,
            Body::UntilClose => false,
            Body::Chunked(chunks) => chunks.is_ended,
        }
    }

    /// See `Source::consume`.
    pub(super) fn consume(&mut self, n: usize) {
        self.taken += n as u64;
        match &mut self.body {
            Body::Over => debug_assert_eq!(n, 0, "nothing is ready after the end"),
            Body::UntilClose => self.buffer.consume(n),
            Body::Exact(left) => {
                *left -= n as u64;
                if *left == 0 {
                    self.body = Body::Over;
                }
                if self.is_held {
                    self.held += n;
                } else {
                    self.buffer.consume(n);
                }
            }
            Body::Chunked(chunks) => {
                let used = chunks.take(n);
                self.buffer.consume(used);
                if chunks.count == 0 && chunks.is_ended {
                    self.buffer.consume(std::mem::take(&mut chunks.scanned));
                    if chunks.decoder.trailers.list().is_empty() {
                        self.body = Body::Over;
                    }
                }
            }
        }
    }

    /// See `Source::trailers`.
    pub(super) fn trailers(&self) -> &Fields {
        match &self.body {
            Body::Chunked(chunks) => &chunks.decoder.trailers,
            _ => &NO_FIELDS,
        }
    }

    /// Whether the body has come to its end, be the trailers still here or not.
    pub(super) fn is_at_end(&self) -> bool {
        match &self.body {
            Body::Over => true,
            Body::Chunked(chunks) => chunks.is_ended && chunks.count == 0,
            Body::Exact(_) | Body::UntilClose => false,
        }
    }

    /// See `Source::spliceable`.
    pub(super) fn spliceable(&self) -> u64 {
        if self.buffer.len() > self.held || self.is_held {
            return 0;
        }
        match &self.body {
            Body::Exact(left) => *left,
            Body::UntilClose => u64::MAX,
            Body::Over | Body::Chunked(_) => 0,
        }
    }

    /// See `Source::poll_splice`.
    pub(super) fn poll_splice(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<Result<usize, Fault>> {
        let max = max.min(usize::try_from(self.spliceable()).unwrap_or(usize::MAX));
        self.buffer.release(); // it is empty, and a pipe takes its place
        let n = ready!(socket.poll_splice_in(cx, pipe, max)).map_err(|_| Fault::Gone)?;
        self.taken += n as u64;
        match &mut self.body {
            Body::Exact(_) if n == 0 => return Poll::Ready(Err(Fault::Gone)),
            Body::Exact(left) => {
                *left -= n as u64;
                if *left == 0 {
                    self.body = Body::Over;
                }
            }
            Body::UntilClose if n == 0 => self.body = Body::Over,
            _ => {}
        }
        Poll::Ready(Ok(n))
    }

    /// A tunnel begins: from here on bytes are only bytes.
    pub(super) fn begin_raw(&mut self) {
        self.let_go();
        self.begin(Length::Streamed, true);
    }
}

fn one_piece<'a>(bytes: &'a [u8], out: &mut [&'a [u8]]) -> usize {
    match out.first_mut() {
        Some(slice) if !bytes.is_empty() => {
            *slice = bytes;
            1
        }
        _ => 0,
    }
}

thread_local! {
    static SPARE_CHUNKS: RefCell<Spares<Chunks>> = const { RefCell::new(Vec::new()) };
}

impl Reusable for Chunks {
    fn reset(&mut self) -> bool {
        self.decoder.reset();
        self.count = 0;
        self.scanned = 0;
        self.is_ended = false;
        self.announced = None;
        true
    }
    fn spares() -> &'static LocalKey<RefCell<Spares<Self>>> {
        &SPARE_CHUNKS
    }
}

impl Chunks {
    /// Finds further pieces in the buffer, as many as there is room to note.
    fn decode(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        while !self.is_ended && self.count < PIECES_MAX {
            let step = self.decoder.step(&bytes[self.scanned..]);
            match step.map_err(|reason| Fault::Malformed(Refusal::bad(reason)))? {
                Step::Framing(n) => self.scanned += n,
                Step::Data(n) => {
                    self.pieces[self.count] = (self.scanned as u32, n as u32);
                    self.count += 1;
                    self.decoder.taken(n);
                    self.scanned += n;
                }
                Step::End(n) => {
                    self.scanned += n;
                    self.is_ended = true;
                    if let Some(announced) = &self.announced {
                        drop_undeclared(&mut self.decoder.trailers, announced);
                        // Ours alone: the head has it.
                        self.decoder.trailers.remove(Name::XRequestId);
                    }
                }
                Step::More => break,
            }
        }
        Ok(())
    }

    /// Takes `n` bytes of payload; returns how many bytes of the buffer's front that frees.
    fn take(&mut self, mut n: usize) -> usize {
        let mut freed = 0;
        let mut done = 0;
        for (offset, length) in &mut self.pieces[..self.count] {
            let used = n.min(*length as usize);
            n -= used;
            *offset += used as u32;
            *length -= used as u32;
            if *length > 0 {
                break;
            }
            freed = *offset as usize;
            done += 1;
        }
        debug_assert_eq!(n, 0, "no more is taken than lies ready");
        if let Some((offset, _)) = self.pieces[done..self.count].first() {
            freed = *offset as usize;
        }
        self.pieces.copy_within(done..self.count, 0);
        self.count -= done;
        for (offset, _) in &mut self.pieces[..self.count] {
            *offset -= freed as u32;
        }
        self.scanned -= freed;
        freed
    }
}
