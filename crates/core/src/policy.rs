//! The trait of the policy family: what may look at, change or answer a request on its way in, and an
//! answer on its way out. Members live in `policies`; the flow runs them in the order of their phases.

use crate::head::{RequestHead, ResponseHead};
use crate::node::Node;
use crate::outcome::Outcome;
use crate::problem::Problems;
use crate::settings::Shape;
use crate::template::Origin;
use std::future::Future;
use std::pin::Pin;

/// When a policy runs. Users order policies only within one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Refuses what nobody should see: shields, address lists.
    Guard,
    /// Finds out who asks.
    Identity,
    /// Decides whether they may.
    Access,
    /// Counts it.
    Quota,
    /// Changes it.
    Shape,
    /// Answers it from memory.
    Cache,
}

/// What a policy needs of the bodies; the plan adds them up and pays only for what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BodyNeed {
    /// Nothing: bodies pass untouched.
    #[default]
    None,
    /// To see the bytes as they pass.
    Stream,
    /// The whole body in memory, up to so many bytes.
    Buffer(usize),
}

/// What a policy needs beyond the heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Needs {
    /// Of the request.
    pub request: BodyNeed,
    /// Of the response.
    pub response: BodyNeed,
}

/// What a policy sees of a request.
pub struct RequestView<'a> {
    /// The head; edits reach the backend.
    pub head: &'a mut RequestHead,
    /// Who asked, and the id as it will be logged and sent on.
    pub origin: Origin<'a>,
}

/// What a policy sees of an answer.
pub struct ResponseView<'a> {
    /// The head; edits reach the client.
    pub head: &'a mut ResponseHead,
    /// The request it answers, as it was sent on.
    pub request: &'a RequestHead,
    /// Who asked, and the request's id.
    pub origin: Origin<'a>,
}

/// An answer the gateway gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// How it counts.
    pub outcome: Outcome,
    /// Fields beside content-type, content-length and the id.
    pub fields: Vec<(String, String)>,
    /// The body; problem details are made when it is `None`.
    pub body: Option<(String, Vec<u8>)>,
}

/// What a policy says to a request.
pub enum Verdict<'a> {
    /// On it goes.
    Continue,
    /// Answered here; nothing behind this policy sees the request.
    Reply(Box<Reply>),
    /// It has to wait for the outside first. Only such a policy allocates.
    Wait(Pin<Box<dyn Future<Output = Verdict<'a>> + 'a>>),
}

/// A policy, built from its settings and shared by all workers.
pub trait Policy: Send + Sync {
    /// When it runs.
    fn phase(&self) -> Phase;

    /// What it needs beyond heads.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Looks at a request.
    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a>;

    /// Looks at an answer, whoever gave it. Runs in reverse order.
    fn response(&self, view: ResponseView<'_>);
}

/// A member of the family: what `config` needs to read, describe and build it without knowing it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The route key its settings stand under.
    pub name: &'static str,
    /// What it does, for the reference and the schema.
    pub doc: &'static str,
    /// What may be written under the key.
    pub shape: fn() -> Shape,
    /// Builds it from what was written, after telling everything that is wrong with it. `None` when that asks for
    /// nothing, or has been told to be wrong. Runs once when a configuration is read, not on a worker.
    pub build: fn(&Node, &mut Problems) -> Option<Box<dyn Policy>>,
}
