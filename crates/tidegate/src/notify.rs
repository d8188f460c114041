//! Tells the service manager how far the program is, by the protocol of sd_notify(3): a datagram with a few lines to
//! the socket it names in `NOTIFY_SOCKET`. Without one nothing is told. Called when the gateway serves, while it
//! takes a configuration anew, and when it ends.

use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// It serves.
pub(crate) fn ready() {
    tell("READY=1\nSTATUS=serving");
}

/// It takes its configuration anew; `ready` follows, whatever came of it.
pub(crate) fn reloading() {
    // The manager tells by the time which of its signals this answers.
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the configuration"));
}

/// It takes no more requests, and finishes those under way.
pub(crate) fn stopping() {
    tell("STOPPING=1\nSTATUS=finishing requests under way");
}

fn tell(text: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    // A manager that cannot be reached will see by itself whether this process lives.
    let _ = send(&name, text);
}

fn send(name: &OsStr, text: &str) -> io::Result<()> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // The manager's queue may be full; nothing here waits for it.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}
