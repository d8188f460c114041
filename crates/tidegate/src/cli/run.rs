//! `tidegate run`: serves what a file says until told to stop.

use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tidegate_admin::Origin;
use tidegate_config::Config;
use tidegate_core::problem::Problems;

use super::say;
use crate::gateway::{Changes, Ended, Gateway, StartError, last_good};
use crate::notify;
use crate::stores::Stores;

/// The options for a file that cannot be used.
#[derive(Args)]
pub(super) struct Otherwise {
    /// Should the file be unusable, serve what was last taken from it
    ///
    /// A gateway keeps the configuration it took last in its state folder. It is served until the file is mended.
    #[arg(long)]
    last_good: bool,
    /// Where that is kept, if not in `state` beside the file
    #[arg(long, value_name = "FOLDER", requires = "last_good")]
    state: Option<PathBuf>,
}

/// Starts the gateway whole, or says everything that stands in the way.
pub(super) fn run(path: &Path, otherwise: &Otherwise) -> ExitCode {
    let stores = Stores::new();
    let (config, origin) = match tidegate_config::load(path, &stores.families_at_start()) {
        Ok(config) => {
            say::warned(&config.warnings);
            (config, Origin::Files)
        }
        Err(problems) if !otherwise.last_good => return say::unusable(&problems),
        Err(problems) => match kept(path, otherwise, &stores) {
            Ok(config) => {
                tidegate_telemetry::say::warn(
                    "the file cannot be used, what was last taken from it is served",
                    &[],
                );
                say::tell(&problems);
                (config, Origin::LastGood)
            }
            Err(worse) => {
                say::tell(&problems);
                return say::unusable(&worse);
            }
        },
    };
    match Gateway::start(config, origin, Changes::File(path.to_owned()), stores) {
        Ok(gateway) => {
            tidegate_telemetry::say::plainly(&gateway.greeting());
            gateway.link().inspect(|link| tidegate_telemetry::say::plainly(link));
            let file = path.display();
            tidegate_telemetry::say::info(
                "serves",
                &[("file", &file), ("snapshot", &gateway.snapshot().number)],
            );
            notify::ready();
            match gateway.serve_until_told() {
                Ended::Well => ExitCode::SUCCESS,
                Ended::Badly => ExitCode::FAILURE,
            }
        }
        Err(StartError::Problems(problems)) => say::unusable(&problems),
    }
}

/// What was last taken from the file.
fn kept(path: &Path, otherwise: &Otherwise, stores: &Stores) -> Result<Config, Problems> {
    let beside = || path.parent().unwrap_or(Path::new("")).join("state");
    let kept = last_good(&otherwise.state.clone().unwrap_or_else(beside))?;
    tidegate_config::from_kept(&kept.0, &stores.families_at_start())
}
