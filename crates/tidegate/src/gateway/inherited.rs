//! Listening sockets that a service manager has opened and passes on, by the protocol of sd_listen_fds(3): a gateway
//! that is started by the first connection, or restarted with nobody turned away.

use listenfd::ListenFd;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tidegate_core::problem::Problem;
use tidegate_wire::listen::Listeners;

/// The sockets passed to this process, each once: a later call finds none.
pub(super) fn sockets() -> Result<Listeners, Problem> {
    static ARE_TAKEN: AtomicBool = AtomicBool::new(false);
    let is_first = !ARE_TAKEN.swap(true, Relaxed);
    let mut passed = if is_first { ListenFd::from_env() } else { ListenFd::empty() };
    let mut listeners = Listeners::default();
    for index in 0..passed.len() {
        let tcp = passed.take_tcp_listener(index).map(|socket| socket.map(OwnedFd::from));
        let socket = match tcp {
            Ok(socket) => Ok(socket),
            Err(_) => passed.take_unix_listener(index).map(|socket| socket.map(OwnedFd::from)),
        };
        let adopted = socket.and_then(|socket| listeners.adopt(socket));
        adopted.map_err(|error| {
            let reason = format!("socket {} of the service manager cannot be used: {error}", index + 1);
            Problem::new(reason).hint("pass stream sockets that listen: `ListenStream=`")
        })?;
    }
    Ok(listeners)
}
