//! The gateway under test as a real process. Fails the test on a warning, an error or a panic in its output
//! that the test did not announce.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::connection::Connection;
use crate::message::Message;
use crate::ports;
use crate::process::Process;

/// How to start a gateway; what a test does not say is usual.
#[derive(Clone, Debug)]
pub struct Setup {
    bin: PathBuf,
    workers: usize,
    limits: String,
    drain_wait: String,
    listeners: Vec<(String, String)>,
    trusted: String,
    protocols: String,
    admin: String,
    descriptors: Option<u32>,
}

impl Setup {
    /// The binary: `env!("CARGO_BIN_EXE_tidegate")` of the calling test.
    pub fn new(bin: &str) -> Setup {
        Setup {
            bin: bin.into(),
            workers: 2,
            limits: "{}".into(),
            trusted: "[]".into(),
            protocols: "[h1]".into(),
            drain_wait: "off".into(),
            listeners: Vec::new(),
            admin: String::new(),
            descriptors: None,
        }
    }

    /// Data-plane threads; 2 unless said.
    pub fn workers(mut self, workers: usize) -> Setup {
        self.workers = workers;
        self
    }

    /// The listener's `limits`, such as `{ head_time: 300ms }`.
    pub fn limits(mut self, limits: &str) -> Setup {
        self.limits = limits.into();
        self
    }

    /// How long it takes requests after it was told to end; not at all unless said.
    pub fn drain_wait(mut self, time: &str) -> Setup {
        self.drain_wait = time.into();
        self
    }

    /// One more listener, by this name.
    pub fn listener(mut self, name: &str) -> Setup {
        self.listeners.push((name.into(), String::new()));
        self
    }

    /// One more listener, by this name and with these keys beside its address.
    pub fn listener_with(mut self, name: &str, keys: &str) -> Setup {
        self.listeners.push((name.into(), format!(", {keys}")));
        self
    }

    /// The listener's `trusted`, such as `[127.0.0.1]`.
    pub fn trusted(mut self, trusted: &str) -> Setup {
        self.trusted = trusted.into();
        self
    }

    /// The listener's `protocols`, such as `[h1, h2]`.
    pub fn protocols(mut self, protocols: &str) -> Setup {
        self.protocols = protocols.into();
        self
    }

    /// Further keys of `admin`, such as `token: "…"`.
    pub fn admin(mut self, keys: &str) -> Setup {
        self.admin = format!(", {keys}");
        self
    }

    /// How many file descriptors it may have; as many as the test unless said.
    pub fn descriptors(mut self, most: u32) -> Setup {
        self.descriptors = Some(most);
        self
    }

    /// Starts it with these `services` and `routes`, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready; with its output.
    pub fn start(self, services_and_routes: &str) -> Gateway {
        let folder = tempfile::tempdir().expect("make a folder for the configuration");
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let others: Vec<(String, SocketAddr, String)> = self
            .listeners
            .into_iter()
            .map(|(name, keys)| (name, (Ipv4Addr::LOCALHOST, ports::claim()).into(), keys))
            .collect();
        let written = |(name, bind, keys): &(String, SocketAddr, String)| {
            format!(", {name}: {{ bind: \"{bind}\"{keys} }}")
        };
        let binds: String = others.iter().map(written).collect();
        let others = others.into_iter().map(|(name, bind, _)| (name, bind)).collect();
        let text = format!(
            "version: 1\nworkers: {}\nlisten: {{ http: {{ bind: \"{http}\", limits: {}, trusted: {}, protocols: {} }}{binds} }}\n\
             admin: {{ bind: \"{admin}\"{} }}\nstate: {{ dir: state }}\ndrain: {{ wait: {} }}\n{services_and_routes}\n",
            self.workers, self.limits, self.trusted, self.protocols, self.admin, self.drain_wait
        );
        let file = folder.path().join(FILE);
        std::fs::write(&file, text).expect("write the configuration");
        let process = match self.descriptors {
            Some(most) => Process::start(limited(most, &self.bin).arg("run").arg("-c").arg(&file)),
            None => Process::start(Command::new(&self.bin).arg("run").arg("-c").arg(&file)),
        };
        let (bin, announced) = (self.bin, Vec::new());
        let mut gateway = Gateway { http, others, admin, process, folder, bin, announced, is_checked: false };
        gateway.process.await_ready("ready", || is_ready(admin));
        gateway
    }
}

/// A program that may have so many file descriptors, and cannot take more.
pub fn limited(descriptors: u32, program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")).arg(program);
    command
}

/// The name of the configuration file.
const FILE: &str = "tidegate.yaml";

/// A running gateway.
pub struct Gateway {
    /// Its first listener.
    pub http: SocketAddr,
    others: Vec<(String, SocketAddr)>,
    /// Its admin listener.
    pub admin: SocketAddr,
    process: Process,
    folder: tempfile::TempDir,
    bin: PathBuf,
    announced: Vec<String>,
    is_checked: bool,
}

impl Gateway {
    /// One service, `origin`, with these backends, and one route to it.
    pub fn before(bin: &str, backends: &[SocketAddr]) -> Gateway {
        Setup::new(bin).start(&everything_to(backends, ""))
    }

    /// A new connection to its listener.
    pub fn connect(&self) -> Connection {
        Connection::to(self.http)
    }

    /// The address of a listener added by name.
    ///
    /// # Panics
    /// When there is none.
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.others.iter().find(|(known, _)| known == name).expect("a listener of this name").1
    }

    /// Sends one request on a connection of its own and reads the final answer.
    ///
    /// # Panics
    /// When no whole answer comes.
    pub fn ask(&self, request: impl AsRef<[u8]>) -> Message {
        ask(self.http, request.as_ref())
    }

    /// Reads a page of the admin listener.
    ///
    /// # Panics
    /// When no whole answer comes.
    pub fn admin_get(&self, path: &str) -> Message {
        let host = self.admin;
        ask(host, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
    }

    /// Sends a request to the admin listener: method and path, and further field lines, each with its CRLF.
    ///
    /// # Panics
    /// When no whole answer comes.
    pub fn admin_ask(&self, method_and_path: &str, fields: &str) -> Message {
        let host = match fields.to_ascii_lowercase().contains("host:") {
            true => String::new(),
            false => format!("Host: {}\r\n", self.admin),
        };
        let head = format!("{method_and_path} HTTP/1.1\r\n{host}{fields}Connection: close\r\n\r\n");
        ask(self.admin, head.as_bytes())
    }

    /// The field line with the token that the gateway made.
    ///
    /// # Panics
    /// When it made none.
    pub fn admin_token(&self) -> String {
        let path = self.folder().join("state/admin-token");
        let token = std::fs::read_to_string(path).expect("read the token that the gateway made");
        format!("Authorization: Bearer {}\r\n", token.trim_end())
    }

    /// The sum of a metric over the samples whose labels contain all of these texts, such as
    /// `backend="127.0.0.1:9001"`. 0 when there are none.
    ///
    /// # Panics
    /// When the metrics cannot be read.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.admin_get("/metrics");
        assert_eq!(page.status(), 200, "/metrics");
        sum_of(&String::from_utf8_lossy(&page.body), name, labels)
    }

    /// Lets output lines with this text pass, whatever their level.
    pub fn announce(&mut self, text: &str) -> &mut Gateway {
        self.announced.push(text.into());
        self
    }

    /// The process, for signals and memory.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The folder of its configuration and state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file's text.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn configuration(&self) -> String {
        std::fs::read_to_string(self.folder().join(FILE)).expect("read the configuration")
    }

    /// Puts another configuration in the file's place, as a careful tool does: whole or not at all.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn configure(&self, text: &str) {
        let draft = self.folder().join("draft");
        std::fs::write(&draft, text).expect("write the configuration");
        std::fs::rename(draft, self.folder().join(FILE)).expect("replace the configuration");
    }

    /// Reloads that were taken so far, and those that were refused.
    pub fn reloads(&self) -> (u64, u64) {
        let count = |result| self.metric("tidegate_config_reloads_total", &[result]) as u64;
        (count("\"ok\""), count("\"failed\""))
    }

    /// Puts another configuration in place, has it taken (SIGHUP), and waits until it is.
    ///
    /// # Panics
    /// When it is refused, or never taken.
    pub fn reload(&self, text: &str) {
        let (taken, refused) = self.reloads();
        self.configure(text);
        self.process.signal(Signal::HUP);
        await_true("the configuration is taken", Duration::from_secs(10), || self.reloads().0 > taken);
        assert_eq!(self.reloads().1, refused, "{:#?}", self.process.lines());
    }

    /// Ends it, and starts another one on the same file with these further arguments of `run`.
    ///
    /// # Panics
    /// When it does not end well, or the other one does not get ready.
    pub fn restart(&mut self, arguments: &[&str]) {
        self.begin_stop();
        assert!(self.process.await_end(Duration::from_secs(10)).success());
        self.check_output();
        self.is_checked = false;
        let file = self.folder().join(FILE);
        self.process = Process::start(Command::new(&self.bin).arg("run").arg("-c").arg(file).args(arguments));
        let admin = self.admin;
        self.process.await_ready("ready", || is_ready(admin));
    }

    /// Ends it at once, as `kill -9` does. What it has written until then is checked.
    pub fn kill(&mut self) {
        self.process.kill();
        self.check_output();
    }

    /// Starts it anew on the same file, after it was killed.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn start_again(&mut self) {
        self.is_checked = false;
        let file = self.folder().join(FILE);
        self.process = Process::start(Command::new(&self.bin).arg("run").arg("-c").arg(file));
        let admin = self.admin;
        self.process.await_ready("ready", || is_ready(admin));
    }

    /// Ends it as an operator does (SIGTERM) and checks that it ends well.
    ///
    /// # Panics
    /// When it does not end in 10 s, ends with a failure, or has written an alarm.
    pub fn stop(self) {
        self.begin_stop();
        self.await_stop(Duration::from_secs(10));
    }

    /// Tells it to end (SIGTERM), and does not wait.
    pub fn begin_stop(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits for its end and checks that it ends well.
    ///
    /// # Panics
    /// When it does not end in time, ends with a failure, or has written an alarm.
    pub fn await_stop(mut self, time: Duration) {
        let status = self.process.await_end(time);
        assert!(status.success(), "the gateway ended with {status}: {:#?}", self.process.lines());
        self.check_output();
    }

    fn check_output(&mut self) {
        self.is_checked = true;
        let lines = self.process.lines();
        let is_announced = |line: &str| self.announced.iter().any(|text| line.contains(text.as_str()));
        let alarms: Vec<_> = lines.iter().filter(|line| is_alarm(line) && !is_announced(line)).collect();
        assert!(alarms.is_empty(), "the gateway wrote what the test did not announce: {alarms:#?}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !self.is_checked && !std::thread::panicking() {
            self.check_output();
        }
        if std::thread::panicking() {
            eprintln!("the gateway's output: {:#?}", self.process.lines());
        }
    }
}

/// The configuration of one service and one route to it; `more` is added to the service, such as
/// `timeouts: { response: 1s }`.
pub fn everything_to(backends: &[SocketAddr], more: &str) -> String {
    let backends: Vec<_> = backends.iter().map(|address| format!("\"{address}\"")).collect();
    let comma = if more.is_empty() { "" } else { ", " };
    format!(
        "services: {{ origin: {{ backends: [{}]{comma}{more} }} }}\nroutes: [{{ match: \"/**\", to: origin }}]",
        backends.join(", ")
    )
}

/// Sends one request on a connection of its own and reads the final answer.
///
/// # Panics
/// When no whole answer comes.
pub fn ask(address: SocketAddr, request: &[u8]) -> Message {
    let method = request.split(|&b| b == b' ').next().unwrap_or_default();
    let method = String::from_utf8_lossy(method).into_owned();
    match Connection::to(address).send(request).final_response(&method) {
        Ok((_, response)) => response,
        Err(lost) => panic!("no answer to {}: {lost}", crate::connection::shown(request)),
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let Ok(stream) = std::net::TcpStream::connect(admin) else { return false };
    let mut connection = Connection::of(stream).with_patience(Duration::from_secs(1));
    connection.send(format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n"));
    connection.response("GET").is_ok_and(|response| response.status() == 200)
}

/// What is no alarm here. That a backend is down is what many tests are about, and they look at what follows from it; how
/// many descriptors there may be is the machine's.
const NO_ALARMS: [&str; 3] = [
    "WARN a backend is down",
    "WARN all backends of a service fail their checks",
    "WARN the limit of file descriptors is small",
];

fn is_alarm(line: &str) -> bool {
    if NO_ALARMS.iter().any(|text| line.contains(text)) {
        return false;
    }
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| matches!(word, "WARN" | "ERROR" | "panicked"))
}

fn sum_of(page: &str, name: &str, labels: &[&str]) -> f64 {
    let samples = page.lines().filter(|line| {
        let after = line.strip_prefix(name).unwrap_or_default();
        after.starts_with(['{', ' ']) && labels.iter().all(|label| after.contains(label))
    });
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Asks until the answer is yes, for what the gateway learns in the background.
///
/// # Panics
/// When it never does.
pub fn await_true(what: &str, time: Duration, mut is_true: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < time, "not within {time:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_words_not_parts_of_words() {
        assert!(is_alarm("2026-11-24T02:00:00Z WARN state folder is slow"));
        assert!(is_alarm(r#"{"level":"ERROR","message":"x"}"#));
        assert!(is_alarm("thread 'worker-0' panicked at src/x.rs:1:1"));
        assert!(!is_alarm("2026-11-24T02:00:00Z WARN a backend is down service=api"));
        assert!(!is_alarm("INFO WARNING is not a level, nor is ERRORS"));
    }

    #[test]
    fn metrics_are_summed_over_matching_labels() {
        let page =
            "# TYPE up gauge\nup{s=\"a\",b=\"1\"} 1\nup{s=\"a\",b=\"2\"} 2\nup{s=\"b\",b=\"1\"} 4\nupper 8\n";
        assert_eq!(sum_of(page, "up", &[]), 7.0);
        assert_eq!(sum_of(page, "up", &["s=\"a\""]), 3.0);
        assert_eq!(sum_of(page, "up", &["s=\"a\"", "b=\"2\""]), 2.0);
        assert_eq!(sum_of(page, "upper", &[]), 8.0);
    }
}
