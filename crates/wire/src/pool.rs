//! Idle connections to backends, one pool per worker: a stack per backend, the warmest on top. No lock, no
//! probe: the runtime hears when an idle connection ends, and taking one asks the runtime.

use crate::http1::client::Upstream;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::service::BackendCell;

/// Longest time a connection waits idle. Below the 60 s after which common servers close theirs, so that the
/// race between our request and their close is rare.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(50);

/// How long a backend is suspected that has said more than it was asked for. Longer than one that does so on every hundredth
/// answer needs to do it again, short enough to be forgotten once it has been mended.
const SUSPECT_TIME: Duration = Duration::from_secs(60);
/// How long the connections of such a backend wait before they are used again: what comes late behind an answer has come by
/// then, and is seen.
const SUSPECT_REST_TIME: Duration = Duration::from_millis(20);

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
    /// Until when it is suspected of answers that nobody asked for: of a connection that had such an answer on its way
    /// the next request would take it for its own.
    suspect_until: Nanos,
}

impl Stack {
    /// The warmest connection that is still open.
    fn take(&mut self, now: Nanos) -> Option<Box<Upstream>> {
        if now < self.suspect_until {
            return self.take_rested(now);
        }
        while let Some(mut idle) = self.idle.pop() {
            if idle.upstream.is_resting() {
                return Some(idle.upstream);
            }
            if idle.upstream.has_surplus() {
                self.suspect(now);
                return self.take_rested(now);
            }
        }
        None
    }

    /// The one that has waited longest, if that is long enough and it has been silent: what the system call costs, this
    /// backend has to pay for.
    fn take_rested(&mut self, now: Nanos) -> Option<Box<Upstream>> {
        while self.idle.first().is_some_and(|idle| now.since(idle.since) >= SUSPECT_REST_TIME) {
            let idle = self.idle.remove(0);
            if idle.upstream.is_open() {
                return Some(idle.upstream);
            }
            if idle.upstream.has_surplus() {
                self.suspect(now);
            }
        }
        None
    }

    fn sweep(&mut self, now: Nanos) {
        let mut has_surplus = false;
        self.idle.retain_mut(|idle| {
            let is_kept = now.since(idle.since) < IDLE_TIME_MAX && idle.upstream.is_resting();
            has_surplus |= !is_kept && idle.upstream.has_surplus();
            is_kept
        });
        if has_surplus {
            self.suspect(now);
        }
    }

    fn suspect(&mut self, now: Nanos) {
        self.suspect_until = now.after(SUSPECT_TIME);
    }
}

fn stack_of<'a>(backends: &'a mut Vec<Stack>, cell: &Arc<BackendCell>) -> &'a mut Stack {
    if backends.len() <= cell.id {
        backends.resize_with(cell.id + 1, Stack::default);
    }
    let stack = &mut backends[cell.id];
    stack.cell.get_or_insert_with(|| cell.clone());
    stack
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
        backends.get_mut(backend)?.take(clock::coarse())
    }

    /// A backend has said more than it was asked for: until it has not done so for a while, its connections rest longer, and
    /// are looked at before they are used again.
    pub fn suspect(&self, cell: &Arc<BackendCell>) {
        if cell.is_listed() {
            stack_of(&mut self.backends.borrow_mut(), cell).suspect(clock::coarse());
        }
    }

    /// Keeps a rested connection for later, unless `most` are waiting for this backend already or no service lists
    /// it any more.
    pub fn put(&self, cell: &Arc<BackendCell>, upstream: Box<Upstream>, now: Nanos, most: usize) {
        if !cell.is_listed() {
            return;
        }
        let mut backends = self.backends.borrow_mut();
        let stack = stack_of(&mut backends, cell);
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
                _ => stack.sweep(now),
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
