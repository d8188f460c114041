//! Tokens that were found good, so that each is verified once and not with every request. Bounded; shared by all
//! workers, none of which ever waits for another: where one is at it, the token is verified again, which takes some
//! 30 µs and is right at any time. Belongs to one set of keys and rules, and goes with them.

use super::token::Good;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use tidegate_core::identity::Identity;

/// Parts with a lock each: a few times as many as a large machine has workers at it at once.
const PARTS: usize = 16;
/// Tokens of a part: 4096 of all. One is for each client that has asked of late.
const PART_TOKENS_MAX: usize = 256;
/// Bytes of a part's tokens: 4 MiB of all. Tokens are of some 800 bytes, so this bounds only those who make long ones.
const PART_BYTES_MAX: usize = 256 << 10;

/// See the file.
pub(super) struct Seen {
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

#[derive(Default)]
struct Part {
    /// By the whole token: no other can be taken for it, whatever its hash.
    tokens: HashMap<Arc<str>, Good>,
    /// The same in the order they came: the first goes first. Whichever a map names first will not do: that soon is
    /// always the newest.
    order: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen { hasher: RandomState::new(), parts: std::array::from_fn(|_| Mutex::default()) }
    }

    fn part(&self, token: &str) -> &Mutex<Part> {
        &self.parts[self.hasher.hash_one(token) as usize % PARTS]
    }

    /// Who shows this token, if it has been found good and still is.
    pub(super) fn find(&self, token: &str, now: u64) -> Option<Arc<Identity>> {
        let part = self.part(token).try_lock().ok()?;
        part.tokens.get(token).filter(|good| now < good.until).map(|good| good.identity.clone())
    }

    /// Keeps a token that was found good.
    pub(super) fn keep(&self, token: &str, good: Good) {
        let Ok(mut part) = self.part(token).try_lock() else { return };
        if let Some(known) = part.tokens.get_mut(token) {
            *known = good;
            return;
        }
        while part.tokens.len() >= PART_TOKENS_MAX || part.bytes + token.len() > PART_BYTES_MAX {
            let Some(first) = part.order.pop_front() else { return };
            part.tokens.remove(&first);
            part.bytes -= first.len();
        }
        let token: Arc<str> = token.into();
        part.bytes += token.len();
        part.order.push_back(token.clone());
        part.tokens.insert(token, good);
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap().tokens.len()).sum()
    }
}
