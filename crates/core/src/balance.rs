//! The trait of the balancer family: which backend takes the next request. Members live in `upstreams`.

use crate::clock::Nanos;
use crate::node::Node;
use crate::problem::Problems;
use crate::service::Roster;
use crate::settings::Shape;
use std::time::Duration;

/// Backends a request has been tried on already, by index; those past 63 share the last bit, so that in a
/// very large roster a retry may meet the same backend again rather than cost an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried(u64);

impl Tried {
    /// Remembers one.
    pub fn add(&mut self, index: usize) {
        self.0 |= 1 << index.min(63);
    }

    /// Whether it was tried.
    pub fn has(self, index: usize) -> bool {
        index < 63 && self.0 & (1 << index) != 0
    }

    /// Whether none was.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a balancer may look at.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    /// Now.
    pub now: Nanos,
    /// Fresh random bits for this pick.
    pub random: u64,
    /// Where this request has failed already.
    pub tried: Tried,
}

/// How a try ended, for balancers that learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The response head came after so long.
    Answered(Duration),
    /// It failed after so long: no connection, reset, timeout or a 5xx that the balancer should count as slow.
    Failed(Duration),
}

/// Chooses a backend. Pure: the clock and the dice are given, what it learns is in the backends' cells.
pub trait Balancer: Send + Sync + std::fmt::Debug {
    /// The backend for the next request. Prefers those that are up and not tried; falls back to tried or
    /// down ones rather than to none, as "unknown is not down". `None` only for an empty roster.
    fn pick(&self, roster: &Roster, pick: Pick) -> Option<usize>;

    /// Learns from a try on backend `index`. Does nothing for balancers that do not learn.
    fn observe(&self, roster: &Roster, index: usize, now: Nanos, sample: Sample);
}

/// A member of the family: what `config` needs to read, describe and build it without knowing it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What is written after `balance:`.
    pub name: &'static str,
    /// How it chooses, for the reference and the schema.
    pub doc: &'static str,
    /// How it is built.
    pub build: Build,
}

/// How a balancer is built, once for each service of a configuration.
#[derive(Clone, Copy, Debug)]
pub enum Build {
    /// There is nothing to set: its name alone is written.
    Plain(fn() -> Box<dyn Balancer>),
    /// With settings, as in `balance: { NAME: … }`; its name alone stands for a map without keys.
    With {
        /// What may be written there.
        shape: fn() -> Shape,
        /// Builds it, after telling everything that is wrong with the settings; what it returns then is not used.
        build: fn(&Node, &mut Problems) -> Box<dyn Balancer>,
    },
}
