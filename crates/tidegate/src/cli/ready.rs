//! `tidegate ready`: asks a running gateway whether it takes requests, for those who cannot ask by HTTP: the health
//! check of an image without a shell, a script that waits.

use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::units::Bind;

use super::ask::{self, Ask};
use super::say::{self, Form};
use crate::families;

/// Asks the gateway at `admin`, or the one that runs a file.
pub(super) fn run(path: &Path, admin: Option<&str>, form: Form) -> ExitCode {
    let bind = match address(path, admin) {
        Ok(bind) => bind,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    match ask::ask(&bind, Ask { method: "GET", path: "/readyz", token: None }) {
        Ok(answer) if answer.status == 200 => say::result(&match form {
            Form::Text => String::from("ready"),
            Form::Json => say::pretty(&json!({ "ready": true })),
        }),
        Ok(_) => match form {
            Form::Text => say::failed(Problem::new("the gateway takes no more requests")),
            Form::Json => say::no(&say::pretty(&json!({ "ready": false }))),
        },
        Err(problem) => say::failed(problem),
    }
}

fn address(path: &Path, admin: Option<&str>) -> Result<Bind, Problems> {
    match admin {
        Some(text) => Ok(ask::address(text)?),
        None => Ok(tidegate_config::load(path, &families::ALL)?.admin.bind.value.clone()),
    }
}
