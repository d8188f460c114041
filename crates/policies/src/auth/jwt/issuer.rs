//! Where the keys of an issuer come from: a file that belongs to the configuration, or a URL that is fetched by the
//! program, and read there too. A set that cannot be read changes nothing; what has not been seen for a day is believed
//! no longer.

use super::algorithm::Algorithm;
use super::keys::Keys;
use super::seen::Seen;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use tidegate_core::building::Building;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::document::{Document, DocumentAt, Reader};
use tidegate_core::problem::Problem;
use tidegate_core::settings::Placed;

/// How long keys are used that could not be had anew: after a day without its issuer nobody knows which of them it has
/// taken back.
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
    Published(Arc<Document>, Arc<Published>),
}

/// What is published at a URL, as it was last read.
pub(super) struct Published {
    algorithms: Option<Vec<Algorithm>>,
    trusted: RwLock<Option<Arc<Trusted>>>,
    /// When a set was last read well; 0 for never.
    read_at: AtomicU64,
    last: Mutex<Option<Last>>,
}

/// The set that was last read well, and what was wrong with parts of it.
struct Last {
    set: Arc<[u8]>,
    said: Result<(), String>,
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
            DocumentAt::Url(url) => {
                let document = building.shelf.documents.document(url);
                let published = Arc::new(Published::new(algorithms));
                document.tell(Arc::<Published>::downgrade(&published));
                Some(Issuer::Published(document, published))
            }
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
            Issuer::Published(_, published) => published.trusted(clock::coarse()),
        }
    }
}

impl Published {
    pub(super) fn new(algorithms: Option<&[Algorithm]>) -> Published {
        Published {
            algorithms: algorithms.map(<[Algorithm]>::to_vec),
            trusted: RwLock::default(),
            read_at: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    pub(super) fn trusted(&self, now: Nanos) -> Option<Arc<Trusted>> {
        let read_at = self.read_at.load(Relaxed);
        if read_at == 0 || now.since(Nanos(read_at)) > KEPT_AT_MOST {
            return None;
        }
        self.trusted.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Reader for Published {
    fn read(&self, content: &Arc<[u8]>) -> Result<(), String> {
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let said = match &*last {
            // The same keys, and with them the tokens that were found good.
            Some(known) if Arc::ptr_eq(&known.set, content) => known.said.clone(),
            _ => {
                let (keys, said) = Keys::published(content, self.algorithms.as_deref())?;
                let trusted = keys.map(Trusted::new);
                *self.trusted.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = trusted;
                *last = Some(Last { set: content.clone(), said: said.clone() });
                said
            }
        };
        self.read_at.store(clock::exact().0.max(1), Relaxed);
        said
    }
}
