//! The trait of the authenticator family: what finds out who asks, by one kind of credential. An entry of the
//! configuration's `auth` is one of them; routes name those they take, and the policy `auth` asks them in turn.

use crate::building::Building;
use crate::exchange::Client;
use crate::head::RequestHead;
use crate::identity::Identity;
use crate::node::Node;
use crate::policy::Reason;
use crate::settings::Shape;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The reason of a credential that is good but lacks a scope. Its detail is the scopes that would do, as a challenge
/// lists them: with a blank between each two (RFC 6750 §3).
pub const SCOPE: &str = "scope";

/// The reason of an entry that has no keys to judge by: they are published by somebody who is not to be reached.
pub const NO_KEYS: &str = "no_keys";

/// What an authenticator found in a request.
pub enum Finding<'a> {
    /// No credential of its kind.
    Absent,
    /// A good one.
    Known(Arc<Identity>),
    /// One that is not good. 401; clients learn no more than the challenge tells.
    Refused(Reason),
    /// One that is good but not for this: 403.
    Forbidden(Reason),
    /// It cannot tell now. 503.
    Unable(Reason),
    /// It has to wait for the outside first, or for slow work elsewhere. Only this allocates.
    Wait(Pin<Box<dyn Future<Output = Finding<'a>> + 'a>>),
}

/// Finds out who asks; built from its settings and shared by all workers.
pub trait Authenticator: Send + Sync {
    /// Looks for its credential and judges it. The client is who sends the request, behind a trusted peer whom that speaks
    /// for.
    fn find<'a>(&'a self, request: &'a RequestHead, client: &'a Client) -> Finding<'a>;

    /// Appends its challenge for `WWW-Authenticate` (RFC 9110 §11.6.1) to an answer that asks for a credential.
    /// `refused` is why the one that came is not good, or not good enough, if one came. Appends nothing where it has
    /// none to give.
    fn challenge(&self, refused: Option<&Reason>, out: &mut String);

    /// The field its credential comes in, in lower case.
    fn field(&self) -> &str;

    /// Whether the backend sees a credential of its that was found good.
    fn is_kept(&self) -> bool;

    /// Takes its credential out of the request: the backend does not see it.
    fn strip(&self, request: &mut RequestHead);

    /// In a line, for who wants to know what a request meets.
    fn describe(&self) -> String;
}

/// A member of the family: what `config` needs to read, describe and build it without knowing it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The key its settings stand under in an entry of `auth`.
    pub name: &'static str,
    /// What it does, for the reference and the schema.
    pub doc: &'static str,
    /// What may be written under the key.
    pub shape: fn() -> Shape,
    /// Builds it from what was written, after telling everything that is wrong with it. `None` only after telling.
    pub build: fn(&Node, &mut Building<'_>) -> Option<Arc<dyn Authenticator>>,
}
