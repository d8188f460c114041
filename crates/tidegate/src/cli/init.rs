//! `tidegate init`: writes a first configuration. Asks nothing; never writes over a file unless told to.

use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use tidegate_core::problem::Problem;

use super::say::{self, Form};

/// What is written. A test holds that it is valid, runs, and passes its own cases.
const FIRST: &str = include_str!("init.yaml");

/// What becomes of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// It is replaced.
    Replace,
}

/// Writes the file, and says what comes next.
pub(super) fn run(path: &Path, existing: Existing, form: Form) -> ExitCode {
    if let Err(error) = write(path, existing) {
        return say::unusable(&problem(path, &error).into());
    }
    let shown = path.display();
    say::result(&match form {
        Form::Json => say::pretty(&json!({ "file": shown.to_string() })),
        Form::Text => {
            let option = if path == Path::new(super::FILE) { String::new() } else { format!(" -c {shown}") };
            format!(
                "Wrote {shown}.\n\nNext:\n  tidegate validate{option}\n  tidegate test{option}\n  tidegate run{option}\n  curl http://127.0.0.1:8080/hello"
            )
        }
    })
}

fn write(path: &Path, existing: Existing) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    match existing {
        Existing::Keep => options.create_new(true),
        Existing::Replace => options.create(true).truncate(true),
    };
    options.open(path)?.write_all(FIRST.as_bytes())
}

fn problem(path: &Path, error: &io::Error) -> Problem {
    let shown = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => Problem::new(format!("{shown} is there already, and was left as it is"))
            .hint("name another file, or replace this one with `--force`"),
        ErrorKind::NotFound => Problem::new(format!("the folder of {shown} is not there"))
            .hint("make the folder first, or name a file in one that is there"),
        ErrorKind::IsADirectory => Problem::new(format!("{shown} is a folder"))
            .hint(format!("name a file in it, as in `{}`", path.join(super::FILE).display())),
        ErrorKind::PermissionDenied => {
            Problem::new(format!("{shown} cannot be written: this user may not")).hint("name another file")
        }
        _ => Problem::new(format!("{shown} cannot be written: {error}")),
    }
}
