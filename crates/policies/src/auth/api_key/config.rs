//! What may be written under `api_key`, and in a file of keys.

use super::key::Digest;
use std::path::PathBuf;
use tidegate_core::header::HeaderName;
use tidegate_core::secret::Secret;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Word};

settings! {
    /// Keys that were handed out, shown in a header.
    pub(crate) struct ApiKeySettings {
        /// The header that clients show their key in.
        pub(crate) header: HeaderName = HeaderName::of("x-api-key"),
        /// The file of keys, as `tidegate key new` writes it. It holds digests, and so no key.
        pub(crate) file: Placed<PathBuf>,
        /// Whether the backend sees the key where it is what let the client in.
        pub(crate) keep: bool = false,
    }
}

settings! {
    /// A file of keys.
    pub(crate) struct KeyFile {
        /// The keys.
        pub(crate) keys: Vec<KeyEntry>,
    }
}

settings! {
    /// A key.
    pub(crate) struct KeyEntry {
        /// What it is called. It may be known to all.
        pub(crate) id: Placed<String>,
        /// Whose it is.
        pub(crate) consumer: Placed<String>,
        /// Its digest: `sha256:` and 64 hex digits.
        pub(crate) hash: Secret<Digest>,
        /// What it is good for.
        pub(crate) scopes: Vec<String> = Vec::new(),
        /// The moment it ends, in UTC: `2027-12-31`, at the beginning of that day.
        pub(crate) expires: Option<Day>,
    }
}

/// The beginning of a day, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub u64);

impl Word for Day {
    const WHAT: &str = "a day such as `2027-12-31`";
    const PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";

    fn parse(text: &str) -> Result<Day, Fault> {
        let fault = || Fault::new("is not a day").hint("write year, month and day, as in `2027-12-31`");
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(fault()) };
        let number = |text: &str, digits: usize| {
            let is_number = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse::<u64>().unwrap_or(0))
        };
        let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
            return Err(fault());
        };
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let is_day =
            year >= 1970 && (1..=12).contains(&month) && (1..=lengths[(month - 1) as usize]).contains(&day);
        if !is_day {
            return Err(fault());
        }
        let years: u64 =
            (1970..year).map(|y| if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) { 366 } else { 365 }).sum();
        let months: u64 = lengths[..(month - 1) as usize].iter().sum();
        Ok(Day((years + months + day - 1) * 86_400))
    }

    fn show(&self) -> String {
        String::new()
    }

    fn stand_in() -> Day {
        Day(0)
    }
}
