//! `tidegate completions`: a script for a shell, made of the same declaration as the help.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::process::ExitCode;

use super::{Cli, say};

/// Prints the script.
pub(super) fn run(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "tidegate", &mut script);
    say::result(String::from_utf8_lossy(&script).trim_end())
}
