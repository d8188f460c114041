//! The instances of the shop as child processes of this binary: started, killed, started again, and gone when
//! dropped. Their ports are held by this process for as long as the demo runs.

use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use tokio::net::TcpSocket;

use super::service::READY;
use super::shop::{TRADES, Trade};

/// How long a child may take to serve. They take some 20 ms; a machine that is busy building, a second or two.
const START_TIME: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 15, tv_nsec: 0 };

/// An instance of a service.
pub(super) struct Instance {
    /// What it serves.
    pub(super) trade: &'static Trade,
    /// Where it listens, whether it runs or not.
    pub(super) address: SocketAddr,
    /// Bound and never listening: nobody else is given the port while the child is dead, and a connection to
    /// it is refused meanwhile.
    _claim: TcpSocket,
    process: Option<Process>,
}

/// A running child. Its end of `_input` closes with this process, however that ends, and it goes by that.
struct Process {
    child: Child,
    _input: Option<ChildStdin>,
}

/// Starts every instance of the shop; they serve when this returns.
pub(super) fn start_all() -> io::Result<Vec<Instance>> {
    let mut instances = Vec::new();
    for trade in &TRADES {
        for _ in 0..trade.instances {
            let mut instance = Instance::with_port(trade)?;
            instance.start()?;
            instances.push(instance);
        }
    }
    Ok(instances)
}

impl Instance {
    fn with_port(trade: &'static Trade) -> io::Result<Instance> {
        let claim = TcpSocket::new_v4()?;
        // Without reuse-address, so that only those who also set reuse-port can bind it: our child.
        claim.set_reuseport(true)?;
        claim.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Instance { trade, address: claim.local_addr()?, _claim: claim, process: None })
    }

    /// Starts it and waits until it serves.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("demo-service")
            .args(["--name", self.trade.name, "--port", &self.address.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // it would write across the screen
            .process_group(0) // Ctrl-C is for the demo, which ends it in its turn
            .spawn()?;
        let output = child.stdout.take();
        let process = Process { _input: child.stdin.take(), child };
        let said = output.map_or(Ok(String::new()), first_line)?;
        if said != READY {
            return Err(io::Error::other(format!("{} did not start: {said}", self.trade.name)));
        }
        self.process = Some(process);
        Ok(())
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only for a child that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(output: std::process::ChildStdout) -> io::Result<String> {
    let ready = poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&START_TIME))?;
    if ready == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "a service did not start in time"));
    }
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
