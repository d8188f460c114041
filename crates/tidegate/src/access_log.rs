//! What the configuration says of the access log, as an open place for its lines; or why there cannot be one.

use rustix::io::Errno;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use tidegate_config::{AccessLog, Config, LogTarget};
use tidegate_core::problem::Problem;
use tidegate_core::settings::Toggle;
use tidegate_telemetry::access_log::{Destination, Rotate};

/// Opens the place; `None` if the log is off.
pub(crate) fn open(config: &Config) -> Result<Option<Destination>, Problem> {
    let Toggle::On(log) = &config.telemetry.access_log else { return Ok(None) };
    match destination(log) {
        Ok(destination) => Ok(Some(destination)),
        Err(error) => Err(problem(log, &error)),
    }
}

/// What would keep the place from being opened, whoever opens it; makes nothing.
pub(crate) fn check(config: &Config) -> Result<(), Problem> {
    let Toggle::On(log) = &config.telemetry.access_log else { return Ok(()) };
    let LogTarget::File(path) = &log.to.value else { return Ok(()) };
    let nearest = path.ancestors().skip(1).find(|folder| folder.exists());
    let errno = match nearest {
        _ if path.is_dir() => Errno::ISDIR,
        Some(folder) if !folder.is_dir() => Errno::NOTDIR,
        _ => return Ok(()),
    };
    Err(problem(log, &errno.into()))
}

fn destination(log: &AccessLog) -> io::Result<Destination> {
    let rotate =
        log.rotate.as_ref().map(|rotate| Rotate { bytes_max: rotate.size.get(), keep: rotate.keep.get() });
    match &log.to.value {
        LogTarget::Stdout => Destination::stdout(),
        LogTarget::Stderr => Destination::stderr(),
        LogTarget::File(path) => {
            if let Some(folder) = path.parent() {
                make(folder)?;
            }
            Destination::file(path, rotate)
        }
    }
}

/// Makes a folder for logs, if it is not there: the group may look into it, as it may read what is there.
fn make(folder: &Path) -> io::Result<()> {
    match folder.as_os_str().is_empty() || folder.is_dir() {
        true => Ok(()),
        false => DirBuilder::new().recursive(true).mode(0o750).create(folder),
    }
}

fn problem(log: &AccessLog, error: &io::Error) -> Problem {
    let reason = format!("the access log cannot be written to {}: {error}", log.to.quote());
    let problem = match log.to.place() {
        Some(place) => Problem::at(place, reason),
        None => Problem::new(reason),
    };
    match error.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            problem.hint("its folder is a file: name another")
        }
        ErrorKind::PermissionDenied => {
            problem.hint("the user the gateway runs as must be able to write there")
        }
        ErrorKind::IsADirectory => problem.hint("name a file in it"),
        _ => problem,
    }
}
