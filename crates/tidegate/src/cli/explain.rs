//! `tidegate explain`: which route takes a request, why it and no other, and what happens to the request then. Asks
//! the configuration's own router, without a running gateway.

use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use tidegate_admin::Explained;
use tidegate_config::{Asked, Chosen, Config, Explanation, Leads, Met, Rewritten, Verdict, explain};
use tidegate_core::problem::{Problem, Problems, nearest, quote};

use super::say::{self, Form};
use crate::{families, stage};

/// What is asked.
pub(super) struct Request<'a> {
    /// The method.
    pub(super) method: &'a str,
    /// The URL, or the path alone.
    pub(super) url: &'a str,
    /// Headers.
    pub(super) headers: &'a [(String, String)],
    /// The listener it comes to; the first of the file unless it is named.
    pub(super) listener: Option<&'a str>,
}

/// Explains what would become of a request. The answer is no when no route takes it.
pub(super) fn run(path: &Path, request: &Request<'_>, form: Form) -> ExitCode {
    let explanation = match explained(path, request) {
        Ok(explanation) => explanation,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    let is_taken = matches!(explanation.verdict, Verdict::Route(_));
    let shown = match form {
        Form::Text => text(&explanation),
        // As the admin API answers the same question.
        Form::Json => say::pretty(&json!(Explained::from(explanation))),
    };
    if is_taken { say::result(&shown) } else { say::no(&shown) }
}

fn explained(path: &Path, request: &Request<'_>) -> Result<Explanation, Problems> {
    let config = tidegate_config::load(path, &families::ALL)?;
    let snapshot = stage::compiled(&config)?;
    let listener = match request.listener {
        Some(name) => known(&config, name)?,
        None => "",
    };
    let asked = Asked { method: request.method, url: request.url, headers: request.headers, listener };
    explain(&config, &snapshot, asked).map_err(Problems::from)
}

/// A name, if a listener has it.
fn known<'a>(config: &Config, name: &'a str) -> Result<&'a str, Problem> {
    let names: Vec<&str> = config.listen.iter().map(|row| row.name.as_str()).collect();
    if names.contains(&name) {
        return Ok(name);
    }
    let problem = Problem::new(format!("no listener is called {}", quote(name)));
    Err(match nearest(name, names) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem,
    })
}

fn text(explanation: &Explanation) -> String {
    let Explanation { method, host, path, .. } = explanation;
    let mut out = match host.is_empty() {
        true => format!("{method} {path}\n\n"),
        false => format!("{method} {path} of {host}\n\n"),
    };
    match &explanation.verdict {
        Verdict::Route(chosen) => chosen_text(chosen, &mut out),
        Verdict::MethodNotAllowed { allow } => line(&mut out, "answer", &format!("405, allowed are {allow}")),
        Verdict::NotFound => line(&mut out, "answer", "404, no route takes it"),
        Verdict::BadRequest { reason } => line(&mut out, "answer", &format!("400, {reason}")),
    }
    if !explanation.others.is_empty() {
        out.push_str("\nOther routes\n");
        for other in &explanation.others {
            writeln!(out, "  `{}`: {}", other.name, other.because.join("; ")).unwrap_or_default();
        }
    }
    out.trim_end().to_owned()
}

fn chosen_text(chosen: &Chosen, out: &mut String) {
    line(out, "route", &format!("`{}`, {}", chosen.name, chosen.place));
    line(out, "because", &chosen.why);
    for (name, value) in &chosen.params {
        line(out, &format!("{{{name}}}"), value);
    }
    match &chosen.policies[..] {
        [] => line(out, "policies", "none"),
        policies => policies.iter().enumerate().for_each(|(index, met)| {
            line(out, if index == 0 { "policies" } else { "then" }, &met_text(met));
        }),
    }
    match &chosen.leads {
        Leads::Answer(status) => line(out, "to", &format!("an answer from here, {status}")),
        Leads::Services(parts) => {
            let parts: Vec<String> = match &parts[..] {
                [(name, _)] => vec![name.to_string()],
                parts => parts.iter().map(|(name, weight)| format!("{name} (weight {weight})")).collect(),
            };
            line(out, "to", &parts.join(", "));
        }
    }
    match &chosen.rewritten {
        None => {}
        Some(Rewritten::To(path)) => line(out, "as", path),
        Some(Rewritten::Hidden) => line(out, "as", "a path from `${…}`, which is not shown"),
        Some(Rewritten::Refused(reason)) => {
            line(out, "as", &format!("nothing: it is answered with 400, {reason}"))
        }
    }
    for (word, said) in [("steered", &chosen.steer), ("mirror", &chosen.mirror)] {
        if let Some(said) = said {
            line(out, word, said);
        }
    }
    let timeout = chosen.timeout_text();
    line(out, "timeout", timeout.as_deref().unwrap_or("none"));
    line(out, "body_max", &chosen.body_max_text());
    for name in &chosen.closed {
        line(out, "closed", &format!("{name} is in maintenance: it is answered from here"));
    }
}

/// A policy in a line: `limit (only watching): 100/min per consumer`.
fn met_text(met: &Met) -> String {
    let watching = if met.is_observing { " (only watching)" } else { "" };
    match met.does.is_empty() {
        true => format!("{}{watching}", met.name),
        false => format!("{}{watching}: {}", met.name, met.does),
    }
}

/// A word and what it is, in two columns.
fn line(out: &mut String, word: &str, what: &str) {
    writeln!(out, "  {word:<10}{what}").unwrap_or_default();
}
