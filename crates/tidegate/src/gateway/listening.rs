//! Binding: the sockets of the configuration's listeners and of the admin listener, what each allows its clients, and
//! the words for an address that cannot be had.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tidegate_config::{Config, Listen, Protocol};
use tidegate_core::limits::HeadLimits;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings::Placed;
use tidegate_core::units::Bind;
use tidegate_wire::http1::server::ConnectionLimits;
use tidegate_wire::listen::{self, Listeners, Listening, PerAddress};

use crate::worker::Spoken;

/// For every listener of the configuration, in order, one socket per worker.
pub(super) fn bind_all(
    config: &Config,
    listeners: &mut Listeners,
    workers: usize,
) -> Result<Vec<Vec<Listening>>, Problems> {
    let mut problems = Problems::default();
    let mut all = Vec::new();
    for row in config.listen.iter() {
        match listeners.for_workers(&bind_of(&row.value.bind.value), workers) {
            Ok(sockets) => all.push(sockets),
            Err(error) => {
                problems.push(cannot_listen(&format!("`{}`", row.name.as_str()), &row.value.bind, &error));
            }
        }
    }
    problems.unless_any(all)
}

/// The bind as the sockets know it.
pub(super) fn bind_of(bind: &Bind) -> listen::Bind {
    match bind {
        Bind::Inet(address) => listen::Bind::Inet(*address),
        Bind::Unix(path) => listen::Bind::Unix(path.clone()),
    }
}

pub(crate) fn connection_limits(listen: &Listen) -> ConnectionLimits {
    let limits = &listen.limits;
    ConnectionLimits {
        head: HeadLimits {
            line_bytes_max: limits.line.in_memory(),
            head_bytes_max: limits.head.in_memory(),
            fields_max: limits.fields.get() as usize,
            path: listen.paths.rules(),
        },
        head_time: limits.head_time,
        idle: limits.idle,
        requests: limits.requests.get(),
        min_rate: limits.min_rate.on().map(|rate| rate.bytes_per_second),
    }
}

pub(super) fn spoken(listen: &Listen) -> Spoken {
    match (listen.speaks(Protocol::Http1), listen.speaks(Protocol::Http2)) {
        (true, true) => Spoken::Both,
        (false, true) => Spoken::Http2,
        (_, false) => Spoken::Http1,
    }
}

/// Most connections of one address when nothing is set: far above what a browser, a phone or a service opens.
const PER_ADDRESS_MAX: u32 = 1000;

pub(super) fn per_address(listen: &Listen) -> Option<PerAddress> {
    match &listen.limits.per_ip {
        None => Some(PerAddress { most: PER_ADDRESS_MAX, is_asked_for: false }),
        Some(set) => set.on().map(|most| PerAddress { most: most.get(), is_asked_for: true }),
    }
}

fn cannot_listen(what: &str, bind: &Placed<Bind>, error: &std::io::Error) -> Problem {
    let text = match error.kind() {
        std::io::ErrorKind::AddrInUse => "something listens there already".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address".to_owned(),
        _ => error.to_string(),
    };
    let reason = format!("{what} cannot listen on {}: {text}", bind.value);
    let problem = match bind.place() {
        Some(place) => Problem::at(place, reason),
        None => Problem::new(reason),
    };
    match error.kind() {
        std::io::ErrorKind::AddrInUse => problem.hint("stop it, or choose another port"),
        std::io::ErrorKind::PermissionDenied => problem.hint("ports below 1024 need CAP_NET_BIND_SERVICE"),
        _ => problem,
    }
}

/// Connections the kernel completes for the admin listener before they are accepted. With the library's 128 a flood makes
/// it drop a probe's first packet, which is sent again after a second. The kernel caps it at net.core.somaxconn.
const ADMIN_BACKLOG: i32 = 4096;

pub(super) fn bind_admin(bind: &Placed<Bind>) -> Result<AdminSocket, Problem> {
    let bound = match &bind.value {
        Bind::Inet(address) => std::net::TcpListener::bind(address).and_then(|listener| {
            rustix::net::listen(&listener, ADMIN_BACKLOG)?;
            Ok(AdminSocket::Inet(listener))
        }),
        Bind::Unix(path) => listen::unix_listener(path)
            .and_then(|listener| Ok(AdminSocket::Unix(listener, SocketName::of(path)?))),
    };
    bound.map_err(|error| cannot_listen("the admin listener", bind, &error))
}

/// Bound, and not yet given to the control plane.
pub(super) enum AdminSocket {
    Inet(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, SocketName),
}

/// The name of a Unix socket that this process has made, and by what it is known should another have the name.
pub(super) struct SocketName {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketName {
    fn of(path: &Path) -> std::io::Result<SocketName> {
        Ok(SocketName { path: path.to_owned(), identity: identity(path)? })
    }

    /// Removes it, unless another process has taken it over.
    pub(super) fn remove(self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = std::fs::remove_file(&self.path); // or somebody has just now
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl AdminSocket {
    /// For a runtime; and the name of a Unix socket, to be removed at the end.
    pub(super) fn into_listener(
        self,
        control: &tokio::runtime::Runtime,
    ) -> std::io::Result<(tidegate_admin::Listener, Option<SocketName>)> {
        let _entered = control.enter();
        match self {
            AdminSocket::Inet(listener) => {
                listener.set_nonblocking(true)?;
                let listener = tokio::net::TcpListener::from_std(listener)?;
                Ok((tidegate_admin::Listener::Inet(listener), None))
            }
            AdminSocket::Unix(listener, name) => {
                listener.set_nonblocking(true)?;
                let listener = tokio::net::UnixListener::from_std(listener)?;
                Ok((tidegate_admin::Listener::Unix(listener), Some(name)))
            }
        }
    }
}

/// Whether only this machine can reach it.
pub(super) fn is_local(bind: &Bind) -> bool {
    match bind {
        Bind::Inet(address) => address.ip().to_canonical().is_loopback(),
        Bind::Unix(_) => true,
    }
}
