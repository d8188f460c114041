//! A connected socket as both sides of the gateway use it, with or without TLS: reads, gathered writes, a look without
//! reading, and an end. HTTP does not see which of the two it has, but for what only one of them can do: splice.

use crate::stream::Stream;
pub use crate::stream::{Peek, Progress, down_reason, is_out_of_descriptors, is_own_want};
use crate::tls::Tls;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};
use tidegate_core::service::Address;
use tokio::net::{TcpStream, UnixStream};

/// A connected socket of this worker's runtime.
#[derive(Debug)]
pub enum Socket {
    /// Bytes as they are.
    Plain(Stream),
    /// Over TLS, the handshake done. Boxed: a plain connection shall not be larger for it.
    Tls(Box<Tls>),
}

impl From<Stream> for Socket {
    fn from(stream: Stream) -> Socket {
        Socket::Plain(stream)
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Socket {
        Socket::Plain(Stream::Tcp(stream))
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Socket {
        Socket::Plain(Stream::Unix(stream))
    }
}

impl Socket {
    /// Connects to an address, without TLS. The caller bounds the time.
    pub async fn connect(address: &Address) -> io::Result<Socket> {
        Stream::connect(address).await.map(Socket::Plain)
    }

    /// Whether what goes over it is encrypted.
    pub fn is_secure(&self) -> bool {
        matches!(self, Socket::Tls(_))
    }

    /// Whether both sides have agreed on HTTP/2 in their handshake.
    pub fn has_agreed_on_h2(&self) -> bool {
        match self {
            Socket::Plain(_) => false,
            Socket::Tls(tls) => tls.has_agreed_on_h2(),
        }
    }

    /// The stream below.
    fn stream(&self) -> &Stream {
        match self {
            Socket::Plain(stream) => stream,
            Socket::Tls(tls) => tls.stream(),
        }
    }

    /// Reads into `room`. `Ok(0)` is the end that the peer has stated: over TLS an end without a `close_notify` is the
    /// error `UnexpectedEof` (RFC 8446 §6.1). Waits for the kernel's word instead of asking in vain.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Plain(stream) => stream.poll_read(cx, room),
            Socket::Tls(tls) => tls.poll_read(cx, room),
        }
    }

    /// The worker comes back to this connection after others had their turn. Nothing to be told of where the task says
    /// nothing: over TLS `poll_read` ends a turn by itself.
    pub fn begin_turn(&mut self) {
        if let Socket::Tls(tls) = self {
            tls.begin_turn();
        }
    }

    /// What reading has cost so far beyond the bytes that were given: of TLS the bytes of records and the work for each.
    /// On a plain socket there is no such cost.
    pub fn spent(&self) -> u64 {
        match self {
            Socket::Plain(_) => 0,
            Socket::Tls(tls) => tls.spent(),
        }
    }

    /// Writes the slices, in one system call as far as they fit into one. What was written is with the kernel, or,
    /// over TLS, will be after a `poll_flush`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Plain(stream) => stream.poll_write(cx, slices),
            Socket::Tls(tls) => tls.poll_write(cx, slices),
        }
    }

    /// Gives the kernel what was written and is still here. Nothing is, on a plain socket.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Plain(_) => Poll::Ready(Ok(())),
            Socket::Tls(tls) => tls.poll_flush(cx),
        }
    }

    /// Waits until something can be read (bytes, an end, an error) without reading it. Over TLS it may turn out to be
    /// nothing that concerns the reader.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Plain(stream) => stream.poll_readable(cx),
            Socket::Tls(tls) => tls.poll_readable(cx),
        }
    }

    /// The same as a future.
    pub async fn readable(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Whether a part of something has come that cannot be read before the rest has: the peer owes it.
    pub fn is_owed(&self) -> bool {
        match self {
            Socket::Plain(_) => false,
            Socket::Tls(tls) => tls.is_owed(),
        }
    }

    /// Waits until more than `seen` bytes, or the end, can be looked at, and copies them without taking them. Only a plain
    /// socket can.
    pub fn poll_look(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
        seen: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Socket::Plain(stream) => stream.poll_look(cx, room, seen),
            Socket::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Looks at what would be read next, in one system call.
    pub fn peek(&self) -> Peek {
        match self {
            Socket::Tls(tls) if tls.has_bytes() => Peek::Bytes,
            _ => self.stream().peek(),
        }
    }

    /// Whether bytes wait that the peer has sent: of data, not of the protocol below. One system call, if it is plain.
    pub fn has_bytes(&self) -> bool {
        match self {
            Socket::Plain(stream) => stream.peek() == Peek::Bytes,
            Socket::Tls(tls) => tls.has_bytes(),
        }
    }

    /// Ready once the peer has reset the connection. One that only closed its sending side is not gone.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Socket::Plain(stream) => stream.poll_gone(cx),
            Socket::Tls(tls) => tls.poll_gone(cx),
        }
    }

    /// Whether an idle connection is still fit for use, without a system call in the ordinary case: the runtime
    /// would have heard of an end or of bytes. What is left to be read is looked at.
    pub fn is_idle_and_open(&mut self) -> bool {
        match self {
            Socket::Plain(stream) => stream.is_idle_and_open(),
            Socket::Tls(tls) => tls.is_idle_and_open(),
        }
    }

    /// The peer reads slowly: from now on the kernel takes only so much ahead of it.
    pub fn bound_unsent(&self) {
        self.stream().bound_unsent();
    }

    /// Says that all was written that will be, as far as the protocol below HTTP has words for it. Only after a whole
    /// message: a body that lasts until the end must not look whole when it is not.
    pub fn say_end(&mut self) {
        if let Socket::Tls(tls) = self {
            tls.notify_close();
        }
    }

    /// Ends the sending side; what was written is still delivered.
    pub fn shutdown_write(&self) {
        self.stream().shutdown_write();
    }

    /// Moves up to `max` bytes from the socket into an empty pipe. `Ok(0)` is the end. Only a plain socket can.
    pub fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Socket::Plain(stream) => stream.poll_splice_in(cx, pipe, max),
            Socket::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Moves up to `max` bytes that lie in the pipe to the socket. Only a plain socket can.
    pub fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Socket::Plain(stream) => stream.poll_splice_out(cx, pipe, max),
            Socket::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// What the kernel knows of bytes on their way to the peer. Over TLS they are those of its records.
    pub fn progress(&self) -> Progress {
        self.stream().progress()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream().as_fd()
    }
}
