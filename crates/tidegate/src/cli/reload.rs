//! `tidegate reload`: asks the gateway that runs a file to read it anew. The file says where its admin listener is
//! and what its token is; of a gateway that is named by its address, the gateway itself judges its file.

use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use tidegate_config::{Contact, Token};
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::secret::Secret;
use tidegate_core::shelf::Shelf;
use tidegate_core::units::Bind;

use super::ask::{self, Answer, Ask};
use super::say::{self, Form};
use crate::families;

/// What opens the API where no file does.
const TOKEN_VARIABLE: &str = "TIDEGATE_ADMIN_TOKEN";

/// Asks for a reload. `admin` is where, unless the file says.
pub(super) fn run(path: &Path, admin: Option<&str>, form: Form) -> ExitCode {
    let door = match admin {
        Some(text) => named(path, text),
        None => of_file(path),
    };
    let door = match door {
        Ok(door) => door,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    match asked(&door) {
        Ok(answer) if answer.status == 200 => match form {
            Form::Json => say::result(&say::pretty(&answer.body)),
            Form::Text => {
                say::warned(&told(&answer.body["warnings"]));
                say::result(&taken(&answer.body))
            }
        },
        Ok(answer) if answer.status == 422 => match form {
            Form::Json => say::unusable_with(&answer.body),
            Form::Text => say::unusable(&told(&answer.body["problems"])),
        },
        Ok(answer) => say::failed(declined(&answer)),
        Err(problem) => say::failed(problem),
    }
}

/// Where a gateway is, and what may open its API.
struct Door {
    bind: Bind,
    /// In the order in which they are tried.
    tokens: Vec<String>,
    /// Why there is not a further one.
    untold: Option<Problem>,
}

/// The gateway that runs a file. What it would refuse is told here, with the lines under it; but for certificates, of
/// which it knows which ones it shows already.
fn of_file(path: &Path) -> Result<Door, Problems> {
    let config = tidegate_config::load(path, &families::at_start(&Shelf::default()))?;
    Ok(door(config.admin.bind.value.clone(), config.admin.token.as_ref(), &config.state.dir))
}

/// The gateway at an address. It reads its own file; the one that is named here may lend its token, be it right or not.
fn named(path: &Path, address: &str) -> Result<Door, Problems> {
    let bind = ask::address(address)?;
    let mut door = match Contact::of(path) {
        Ok(contact) => door(bind, contact.token.as_ref(), &contact.state),
        Err(problem) => Door { bind, tokens: Vec::new(), untold: Some(problem) },
    };
    if let Some(token) = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()) {
        door.tokens.insert(0, token);
    }
    Ok(door)
}

/// The token that is set, and the one that the gateway made: the file may have come to set one since it was read.
fn door(bind: Bind, set: Option<&Secret<Token>>, state: &Path) -> Door {
    let set = set.map(|token| token.reveal().as_str().to_owned());
    let (made, untold) = match made_token(state) {
        Ok(made) => (Some(made), None),
        Err(problem) => (None, Some(problem)),
    };
    Door { bind, tokens: set.into_iter().chain(made).collect(), untold }
}

/// Asks with one token after the other until one opens.
fn asked(door: &Door) -> Result<Answer, Problem> {
    let mut last = None;
    for token in &door.tokens {
        let ask = Ask { method: "POST", path: "/api/v1/reload", token: Some(token) };
        let answer = ask::ask(&door.bind, ask)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        last = Some(answer);
    }
    let why_none = || door.untold.clone().unwrap_or_else(|| Problem::new("there is no token to ask with"));
    last.ok_or_else(why_none)
}

/// The token that the gateway made.
fn made_token(state: &Path) -> Result<String, Problem> {
    let path = state.join("admin-token");
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

/// The gateway's own problems with a file, an address it cannot listen on, say; or its warnings.
fn told(list: &Value) -> Problems {
    let mut problems = Problems::default();
    for told in list.as_array().into_iter().flatten() {
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
