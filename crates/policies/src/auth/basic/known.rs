//! Passwords that were found right of late, so that a client does not pay for one with every request. What is kept is a
//! digest with a key of this process, which is of no use to anybody else. One that is being verified is so once, however
//! many requests show it meanwhile.

use super::verifying::Outcome;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tidegate_core::clock::Nanos;
use tidegate_core::identity::Identity;

/// How long a right password counts after it was last used: whoever is at work is not asked again in the midst of a
/// flood of guesses. A change of the file forgets all of them.
pub(super) const KEPT: Duration = Duration::from_secs(300);
/// Most of them; the one that was not used for longest makes room.
pub(super) const KEPT_MAX: usize = 4096;

pub(super) type Tag = [u8; 32];

/// See the file.
pub(super) struct Known {
    key: Option<hmac::Key>,
    right: Mutex<HashMap<Tag, (Arc<Identity>, Nanos)>>,
    /// Those that are being verified.
    pending: Mutex<HashMap<Tag, Weak<Outcome>>>,
}

impl Known {
    pub(super) fn new() -> Known {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Known { key, right: Mutex::default(), pending: Mutex::default() }
    }

    /// What a credential is remembered by; nothing where the system gives no random numbers.
    pub(super) fn tag(&self, credential: &[u8]) -> Option<Tag> {
        hmac::sign(self.key.as_ref()?, credential).as_ref().try_into().ok()
    }

    pub(super) fn find(&self, tag: Option<Tag>, now: Nanos) -> Option<Arc<Identity>> {
        let mut right = self.right.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (identity, since) = right.get_mut(&tag?)?;
        if now.since(*since) >= KEPT {
            return None;
        }
        *since = now;
        Some(identity.clone())
    }

    /// The outcome of the verification that is under way for a credential, or else of one that is begun.
    pub(super) fn join(
        &self,
        tag: Option<Tag>,
        begin: impl FnOnce() -> Option<Arc<Outcome>>,
    ) -> Option<Arc<Outcome>> {
        let Some(tag) = tag else { return begin() };
        let mut pending = self.pending.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(outcome) = pending.get(&tag).and_then(Weak::upgrade) {
            return Some(outcome);
        }
        // As few are left as may wait for the threads.
        pending.retain(|_, outcome| outcome.strong_count() > 0);
        let outcome = begin()?;
        pending.insert(tag, Arc::downgrade(&outcome));
        Some(outcome)
    }

    pub(super) fn keep(&self, tag: Option<Tag>, identity: &Arc<Identity>, now: Nanos) {
        let Some(tag) = tag else { return };
        let mut right = self.right.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if right.len() >= KEPT_MAX && !right.contains_key(&tag) {
            let oldest = right.iter().min_by_key(|(_, (_, used))| *used).map(|(tag, _)| *tag);
            oldest.map(|tag| right.remove(&tag));
        }
        right.insert(tag, (identity.clone(), now));
    }
}
