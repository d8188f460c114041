//! Moments of the gateway's clock as the API shows them.

use tidegate_core::clock::Nanos;
use tidegate_core::date;

/// A moment as `2026-11-24T02:00:00Z` (RFC 3339), to the second: the two clocks are never closer than that for long.
pub(crate) fn text(at: Nanos) -> String {
    let stamp = date::stamp(at);
    let seconds = &stamp[..SECONDS_BYTES];
    format!("{}Z", String::from_utf8_lossy(seconds))
}

/// `2026-11-24T02:00:00`, before the fraction.
const SECONDS_BYTES: usize = 19;
