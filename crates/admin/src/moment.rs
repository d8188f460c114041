//! Moments of the gateway's clock as the API shows them.

use tidegate_core::clock::Nanos;
use tidegate_core::date;

/// A moment as `2026-11-24T02:00:00Z` (RFC 3339), to the second: the two clocks are never closer than that for long.
pub(crate) fn text(at: Nanos) -> String {
    to_the_second(&date::stamp(at))
}

/// A moment in seconds since 1970, as `2026-11-24T02:00:00Z`; what lies before or beyond the year 9999 is shown as the end of that time.
pub(crate) fn of_unix(seconds: i64) -> String {
    let micros = seconds.clamp(0, SECONDS_MAX) as u64 * 1_000_000;
    to_the_second(&date::stamp_of(micros))
}

fn to_the_second(stamp: &date::Stamp) -> String {
    format!("{}Z", String::from_utf8_lossy(&stamp[..SECONDS_BYTES]))
}

/// The end of 9999, which is also what certificates without an end say (RFC 5280 §4.1.2.5).
const SECONDS_MAX: i64 = 253_402_300_799;

/// `2026-11-24T02:00:00`, before the fraction.
const SECONDS_BYTES: usize = 19;
