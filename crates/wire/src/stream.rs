//! A stream of bytes as the kernel has it, over TCP or a Unix socket: reads that learn from a short read that nothing is
//! left, gathered writes, a look without reading, splice, and what the kernel knows about bytes on their way. What the
//! gateway works with is a `Socket`, which is one of these with or without TLS.

use rustix::net::{RecvFlags, SendFlags};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use tidegate_core::service::Address;
use tidegate_core::state::DownReason;
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream, UnixStream};

/// Unsent bytes the kernel takes of us for any reader before it says "full". At 2 MiB a fast reader costs nothing; at
/// 512 KiB an 8 MiB answer costs 1.4 times the CPU, as the kernel then wakes us for every little room.
const UNSENT_BYTES_MAX: u32 = 2 << 20;
/// The same for a reader that was found slow: with thousands of them it is the kernel's memory that counts.
const UNSENT_TO_SLOW_BYTES_MAX: u32 = 128 << 10;

/// A connected stream socket of this worker's runtime, without TLS.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// What `peek` saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// Nothing yet: the peer is silent and there.
    Silent,
    /// At least one byte.
    Bytes,
    /// The peer closed its sending side.
    Closed,
    /// The connection is broken.
    Broken,
}

/// What TCP knows of bytes on their way to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes the peer's kernel has acknowledged since the connection began. Unix sockets and kernels that do not
    /// say give `None`.
    pub acknowledged: Option<u64>,
    /// Whether the connection is over (reset, or closed both ways).
    pub is_closed: bool,
}

macro_rules! each {
    ($self:expr, $stream:ident => $body:expr) => {
        match $self {
            Stream::Tcp($stream) => $body,
            Stream::Unix($stream) => $body,
        }
    };
}

impl Stream {
    /// Connects to a backend. The caller bounds the time.
    pub async fn connect(address: &Address) -> io::Result<Stream> {
        match address {
            Address::Inet(address) | Address::Tls(address) => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
                let stream = socket.connect(*address).await?;
                tune(&stream)?;
                Ok(Stream::Tcp(stream))
            }
            Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        }
    }

    /// Reads into `room`. `Ok(0)` is the end. A read that does not fill the room clears the readiness, so the next
    /// one waits for the kernel's word instead of asking in vain.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(each!(self, s => s.poll_read_ready(cx)))?;
            let mut short = None;
            let read = each!(self, s => s.try_io(Interest::READABLE, || {
                // Straight to the kernel: the C library's call is a cancellation point, which costs 3 % of a request.
                let (n, _) = rustix::net::recv(s.as_fd(), &mut *room, RecvFlags::empty())?;
                if 0 < n && n < room.len() {
                    short = Some(n);
                    return Err(io::ErrorKind::WouldBlock.into()); // clears the readiness
                }
                Ok(n)
            }));
            match (read, short) {
                (_, Some(n)) => return Poll::Ready(Ok(n)),
                (Err(error), None) if is_no_answer(&error) => {}
                (other, None) => return Poll::Ready(other),
            }
        }
    }

    /// Writes the slices in one system call; a single slice without the detour over a list. Asks the kernel first and
    /// the runtime only when the kernel is full, which it hardly ever is.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = &*self;
        match this.write_now(slices) {
            Err(error) if is_no_answer(&error) => {}
            other => return Poll::Ready(other),
        }
        loop {
            ready!(each!(this, s => s.poll_write_ready(cx)))?;
            let written = each!(this, s => s.try_io(Interest::WRITABLE, || this.write_now(slices)));
            match written {
                Err(error) if is_no_answer(&error) => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn write_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(match slices {
            [one] => rustix::net::send(self.as_fd(), one, SendFlags::NOSIGNAL)?,
            _ => rustix::io::writev(self.as_fd(), slices)?,
        })
    }

    /// Waits until something can be read (bytes, an end, an error) without reading it.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, s => s.poll_read_ready(cx))
    }

    /// Waits until more than `seen` bytes, or the end, can be looked at, and copies them without taking them.
    pub fn poll_look(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
        seen: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(each!(self, s => s.poll_read_ready(cx)))?;
            let looked = each!(self, s => s.try_io(Interest::READABLE, || {
                match rustix::net::recv(s.as_fd(), &mut *room, RecvFlags::PEEK)? {
                    (n, _) if 0 < n && n <= seen => Err(io::ErrorKind::WouldBlock.into()), // clears the readiness
                    (n, _) => Ok(n),
                }
            }));
            match looked {
                Err(error) if is_no_answer(&error) => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// Looks at what would be read next, in one system call.
    pub fn peek(&self) -> Peek {
        let mut byte = [0u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(self.as_fd(), &mut byte[..], flags) {
            Ok((0, _)) => Peek::Closed,
            Ok(_) => Peek::Bytes,
            Err(rustix::io::Errno::AGAIN) => Peek::Silent,
            Err(_) => Peek::Broken,
        }
    }

    /// Ready once the peer has reset the connection.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_readable(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(()),
            // Readable: a next request, an end, or a reset. Only the reset means that nobody waits any more.
            Poll::Ready(Ok(())) => match self.peek() {
                Peek::Broken => Poll::Ready(()),
                Peek::Bytes | Peek::Closed if self.progress().is_closed => Poll::Ready(()),
                _ => Poll::Pending,
            },
        }
    }

    /// Whether an idle connection is still fit for use, without a system call in the ordinary case: the runtime
    /// would have heard of an end or of bytes. Readiness left over from a read that filled its buffer is looked at.
    pub fn is_idle_and_open(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match self.poll_readable(&mut cx) {
            Poll::Pending => true,
            Poll::Ready(Err(_)) => false,
            Poll::Ready(Ok(())) => self.peek() == Peek::Silent,
        }
    }

    /// The peer reads slowly: from now on the kernel takes only so much ahead of it.
    pub fn bound_unsent(&self) {
        if let Stream::Tcp(stream) = self {
            // Refused only by kernels without it, which then hold their ordinary send buffer.
            let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_TO_SLOW_BYTES_MAX);
        }
    }

    /// Ends the sending side; what was written is still delivered.
    pub fn shutdown_write(&self) {
        // It may be closed already; there is nothing to do about it then.
        let _ = rustix::net::shutdown(self.as_fd(), rustix::net::Shutdown::Write);
    }

    /// Moves up to `max` bytes from the socket into an empty pipe. `Ok(0)` is the end.
    pub fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(each!(self, s => s.poll_read_ready(cx)))?;
            let moved = each!(self, s => s.try_io(Interest::READABLE, || splice(s.as_fd(), pipe, max)));
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// Moves up to `max` bytes that lie in the pipe to the socket.
    pub fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(each!(self, s => s.poll_write_ready(cx)))?;
            let moved = each!(self, s => s.try_io(Interest::WRITABLE, || splice(pipe, s.as_fd(), max)));
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    /// What the kernel knows of bytes on their way to the peer.
    pub fn progress(&self) -> Progress {
        match self {
            Stream::Tcp(stream) => tcp_progress(stream),
            Stream::Unix(_) => Progress { acknowledged: None, is_closed: false },
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        each!(self, s => s.as_fd())
    }
}

/// Neither done nor failed: ask again, once the runtime says so.
fn is_no_answer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Whether a connect failed for want of something on our side (descriptors, ports, memory), which says nothing of the
/// backend.
pub fn is_own_want(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Whether a socket could not be had for want of descriptors.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// What a failed connect says of the backend. A Unix socket without its file is refused, too: nobody listens.
pub fn down_reason(error: &io::Error) -> DownReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => DownReason::Refused,
        io::ErrorKind::TimedOut => DownReason::Timeout,
        // What a handshake makes of a certificate or of what is no TLS.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            DownReason::Tls
        }
        _ => DownReason::Unreachable,
    }
}

/// No delay for small writes, bounded unsent bytes. A listening socket hands both down to what it accepts.
pub(crate) fn tune(socket: &impl AsFd) -> io::Result<()> {
    let socket = socket2::SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
    use rustix::pipe::SpliceFlags;
    Ok(rustix::pipe::splice(from, None, to, None, max, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
}

#[allow(unsafe_code)] // getsockopt(TCP_INFO) has no safe wrapper in the crates we use
fn tcp_progress(stream: &TcpStream) -> Progress {
    const UNKNOWN: Progress = Progress { acknowledged: None, is_closed: false };
    const TCP_CLOSE: u8 = 7; // include/net/tcp_states.h
    // SAFETY: all-zero is a valid tcp_info (plain integers); the kernel writes at most `length` bytes of it.
    let (info, filled) = unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
        let place = (&raw mut info).cast();
        let result =
            libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, place, &mut length);
        (info, if result == 0 { length as usize } else { 0 })
    };
    let needed = std::mem::offset_of!(libc::tcp_info, tcpi_bytes_acked) + 8;
    if filled < needed {
        return UNKNOWN;
    }
    Progress { acknowledged: Some(info.tcpi_bytes_acked), is_closed: info.tcpi_state == TCP_CLOSE }
}
