//! Ports for programs that must be told theirs before they start. A claim holds against every other test
//! process of this machine, so that two tests never meet on one port.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;

/// Below the kernel's range for outgoing connections (from 32768), else a client of one test could sit on
/// the port that a server of another is about to bind.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// The claims of this process. Each is a listening abstract socket, which the kernel drops with the process.
static CLAIMS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// A free port of 127.0.0.1 that no other caller on this machine is given while this process lives.
///
/// # Panics
/// When every port is taken.
pub fn claim() -> u16 {
    // 7919 is prime to the range: processes with neighbouring ids start far apart.
    let start = std::process::id().wrapping_mul(7919);
    let mut claims = CLAIMS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mine = claims.len() as u32;
    for step in 0..COUNT {
        let port = (FIRST + start.wrapping_add(mine + step) % COUNT) as u16;
        let Ok(name) = SocketAddr::from_abstract_name(format!("tidegate-test-port-{port}")) else { continue };
        let Ok(claim) = UnixListener::bind_addr(&name) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            claims.push(claim);
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_claimed_port_is_free_and_not_given_twice() {
        let ports: Vec<u16> = (0..50).map(|_| claim()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 50);
        for port in ports {
            TcpListener::bind(("127.0.0.1", port)).expect("a claimed port can be bound");
        }
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let first = claim();
        let _used = TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert!((0..20).all(|_| claim() != first));
    }
}
