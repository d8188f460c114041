//! `tidegate completions`: a script for a shell, made of the same declaration as the help.

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use std::process::ExitCode;

use super::{Cli, say};

/// Prints the script.
pub(super) fn run(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    generate(shell, &mut shown(&Cli::command()), "tidegate", &mut script);
    say::result(String::from_utf8_lossy(&script).trim_end())
}

/// The program with the commands that its help shows: clap would complete the hidden ones too.
fn shown(whole: &Command) -> Command {
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new("tidegate").args(whole.get_arguments()).subcommands(commands)
}
