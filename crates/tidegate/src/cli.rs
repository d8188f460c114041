//! The command line: what users type, and how it ends. Exit 0 is fine, 1 means "the answer is no", 2 is misuse or
//! a configuration that cannot be used.

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tidegate_core::problem::Problems;
use tidegate_core::settings::{Fault, Word};

use crate::families;
use crate::gateway::{Gateway, StartError};
use crate::{demo, up};

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
  tidegate up 3000 3001               serve what listens on these ports, without a file
  tidegate demo                       see it at work, with services and traffic of its own";

const UP_EXAMPLES: &str = "\
Examples:
  tidegate up 3000                                    in front of port 3000 of this machine
  tidegate up 127.0.0.1:3000 10.0.0.2:3000            over two backends
  tidegate up unix:/run/app.sock --listen :9000       of a socket, on port 9000 of this machine";

const DEMO_EXAMPLES: &str = "\
Examples:
  tidegate demo                       until q or Ctrl-C
  tidegate demo --for 30s             the whole story in half a minute, then what came of it
  tidegate demo --for 30s --plain     the same as lines";

/// In a shorter one there is no time to be killed, started, and found again.
const DEMO_LEAST: Duration = Duration::from_secs(4);

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
    /// Show a gateway at work: services, traffic, an instance that dies and comes back.
    ///
    /// Starts everything itself on ports of this machine and removes it at the end. Exits with 1 if a request
    /// failed.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo {
        /// How long, such as `30s` or `2m`; at least `4s`. Without it, until stopped.
        #[arg(long = "for", value_name = "TIME", value_parser = demo_length)]
        length: Option<Duration>,
        /// Print a line a second instead of a picture, as is done without a terminal.
        #[arg(long)]
        plain: bool,
    },
    /// Run an instance of a demo service; `demo` starts these.
    #[command(hide = true)]
    DemoService {
        /// Which service.
        #[arg(long)]
        name: String,
        /// Where it listens.
        #[arg(long)]
        port: u16,
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
        Command::Demo { length, plain } => match demo::run(&demo::Options { length, is_plain: plain }) {
            Ok(code) => code,
            Err(problems) => unusable(&problems),
        },
        Command::DemoService { name, port } => demo::serve(&name, port),
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

fn demo_length(text: &str) -> Result<Duration, String> {
    let said = |fault: Fault| match fault.hint {
        Some(hint) => format!("{}; {hint}", fault.reason),
        None => fault.reason.into_owned(),
    };
    match <Duration as Word>::parse(text).map_err(said)? {
        length if length < DEMO_LEAST => Err(format!("is too short; the least is `{}`", DEMO_LEAST.show())),
        length => Ok(length),
    }
}

fn unusable(problems: &Problems) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(UNUSABLE)
}
