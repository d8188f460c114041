//! The changes of its configuration that a demo makes while it runs: its file gets a mistake, and later a new route.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;
use tidegate_admin::{NotReloaded, Reloaded};
use tidegate_core::problem::Problem;

use crate::gateway::Changer;

/// The new route: an answer that needs no service.
const HELLO: &str =
    "  - { match: /hello, to: { respond: { body: \"hello from the new configuration\\n\" } } }\n";

/// The file, and the gateway that serves it.
pub(super) struct Change {
    file: PathBuf,
    text: String,
    gateway: Changer,
    under_way: Option<Receiver<(Result<Reloaded, NotReloaded>, Duration)>>,
}

/// What the gateway did with a file.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// It refused it; its first words about it.
    Refused(String),
    /// It took it; after so long, and what changed.
    Taken(Duration, Vec<String>),
}

impl Change {
    pub(super) fn new(file: PathBuf, text: String, gateway: Changer) -> Change {
        Change { file, text, gateway, under_way: None }
    }

    /// Gives the file a mistake.
    pub(super) fn spoil(&mut self) -> io::Result<()> {
        let spoilt = self.text.replacen("balance:", "blance:", 1);
        self.put(&spoilt)
    }

    /// Gives the file a new route, or takes it away again.
    pub(super) fn mend(&mut self) -> io::Result<()> {
        self.text = match self.text.strip_suffix(HELLO) {
            Some(without) => without.to_owned(),
            None => format!("{}{HELLO}", self.text),
        };
        self.put(&self.text.clone())
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        std::fs::write(&self.file, text)?;
        self.under_way = Some(self.gateway.change());
        Ok(())
    }

    /// What came of it, once, when it has come.
    pub(super) fn told(&mut self) -> Option<Told> {
        let (result, took) = match self.under_way.as_ref()?.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                (Err(NotReloaded::Impossible("the gateway has ended")), Duration::ZERO)
            }
        };
        self.under_way = None;
        Some(match result {
            Ok(reloaded) => Told::Taken(took, reloaded.changed),
            Err(NotReloaded::Problems(problems)) => {
                Told::Refused(problems.iter().next().map(in_a_line).unwrap_or_default())
            }
            Err(NotReloaded::Impossible(reason)) => Told::Refused(reason.to_owned()),
        })
    }
}

/// Line and column, the reason, the hint.
fn in_a_line(problem: &Problem) -> String {
    let place = problem.line().zip(problem.column()).map(|(line, column)| format!("{line}:{column}: "));
    let hint = problem.hint.as_ref().map(|hint| format!(", {hint}"));
    format!("{}{}{}", place.unwrap_or_default(), problem.reason, hint.unwrap_or_default())
}
