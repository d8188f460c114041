//! Finds out who asks by a key that was handed out. Only digests of keys are kept; keys are random and long, so a fast
//! digest does, and a request costs no more than one.

mod config;
pub mod key;

#[cfg(test)]
mod tests;

pub use config::Day;
use config::{ApiKeySettings, KeyFile};
use key::Digest;
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tidegate_core::auth::{Authenticator, Finding, Kind};
use tidegate_core::building::Building;
use tidegate_core::date;
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::header::HeaderName;
use tidegate_core::identity::{Consumer, Identity, is_scope};
use tidegate_core::keys::{self, HandedOut, Keys, Lookup, Unable};
use tidegate_core::node::Node;
use tidegate_core::policy::Reason;
use tidegate_core::problem::{Problem, quote};
use tidegate_core::settings::Setting;

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "api_key",
    doc: "By a key that was handed out, in a header.",
    shape: ApiKeySettings::shape,
    build,
};

/// What a scope is made of, for whoever wrote something else.
pub const SCOPE_HINT: &str = "visible ASCII without blanks, quotes and backslashes; write several as a list";

/// Most keys of a file. One takes some 200 bytes here.
const KEYS_MAX: usize = 100_000;

fn build(node: &Node, building: &mut Building<'_>) -> Option<Arc<dyn Authenticator>> {
    let settings = ApiKeySettings::read(node, building.problems);
    let place = settings.file.place()?;
    let keys = match building.files.tree(&settings.file, building.problems) {
        Ok(Some(tree)) => read(&tree, building)?,
        Ok(None) => return None,
        Err(why) => {
            let problem = Problem::at(place, format!("{} {why}", settings.file.quote()));
            building.problems.push(problem.hint("`tidegate key new` writes one"));
            return None;
        }
    };
    let entry = building.part.name.clone();
    let keys = Box::new(FileKeys(keys));
    Some(Arc::new(ApiKey { entry, header: settings.header, keys, is_kept: settings.keep }))
}

/// The keys of a file, after telling everything that is wrong with it.
fn read(tree: &Node, building: &mut Building<'_>) -> Option<HashMap<Handle, HandedOut>> {
    let before = building.problems.count();
    let file = KeyFile::read(tree, building.problems);
    if file.keys.len() > KEYS_MAX {
        building.problems.push(Problem::at(&tree.place, format!("has more than {KEYS_MAX} keys")));
        return None;
    }
    let mut keys = HashMap::new();
    let mut ids = HashMap::new();
    for entry in &file.keys {
        let (Some(id_place), Some(place)) = (entry.id.place(), entry.consumer.place()) else { continue };
        if ids.insert(entry.id.as_str(), ()).is_some() {
            building.problems.push(Problem::at(id_place, format!("{} is there twice", entry.id.quote())));
        }
        let Some(consumer) = Consumer::new(&entry.consumer) else {
            let reason = format!("{} is not the name of a consumer", entry.consumer.quote());
            building.problems.push(Problem::at(place, reason).hint("visible ASCII, 255 characters at most"));
            continue;
        };
        if let Some(scope) = entry.scopes.iter().find(|scope| !is_scope(scope)) {
            let reason = format!("{} has {}, which is not a scope", entry.id.quote(), quote(scope));
            building.problems.push(Problem::at(id_place, reason).hint(SCOPE_HINT));
        }
        let scopes = entry.scopes.iter().map(|scope| scope.as_str().into()).collect();
        let identity = Arc::new(Identity { consumer, scopes, by: building.part.name.clone() });
        let digest = entry.hash.reveal().0;
        let key = HandedOut { digest, identity, ends: entry.expires.map(|day| day.0) };
        if keys.insert(handle(&digest), key).is_some() {
            building
                .problems
                .push(Problem::at(id_place, format!("{} has the hash of an earlier key", entry.id.quote())));
        }
    }
    (building.problems.count() == before).then_some(keys)
}

/// What a key is looked up by: a part of its digest, which tells nothing of the rest that is compared.
type Handle = [u8; 8];

fn handle(digest: &keys::Digest) -> Handle {
    let mut handle = [0; 8];
    handle.copy_from_slice(&digest[..8]);
    handle
}

/// The keys of a file.
struct FileKeys(HashMap<Handle, HandedOut>);

impl Keys for FileKeys {
    fn find(&self, digest: keys::Digest) -> Lookup<'_> {
        Lookup::Now(self.0.get(&handle(&digest)))
    }
}

/// See the file.
struct ApiKey {
    entry: Arc<str>,
    header: HeaderName,
    keys: Box<dyn Keys>,
    is_kept: bool,
}

impl ApiKey {
    fn judge<'a>(&'a self, shown: &[u8], now: u64) -> Finding<'a> {
        let Some(shown) = std::str::from_utf8(shown).ok().filter(|shown| key::is_key(shown)) else {
            return Finding::Refused(Reason::new("malformed"));
        };
        let digest = Digest::of(shown).0;
        match self.keys.find(digest) {
            Lookup::Now(known) => told(known, &digest, now),
            Lookup::Wait(future) => Finding::Wait(Box::pin(async move {
                match future.await {
                    Ok(known) => told(known.as_ref(), &digest, now),
                    Err(Unable(code)) => Finding::Unable(Reason::new(code)),
                }
            })),
        }
    }
}

/// What a key that was looked up says of the one that is shown.
fn told<'f>(known: Option<&HandedOut>, digest: &keys::Digest, now: u64) -> Finding<'f> {
    match known.filter(|known| bool::from(known.digest.ct_eq(digest))) {
        None => Finding::Refused(Reason::new("unknown_key")),
        Some(known) if known.ends.is_some_and(|ends| ends <= now) => Finding::Refused(Reason::new("expired")),
        Some(known) => Finding::Known(known.identity.clone()),
    }
}

impl Authenticator for ApiKey {
    fn find<'a>(&'a self, request: &'a RequestHead, _: &'a Client) -> Finding<'a> {
        let mut all = request.fields.find_all(self.header.as_str().as_bytes());
        match (all.next(), all.next()) {
            (None, _) => Finding::Absent,
            // Two readers would take two.
            (Some(_), Some(_)) => Finding::Refused(Reason::new("malformed")),
            (Some(shown), None) => self.judge(shown, date::seconds()),
        }
    }

    /// No scheme is registered for keys. RFC 9110 §15.5.2 wants a challenge with every 401: this one says what is asked for.
    fn challenge(&self, refused: Option<&Reason>, out: &mut String) {
        if refused.is_some_and(|reason| reason.code == tidegate_core::auth::SCOPE) {
            return;
        }
        out.push_str(&format!("ApiKey realm=\"{}\", header=\"{}\"", self.entry, self.header.as_str()));
    }

    fn field(&self) -> &str {
        self.header.as_str()
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }

    fn strip(&self, request: &mut RequestHead) {
        self.header.remove_alike_from(&mut request.fields);
    }

    fn describe(&self) -> String {
        format!("a key in {} (`{}`)", self.header.as_str(), self.entry)
    }
}
