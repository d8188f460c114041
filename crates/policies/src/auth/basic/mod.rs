//! Finds out who asks by a name and a password (RFC 7617). Passwords are verified beside the workers (`verifying`), and
//! those found right are remembered for a while (`known`). A name that nobody has costs as long as one that somebody has.

mod config;
mod known;
mod queue;
mod users;
mod verifying;

#[cfg(test)]
mod tests;

use super::bearer::{self, Shown};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::BasicSettings;
use known::Known;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tidegate_core::auth::{Authenticator, Finding, Kind};
use tidegate_core::building::Building;
use tidegate_core::clock;
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::identity::Identity;
use tidegate_core::name::Name;
use tidegate_core::node::Node;
use tidegate_core::policy::Reason;
use tidegate_core::problem::Problem;
use tidegate_core::settings::Setting;
use users::{Hash, User};
use verifying::Verified;

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "basic",
    doc: "By a name and a password, in `Authorization: Basic`.",
    shape: BasicSettings::shape,
    build,
};

/// Longest name and password together, encoded: neither is typed longer.
const CREDENTIAL_BYTES_MAX: usize = 1024;

fn build(node: &Node, building: &mut Building<'_>) -> Option<Arc<dyn Authenticator>> {
    let settings = BasicSettings::read(node, building.problems);
    let place = settings.file.place()?;
    let mut tell = |why: String| {
        building.problems.push(Problem::at(place, format!("{} {why}", settings.file.quote())));
    };
    let read = match building.files.read(&settings.file) {
        Ok(bytes) => users::read(&String::from_utf8_lossy(&bytes)),
        Err(why) => Err(vec![why]),
    };
    let users = match read {
        Ok(users) => users,
        Err(wrong) => {
            wrong.into_iter().for_each(&mut tell);
            return None;
        }
    };
    let realm = settings.realm.unwrap_or_else(|| building.part.name.to_string());
    if realm.bytes().any(|b| b.is_ascii_control() || b == b'"' || b == b'\\' || !b.is_ascii()) {
        tell(String::from("is right, but `realm` may not hold quotes, backslashes, or other than ASCII"));
        return None;
    }
    // The costliest hash stands in for those who are not there: a name that takes longer than any is nobody's.
    let other = users.values().map(|user| &user.hash).max_by_key(|hash| hash.cost())?.clone();
    let by = building.part.name.clone();
    Some(Arc::new(Basic { users, other, by, realm, known: Known::new(), is_kept: settings.keep }))
}

/// See the file.
struct Basic {
    users: HashMap<String, User>,
    other: Arc<Hash>,
    by: Arc<str>,
    realm: String,
    known: Known,
    is_kept: bool,
}

impl Basic {
    /// Judges a name and a password that are not known.
    async fn judge<'f>(&self, text: &str, address: Option<IpAddr>) -> Finding<'f> {
        let refused = |code| -> Finding<'f> { Finding::Refused(Reason::new(code)) };
        let Some((name, password)) = decoded(text) else { return refused("malformed") };
        let user = self.users.get(&name);
        let hash = user.map_or(&self.other, |user| &user.hash).clone();
        let tag = self.known.tag(text.as_bytes());
        let Some(outcome) = self.known.join(tag, || verifying::begin(hash, password, address)) else {
            return Finding::Unable(Reason::new("busy"));
        };
        match (outcome.told().await, user) {
            (Verified::TurnedAway, _) => Finding::Unable(Reason::new("busy")),
            (_, None) => refused("unknown_user"),
            (Verified::Wrong, Some(_)) => refused("password"),
            (Verified::Right, Some(user)) => {
                let (consumer, by) = (user.consumer.clone(), self.by.clone());
                let identity = Arc::new(Identity { consumer, scopes: Box::default(), by });
                self.known.keep(tag, &identity, clock::exact());
                Finding::Known(identity)
            }
        }
    }
}

/// Name and password (RFC 7617 §2): the name has no colon, the password may.
fn decoded(text: &str) -> Option<(String, Vec<u8>)> {
    let bytes = STANDARD.decode(text).ok()?;
    let colon = bytes.iter().position(|b| *b == b':')?;
    let name = std::str::from_utf8(&bytes[..colon]).ok()?.to_owned();
    let password = bytes[colon + 1..].to_vec();
    (!name.is_empty() && !password.contains(&0)).then_some((name, password))
}

impl Authenticator for Basic {
    fn find<'a>(&'a self, request: &'a RequestHead, client: &'a Client) -> Finding<'a> {
        let text = match bearer::credentials(request, "basic") {
            Shown::Nothing => return Finding::Absent,
            Shown::Token(text) if text.len() <= CREDENTIAL_BYTES_MAX => text,
            Shown::Token(_) | Shown::Malformed => return Finding::Refused(Reason::new("malformed")),
        };
        if let Some(identity) = self.known.find(self.known.tag(text.as_bytes()), clock::coarse()) {
            return Finding::Known(identity);
        }
        Finding::Wait(Box::pin(self.judge(text, client.address.map(|address| address.ip()))))
    }

    fn challenge(&self, refused: Option<&Reason>, out: &mut String) {
        if refused.is_some_and(|reason| reason.code == tidegate_core::auth::SCOPE) {
            return;
        }
        out.push_str(&format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.realm));
    }

    fn field(&self) -> &str {
        Name::Authorization.text()
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }

    fn strip(&self, request: &mut RequestHead) {
        request.fields.remove(Name::Authorization);
    }

    fn describe(&self) -> String {
        format!("a name and a password (`{}`)", self.by)
    }
}
