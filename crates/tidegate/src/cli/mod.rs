//! The command line: what users type, and how it ends. Exit 0 is fine, 1 means "the answer is no", 2 is misuse or
//! a configuration that cannot be used. What a command does stands in a file of its name, or in the room it runs.

mod ask;
mod cases;
mod completions;
mod examples;
mod explain;
mod init;
mod key;
mod ready;
mod reload;
mod run;
mod say;
mod validate;
mod version;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tidegate_core::settings::{Fault, Word};

use crate::{demo, families, up};
use say::Form;

/// Where a configuration is unless it is named.
const FILE: &str = "tidegate.yaml";
/// Widest line of a help text: what the narrowest usual terminal shows.
const HELP_COLUMNS: usize = 80;

/// One gateway in front of your APIs.
#[derive(Parser)]
#[command(name = "tidegate", version, about, after_help = examples::ALL)]
#[command(max_term_width = HELP_COLUMNS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// In a shorter one there is no time to be killed, started, and found again.
const DEMO_LEAST: Duration = Duration::from_secs(4);

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until told to stop
    ///
    /// SIGTERM and Ctrl-C let requests in flight finish, then end it.
    #[command(after_help = examples::RUN)]
    Run {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        otherwise: run::Otherwise,
    },
    /// Serve backends without a file, and print what the file would be
    #[command(after_help = examples::UP)]
    Up {
        /// Where requests go: a port of this machine, `ADDRESS:PORT`, `http://ADDRESS:PORT` or `unix:PATH`
        #[arg(value_name = "BACKEND", required = true)]
        backends: Vec<String>,
        /// Where clients connect: a port of this machine, `ADDRESS:PORT` or `unix:PATH`
        #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        listen: String,
    },
    /// Show a gateway at work: services, traffic, an instance that dies and comes back
    ///
    /// Starts everything itself on ports of this machine and removes it at the end. Exits with 1 if a request
    /// failed.
    #[command(after_help = examples::DEMO)]
    Demo {
        /// How long, such as `30s` or `2m`; at least `4s`. Without it, until stopped
        #[arg(long = "for", value_name = "TIME", value_parser = demo_length)]
        length: Option<Duration>,
        /// Print a line a second instead of a picture, as is done without a terminal
        #[arg(long)]
        plain: bool,
    },
    /// Run an instance of a demo service; `demo` starts these
    #[command(hide = true)]
    DemoService {
        /// Which service
        #[arg(long)]
        name: String,
        /// Where it listens
        #[arg(long)]
        port: u16,
    },
    /// Write a first configuration, with comments, that runs as it is
    #[command(after_help = examples::INIT)]
    Init {
        /// The file to write
        #[arg(value_name = "FILE", default_value = FILE)]
        file: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Check a configuration and say everything that is wrong with it
    ///
    /// Reads the file as `run` would, and starts nothing. Exits with 2 if it cannot be used.
    #[command(after_help = examples::VALIDATE)]
    Validate {
        /// The configuration file
        #[arg(value_name = "FILE", default_value = FILE)]
        file: PathBuf,
        /// The same, as `run` takes it
        #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Run the cases kept in the configuration, without backends or sockets
    ///
    /// Each request under `tests:` takes the same router and policies as traffic. Exits with 1 if a case fails.
    #[command(after_help = examples::TEST)]
    Test {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        output: Output,
    },
    /// Say which route takes a request, and why
    ///
    /// Asks the file, not a running gateway. Exits with 1 if no route takes the request.
    #[command(after_help = examples::EXPLAIN)]
    Explain {
        /// The method, such as `GET`
        #[arg(value_name = "METHOD")]
        method: String,
        /// `https://host/path?query`, or `/path` alone
        #[arg(value_name = "URL")]
        url: String,
        /// A header of the request; may be given again
        #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
        headers: Vec<(String, String)>,
        /// The listener it comes to. Unless set, the first of the file
        #[arg(long, value_name = "NAME")]
        listener: Option<String>,
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        output: Output,
    },
    /// Have the running gateway read its file anew
    ///
    /// Finds the gateway and its token by the file. Exits with 2 if the file cannot be used, and then the gateway
    /// goes on as before; with 1 if no gateway answers. With `--admin` no file is judged here, and
    /// `TIDEGATE_ADMIN_TOKEN` may hold the token.
    #[command(after_help = examples::RELOAD)]
    Reload {
        #[command(flatten)]
        file: ConfigFile,
        /// Where its admin listener is: `ADDRESS:PORT` or `unix:PATH`. Unless set, where the file says
        #[arg(long, value_name = "ADDRESS")]
        admin: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Ask a running gateway whether it takes requests
    ///
    /// The file only says where to ask: what else is wrong with it does not matter. Exits with 1 if the gateway
    /// does not, or if none answers.
    #[command(after_help = examples::READY)]
    Ready {
        #[command(flatten)]
        file: ConfigFile,
        /// Where its admin listener is: `ADDRESS:PORT` or `unix:PATH`. Unless set, where the file says
        #[arg(long, value_name = "ADDRESS")]
        admin: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Make and check keys for consumers (`api_key`)
    #[command(subcommand, after_help = examples::KEY)]
    Key(Key),
    /// Print the JSON Schema of the configuration, for editors
    #[command(after_help = examples::SCHEMA)]
    Schema,
    /// Print a script that completes commands and options in a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the version
    #[command(after_help = examples::VERSION)]
    Version {
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Make a key, and show it once
    ///
    /// The file keeps a digest: a key that is lost cannot be found again. Without `--file` the entry goes to standard
    /// error.
    #[command(after_help = examples::KEY_NEW)]
    New {
        /// Whose it is
        #[arg(long, value_name = "NAME")]
        consumer: String,
        /// What it is good for; may be given again
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// The day it ends, at its beginning in UTC: `2027-12-31`
        #[arg(long, value_name = "DAY")]
        expires: Option<String>,
        /// What it begins with, so that those who find it know whose keys look so
        #[arg(long, value_name = "PREFIX", default_value = "tg")]
        prefix: String,
        /// The file of keys to add it to; begun if it is not there
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Tell whether a text has the form of a key
    ///
    /// Looks at its checksum, not whether somebody has it. Exits with 1 if it is none.
    #[command(after_help = examples::KEY_CHECK)]
    Check {
        /// The key; read from standard input where it is left out or `-`
        #[arg(value_name = "KEY")]
        key: Option<String>,
        #[command(flatten)]
        output: Output,
    },
}

impl Key {
    fn run(self) -> ExitCode {
        match self {
            Key::New { consumer, scopes, expires, prefix, file, output } => {
                let wish = key::Wish { consumer, scopes, expires, prefix, file };
                key::new(&wish, output.form())
            }
            Key::Check { key, output } => key::check(key.as_deref(), output.form()),
        }
    }
}

/// The option that names the configuration.
#[derive(Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = FILE)]
    config: PathBuf,
}

/// The option that chooses how a result is printed.
#[derive(Args)]
struct Output {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Output {
    fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }
}

/// Runs what was asked for.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Run { file, otherwise } => run::run(&file.config, &otherwise),
        Command::Up { backends, listen } => match up::run(&backends, &listen) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => say::unusable(&problems),
        },
        Command::Demo { length, plain } => match demo::run(&demo::Options { length, is_plain: plain }) {
            Ok(code) => code,
            Err(problems) => say::unusable(&problems),
        },
        Command::DemoService { name, port } => demo::serve(&name, port),
        Command::Init { file, force, output } => init::run(
            &file,
            if force { init::Existing::Replace } else { init::Existing::Keep },
            output.form(),
        ),
        Command::Validate { file, config, output } => validate::run(&config.unwrap_or(file), output.form()),
        Command::Test { file, output } => cases::run(&file.config, output.form()),
        Command::Explain { method, url, headers, listener, file, output } => {
            let listener = listener.as_deref();
            let request = explain::Request { method: &method, url: &url, headers: &headers, listener };
            explain::run(&file.config, &request, output.form())
        }
        Command::Reload { file, admin, output } => reload::run(&file.config, admin.as_deref(), output.form()),
        Command::Ready { file, admin, output } => ready::run(&file.config, admin.as_deref(), output.form()),
        Command::Key(key) => key.run(),
        Command::Schema => say::result(&tidegate_config::schema(&families::ALL)),
        Command::Completions { shell } => completions::run(shell),
        Command::Version { output } => version::run(output.form()),
    }
}

/// As `curl -H` takes it.
fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(String::from("is no header; write it as in `accept: application/json`")),
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

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod tests;
