//! `tidegate validate`: reads a file as `run` would, starts nothing, and says what is wrong, what may not be meant, or how
//! much there is.

use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

use super::say::{self, Form, counted};
use crate::{access_log, families};

/// Checks a file.
pub(super) fn run(path: &Path, form: Form) -> ExitCode {
    let config = match tidegate_config::load(path, &families::ALL) {
        Ok(config) => config,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    if let Err(problem) = access_log::check(&config) {
        return say::unusable_as(form, &problem.into());
    }
    let (services, routes) = (config.services.len(), config.routes.len());
    say::result(&match form {
        Form::Json => say::pretty(&json!({
            "problems": [],
            "warnings": say::list_json(&config.warnings),
            "services": services,
            "routes": routes,
        })),
        Form::Text => {
            say::warned(&config.warnings);
            let (services, routes) = (counted(services, "service"), counted(routes, "route"));
            format!("{}: fine: {services}, {routes}", path.display())
        }
    })
}
