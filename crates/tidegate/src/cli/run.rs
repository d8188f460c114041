//! `tidegate run`: serves what a file says until told to stop.

use std::path::Path;
use std::process::ExitCode;

use super::say;
use crate::families;
use crate::gateway::{Gateway, StartError};

/// Starts the gateway whole, or says everything that stands in the way.
pub(super) fn run(path: &Path) -> ExitCode {
    let config = match tidegate_config::load(path, &families::ALL) {
        Ok(config) => config,
        Err(problems) => return say::unusable(&problems),
    };
    match Gateway::start(&config) {
        Ok(gateway) => {
            eprintln!("{}", gateway.greeting());
            gateway.serve_until_told();
            ExitCode::SUCCESS
        }
        Err(StartError::Problems(problems)) => say::unusable(&problems),
    }
}
