//! `tidegate reload`: asks the gateway that runs a file to read it anew. The file says where its admin listener is
//! and what its token is.

use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use tidegate_config::Config;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::units::Bind;

use super::ask::{self, Answer, Ask};
use super::say::{self, Form};
use crate::families;

/// Asks for a reload. `admin` is where, unless the file says.
pub(super) fn run(path: &Path, admin: Option<&str>, form: Form) -> ExitCode {
    // What the gateway would refuse is told here, with the lines under it.
    let config = match tidegate_config::load(path, &families::ALL) {
        Ok(config) => config,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    let bind = match admin.map(ask::address).transpose() {
        Ok(named) => named.unwrap_or_else(|| config.admin.bind.value.clone()),
        Err(problem) => return say::unusable(&problem.into()),
    };
    match asked(&config, &bind) {
        Ok(answer) if answer.status == 200 => say::result(&match form {
            Form::Json => say::pretty(&answer.body),
            Form::Text => taken(&answer.body),
        }),
        Ok(answer) if answer.status == 422 => match form {
            Form::Json => say::unusable_with(&answer.body),
            Form::Text => say::unusable(&refused(&answer.body)),
        },
        Ok(answer) => say::failed(declined(&answer)),
        Err(problem) => say::failed(problem),
    }
}

/// Asks with the token that the file sets, and with the made one if there is none or the gateway does not know it yet:
/// the file may have come to set one since the gateway read it.
fn asked(config: &Config, bind: &Bind) -> Result<Answer, Problem> {
    let ask =
        |token: &str| ask::ask(bind, Ask { method: "POST", path: "/api/v1/reload", token: Some(token) });
    let Some(set) = &config.admin.token else { return ask(&made_token(config)?) };
    let answer = ask(set.reveal().as_str())?;
    match made_token(config) {
        Ok(made) if answer.status == 401 => ask(&made),
        _ => Ok(answer),
    }
}

/// The token that the gateway made.
fn made_token(config: &Config) -> Result<String, Problem> {
    let path = config.state.dir.join("admin-token");
    match std::fs::read_to_string(&path) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => Err(Problem::new(format!("cannot read the token in {}: {error}", path.display()))
            .hint("a gateway makes it at its first start; run this as its user, beside its file")),
    }
}

fn taken(body: &Value) -> String {
    let number = &body["snapshot"];
    let changed: Vec<&str> =
        body["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match &changed[..] {
        [] => format!("Snapshot {number} is in use; nothing has changed."),
        changed => format!("Snapshot {number} is in use; changed: {}.", changed.join(", ")),
    }
}

/// The gateway's problems with a file that is fine by itself: an address it cannot listen on, say.
fn refused(body: &Value) -> Problems {
    let mut problems = Problems::default();
    for told in body["problems"].as_array().into_iter().flatten() {
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        let place = match (&told["file"], &told["line"], &told["column"]) {
            (Value::String(file), Value::Number(line), Value::Number(column)) => {
                format!("{file}:{line}:{column}: ")
            }
            (Value::String(file), ..) => format!("{file}: "),
            _ => String::new(),
        };
        let problem = Problem::new(format!("{place}{}", text("reason")));
        problems.push(match text("hint") {
            "" => problem,
            hint => problem.hint(hint),
        });
    }
    problems
}

fn declined(answer: &Answer) -> Problem {
    let said = ["detail", "title"].iter().find_map(|key| answer.body[key].as_str());
    let problem =
        Problem::new(format!("the gateway declines with {}: {}", answer.status, said.unwrap_or("no reason")));
    match answer.status {
        401 => {
            problem.hint("neither `admin.token` of this file nor the token in its state folder is that of the gateway that answers")
        }
        404 => problem.hint("what answers there has no such API: is it an older version?"),
        _ => problem,
    }
}
