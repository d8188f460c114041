//! Where the keys of an issuer come from: a file that belongs to the configuration, or a URL that is fetched by the
//! program. What cannot be read changes nothing; what has not been seen for a day is believed no longer.

use super::algorithm::Algorithm;
use super::keys::Keys;
use super::seen::Seen;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tidegate_core::building::Building;
use tidegate_core::clock;
use tidegate_core::document::{Document, DocumentAt};
use tidegate_core::problem::Problem;
use tidegate_core::settings::Placed;

/// How long keys are used that could not be fetched anew: after a day without its issuer nobody knows which of them it
/// has taken back.
const KEPT_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys, and the tokens that were found good with them: other keys begin with none.
pub(super) struct Trusted {
    pub(super) keys: Keys,
    pub(super) seen: Seen,
}

impl Trusted {
    fn new(keys: Keys) -> Arc<Trusted> {
        Arc::new(Trusted { keys, seen: Seen::new() })
    }
}

/// See the file.
pub(super) enum Issuer {
    /// From a file.
    Given(Arc<Trusted>),
    /// From a URL.
    Published(Published),
}

/// Keys at a URL.
pub(super) struct Published {
    pub(super) document: Arc<Document>,
    algorithms: Option<Vec<Algorithm>>,
    /// The version that was read last, and the last keys that could be read.
    read: RwLock<(u64, Option<Arc<Trusted>>)>,
}

impl Issuer {
    /// The keys that settings name. `None` after telling what is wrong with the file.
    pub(super) fn open(
        jwks: &Placed<DocumentAt>,
        algorithms: Option<&[Algorithm]>,
        building: &mut Building<'_>,
    ) -> Option<Issuer> {
        let place = jwks.place()?;
        match &jwks.value {
            DocumentAt::Url(url) => Some(Issuer::Published(Published {
                document: building.shelf.documents.document(url),
                algorithms: algorithms.map(<[Algorithm]>::to_vec),
                read: RwLock::new((0, None)),
            })),
            DocumentAt::File(path) => {
                let read = building.files.read(path);
                match read.and_then(|bytes| Keys::parse(&bytes, algorithms)) {
                    Ok(keys) => Some(Issuer::Given(Trusted::new(keys))),
                    Err(why) => {
                        building.problems.push(Problem::at(place, format!("{} {why}", jwks.quote())));
                        None
                    }
                }
            }
        }
    }

    /// The keys as they are now; `None` while there are none that may be used.
    pub(super) fn trusted(&self) -> Option<Arc<Trusted>> {
        match self {
            Issuer::Given(trusted) => Some(trusted.clone()),
            Issuer::Published(published) => published.trusted(),
        }
    }
}

impl Published {
    fn trusted(&self) -> Option<Arc<Trusted>> {
        let version = self.document.version();
        let fetched = self.document.fetched_at()?;
        if clock::coarse().since(fetched) > KEPT_AT_MOST {
            return None;
        }
        let read = self.read.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        if read.0 == version {
            return read.1.clone();
        }
        drop(read);
        self.read_anew()
    }

    /// Another content has come. Reading a set of keys takes some 100 µs; it is done once.
    #[cold]
    fn read_anew(&self) -> Option<Arc<Trusted>> {
        let (version, content) = self.document.content()?;
        let mut read = self.read.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if read.0 != version {
            read.0 = version;
            if let Ok(keys) = Keys::parse(&content, self.algorithms.as_deref()) {
                read.1 = Some(Trusted::new(keys));
            }
        }
        read.1.clone()
    }
}
