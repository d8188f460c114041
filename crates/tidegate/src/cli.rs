//! The command line: what users type, and how it ends. Exit 0 is fine, 1 means "the answer is no", 2 is misuse or
//! a configuration that cannot be used.

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tidegate_core::problem::Problems;

use crate::families;
use crate::gateway::{Gateway, StartError};
use crate::up;

/// Misuse, or a configuration that cannot be used.
const UNUSABLE: u8 = 2;

/// One gateway in front of your APIs.
#[derive(Parser)]
#[command(name = "tidegate", version, about, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tidegate run                        serve what tidegate.yaml says
  tidegate run -c gateway.yaml        serve what another file says
  tidegate validate                   check the file and say everything that is wrong with it
  tidegate up 3000 3001               serve what listens on these ports, without a file";

const UP_EXAMPLES: &str = "\
Examples:
  tidegate up 3000                                    in front of port 3000 of this machine
  tidegate up 127.0.0.1:3000 10.0.0.2:3000            over two backends
  tidegate up unix:/run/app.sock --listen :9000       of a socket, on port 9000 of this machine";

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until told to stop. SIGTERM drains and ends.
    #[command(after_help = "Example:\n  tidegate run -c gateway.yaml")]
    Run {
        /// The configuration file.
        #[arg(short, long, value_name = "FILE", default_value = "tidegate.yaml")]
        config: PathBuf,
    },
    /// Check a configuration and say everything that is wrong with it.
    #[command(after_help = "Example:\n  tidegate validate gateway.yaml")]
    Validate {
        /// The configuration file.
        #[arg(value_name = "FILE", default_value = "tidegate.yaml")]
        file: PathBuf,
        /// The same, as `run` takes it.
        #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
    },
    /// Serve backends without a file, and print what the file would be.
    #[command(after_help = UP_EXAMPLES)]
    Up {
        /// Where requests go: a port of this machine, `ADDRESS:PORT`, `http://ADDRESS:PORT` or `unix:PATH`.
        #[arg(value_name = "BACKEND", required = true)]
        backends: Vec<String>,
        /// Where clients connect: a port of this machine, `ADDRESS:PORT` or `unix:PATH`.
        #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        listen: String,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print the version.
    Version,
}

/// Runs what was asked for.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Run { config } => serve(&config),
        Command::Validate { file, config } => validate(&config.unwrap_or(file)),
        Command::Up { backends, listen } => match up::run(&backends, &listen) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => unusable(&problems),
        },
        Command::Schema => {
            println!("{}", tidegate_config::schema(&families::ALL));
            ExitCode::SUCCESS
        }
        Command::Version => {
            println!("tidegate {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
    }
}

fn serve(path: &Path) -> ExitCode {
    let config = match tidegate_config::load(path, &families::ALL) {
        Ok(config) => config,
        Err(problems) => return unusable(&problems),
    };
    match Gateway::start(&config) {
        Ok(gateway) => {
            eprintln!("{}", gateway.greeting());
            gateway.serve_until_told();
            ExitCode::SUCCESS
        }
        Err(StartError::Problems(problems)) => unusable(&problems),
    }
}

fn validate(path: &Path) -> ExitCode {
    match tidegate_config::load(path, &families::ALL) {
        Ok(config) => {
            let (services, routes) = (config.services.len(), config.routes.len());
            println!("{}: fine: {services} services, {routes} routes", path.display());
            ExitCode::SUCCESS
        }
        Err(problems) => unusable(&problems),
    }
}

fn unusable(problems: &Problems) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(UNUSABLE)
}
