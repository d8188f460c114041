//! Idle connections to backends, one pool per worker: a stack per backend, the warmest on top. No lock, no
//! probe: the runtime hears when an idle connection ends, and taking one asks the runtime.

use crate::http1::client::Upstream;
use std::cell::RefCell;
use std::time::Duration;
use tidegate_core::clock::Nanos;

/// Longest time a connection waits idle. Below the 60 s after which common servers close theirs, so that the
/// race between our request and their close is rare.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(50);

/// A waiting connection.
struct Idle {
    /// Boxed once when it was opened: it moves between pool and requests as a pointer.
    upstream: Box<Upstream>,
    since: Nanos,
}

/// The idle connections of one worker.
#[derive(Default)]
pub struct Pool {
    /// By `BackendCell::id`.
    backends: RefCell<Vec<Vec<Idle>>>,
}

impl Pool {
    /// A connection to this backend that is still open.
    pub fn take(&self, backend: usize) -> Option<Box<Upstream>> {
        let mut backends = self.backends.borrow_mut();
        let stack = backends.get_mut(backend)?;
        while let Some(mut idle) = stack.pop() {
            if idle.upstream.is_resting() {
                return Some(idle.upstream);
            }
        }
        None
    }

    /// Keeps a rested connection for later, unless `most` are waiting for this backend already.
    pub fn put(&self, backend: usize, upstream: Box<Upstream>, now: Nanos, most: usize) {
        let mut backends = self.backends.borrow_mut();
        if backends.len() <= backend {
            backends.resize_with(backend + 1, Vec::new);
        }
        let stack = &mut backends[backend];
        if stack.len() < most {
            stack.push(Idle { upstream, since: now });
        }
    }

    /// Drops what has waited too long or was closed by the backend. Called about once a second.
    pub fn sweep(&self, now: Nanos) {
        for stack in self.backends.borrow_mut().iter_mut() {
            stack.retain_mut(|idle| now.since(idle.since) < IDLE_TIME_MAX && idle.upstream.is_resting());
        }
    }

    /// Drops all connections to a backend: it is down, or gone from the configuration.
    pub fn forget(&self, backend: usize) {
        if let Some(stack) = self.backends.borrow_mut().get_mut(backend) {
            stack.clear();
        }
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.backends.borrow().iter().map(Vec::len).sum()
    }
}
