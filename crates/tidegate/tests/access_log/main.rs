//! The access log and the metrics beside it, of a gateway as a process: what a line says, where lines go when they
//! cannot go where they should, and that nothing is counted twice or not at all.

mod counts;
mod documents;
mod lines;
mod places;
mod reload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tidegate_testkit::gateway::await_true;

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
/// Longer than a line takes to be written on a machine that does other things too.
const SOON: Duration = Duration::from_secs(10);

/// Every field of a line, in order.
const FIELDS: [&str; 27] = [
    "time",
    "request_id",
    "trace_id",
    "listener",
    "route",
    "service",
    "backend",
    "consumer",
    "client_ip",
    "method",
    "host",
    "path",
    "query_bytes",
    "protocol",
    "status",
    "outcome",
    "bytes_in",
    "bytes_out",
    "cache",
    "retries",
    "duration",
    "queued",
    "connected",
    "first_byte",
    "attempt",
    "user_agent",
    "reason",
];

/// A log file in a folder that outlives the gateway.
struct LogFile {
    folder: tempfile::TempDir,
}

impl LogFile {
    fn new() -> LogFile {
        LogFile { folder: tempfile::tempdir().expect("make a folder for the log") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// The key that turns it on.
    fn config(&self) -> String {
        format!("telemetry: {{ access_log: \"{}\" }}", self.path().display())
    }

    /// Its lines so far, each checked for its shape.
    fn lines(&self) -> Vec<Value> {
        read(&self.path())
    }

    /// Waits for so many lines and returns them.
    fn await_lines(&self, count: usize) -> Vec<Value> {
        await_true("every line is written", SOON, || {
            std::fs::read(self.path()).is_ok_and(|text| text.iter().filter(|b| **b == b'\n').count() >= count)
        });
        let lines = self.lines();
        assert_eq!(lines.len(), count);
        lines
    }
}

/// The lines of a file. One that is just being written is left out.
fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("read the log: it is UTF-8");
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(parsed).collect()
}

/// A line: an object with all fields in order and no others.
fn parsed(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(value.as_object().map(|object| object.len()), Some(FIELDS.len()), "{line}");
    let mut rest = line;
    for field in FIELDS {
        let name = format!("\"{field}\":");
        let at = rest.find(&name).unwrap_or_else(|| panic!("{field} is not in its place: {line}"));
        rest = &rest[at + name.len()..];
    }
    value
}
