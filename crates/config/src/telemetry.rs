//! The keys of what the gateway tells about its work: the access log, and how much of it the metrics keep apart.

use std::path::PathBuf;
use tidegate_core::meters::ROUTES_MAX;
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Problem, Problems, nearest, quote};
use tidegate_core::settings::{Fault, Placed, Setting, Shape, Toggle, expected};
use tidegate_core::units::{Bytes, Count};
use tidegate_core::{choice, settings};

settings! {
    /// What the gateway tells about its work.
    pub struct Telemetry {
        /// A line for each request, once it is over: `stdout`, `stderr`, the path of a file, or those with more settings. Off unless set.
        pub access_log: Toggle<AccessLog> = Toggle::Off,
        /// Most routes the metrics count by name; further ones are counted together, as `_other`.
        pub routes_max: Count<1, 100_000> = Count::new(ROUTES_MAX as u32),
    }
}

settings! {
    /// The access log.
    pub struct AccessLog {
        /// Where lines go: `stdout`, `stderr` or the path of a file, whose folder is made if it is not there. A relative path starts at the folder of this file.
        pub to: Placed<LogTarget>,
        /// How lines look.
        pub format: LogFormat = LogFormat::Json,
        /// When the gateway itself begins a new file. Unless set it never does; one that was renamed or removed is made anew in any case.
        pub rotate: Option<Placed<Rotate>>,
    }
    short to;
}

settings! {
    /// Beginning a new log file: `access.log` becomes `access.log.1`, that one `access.log.2`, and so on.
    pub struct Rotate {
        /// The size a file is not let grow beyond.
        pub size: Bytes<{ 64 << 10 }> = Bytes::new(100 << 20),
        /// Most old files that are kept.
        pub keep: Count<0, 1000> = Count::new(5),
    }
    short size;
}

choice! {
    /// How lines of the access log look.
    pub enum LogFormat {
        /// A JSON object on each line.
        Json = "json",
    }
}

/// Where lines of the access log go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file.
    File(PathBuf),
}

const WHAT: &str = "`stdout`, `stderr` or the path of a file";

impl Setting for LogTarget {
    fn read(node: &Node, problems: &mut Problems) -> LogTarget {
        match &node.value {
            Value::Scalar(scalar) => match &*scalar.text {
                "stdout" => return LogTarget::Stdout,
                "stderr" => return LogTarget::Stderr,
                // A word alone is rather a slip than a file: it would be made, and nobody would look for it.
                text if text.contains(['/', '.']) => return LogTarget::File(PathBuf::read(node, problems)),
                text => problems.push_with(|| {
                    let hint = match nearest(text, ["stdout", "stderr", "off"]) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!(
                            "write `stdout`, `stderr`, or a path such as {}",
                            quote(&format!("./{text}"))
                        ),
                    };
                    Fault::new("is not a place for a log").hint(hint).problem(node)
                }),
            },
            Value::Refused => {}
            _ => problems.push(expected(WHAT, node)),
        }
        LogTarget::stand_in()
    }

    fn stand_in() -> LogTarget {
        LogTarget::Stdout
    }

    fn shape() -> Shape {
        Shape::Word { what: WHAT, pattern: "" }
    }

    fn show(&self) -> String {
        match self {
            LogTarget::Stdout => String::from("stdout"),
            LogTarget::Stderr => String::from("stderr"),
            LogTarget::File(path) => path.display().to_string(),
        }
    }
}

/// Tells what only the settings together can show.
pub(crate) fn check(telemetry: &Telemetry, problems: &mut Problems) {
    let Toggle::On(log) = &telemetry.access_log else { return };
    let is_file = matches!(log.to.value, LogTarget::File(_));
    if let (Some(place), false, Some(_)) =
        (log.rotate.as_ref().and_then(Placed::place), is_file, log.to.place())
    {
        let problem = Problem::at(place, "only a file can be rotated");
        problems.push(problem.hint(format!("the lines go to {}: write a path there", log.to.quote())));
    }
}
