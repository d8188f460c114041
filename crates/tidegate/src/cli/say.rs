//! How commands speak: results on standard output, as text or JSON; what is wrong on standard error, with the
//! caret and the hint in colour where that is a terminal. Called by every command.

use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use tidegate_core::problem::{Problem, Problems};

/// Misuse, or a configuration that cannot be used.
const UNUSABLE: u8 = 2;

/// The answer is no.
const NO: u8 = 1;

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Prints a result and ends well.
pub(crate) fn result(text: &str) -> ExitCode {
    print(text);
    ExitCode::SUCCESS
}

/// Prints a result that says no.
pub(crate) fn no(text: &str) -> ExitCode {
    print(text);
    ExitCode::from(NO)
}

/// Tells why the answer is no, when there is no result.
pub(crate) fn failed(problem: Problem) -> ExitCode {
    tell(&problem.into());
    ExitCode::from(NO)
}

/// Tells why a configuration, or what was asked for, cannot be used.
pub(crate) fn unusable(problems: &Problems) -> ExitCode {
    tell(problems);
    ExitCode::from(UNUSABLE)
}

/// The same in the wanted form: as JSON it is the result.
pub(crate) fn unusable_as(form: Form, problems: &Problems) -> ExitCode {
    match form {
        Form::Text => unusable(problems),
        Form::Json => unusable_with(&problems_json(problems)),
    }
}

/// The same, as JSON that is the result.
pub(crate) fn unusable_with(problems: &Value) -> ExitCode {
    print(&pretty(problems));
    ExitCode::from(UNUSABLE)
}

/// JSON as it is printed.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// One thing or several: `1 route`, `2 routes`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// Problems as a list of JSON.
pub(crate) fn list_json(problems: &Problems) -> Vec<Value> {
    let one = |problem: &Problem| {
        json!({
            "file": problem.file(),
            "line": problem.line(),
            "column": problem.column(),
            "reason": problem.reason,
            "hint": problem.hint,
        })
    };
    problems.iter().map(one).collect()
}

fn problems_json(problems: &Problems) -> Value {
    let list = list_json(problems);
    match problems.count() - list.len() {
        0 => json!({ "problems": list }),
        more => json!({ "problems": list, "more": more }),
    }
}

/// Prints a line, or several. A reader that has seen enough and left is no failure.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Tells problems on standard error.
pub(crate) fn tell(problems: &Problems) {
    match is_coloured() {
        true => eprintln!("{problems:#}"),
        false => eprintln!("{problems}"),
    }
}

/// Tells on standard error what is allowed, and may yet not be meant.
pub(crate) fn warned(warnings: &Problems) {
    for warning in warnings.iter() {
        match is_coloured() {
            true => eprintln!("warning: {warning:#}"),
            false => eprintln!("warning: {warning}"),
        }
    }
}

/// Whether standard error takes colours, and nobody asked for none.
fn is_coloured() -> bool {
    let is_asked_without = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    io::stderr().is_terminal() && !is_asked_without
}
