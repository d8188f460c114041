//! The trait of the policy family: what may look at, change or answer a request on its way in, and an
//! answer on its way out. Members live in `policies`; the flow runs them in the order of their phases.

use crate::exchange::Client;
use crate::head::{Fields, RequestHead, ResponseHead};
use crate::node::Node;
use crate::outcome::Outcome;
use crate::problem::Problems;
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
    /// Who is connected.
    pub client: &'a Client,
    /// The request's id as it will be logged and sent on.
    pub request_id: &'a str,
}

/// What a policy sees of an answer.
pub struct ResponseView<'a> {
    /// The head; edits reach the client.
    pub head: &'a mut ResponseHead,
    /// The request it answers.
    pub request: &'a RequestHead,
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

/// A member of the policy family, as the configuration knows it.
pub struct Kind {
    /// The route key its settings stand under.
    pub name: &'static str,
    /// One sentence for the reference.
    pub doc: &'static str,
    /// The JSON Schema of its settings.
    pub schema: fn() -> String,
    /// Builds it from what the user wrote; `None` after it reported problems.
    pub build: fn(&Node, &mut Problems) -> Option<Box<dyn Policy>>,
}

/// Fills in the values that settings may mention in braces: `{host}`, `{path}`, `{client_ip}`, `{request_id}`.
/// Unknown names were refused when the settings were read.
pub fn expand(template: &str, view: &RequestView<'_>, out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.extend_from_slice(before.as_bytes());
        let Some((name, tail)) = after.split_once('}') else {
            out.push(b'{');
            rest = after;
            continue;
        };
        match name {
            "host" => out.extend_from_slice(view.head.host_bytes()),
            "path" => out.extend_from_slice(view.head.path_bytes()),
            "request_id" => out.extend_from_slice(view.request_id.as_bytes()),
            "client_ip" => {
                if let Some(address) = view.client.address {
                    out.extend_from_slice(address.ip().to_string().as_bytes());
                }
            }
            _ => debug_assert!(false, "a template is checked when it is read"),
        }
        rest = tail;
    }
    out.extend_from_slice(rest.as_bytes());
}

/// The names `expand` knows.
pub const TEMPLATE_NAMES: [&str; 4] = ["client_ip", "host", "path", "request_id"];

/// Edits a list of fields: first removes, then sets. Shared by every policy that edits.
pub fn remove_all(fields: &mut Fields, names: &[String]) {
    for name in names {
        fields.remove_named(name.as_bytes());
    }
}
