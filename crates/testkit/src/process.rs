//! Child processes that never outlive their test: killed on drop, their output kept line by line.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running child and the lines it has written.
pub struct Process {
    child: Child,
    name: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a command; both its outputs are kept.
    ///
    /// # Panics
    /// When the program is not installed; says what installs it.
    pub fn start(command: &mut Command) -> Process {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("start {name}: {error}; `scripts/test-needs` installs what is missing")
        });
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(output) = child.stdout.take() {
            collect(output, lines.clone());
        }
        if let Some(output) = child.stderr.take() {
            collect(output, lines.clone());
        }
        Process { child, name, lines }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far, both outputs, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Asks until the answer is yes.
    ///
    /// # Panics
    /// When the process ends before that, or 10 s pass; with what it has written.
    pub fn await_ready(&mut self, what: &str, mut is_ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                // The readers of its output may be a moment behind the process itself.
                std::thread::sleep(Duration::from_millis(50));
                panic!("{} ended with {status}: {:#?}", self.name, self.lines());
            }
            assert!(Instant::now() < deadline, "{} not {what} in 10 s: {:#?}", self.name, self.lines());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a line of either output.
    ///
    /// # Panics
    /// As `await_ready`.
    pub fn await_line(&mut self, what: &str, is_it: impl Fn(&str) -> bool) {
        let lines = self.lines.clone();
        self.await_ready(what, || {
            lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter().any(|line| is_it(line))
        });
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether it has ended.
    pub fn is_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it has not come in time.
    pub fn await_end(&mut self, time: Duration) -> ExitStatus {
        let deadline = Instant::now() + time;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status,
                Ok(None) => {}
                Err(error) => panic!("wait for {}: {error}", self.name),
            }
            assert!(
                Instant::now() < deadline,
                "{} still runs after {time:?}: {:#?}",
                self.name,
                self.lines()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Proportional set size in KiB: what this process costs the machine.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn pss_kib(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.id());
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"));
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let value = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        value.unwrap_or_else(|| panic!("no Pss in {text}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a command ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started, or still runs after 10 s.
pub fn run(command: &mut Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    // Read while it runs: what is more than a pipe holds would keep it from ending.
    let stdout = read_all(child.stdout.take().expect("piped"));
    let stderr = read_all(child.stderr.take().expect("piped"));
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for a command") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("{command:?} still runs after 10 s: {:?} {:?}", stdout.join(), stderr.join());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |reader: JoinHandle<Vec<u8>>| {
        String::from_utf8(reader.join().expect("read a command's output")).expect("output in UTF-8")
    };
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn read_all(mut output: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).expect("read a command's output");
        bytes
    })
}

fn collect(output: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(line);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_end_of_a_process_are_seen() {
        let mut process =
            Process::start(Command::new("sh").args(["-c", "echo one; echo two >&2; exec sleep 60"]));
        process.await_ready("talking", || true);
        let deadline = Instant::now() + Duration::from_secs(5);
        while process.lines().len() < 2 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut lines = process.lines();
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
        assert!(process.pss_kib() > 0);
        process.signal(Signal::TERM);
        assert!(!process.await_end(Duration::from_secs(5)).success());
    }

    #[test]
    fn a_command_is_run_to_its_end() {
        let ended = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        assert_eq!(ended, Ended { code: Some(3), stdout: "out\n".into(), stderr: "err\n".into() });
    }

    #[test]
    fn a_command_may_say_more_than_a_pipe_holds() {
        let ended = run(Command::new("sh").args(["-c", "head -c 300000 /dev/zero | tr '\\0' a"]));
        assert_eq!((ended.code, ended.stdout.len()), (Some(0), 300_000));
    }

    #[test]
    #[should_panic(expected = "ended with exit status: 3")]
    fn a_process_that_ends_instead_of_getting_ready_fails_the_test() {
        Process::start(Command::new("sh").args(["-c", "exit 3"])).await_ready("ready", || false);
    }
}
