//! A cache line of the table: five keys, each a fingerprint and a moment. Taking a slot over is one compare-and-swap of
//! its fingerprint, counting a request one of its moment. Knows no table.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use tidegate_core::clock::Nanos;
use tidegate_core::gcra::{Gcra, Taken};

/// What fits in a line of 64 bytes.
pub(super) const SLOTS: usize = 5;

/// See the file. A fingerprint of 0 is that of no key.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    tats: [AtomicU64; SLOTS],
    prints: [AtomicU32; SLOTS],
}

/// The fingerprint of a key with this hash: with the bucket, 52 bits of it tell keys apart. Among 5 million keys two
/// share a slot once in 360 tables.
pub(super) fn fingerprint(hash: u64) -> u32 {
    (hash as u32).max(1)
}

/// Where a key's slot is.
pub(super) enum Found<'a> {
    /// There.
    There(Slot<'a>),
    /// There, where a key that was in use had been.
    Evicted(Slot<'a>),
    /// Another key was faster: look again.
    Lost,
}

/// A key's slot.
pub(super) struct Slot<'a> {
    print: &'a AtomicU32,
    tat: &'a AtomicU64,
}

impl Bucket {
    fn slot(&self, at: usize) -> Slot<'_> {
        Slot { print: &self.prints[at], tat: &self.tats[at] }
    }

    fn position(&self, print: u32) -> Option<usize> {
        self.prints.iter().position(|one| one.load(Acquire) == print)
    }

    /// The slot of the key with this fingerprint.
    pub(super) fn find(&self, print: u32) -> Option<Slot<'_>> {
        Some(self.slot(self.position(print)?))
    }

    /// Takes a slot for a key that has none: a free one, else that of the key which is soonest given back everything.
    pub(super) fn claim(&self, print: u32, now: Nanos) -> Found<'_> {
        let (mut at, mut least) = (0, u64::MAX);
        for (index, tat) in self.tats.iter().enumerate() {
            let is_used = self.prints[index].load(Relaxed) != 0;
            let tat = tat.load(Relaxed);
            // Free ones are all alike, so that two workers with the same new key want the same one.
            let rank = if is_used && tat > now.0 { tat } else { 0 };
            if rank < least {
                (at, least) = (index, rank);
            }
        }
        let is_clean = self.tats[at].load(Relaxed) <= now.0;
        let before = self.prints[at].load(Relaxed);
        let is_claimed =
            before != print && self.prints[at].compare_exchange(before, print, AcqRel, Relaxed).is_ok();
        if !is_claimed {
            return Found::Lost;
        }
        // The same key may have come twice and have found two slots free. The first of them is found from now on; what
        // was counted in the other is lost, which is one request of each worker at most.
        if self.position(print).is_some_and(|first| first < at) {
            let _ = self.prints[at].compare_exchange(print, 0, AcqRel, Relaxed); // or taken over: just as well
            return Found::Lost;
        }
        if !is_clean {
            // Whoever comes between these two steps sees what the other key had used, once.
            self.tats[at].store(0, Relaxed);
        }
        if least == 0 { Found::There(self.slot(at)) } else { Found::Evicted(self.slot(at)) }
    }

    /// How many keys are in use.
    pub(super) fn live(&self, now: Nanos) -> usize {
        let pairs = self.prints.iter().zip(&self.tats);
        pairs.filter(|(print, tat)| print.load(Relaxed) != 0 && tat.load(Relaxed) > now.0).count()
    }
}

impl Slot<'_> {
    /// Judges one more request, and counts it if it may pass. `None` if the slot was taken away.
    pub(super) fn take(&self, print: u32, gcra: Gcra, now: Nanos) -> Option<Taken> {
        let mut tat = self.tat.load(Acquire);
        // Each turn but the last is one in which another request was counted: there are no more than pass.
        loop {
            let (taken, next) = gcra.judge(tat, now);
            if taken.wait.is_some() {
                return Some(taken);
            }
            match self.tat.compare_exchange_weak(tat, next, AcqRel, Acquire) {
                Ok(_) => return Some(taken),
                Err(found) => tat = found,
            }
            if self.print.load(Acquire) != print {
                return None;
            }
        }
    }
}
