//! What a gateway keeps beside its configurations: made once, before the first is read, and given to the members of
//! every one. Who starts a gateway makes it.

use std::sync::Arc;
use tidegate_config::Families;
use tidegate_core::shelf::Shelf;
use tidegate_store::shared::Table;

use crate::families;

/// See the file.
pub(crate) struct Stores {
    shelf: Shelf,
}

impl Stores {
    /// Empty ones.
    pub(crate) fn new() -> Stores {
        Stores { shelf: Shelf { limiter: Some(Arc::new(Table::default())) } }
    }

    /// Every member, to be built with them.
    pub(crate) fn families(&self) -> Families<'_> {
        families::with(&self.shelf)
    }

    /// What members share.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }
}
