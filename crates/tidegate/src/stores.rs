//! What a gateway keeps beside its configurations: made once, before the first is read, and given to the members of
//! every one. Who starts a gateway makes it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_config::Families;
use tidegate_core::problem::Problem;
use tidegate_core::shelf::Shelf;
use tidegate_store::durable::Leases;
use tidegate_store::shared::Table;

use crate::families;

/// How long an ending gateway may take to write what is not used of its leases: 100,000 of them take half a second.
const CLOSE_TIME: Duration = Duration::from_secs(3);

/// See the file.
pub(crate) struct Stores {
    shelf: Shelf,
    quotas: Arc<Leases>,
}

impl Stores {
    /// Empty ones.
    pub(crate) fn new() -> Stores {
        let quotas = Arc::new(Leases::default());
        let shelf = Shelf {
            limiter: Some(Arc::new(Table::default())),
            quotas: Some(quotas.clone()),
            ..Shelf::default()
        };
        Stores { shelf, quotas }
    }

    /// Every member, to be built with them.
    pub(crate) fn families(&self) -> Families<'_> {
        families::with(&self.shelf)
    }

    /// The same, at a start.
    pub(crate) fn families_at_start(&self) -> Families<'_> {
        families::at_start(&self.shelf)
    }

    /// Opens what is on disk, in the state folder, if a member that was built wants it. Whoever serves calls it between
    /// reading a configuration and serving it.
    pub(crate) fn open(&self, folder: &Path) -> Result<(), Problem> {
        self.quotas.open(folder)
    }

    /// Nobody is served any more: writes what is to be kept.
    pub(crate) fn close(&self) {
        self.quotas.close(CLOSE_TIME);
    }

    /// What members share.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }
}
