//! How full the table of rate limits is.

use super::Page;
use tidegate_core::clock;
use tidegate_core::shelf::Shelf;

pub(super) fn page(shelf: &Shelf, out: &mut Page) {
    let Some(limiter) = &shelf.limiter else { return };
    let fill = limiter.fill(clock::exact());
    let help = "Keys of rate limits that have not been given back everything; a sample, scaled.";
    out.single("tidegate_limit_entries", "gauge", help, fill.entries);
    out.single(
        "tidegate_limit_entries_max",
        "gauge",
        "Most keys of rate limits at a time.",
        fill.entries_max,
    );
    let help = "Keys of rate limits that were forgotten too early, for want of room.";
    out.single("tidegate_limit_evictions_total", "counter", help, fill.evictions);
}
