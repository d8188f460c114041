//! How full the table of rate limits is, and what quotas have asked of the store.

use super::Page;
use tidegate_core::clock;
use tidegate_core::shelf::Shelf;

pub(super) fn page(shelf: &Shelf, out: &mut Page) {
    if let Some(limiter) = &shelf.limiter {
        let fill = limiter.fill(clock::exact());
        let help = "Keys of rate limits that have not been given back everything; a sample, scaled.";
        out.single("tidegate_limit_entries", "gauge", help, fill.entries);
        let help = "Most keys of rate limits at a time.";
        out.single("tidegate_limit_entries_max", "gauge", help, fill.entries_max);
        let help = "Keys of rate limits that were forgotten too early, for want of room.";
        out.single("tidegate_limit_evictions_total", "counter", help, fill.evictions);
    }
    if let Some(quotas) = &shelf.quotas {
        let counts = quotas.counts();
        out.single("tidegate_quota_keys", "gauge", "Keys of quotas in memory.", counts.keys);
        let help = "Leases that quotas have taken from the store.";
        out.single("tidegate_quota_leases_total", "counter", help, counts.leases);
        let name = "tidegate_store_flushes_total";
        out.family(name, "counter", "Transactions of the store, by whether they were written.");
        out.line(name, &[("result", "ok")], counts.flushes);
        out.line(name, &[("result", "failed")], counts.failures);
        let help = "Requests served on credit, as the store did not answer; counted once it does.";
        out.single("tidegate_quota_owed_total", "counter", help, counts.owed);
    }
}
