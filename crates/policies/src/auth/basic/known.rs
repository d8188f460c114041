//! Passwords that were found right of late, so that a client does not pay for one with every request. What is kept is a
//! digest with a key of this process, which is of no use to anybody else.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::identity::Identity;

/// How long a right password counts without being verified again.
const KEPT: Duration = Duration::from_secs(300);
/// Most of them; beyond it all are verified anew once, which a flood of right passwords can pay for.
const KEPT_MAX: usize = 4096;

type Tag = [u8; 32];

/// See the file.
pub(super) struct Known {
    key: Option<hmac::Key>,
    right: Mutex<HashMap<Tag, (Arc<Identity>, Nanos)>>,
}

impl Known {
    pub(super) fn new() -> Known {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Known { key, right: Mutex::default() }
    }

    /// What a credential is remembered by; nothing where the system gives no random numbers.
    pub(super) fn tag(&self, credential: &[u8]) -> Option<Tag> {
        hmac::sign(self.key.as_ref()?, credential).as_ref().try_into().ok()
    }

    pub(super) fn find(&self, tag: Option<Tag>) -> Option<Arc<Identity>> {
        let right = self.right.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (identity, since) = right.get(&tag?)?;
        (clock::coarse().since(*since) < KEPT).then(|| identity.clone())
    }

    pub(super) fn keep(&self, tag: Option<Tag>, identity: &Arc<Identity>) {
        let Some(tag) = tag else { return };
        let mut right = self.right.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if right.len() >= KEPT_MAX {
            right.clear();
        }
        right.insert(tag, (identity.clone(), clock::coarse()));
    }
}
