//! Idle connections to backends, one pool per worker: a stack per backend, the warmest on top. No lock, no
//! probe: the runtime hears when an idle connection ends, and taking one asks the runtime.

use crate::http1::client::Upstream;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::clock::Nanos;
use tidegate_core::service::BackendCell;

/// Longest time a connection waits idle. Below the 60 s after which common servers close theirs, so that the
/// race between our request and their close is rare.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(50);

/// A waiting connection.
struct Idle {
    /// Boxed once when it was opened: it moves between pool and requests as a pointer.
    upstream: Box<Upstream>,
    since: Nanos,
}

/// The connections that wait for one backend.
#[derive(Default)]
struct Stack {
    /// Whose they are. Held here so that its number is given to no other backend while they wait.
    cell: Option<Arc<BackendCell>>,
    idle: Vec<Idle>,
}

/// The idle connections of one worker.
#[derive(Default)]
pub struct Pool {
    /// By `BackendCell::id`.
    backends: RefCell<Vec<Stack>>,
}

impl Pool {
    /// A connection to this backend that is still open.
    pub fn take(&self, backend: usize) -> Option<Box<Upstream>> {
        let mut backends = self.backends.borrow_mut();
        let stack = backends.get_mut(backend)?;
        while let Some(mut idle) = stack.idle.pop() {
            if idle.upstream.is_resting() {
                return Some(idle.upstream);
            }
        }
        None
    }

    /// Keeps a rested connection for later, unless `most` are waiting for this backend already or no service lists
    /// it any more.
    pub fn put(&self, cell: &Arc<BackendCell>, upstream: Box<Upstream>, now: Nanos, most: usize) {
        if !cell.is_listed() {
            return;
        }
        let mut backends = self.backends.borrow_mut();
        if backends.len() <= cell.id {
            backends.resize_with(cell.id + 1, Stack::default);
        }
        let stack = &mut backends[cell.id];
        if stack.cell.is_none() {
            stack.cell = Some(cell.clone());
        }
        if stack.idle.len() < most {
            stack.idle.push(Idle { upstream, since: now });
        }
    }

    /// Drops what has waited too long, was closed by the backend, or waits for one that no service lists any more.
    /// Called about once a second.
    pub fn sweep(&self, now: Nanos) {
        for stack in self.backends.borrow_mut().iter_mut() {
            match &stack.cell {
                Some(cell) if !cell.is_listed() => *stack = Stack::default(),
                _ => stack
                    .idle
                    .retain_mut(|idle| now.since(idle.since) < IDLE_TIME_MAX && idle.upstream.is_resting()),
            }
        }
    }

    /// Drops all connections to a backend: it is down.
    pub fn forget(&self, backend: usize) {
        if let Some(stack) = self.backends.borrow_mut().get_mut(backend) {
            stack.idle.clear();
        }
    }

    /// Drops all connections, to whomever: their descriptors are needed. Whether there were any.
    pub fn forget_all(&self) -> bool {
        let had_any = self.count() > 0;
        self.backends.borrow_mut().iter_mut().for_each(|stack| stack.idle.clear());
        had_any
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.backends.borrow().iter().map(|stack| stack.idle.len()).sum()
    }
}
