//! The trait of the policy family: what may look at, change or answer a request on its way in, and an
//! answer on its way out. Members live in `policies`; the flow runs them in the order of their phases.

use crate::building::Building;
use crate::filter::Filter;
use crate::head::{Fields, Length, RequestHead, ResponseHead};
use crate::identity::Identity;
use crate::node::Node;
use crate::outcome::Outcome;
use crate::settings::Shape;
use crate::template::Origin;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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

impl Needs {
    /// What of it nobody serves, in words: filters see the bytes of answers as they pass, and of requests there is a
    /// body that was waited for. Whoever builds a policy refuses one that asks for more.
    pub fn unserved(&self) -> Option<&'static str> {
        match (self.request, self.response) {
            (BodyNeed::Stream, _) => Some("the body of requests as it passes"),
            (_, BodyNeed::Buffer(_)) => Some("the whole body of answers"),
            _ => None,
        }
    }
}

/// What a policy sees of a request.
pub struct RequestView<'a> {
    /// The head; edits reach the backend.
    pub head: &'a mut RequestHead,
    /// Who asked, and the id as it will be logged and sent on.
    pub origin: Origin<'a>,
    /// Whatever the policy wants to remember of this request until its answer: 0 before it is asked first, and nobody
    /// else's.
    pub note: &'a mut u64,
}

/// The body of a request that was waited for.
#[derive(Clone, Copy, Debug)]
pub struct RequestBody<'a> {
    /// Its bytes, or as many of them as the policy asked for.
    pub bytes: &'a [u8],
    /// Whether that is all of it.
    pub is_whole: bool,
    /// The trailers that would go on, where it is all of it. Those of others are not known yet.
    pub trailers: &'a Fields,
}

/// What a policy sees of an answer.
pub struct ResponseView<'a> {
    /// The head; edits reach the client.
    pub head: &'a mut ResponseHead,
    /// The request it answers, as it was sent on.
    pub request: &'a RequestHead,
    /// Who asked, and the request's id.
    pub origin: Origin<'a>,
    /// What the policy remembers of the request.
    pub note: u64,
    /// How much body follows the head; of an answer to HEAD, how much would follow the same answer to GET. `Streamed`
    /// where a filter changes it.
    pub length: Length,
}

/// Why a policy answered by itself. For operators: clients are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// One of a few words of the policy, as in metrics: `expired`, `unknown_key`.
    pub code: &'static str,
    /// What else is worth knowing: no credential, and nothing a client can make long.
    pub detail: Cow<'static, str>,
}

impl Reason {
    /// A reason that says it all.
    pub const fn new(code: &'static str) -> Reason {
        Reason { code, detail: Cow::Borrowed("") }
    }

    /// A reason with what else is worth knowing.
    pub fn with(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Reason {
        Reason { code, detail: detail.into() }
    }
}

/// An answer the gateway gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// How it counts.
    pub outcome: Outcome,
    /// Why, if it is a refusal.
    pub reason: Option<Reason>,
    /// Fields beside content-type, content-length and the id.
    pub fields: Vec<(String, String)>,
    /// The body; problem details are made when it is `None`.
    pub body: Option<(String, Vec<u8>)>,
}

/// What a policy says to a request.
pub enum Verdict<'a> {
    /// On it goes.
    Continue,
    /// On it goes, and it is known who asks.
    Identified(Arc<Identity>),
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

    /// Whether it only watches: its replies are counted and not given.
    fn is_observing(&self) -> bool {
        false
    }

    /// What it would do with a request like this, in a line, for who wants to know.
    fn describe(&self) -> String {
        String::new()
    }

    /// Looks at a request.
    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a>;

    /// Whether it wants to see the body of this request, of those it asked for (`BodyNeed::Buffer`). One that is not
    /// wanted by any policy is not waited for: that matters to streams.
    fn wants_body(&self, _: &RequestHead) -> bool {
        true
    }

    /// Looks at the body of a request that it asked for (`BodyNeed::Buffer`). After `request`, of all policies; also
    /// where there is none.
    fn request_body<'a>(&'a self, _: RequestView<'a>, _: RequestBody<'a>) -> Verdict<'a> {
        Verdict::Continue
    }

    /// Looks at an answer, whoever gave it. Runs in reverse order.
    fn response(&self, view: ResponseView<'_>);

    /// Looks at early fields of a backend's answer (103, RFC 8297): takes out what it would take out of the answer itself.
    /// Runs in reverse order.
    fn early(&self, _: &mut ResponseHead) {}

    /// What the body of an answer is changed by. Asked right after `response`, of policies that asked for it
    /// (`BodyNeed::Stream`), for answers that have a body and are whole (not 206). Whoever gives a filter edits the head
    /// to match; the framing is the flow's. For an answer to HEAD it is asked as for that to GET, and the filter
    /// is not used.
    fn filter(&self, _: ResponseView<'_>) -> Option<Box<dyn Filter>> {
        None
    }
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
    /// Builds it from what was written, after telling everything that is wrong with it. None when that asks for
    /// nothing, or has been told to be wrong; several where a list was written. Runs once when a configuration is read,
    /// not on a worker.
    pub build: fn(&Node, &mut Building<'_>) -> Vec<Box<dyn Policy>>,
}
