//! What rate limits remember, in memory: a table of fixed size that all workers share. A key has one slot in one bucket
//! of one cache line; a slot is a fingerprint of the key and the moment of `core::gcra`. Nothing is locked and nothing is
//! cleaned up: a slot whose moment has passed is free.
//!
//! When all slots of a bucket are in use, the key that is soonest given back everything makes room. It is forgotten too
//! early and can use its burst once more: the table errs by letting through, never by refusing. A key that is held at its
//! limit is the last of its bucket to go.

mod bucket;

#[cfg(test)]
mod tests;

use bucket::{Bucket, Found, SLOTS};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tidegate_core::clock::Nanos;
use tidegate_core::gcra::{Gcra, Taken};
use tidegate_core::limiter::{Fill, LimitId, Limiter};
use tidegate_core::limits::LIMIT_TABLE_BYTES_MAX;

/// Buckets that are taken from the system together: a page of memory.
const CHUNK: usize = 4096 / size_of::<Bucket>();
/// Times a request looks for its slot while others take it away; then it passes uncounted. Each time another has got
/// one, so more than two are never seen but in a flood of new keys on one bucket.
const LOOKS_MAX: usize = 8;
/// Buckets that are looked at to tell how full the table is, at most: a millisecond's worth.
const SAMPLE: usize = 16 << 10;

type Chunk = [Bucket; CHUNK];

/// See the file.
#[derive(Debug)]
pub struct Table {
    /// Keyed at random, so that no client can choose keys that meet in a bucket.
    hasher: RandomState,
    bytes_max: usize,
    /// Each made when its first key comes. A worker that comes while another makes one waits for a page to be cleared.
    chunks: OnceLock<Box<[OnceLock<Box<Chunk>>]>>,
    evictions: AtomicU64,
}

impl Default for Table {
    fn default() -> Table {
        Table::new(LIMIT_TABLE_BYTES_MAX)
    }
}

impl Table {
    /// A table of at most so much memory; at least a page.
    pub fn new(bytes_max: usize) -> Table {
        Table { hasher: RandomState::new(), bytes_max, chunks: OnceLock::new(), evictions: AtomicU64::new(0) }
    }

    fn chunks(&self) -> &[OnceLock<Box<Chunk>>] {
        self.chunks.get_or_init(|| {
            let count = (self.bytes_max / size_of::<Chunk>()).max(1);
            (0..count).map(|_| OnceLock::new()).collect()
        })
    }

    /// The bucket for a hash.
    fn bucket(&self, hash: u64) -> &Bucket {
        let chunks = self.chunks();
        // The upper half, scaled: no power of two is needed.
        let at = ((hash >> 32) as usize * (chunks.len() * CHUNK)) >> 32;
        let chunk = chunks[at / CHUNK].get_or_init(|| Box::new(std::array::from_fn(|_| Bucket::default())));
        &chunk[at % CHUNK]
    }
}

impl Limiter for Table {
    fn limit(&self, route: &str, name: &str) -> LimitId {
        LimitId(self.hasher.hash_one((route, name)))
    }

    fn take(&self, limit: LimitId, key: &[u8], gcra: Gcra, now: Nanos) -> Taken {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(limit.0);
        hasher.write(key);
        let hash = hasher.finish();
        let bucket = self.bucket(hash);
        let print = bucket::fingerprint(hash);
        for _ in 0..LOOKS_MAX {
            let slot = match bucket.find(print).map_or_else(|| bucket.claim(print, now), Found::There) {
                Found::There(slot) => slot,
                Found::Evicted(slot) => {
                    self.evictions.fetch_add(1, Relaxed);
                    slot
                }
                Found::Lost => continue,
            };
            if let Some(taken) = slot.take(print, gcra, now) {
                return taken;
            }
        }
        self.evictions.fetch_add(1, Relaxed);
        gcra.judge(0, now).0
    }

    fn fill(&self, now: Nanos) -> Fill {
        let chunks = self.chunks.get().map_or(&[][..], |chunks| chunks);
        let step = (chunks.len() * CHUNK).div_ceil(SAMPLE).max(1);
        let looked_at = chunks.iter().step_by(step).filter_map(OnceLock::get).flat_map(|chunk| chunk.iter());
        let live: usize = looked_at.map(|bucket| bucket.live(now)).sum();
        Fill {
            entries: (live * step) as u64,
            entries_max: (self.bytes_max / size_of::<Bucket>() * SLOTS) as u64,
            evictions: self.evictions.load(Relaxed),
        }
    }
}
