//! `tidegate test`: runs the cases kept in the file, without a backend and without a socket, and says of each
//! whether it holds. Cases run in the order of the file, on one gateway.

use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use tidegate_config::{Case, Expect};
use tidegate_core::problem::{Place, Problem, quote};

use super::say::{self, Form, counted};
use crate::families;
use crate::stage::{Ended, Seen, Stage};

/// Runs every case of a file.
pub(super) fn run(path: &Path, form: Form) -> ExitCode {
    let config = match tidegate_config::load(path, &families::ALL) {
        Ok(config) => config,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    if config.tests.is_empty() {
        let problem = Problem::new(format!("{} has no cases", path.display()));
        return say::failed(problem.hint("write them under `tests:`; `tidegate init` shows some"));
    }
    let stage = match Stage::new(&config) {
        Ok(stage) => stage,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    let run: Vec<Judged<'_>> =
        config.tests.iter().map(|case| Judged::new(case, stage.play(&case.request))).collect();
    let failed = run.iter().filter(|judged| !judged.misses.is_empty()).count();
    let text = match form {
        Form::Text => text(&run, failed),
        Form::Json => say::pretty(&json!({
            "passed": run.len() - failed,
            "failed": failed,
            "cases": run.iter().map(Judged::json).collect::<Vec<_>>(),
        })),
    };
    if failed == 0 { say::result(&text) } else { say::no(&text) }
}

/// A case, what was seen of it, and everything in which that differs from what it expects.
struct Judged<'a> {
    case: &'a Case,
    seen: Seen,
    misses: Vec<Miss>,
}

/// One difference.
struct Miss {
    place: Option<Place>,
    /// What was looked at: `path`, or a header's name in words.
    what: String,
    expected: String,
    /// `None` for what was not there.
    actual: Option<String>,
}

impl<'a> Judged<'a> {
    fn new(case: &'a Case, seen: Seen) -> Judged<'a> {
        Judged { case, misses: misses(case, &seen), seen }
    }

    fn name(&self) -> String {
        match &self.case.name {
            Some(name) => name.clone(),
            None => self.case.request.name(),
        }
    }

    fn json(&self) -> Value {
        let misses: Vec<Value> = self
            .misses
            .iter()
            .map(|miss| {
                let mut value =
                    json!({ "what": miss.what, "expected": miss.expected, "actual": miss.actual });
                located(&mut value, miss.place.as_ref());
                value
            })
            .collect();
        let mut value = json!({
            "name": self.name(),
            "passed": self.misses.is_empty(),
            "misses": misses,
            "seen": seen_json(&self.seen),
        });
        located(&mut value, self.case.request.place());
        value
    }
}

fn seen_json(seen: &Seen) -> Value {
    let headers: Vec<Value> =
        seen.headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let mut value = json!({ "route": seen.route, "headers": headers });
    if let Some(bounds) = &seen.bounds {
        value["timeout_seconds"] = bounds.timeout.map(|time| time.as_secs_f64()).into();
        value["body_bytes_max"] = bounds.body_bytes_max.into();
    }
    match &seen.end {
        Ended::Sent { services, path } => {
            value["services"] = services.iter().map(|name| &**name).collect();
            value["path"] = path.as_str().into();
        }
        Ended::Answered { status, body } => {
            value["status"] = (*status).into();
            value["body"] = body.as_str().into();
        }
    }
    value
}

fn located(value: &mut Value, place: Option<&Place>) {
    if let Some(place) = place {
        value["file"] = place.source.name.as_str().into();
        value["line"] = place.line.into();
        value["column"] = place.column.into();
    }
}

fn text(run: &[Judged<'_>], failed: usize) -> String {
    let mut text = String::new();
    for judged in run {
        if judged.misses.is_empty() {
            writeln!(text, "ok    {}", judged.name()).unwrap_or_default();
            continue;
        }
        writeln!(text, "FAIL  {}", judged.name()).unwrap_or_default();
        for Miss { place, what, expected, actual } in &judged.misses {
            let place = place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            let actual = actual.as_ref().map_or_else(|| String::from("none"), |actual| quote(actual));
            writeln!(text, "      {place}{what}: expected {expected}, got {actual}").unwrap_or_default();
        }
        writeln!(text, "      {}", judged.seen.summary()).unwrap_or_default();
    }
    let sum = match failed {
        0 => format!("{} passed", counted(run.len(), "case")),
        failed => format!("{failed} of {} failed", counted(run.len(), "case")),
    };
    text + "\n" + &sum
}

/// Everything in which what was seen is not what a case expects.
fn misses(case: &Case, seen: &Seen) -> Vec<Miss> {
    let expect: &Expect = &case.expect;
    let mut found = Misses(Vec::new());
    if let Some(route) = &expect.route {
        found.compare("route", route.place(), &route.value, Some(&seen.route));
    }
    let (services, path, status, body) = match &seen.end {
        Ended::Sent { services, path } => (&services[..], Some(path.as_str()), None, None),
        Ended::Answered { status, body } => (&[][..], None, Some(status.to_string()), Some(body.as_str())),
    };
    if let Some(service) =
        expect.service.as_ref().filter(|name| !services.iter().any(|s| **s == *name.as_str()))
    {
        let actual = services.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
        found.compare("service", service.place(), service.as_str(), Some(&*actual).filter(|s| !s.is_empty()));
    }
    if let Some(expected) = &expect.path {
        found.compare("path", expected.place(), &expected.value, path);
    }
    if let Some(expected) = &expect.status {
        found.compare("status", expected.place(), &expected.get().to_string(), status.as_deref());
    }
    if let Some(expected) = &expect.body {
        found.compare("body", expected.place(), &expected.value, body);
    }
    let of = |name: &str| {
        let values =
            seen.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
        Some(values.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
    };
    for row in expect.headers.iter() {
        let name = row.name.as_str();
        found.compare(&format!("header `{name}`"), Some(&row.place), row.value.as_str(), of(name).as_deref());
    }
    for name in &expect.without {
        if let Some(actual) = of(name.as_str()) {
            found.0.push(Miss {
                place: name.place().cloned(),
                what: format!("header `{}`", name.as_str()),
                expected: String::from("none"),
                actual: Some(actual),
            });
        }
    }
    found.0
}

struct Misses(Vec<Miss>);

impl Misses {
    fn compare(&mut self, what: &str, place: Option<&Place>, expected: &str, actual: Option<&str>) {
        if actual != Some(expected) {
            self.0.push(Miss {
                place: place.cloned(),
                what: what.to_owned(),
                expected: quote(expected),
                actual: actual.map(str::to_owned),
            });
        }
    }
}
