//! Real servers as backends: nginx, HAProxy, and httpbin under gunicorn. Each writes down what reached it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::ports;
use crate::process::Process;

/// nginx as one process, so that killing it kills all of it.
pub struct Nginx {
    /// Where it listens; stays the same over `kill` and `revive`.
    pub address: SocketAddr,
    process: Process,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// An nginx with these locations in its only server.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn start(locations: &str) -> Nginx {
        Nginx::listening("", locations)
    }

    /// One that speaks TLS, with these directives and locations in its only server.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn secure(directives: &str) -> Nginx {
        Nginx::listening("ssl", directives)
    }

    fn listening(how: &str, locations: &str) -> Nginx {
        let folder = tempfile::tempdir().expect("make a folder for nginx");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let path = folder.path().display();
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {path}/pid;\n\
             error_log {path}/error.log warn;\nevents {{ worker_connections 4096; }}\n\
             http {{\n\
               log_format plain '$request_method $request_uri $status';\n\
               access_log {path}/access.log plain;\n\
               client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
               fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;\n\
               client_max_body_size 0; keepalive_requests 1000000; merge_slashes off;\n\
               server {{ listen {address} {how}; {locations} }}\n\
             }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).expect("write nginx.conf");
        let process = run_nginx(folder.path(), address);
        Nginx { address, process, folder }
    }

    /// An nginx that answers 200 to everything with its port as the body.
    pub fn answering() -> Nginx {
        Nginx::start("location / { return 200 $server_port; }")
    }

    /// The requests it has logged, as `METHOD target status`.
    pub fn requests(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it where it stands (SIGSTOP): its socket still takes connections, and nobody answers.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on after `freeze`.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Starts it again on the same address after `kill`.
    pub fn revive(&mut self) {
        self.process = run_nginx(self.folder.path(), self.address);
    }
}

fn run_nginx(folder: &Path, address: SocketAddr) -> Process {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    let mut process = Process::start(command.arg("-e").arg(folder.join("error.log")));
    process.await_ready("listening", || TcpStream::connect(address).is_ok());
    process
}

/// HAProxy in front of another server.
pub struct Haproxy {
    /// Where it listens.
    pub address: SocketAddr,
    process: Process,
    _folder: tempfile::TempDir,
}

impl Haproxy {
    /// A HAProxy that hands everything to `upstream`.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn start(upstream: SocketAddr) -> Haproxy {
        let folder = tempfile::tempdir().expect("make a folder for HAProxy");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let text = format!(
            "global\n  log stdout format raw local0\n  maxconn 1000\n\
             defaults\n  mode http\n  log global\n  log-format \"request %HM %HU %ST\"\n\
             \x20 option dontlognull\n\
             \x20 timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n\
             frontend all\n  bind {address}\n  default_backend server\n\
             backend server\n  server server {upstream}\n"
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text).expect("write haproxy.cfg");
        let mut process = Process::start(Command::new("haproxy").arg("-db").arg("-f").arg(&file));
        process.await_ready("listening", || TcpStream::connect(address).is_ok());
        Haproxy { address, process, _folder: folder }
    }

    /// The requests it has logged, as `METHOD target status`.
    pub fn requests(&self) -> Vec<String> {
        let lines = self.process.lines();
        lines.iter().filter_map(|line| line.strip_prefix("request ")).map(str::to_owned).collect()
    }
}

/// httpbin under gunicorn, from the virtual environment that `scripts/test-needs` makes.
pub struct Httpbin {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
}

impl Httpbin {
    /// Starts it.
    ///
    /// # Panics
    /// When the virtual environment is missing or it does not start.
    pub fn start() -> Httpbin {
        let gunicorn = venv().join("bin/gunicorn");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let mut command = Command::new(gunicorn);
        // One process with threads: two would need two imports, which is most of the start.
        command.args(["--worker-class", "gthread", "--threads", "8", "--workers", "1"]);
        command.args(["--keep-alive", "30", "--log-level", "warning", "--bind", &address.to_string()]);
        let mut process = Process::start(command.arg("httpbin:app"));
        process.await_ready("listening", || {
            let Ok(stream) = TcpStream::connect(address) else { return false };
            let mut connection = crate::Connection::of(stream).with_patience(Duration::from_secs(5));
            connection.send("GET /status/200 HTTP/1.1\r\nHost: ready\r\nConnection: close\r\n\r\n");
            connection.response("GET").is_ok()
        });
        Httpbin { address, _process: process }
    }
}

/// The Python interpreter that has what the tests take from PyPI.
pub fn python() -> PathBuf {
    venv().join("bin/python")
}

/// Where Python programs for tests are installed.
pub fn venv() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv");
    std::env::var_os("TIDEGATE_TEST_VENV").map_or(usual, PathBuf::from)
}

/// Where packages of npm for tests are installed.
pub fn node_modules() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node/node_modules");
    std::env::var_os("TIDEGATE_TEST_NODE").map_or(usual, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{ask, await_true};

    #[test]
    fn nginx_logs_what_reached_it_and_comes_back_after_a_kill() {
        let mut nginx = Nginx::answering();
        let get = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(ask(nginx.address, get).body, nginx.address.port().to_string().as_bytes());
        await_true("the log has the request", Duration::from_secs(5), || {
            nginx.requests() == ["GET /one 200"]
        });
        nginx.kill();
        assert!(TcpStream::connect(nginx.address).is_err(), "a killed nginx does not listen");
        nginx.revive();
        assert_eq!(ask(nginx.address, get).status(), 200);
    }

    #[test]
    fn haproxy_hands_on_and_logs() {
        let nginx = Nginx::answering();
        let haproxy = Haproxy::start(nginx.address);
        let post = b"POST /two?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(ask(haproxy.address, post).status(), 200);
        let expected = ["POST /two?x=1 200"];
        await_true("HAProxy's log", Duration::from_secs(5), || haproxy.requests() == expected);
        await_true("nginx's log", Duration::from_secs(5), || nginx.requests() == expected);
    }

    #[test]
    fn two_requests_in_one_are_two_lines_in_the_log() {
        let nginx = Nginx::answering();
        let pair =
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = crate::Connection::to(nginx.address);
        client.send(pair).response("POST").unwrap();
        client.response("GET").unwrap();
        await_true("both are logged", Duration::from_secs(5), || {
            nginx.requests() == ["POST /a 200", "GET /b 200"]
        });
    }
}
