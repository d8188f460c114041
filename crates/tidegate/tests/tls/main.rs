//! TLS with real peers: openssl, curl and sslyze as clients, nginx and a rustls server as backends.

mod backends;
mod clients;
mod records;
mod renewing;
mod scanned;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// Longer than any answer of these tests takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a program says, on either output.
pub(crate) fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it is installed by scripts/test-needs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// What `openssl s_client` says of a listener.
pub(crate) fn s_client(address: SocketAddr, options: &[&str]) -> String {
    said(Command::new("openssl").arg("s_client").arg("-connect").arg(address.to_string()).args(options))
}
