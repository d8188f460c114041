//! `tidegate ready`: asks a running gateway whether it takes requests, for those who cannot ask by HTTP: the health
//! check of an image without a shell, a script that waits. The file only says where to ask: a mistake in it, or a
//! certificate that has expired since, changes nothing about a gateway that serves.

use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use tidegate_config::Contact;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::units::Bind;

use super::ask::{self, Answer, Ask};
use super::say::{self, Form};
use crate::gateway::last_good;

/// Asks the gateway at `admin`, or the one that runs a file.
pub(super) fn run(path: &Path, admin: Option<&str>, form: Form) -> ExitCode {
    let binds = match admin.map(ask::address) {
        Some(Ok(bind)) => vec![bind],
        Some(Err(problem)) => return say::unusable_as(form, &problem.into()),
        None => match addresses(path) {
            Ok(binds) => binds,
            Err(problems) => return say::unusable_as(form, &problems),
        },
    };
    let answer = match first_answer(&binds) {
        Ok(answer) => answer,
        Err(problem) => return say::failed(problem),
    };
    let is_last_good = answer.text == tidegate_admin::READY_BY_LAST_GOOD;
    match (answer.status, form) {
        (200, Form::Text) => say::result(answer.text.trim_end()),
        (200, Form::Json) => say::result(&say::pretty(&json!({ "ready": true, "last_good": is_last_good }))),
        (_, Form::Text) => say::failed(Problem::new("the gateway takes no more requests")),
        (_, Form::Json) => say::no(&say::pretty(&json!({ "ready": false }))),
    }
}

/// Where the gateway of a file may be: where the file says, and where the configuration said that it took last, as it
/// keeps to that until it is restarted.
fn addresses(path: &Path) -> Result<Vec<Bind>, Problems> {
    let beside = || path.parent().unwrap_or(Path::new("")).join("state");
    let (contact, unread) = match Contact::of(path) {
        Ok(contact) => (Some(contact), None),
        Err(problem) => (None, Some(problem)),
    };
    let state = contact.as_ref().map_or_else(beside, |contact| contact.state.clone());
    let kept = last_good(&state).ok().and_then(|kept| kept.0.into_iter().next());
    let kept = kept.and_then(|(path, text)| Contact::read(&path, &text).bind);
    let mut binds: Vec<Bind> = contact.and_then(|contact| contact.bind).into_iter().chain(kept).collect();
    binds.dedup();
    match (binds.is_empty(), unread) {
        (false, _) => Ok(binds),
        (true, Some(problem)) => {
            Err(problem.hint("`-c FILE` names another, `--admin ADDRESS` the gateway").into())
        }
        (true, None) => {
            let reason = format!("{} does not say where the admin listener is", path.display());
            Err(Problem::new(reason)
                .hint("`tidegate validate` says what is wrong; or say where with `--admin ADDRESS`")
                .into())
        }
    }
}

/// What the first says that is a gateway; why the first of all does not, if none is.
fn first_answer(binds: &[Bind]) -> Result<Answer, Problem> {
    let mut first = None;
    for bind in binds {
        match ask::ask(bind, Ask { method: "GET", path: "/readyz", token: None }) {
            Ok(answer) if matches!(answer.status, 200 | 503) => return Ok(answer),
            Ok(_) => {
                first.get_or_insert_with(|| Problem::new(format!("what answers on {bind} is no gateway")));
            }
            Err(problem) => {
                first.get_or_insert(problem);
            }
        }
    }
    Err(first.unwrap_or_else(|| Problem::new("no gateway answers")))
}
