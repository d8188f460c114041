//! Where the moments of rate limits are kept: asked once for each request of a limited route, shared by all workers,
//! and kept through reloads. In memory it is `store::shared`; a shared store may be a second one.

use crate::clock::Nanos;
use crate::gcra::{Gcra, Taken};
use std::fmt::Debug;

/// A limit, by name: the same for every configuration that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LimitId(pub u64);

/// How full it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Keys that have not been given back everything.
    pub entries: u64,
    /// Most keys it can hold.
    pub entries_max: u64,
    /// Keys that were forgotten too early, as there was no room.
    pub evictions: u64,
}

/// Keeps what keys have used.
pub trait Limiter: Send + Sync + Debug {
    /// The limit of that name on the route of that name.
    fn limit(&self, route: &str, name: &str) -> LimitId;

    /// One more request of a key: judges it, and counts it if it may pass. Takes no lock and waits for nobody.
    ///
    /// A key may be forgotten when there are too many: it can then use its burst once more. None is refused for what
    /// another has used.
    fn take(&self, limit: LimitId, key: &[u8], gcra: Gcra, now: Nanos) -> Taken;

    /// How full it is. Takes milliseconds: not for workers.
    fn fill(&self, now: Nanos) -> Fill;
}
