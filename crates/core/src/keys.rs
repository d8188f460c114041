//! The trait of what knows the keys that were handed out to consumers, by their digests: a file, or a store that is
//! asked over a network. Authenticators look keys up here; nobody keeps a key itself.

use crate::identity::Identity;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The SHA-256 of a key.
pub type Digest = [u8; 32];

/// A key that was handed out.
#[derive(Clone, Debug)]
pub struct HandedOut {
    /// What is kept of it. Compared in constant time by whoever looked it up.
    pub digest: Digest,
    /// Whose it is.
    pub identity: Arc<Identity>,
    /// When it ends, in seconds since 1970.
    pub ends: Option<u64>,
}

/// What a lookup comes to.
pub enum Lookup<'k> {
    /// It is known at once.
    Now(Option<&'k HandedOut>),
    /// Somebody else has to be asked; `Err` if they cannot tell.
    Wait(Pin<Box<dyn Future<Output = Result<Option<HandedOut>, Unable>> + 'k>>),
}

/// Why keys cannot be looked up: the code of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unable(pub &'static str);

/// Knows keys.
pub trait Keys: Send + Sync {
    /// The key with this digest, or one that is alike enough to be compared with it.
    fn find(&self, digest: Digest) -> Lookup<'_>;
}
