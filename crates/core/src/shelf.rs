//! What members of families share and what outlives every snapshot: counters, counts on disk, documents from outside.
//! Built once by the program and handed to members when they are built. Whoever only reads a configuration (`validate`)
//! has an empty one: members are built with it as with any other, and serve nobody.

use crate::document::DocumentBook;
use crate::limiter::Limiter;
use crate::quotas::Quotas;
use std::sync::Arc;

/// See the file.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Where rate limits are counted. Without one nothing is.
    pub limiter: Option<Arc<dyn Limiter>>,
    /// Where quotas are counted. Without one nothing is.
    pub quotas: Option<Arc<dyn Quotas>>,
    /// Documents that others publish.
    pub documents: Arc<DocumentBook>,
}
