//! File descriptors, of which the process has only so many: how many of them connections may hold, so that there are
//! always some left for the admin listener, checks of backends and files; and how often one was wanted that could not be
//! had. Of the process, as the limit is. Counted once for each connection, not for each request.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Of all descriptors for connections, clients may hold this share at most: what a client asks for needs one towards a
/// backend, and connections of clients that ask for nothing are the many.
const CLIENTS_SHARE: (usize, usize) = (3, 4);
/// Kept back beyond what is open at the start, at most: for 256 connections that the admin listener has let in, 256 that
/// wait in its lobby, 256 checks under way, and 64 files.
const RESERVE_MAX: usize = 3 * 256 + 64;
/// Where there are few of all, an eighth is kept back, and at least this many: for the admin listener and its answers.
pub const RESERVE_MIN: usize = 16;
/// With fewer than this for connections there is nothing to serve with.
pub const CONNECTIONS_MIN: usize = 8;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A client.
    Client,
    /// A backend; pipes through which bodies pass count here too.
    Backend,
}

/// The descriptors of the process.
pub static DESCRIPTORS: Descriptors = Descriptors::unbounded();

/// How many file descriptors connections may hold, and how many they do.
#[derive(Debug)]
pub struct Descriptors {
    most: AtomicUsize,
    held: AtomicUsize,
    held_by_clients: AtomicUsize,
    /// How often all were held when a connection needed one. Workers compare it with what they saw before, and give up what
    /// they hold idle when it has grown.
    shortages: AtomicU64,
    /// What was wanted in vain.
    pub wants: Wants,
}

/// How often there was no descriptor, by what it was wanted for.
#[derive(Debug, Default)]
pub struct Wants {
    /// A connection of a client.
    pub accept: AtomicU64,
    /// A connection to a backend: a request has failed for it.
    pub connect: AtomicU64,
    /// A check of a backend: it was not made.
    pub check: AtomicU64,
}

impl Wants {
    /// All of them, with the words of metrics.
    pub fn all(&self) -> [(&'static str, u64); 3] {
        [
            ("accept", self.accept.load(Relaxed)),
            ("connect", self.connect.load(Relaxed)),
            ("check", self.check.load(Relaxed)),
        ]
    }
}

/// Descriptors that somebody holds, given back when dropped.
#[derive(Debug)]
pub struct Held {
    of: &'static Descriptors,
    side: Side,
    count: usize,
}

/// What is kept back of so many descriptors.
pub fn reserve(limit: usize) -> usize {
    (limit / 8).clamp(RESERVE_MIN, RESERVE_MAX)
}

impl Descriptors {
    const fn unbounded() -> Descriptors {
        Descriptors {
            most: AtomicUsize::new(usize::MAX),
            held: AtomicUsize::new(0),
            held_by_clients: AtomicUsize::new(0),
            shortages: AtomicU64::new(0),
            wants: Wants { accept: AtomicU64::new(0), connect: AtomicU64::new(0), check: AtomicU64::new(0) },
        }
    }

    /// From now on connections may hold so many.
    pub fn bound(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// How many connections may hold.
    pub fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    /// How often all were held when a connection needed one.
    pub fn shortages(&self) -> u64 {
        self.shortages.load(Relaxed)
    }

    /// A connection needs one and all are held: whoever holds some idle is to give them up.
    pub fn run_short(&self) {
        self.shortages.fetch_add(1, Relaxed);
    }

    /// Takes some, unless there would be too many. A client that has to go although clients hold less than their share is a
    /// shortage; of a backend the caller knows whether it does without.
    pub fn take(&'static self, side: Side, count: usize) -> Option<Held> {
        let most = self.most();
        let (parts, whole) = CLIENTS_SHARE;
        let for_clients = if most == usize::MAX { most } else { most * parts / whole };
        let held = Held { of: self, side, count };
        // Counted first, then looked at: takers at the same moment see each other. Dropping gives back.
        let all = self.held.fetch_add(count, Relaxed) + count;
        let by_clients = match side {
            Side::Client => self.held_by_clients.fetch_add(count, Relaxed) + count,
            Side::Backend => 0,
        };
        if side == Side::Client && all > most && by_clients <= for_clients {
            self.run_short();
        }
        (all <= most && by_clients <= for_clients).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.held.fetch_sub(self.count, Relaxed);
        if self.side == Side::Client {
            self.of.held_by_clients.fetch_sub(self.count, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static OURS: Descriptors = Descriptors::unbounded();

    #[test]
    fn clients_leave_some_for_backends_and_all_together_some_for_others() {
        let take =
            |side, count: usize| -> Vec<Held> { (0..count).map_while(|_| OURS.take(side, 1)).collect() };
        assert_eq!(take(Side::Client, 1000).len(), 1000, "nothing is bound before the start is over");
        OURS.bound(100);
        let clients = take(Side::Client, 200);
        assert_eq!(clients.len(), 75);
        let backends = take(Side::Backend, 200);
        assert_eq!(backends.len(), 25);
        assert_eq!(OURS.shortages(), 0, "clients have had their share, and backends ask by themselves");
        drop(clients);
        let more = take(Side::Backend, 200);
        assert_eq!(more.len(), 75, "what clients do not need is there for backends");
        assert_eq!((take(Side::Client, 1).len(), OURS.shortages()), (0, 1), "clients want for their share");
        drop(more);
        assert!(OURS.take(Side::Backend, 76).is_none());
        drop(backends);
        assert_eq!((OURS.held.load(Relaxed), OURS.held_by_clients.load(Relaxed)), (0, 0));
    }

    #[test]
    fn an_eighth_is_kept_back_within_bounds() {
        assert_eq!([64, 1024, 4096, 1 << 20].map(reserve), [16, 128, 512, 832]);
    }
}
