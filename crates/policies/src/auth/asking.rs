//! What the entries of a route have said so far of one request, and what follows from it: who it is, or an answer.
//! Pure; used by the policy beside it.

use std::sync::Arc;
use tidegate_core::auth::{Authenticator, Finding, NO_KEYS, SCOPE};
use tidegate_core::identity::Identity;
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{Reason, Reply};

/// How long a client should wait where somebody could not tell: as long as a document takes that is fetched anew.
const RETRY_AFTER_S: &str = "5";

/// See the file. Of several that say the same the first counts.
#[derive(Default)]
pub(super) struct Asking {
    known: Option<(usize, Arc<Identity>)>,
    forbidden: Option<(usize, Reason)>,
    unable: Option<Reason>,
    refused: Option<(usize, Reason)>,
}

impl Asking {
    /// An entry has said something; it does not wait any more.
    pub(super) fn hear(&mut self, entry: usize, said: Finding<'_>) {
        match said {
            Finding::Known(identity) => self.known = Some((entry, identity)),
            Finding::Forbidden(reason) => {
                self.forbidden.get_or_insert((entry, reason));
            }
            Finding::Unable(reason) => {
                self.unable.get_or_insert(reason);
            }
            Finding::Refused(reason) => {
                self.refused.get_or_insert((entry, reason));
            }
            Finding::Absent | Finding::Wait(_) => {}
        }
    }

    /// Whether nobody else has to be asked.
    pub(super) fn is_over(&self) -> bool {
        self.known.is_some()
    }

    /// What follows: who it is, and which entry knew; or an answer. One that could not tell might have known: that is
    /// no refusal.
    pub(super) fn outcome(
        self,
        entries: &[Arc<dyn Authenticator>],
    ) -> Result<(usize, Arc<Identity>), Box<Reply>> {
        if let Some(known) = self.known {
            return Ok(known);
        }
        Err(Box::new(match (self.forbidden, self.unable, self.refused) {
            (Some((entry, reason)), _, _) => Reply {
                // What else it lacks than a scope has no word in a challenge (RFC 6750 §3.1): another token as good
                // would not do either.
                fields: challenges(
                    &entries[entry..=entry],
                    Some((0, &reason)).filter(|(_, reason)| reason.code == SCOPE),
                ),
                ..reply(403, Outcome::Forbidden, reason)
            },
            (None, Some(reason), _) => Reply {
                fields: vec![(String::from("retry-after"), String::from(RETRY_AFTER_S))],
                ..reply(503, if reason.code == NO_KEYS { Outcome::NoKeys } else { Outcome::Shed }, reason)
            },
            (None, None, Some((entry, reason))) => Reply {
                fields: challenges(entries, Some((entry, &reason))),
                ..reply(401, Outcome::Unauthenticated, reason)
            },
            (None, None, None) => Reply {
                fields: challenges(entries, None),
                ..reply(401, Outcome::Unauthenticated, Reason::new("absent"))
            },
        }))
    }
}

fn reply(status: u16, outcome: Outcome, reason: Reason) -> Reply {
    Reply { status, outcome, reason: Some(reason), fields: Vec::new(), body: None }
}

/// One challenge for each scheme (RFC 9110 §11.6.1): that of the entry that refused, else that of the first.
fn challenges(
    entries: &[Arc<dyn Authenticator>],
    refused: Option<(usize, &Reason)>,
) -> Vec<(String, String)> {
    let mut all: Vec<String> = Vec::new();
    let told = |index: usize| refused.filter(|(entry, _)| *entry == index).map(|(_, reason)| reason);
    let first = refused.map(|(entry, _)| entry).into_iter();
    let others = (0..entries.len()).filter(|index| refused.is_none_or(|(entry, _)| entry != *index));
    for index in first.chain(others) {
        let mut text = String::new();
        entries[index].challenge(told(index), &mut text);
        if !text.is_empty() && all.iter().all(|known| scheme(known) != scheme(&text)) {
            all.push(text);
        }
    }
    all.into_iter().map(|text| (String::from("www-authenticate"), text)).collect()
}

fn scheme(challenge: &str) -> &str {
    challenge.split(' ').next().unwrap_or_default()
}
