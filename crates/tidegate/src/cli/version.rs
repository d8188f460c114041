//! `tidegate version`: which program this is, for people and for scripts.

use serde_json::json;
use std::process::ExitCode;

use super::say::{self, Form};

/// Prints it.
pub(super) fn run(form: Form) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    say::result(&match form {
        Form::Text => format!("tidegate {version}"),
        Form::Json => {
            let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
            say::pretty(&json!({ "name": "tidegate", "version": version, "os": system, "arch": machine }))
        }
    })
}
