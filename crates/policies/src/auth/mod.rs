//! Asks the authenticators that a route names, one after the other, who sends a request. The first that knows wins;
//! one that refuses does not end the asking, as the credential may be another's: so none is ever unreachable. Members
//! of the family are the folders beside this file.

pub mod api_key;
mod asking;
mod basic;
mod bearer;
mod jwt;

#[cfg(test)]
mod tests;

use asking::Asking;
use std::sync::Arc;
use tidegate_core::auth::{Authenticator, Finding, Kind};
use tidegate_core::building::{AuthEntries, Building};
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::header::remove_mimics;
use tidegate_core::node::Node;
use tidegate_core::policy::{self, Phase, Policy, Reason, RequestView, ResponseView, Verdict};
use tidegate_core::problem::{Problem, Problems, nearest};
use tidegate_core::settings::{Placed, Setting};
use tidegate_core::units::Label;

/// Every member.
pub const ALL: &[Kind] = &[api_key::KIND, basic::KIND, jwt::KIND];

/// The policy that asks them.
pub(crate) const KIND: policy::Kind = policy::Kind {
    name: "auth",
    doc: "Who may ask: entries of `auth`, any of which has to know the client. All others are answered with 401.",
    shape: Names::shape,
    build,
};

type Names = Placed<Vec<Placed<Label>>>;

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let names = Names::read(node, building.problems);
    if let Some(place) = names.place().filter(|_| names.is_empty()) {
        let problem = Problem::at(place, "nobody is asked who the client is");
        building
            .problems
            .push(problem.hint("name an entry of `auth`, or leave the key out to let everybody in"));
    }
    let mut entries: Vec<(Label, Arc<dyn Authenticator>)> = Vec::new();
    for name in names.iter() {
        let Some(place) = name.place() else { continue };
        if entries.iter().any(|(known, _)| *known == name.value) {
            let reason = format!("the entry {} is there twice", name.quote());
            building.problems.push(Problem::at(place, reason));
            continue;
        }
        match building.part.authenticator(name.as_str()) {
            Some(one) => entries.push((name.value.clone(), one)),
            None => undefined(name, building.part.auth, building.problems),
        }
    }
    match entries.is_empty() {
        true => Vec::new(),
        false => {
            let (names, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
            vec![Box::new(Auth { entries: entries.into(), names: names.into() })]
        }
    }
}

/// Tells of a name that stands for nothing. An entry that is there and broken has been told of.
fn undefined(name: &Placed<Label>, entries: &AuthEntries, problems: &mut Problems) {
    let Some(place) = name.place() else { return };
    if entries.broken.iter().any(|broken| **broken == *name.as_str()) {
        return;
    }
    let known =
        || entries.built.iter().map(|(name, _)| &**name).chain(entries.broken.iter().map(|name| &**name));
    problems.push_with(|| {
        let problem = Problem::at(place, format!("{} is not defined under `auth`", name.quote()));
        match nearest(name.as_str(), known()) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem.hint("define it there, or name one that is"),
        }
    });
}

/// The entries that a route names, in its order. Invariant: there is an entry, and each has its name at the same place.
struct Auth {
    entries: Box<[Arc<dyn Authenticator>]>,
    names: Box<[Label]>,
}

impl Auth {
    /// Asks from an entry on until one has to wait: says which. None has when all were asked, or one knew.
    fn ask(&self, from: usize, head: &RequestHead, client: &Client, asking: &mut Asking) -> Option<usize> {
        for (index, entry) in self.entries.iter().enumerate().skip(from) {
            match entry.find(head, client) {
                // Made anew by whoever can wait: until it is polled it has done nothing.
                Finding::Wait(_) => return Some(index),
                said => asking.hear(index, self.named(index, said)),
            }
            if asking.is_over() {
                break;
            }
        }
        None
    }

    /// Asks the entries that are left, waiting for those that have to ask somebody else.
    async fn ask_patiently(
        &self,
        mut next: Option<usize>,
        head: &mut RequestHead,
        client: &Client,
        mut asking: Asking,
    ) -> Verdict<'_> {
        while let Some(index) = next {
            let mut said = self.entries[index].find(head, client);
            while let Finding::Wait(future) = said {
                said = future.await;
            }
            asking.hear(index, self.named(index, said));
            next = match asking.is_over() {
                true => None,
                false => self.ask(index + 1, head, client, &mut asking),
            };
        }
        self.end(asking, head)
    }

    /// Who could not tell says which entry of `auth` that was: an operator has to look there.
    fn named<'f>(&self, index: usize, said: Finding<'f>) -> Finding<'f> {
        match said {
            Finding::Unable(reason) if reason.detail.is_empty() => {
                Finding::Unable(Reason::with(reason.code, self.names[index].as_str().to_owned()))
            }
            other => other,
        }
    }

    fn end<'v>(&self, asking: Asking, head: &mut RequestHead) -> Verdict<'v> {
        match asking.outcome(&self.entries) {
            Ok((known, identity)) => {
                self.strip(known, head);
                Verdict::Identified(identity)
            }
            Err(reply) => Verdict::Reply(reply),
        }
    }

    /// Takes all credentials out of a request, those that were refused or not looked at with them: a backend that is
    /// shown any may trust that it was found good. One that was, and is to be kept, stays, as it is spelled alone.
    fn strip(&self, known: usize, head: &mut RequestHead) {
        let who_knew = &self.entries[known];
        for (index, entry) in self.entries.iter().enumerate() {
            let is_same = index == known || entry.field() == who_knew.field();
            match is_same && who_knew.is_kept() {
                true => remove_mimics(&mut head.fields, entry.field().as_bytes()),
                false => entry.strip(head),
            }
        }
    }
}

impl Policy for Auth {
    fn phase(&self) -> Phase {
        Phase::Identity
    }

    fn describe(&self) -> String {
        let all: Vec<String> = self.entries.iter().map(|entry| entry.describe()).collect();
        format!("asks for {}", all.join(", or "))
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        let (head, client) = (view.head, view.origin.client);
        let mut asking = Asking::default();
        match self.ask(0, head, client, &mut asking) {
            None => self.end(asking, head),
            next => Verdict::Wait(Box::pin(self.ask_patiently(next, head, client, asking))),
        }
    }

    fn response(&self, _: ResponseView<'_>) {}
}
