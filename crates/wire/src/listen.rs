//! Listening sockets: one per worker and bind, made once and kept across reloads, and the accept loop that
//! turns connections into tasks. `Listeners` can adopt descriptors that somebody else opened.

use crate::socket::Socket;
use crate::stream::{self, Stream};
use socket2::{Domain, Protocol, SockAddr, Type};
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::trusted::Trusted;
pub use tidegate_core::units::counted_address;
use tokio::net::{TcpListener, UnixListener};

/// Connections the kernel completes before we accept them. The kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 65_535;

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An IP address and port.
    Inet(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl std::fmt::Display for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bind::Inet(address) => address.fmt(f),
            Bind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound socket, not yet part of a worker's runtime.
#[derive(Debug)]
pub struct Listening {
    socket: socket2::Socket,
    bind: Bind,
    owner: Owner,
}

/// Who goes on with a socket once this process does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Nobody: what waits in its queue is lost unless it is served.
    Us,
    /// Whoever passed it on: what waits in its queue is theirs to have served.
    Other,
}

impl Listening {
    /// Where it is bound.
    pub fn bind(&self) -> &Bind {
        &self.bind
    }
}

/// The process's listening sockets. A bind that stays is never closed: what waits in its queue is served.
#[derive(Debug, Default)]
pub struct Listeners {
    open: HashMap<Bind, Vec<socket2::Socket>>,
    /// Those of somebody else: workers share the socket, and its name is not ours to remove.
    adopted: HashSet<Bind>,
}

impl Listeners {
    /// Takes over descriptors that are already bound and listening (socket activation, upgrade).
    pub fn adopt(&mut self, descriptors: impl IntoIterator<Item = OwnedFd>) -> io::Result<()> {
        for descriptor in descriptors {
            let socket = socket2::Socket::from(descriptor);
            let local = socket.local_addr()?;
            let bind = match (local.as_socket(), local.as_pathname()) {
                (Some(address), _) => Bind::Inet(address),
                (None, Some(path)) => Bind::Unix(path.to_owned()),
                (None, None) => return Err(io::Error::other("an adopted socket is neither TCP nor Unix")),
            };
            socket.set_nonblocking(true)?;
            if let Bind::Inet(_) = bind {
                stream::tune(&socket)?; // accepted connections inherit it
            }
            self.adopted.insert(bind.clone());
            self.open.entry(bind).or_default().push(socket);
        }
        Ok(())
    }

    /// One socket per worker for a bind: those already open first, then new ones in the same reuse-port group. Where
    /// there can be no such group, workers share a socket.
    pub fn for_workers(&mut self, bind: &Bind, workers: usize) -> io::Result<Vec<Listening>> {
        let sockets = self.open.entry(bind.clone()).or_default();
        while sockets.len() < workers {
            let socket = match (bind, sockets.first()) {
                (Bind::Inet(_), Some(first)) if self.adopted.contains(bind) => first.try_clone()?,
                (Bind::Inet(address), _) => bind_inet(*address)?,
                // A path can be bound once.
                (Bind::Unix(_), Some(first)) => first.try_clone()?,
                (Bind::Unix(path), None) => bind_unix(path)?,
            };
            sockets.push(socket);
        }
        let owner = if self.adopted.contains(bind) { Owner::Other } else { Owner::Us };
        let listening = |socket: &socket2::Socket| {
            Ok(Listening { socket: socket.try_clone()?, bind: bind.clone(), owner })
        };
        sockets.iter().take(workers).map(listening).collect()
    }

    /// Every bind there are sockets of.
    pub fn binds(&self) -> impl Iterator<Item = &Bind> {
        self.open.keys()
    }

    /// Takes the names of Unix sockets whose bind is not in the list away, so that nobody new finds them.
    pub fn hide_all_but(&self, binds: &[Bind]) {
        for bind in self.open.keys().filter(|bind| !binds.contains(bind) && !self.adopted.contains(bind)) {
            if let Bind::Unix(path) = bind {
                let _ = std::fs::remove_file(path); // or somebody has already
            }
        }
    }

    /// Closes the sockets of binds that are not in the list, as far as they are this table's.
    pub fn keep_only(&mut self, binds: &[Bind]) {
        self.open.retain(|bind, _| {
            let is_kept = binds.contains(bind);
            match bind {
                Bind::Inet(address) if !is_kept => ours().retain(|known| known != address),
                _ => {}
            }
            is_kept
        });
        self.adopted.retain(|bind| binds.contains(bind));
    }
}

/// Addresses that this process listens on.
fn ours() -> std::sync::MutexGuard<'static, Vec<SocketAddr>> {
    static OURS: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());
    OURS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn bind_inet(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    refuse_foreign_listener(address)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    stream::tune(&socket)?; // accepted connections inherit it
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// With reuse-port alone, a second process of the same user would silently take half of the connections of a
/// running one. A bind without it fails while anybody else listens there.
fn refuse_foreign_listener(address: SocketAddr) -> io::Result<()> {
    let mut ours = ours();
    if address.port() == 0 || ours.contains(&address) {
        return Ok(());
    }
    let probe = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    probe.set_reuse_address(true)?;
    probe.bind(&SockAddr::from(address))?;
    ours.push(address);
    Ok(())
}

/// A socket at a path, taken over from a process that is gone: for listeners that are no worker's.
///
/// Errors: `AddrInUse` where somebody listens, or where the path is no socket.
pub fn unix_listener(path: &PathBuf) -> io::Result<std::os::unix::net::UnixListener> {
    bind_unix(path).map(Into::into)
}

fn bind_unix(path: &PathBuf) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    socket.set_nonblocking(true)?;
    if is_left_over(path, &address)? {
        std::fs::remove_file(path)?;
    }
    socket.bind(&address)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Whether a path is the socket of a process that is gone. Any other file there is not ours to remove, and the bind
/// says that the address is in use.
fn is_left_over(path: &PathBuf, address: &SockAddr) -> io::Result<bool> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    Ok(is_socket
        && socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?.connect(address).is_err_and(is_refused))
}

enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listening socket on a worker's runtime.
pub struct Acceptor {
    accepting: Accepting,
    owner: Owner,
}

impl Listening {
    /// Hands the socket to the runtime of the calling worker.
    pub fn into_acceptor(self) -> io::Result<Acceptor> {
        let accepting = match self.bind {
            Bind::Inet(_) => Accepting::Tcp(TcpListener::from_std(self.socket.into())?),
            Bind::Unix(_) => Accepting::Unix(UnixListener::from_std(self.socket.into())?),
        };
        Ok(Acceptor { accepting, owner: self.owner })
    }
}

/// How long nobody must have come before a closing listener is closed: longer than a handshake that has begun takes
/// on all but the slowest paths, too short for an operator to wait for.
const CLOSE_QUIET: Duration = Duration::from_millis(50);
/// How long a closing listener is kept open for handshakes that have begun, at most.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// A program for the kernel's packet filter: drops a packet that begins a connection, passes every other. Byte 13 of
/// a TCP header has the flags (RFC 9293 §3.1), 2 is SYN.
const NO_BEGINNINGS: [(u16, u8, u8, u32); 4] = [
    (0x30, 0, 0, 13),       // load byte 13
    (0x45, 0, 1, 2),        // is the bit of SYN in it? else skip one
    (0x06, 0, 0, 0),        // drop
    (0x06, 0, 0, 0x4_0000), // pass, up to 256 KiB
];

impl Acceptor {
    /// Gives `begin` every connection that was begun before now, and then the socket can be dropped with nobody in
    /// its queue. To close a socket with connections in its queue would reset them. One that somebody else goes on with
    /// is left as it is.
    pub async fn close(&self, mut begin: impl FnMut(Socket, Option<SocketAddr>)) {
        if self.owner == Owner::Other {
            return;
        }
        self.take_no_more();
        let end = clock::exact().after(CLOSE_TIME);
        while clock::exact() < end {
            match tokio::time::timeout(CLOSE_QUIET, self.accept()).await {
                Ok(Ok((socket, address))) => begin(socket, address),
                Ok(Err(_)) => {} // it ended before it was taken
                Err(_) => return,
            }
        }
    }

    /// From now on the kernel lets no further connection begin. A client that tries sends its first packet again
    /// after a second, and then finds the port closed, or another process on it.
    fn take_no_more(&self) {
        if let Accepting::Tcp(listener) = &self.accepting {
            let filter = NO_BEGINNINGS.map(|(code, on_true, on_false, value)| {
                socket2::SockFilter::new(code, on_true, on_false, value)
            });
            // Refused only by kernels without filters: then a connection that begins just now may be reset.
            let _ = socket2::SockRef::from(listener).attach_filter(&filter);
        }
    }

    /// The next connection and its address.
    pub async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match &self.accepting {
            Accepting::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Stream::Tcp(stream).into(), Some(address)))
            }
            Accepting::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0).into(), None)),
        }
    }
}

/// Counts open connections of a listener over all workers, in all and per address; a count is given back when
/// its `Admitted` is dropped.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    open: AtomicUsize,
    /// Per address, only while a cap is set. Written once per connection, so a plain lock is cheap enough.
    by_address: Mutex<HashMap<IpAddr, u32>>,
}

/// A cap on the connections of one address.
#[derive(Clone, Copy, Debug)]
pub struct PerAddress {
    /// Most connections.
    pub most: u32,
    /// Whether it was asked for: then this machine's own addresses and trusted peers, which may be everybody, are capped too.
    pub is_asked_for: bool,
}

impl PerAddress {
    /// The cap as it holds for a peer that is trusted so far: a proxy is many clients.
    pub fn of_peer(self, trusted: Option<&Trusted>) -> Option<PerAddress> {
        (self.is_asked_for || trusted.is_none()).then_some(self)
    }
}

/// A counted connection.
#[derive(Debug)]
pub struct Admitted {
    counts: Arc<ConnectionCounts>,
    address: Option<IpAddr>,
}

impl ConnectionCounts {
    /// Counts a connection in, or refuses it at a cap; `None` is no cap.
    pub fn admit(
        self: &Arc<Self>,
        address: Option<SocketAddr>,
        most: Option<usize>,
        per_address: Option<PerAddress>,
    ) -> Option<Admitted> {
        let open = self.open.fetch_add(1, Relaxed);
        let mut admitted = Admitted { counts: self.clone(), address: None };
        if most.is_some_and(|most| open >= most) {
            return None; // dropping gives the count back
        }
        if let (Some(address), Some(PerAddress { most, is_asked_for })) = (address, per_address) {
            let address = counted_address(address.ip());
            if address.is_loopback() && !is_asked_for {
                return Some(admitted);
            }
            let mut by_address = self.by_address.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let count = by_address.entry(address).or_insert(0);
            if *count >= most {
                drop(by_address);
                return None;
            }
            *count += 1;
            admitted.address = Some(address);
        }
        Some(admitted)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Relaxed);
        if let Some(address) = self.address {
            let mut by_address =
                self.counts.by_address.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if let Some(count) = by_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::trusted::FieldSet;

    const ONE: Option<PerAddress> = Some(PerAddress { most: 1, is_asked_for: false });

    fn at(text: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(text.parse().unwrap(), 1))
    }

    #[test]
    fn caps_hold_and_counts_come_back() {
        let counts = Arc::new(ConnectionCounts::default());
        let first = counts.admit(at("10.0.0.1"), Some(3), ONE).expect("first");
        assert!(counts.admit(at("10.0.0.1"), Some(3), ONE).is_none(), "one per address");
        let _second = counts.admit(at("10.0.0.2"), Some(3), ONE).expect("other address");
        let _third = counts.admit(at("10.0.0.3"), Some(3), ONE).expect("third");
        assert!(counts.admit(at("10.0.0.4"), Some(3), ONE).is_none(), "three in all");
        drop(first);
        assert!(counts.admit(at("10.0.0.1"), Some(3), ONE).is_some(), "given back");
        assert_eq!(counts.open(), 2);
    }

    #[test]
    fn this_machine_is_counted_only_when_asked_for() {
        let counts = Arc::new(ConnectionCounts::default());
        let _first = counts.admit(at("127.0.0.1"), None, ONE).expect("first");
        let _second = counts.admit(at("127.0.0.1"), None, ONE).expect("not counted");
        let strict = Some(PerAddress { most: 1, is_asked_for: true });
        let _third = counts.admit(at("127.0.0.1"), None, strict).expect("first that is counted");
        assert!(counts.admit(at("127.0.0.1"), None, strict).is_none());
    }

    #[test]
    fn a_trusted_peer_is_counted_only_when_asked_for() {
        let trusted = Trusted { from: [].into(), fields: FieldSet::USUAL };
        for (is_asked_for, peer, expected) in [
            (false, Some(&trusted), false),
            (false, None, true),
            (true, Some(&trusted), true),
            (true, None, true),
        ] {
            let cap = PerAddress { most: 1, is_asked_for };
            assert_eq!(cap.of_peer(peer).is_some(), expected, "{is_asked_for} {peer:?}");
        }
    }

    #[test]
    fn ipv6_counts_by_its_64() {
        let counts = Arc::new(ConnectionCounts::default());
        let _first = counts.admit(at("2001:db8:0:1::1"), None, ONE).expect("first");
        assert!(counts.admit(at("2001:db8:0:1:ffff::2"), None, ONE).is_none(), "same /64");
        assert!(counts.admit(at("2001:db8:0:2::1"), None, ONE).is_some(), "next /64");
    }

    #[test]
    fn a_socket_that_was_left_is_replaced_and_a_file_of_somebody_is_not() {
        let folder = std::env::temp_dir().join(format!("tidegate-listen-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (left, file) = (folder.join("left"), folder.join("file"));
        drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
        let first = bind_unix(&left).expect("nobody listens there any more");
        assert_eq!(bind_unix(&left).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        std::fs::write(&file, "precious").unwrap();
        assert_eq!(bind_unix(&file).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read(&file).unwrap(), b"precious");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_port_in_use_by_somebody_else_is_an_error() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bind = Bind::Inet(other.local_addr().unwrap());
        let error = Listeners::default().for_workers(&bind, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
