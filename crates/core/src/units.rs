//! The words of values: times, sizes, shares, rates, names, addresses to bind, paths. Each is read from one
//! scalar, shows itself so that it is read back the same, and explains what is wrong.

mod address;
mod network;
mod rates;

pub use address::{Bind, Use, inet, unix_path};
pub use network::{Network, counted_address};
pub use rates::{ByteRate, Period, Rate, Share};

use crate::settings::{Fault, Shape, Word};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A year for durations is 365 days.
const YEAR: u64 = 365 * DAY;

/// Units of time in milliseconds, greatest first.
const TIMES: [(&str, u64); 6] =
    [("y", YEAR * 1000), ("d", DAY * 1000), ("h", HOUR * 1000), ("m", MINUTE * 1000), ("s", 1000), ("ms", 1)];
/// Units of size in bytes, greatest first.
const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
/// 100 years: deadlines are sums of durations and must not overflow.
const TIME_MS_MAX: u64 = 100 * YEAR * 1000;

/// Splits `250ms` into its digits and what follows; more digits than fit are the most there is. `None`
/// without digits.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    match number {
        "" => None,
        number => Some((number.parse().unwrap_or(u64::MAX), unit)),
    }
}

/// `number` times the unit of that name, if there is one; the most there is when that overflows.
fn scaled(units: &[(&str, u64)], number: u64, unit: &str) -> Option<u64> {
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.saturating_mul(*factor))
}

/// The shortest exact spelling.
fn shown(units: &[(&str, u64)], amount: u64) -> String {
    let (name, factor) =
        units.iter().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor)).unwrap_or(
            // Zero is no multiple of anything: it has the smallest unit.
            &units[units.len() - 1],
        );
    format!("{}{name}", amount / factor)
}

/// Times are whole numbers of milliseconds or more, at least 1 ms, at most 100 years.
impl Word for Duration {
    const WHAT: &str = "a time such as `250ms`, `10s` or `5m`";
    const PATTERN: &str = "^[0-9]+(ms|s|m|h|d|y)$";

    fn parse(text: &str) -> Result<Duration, Fault> {
        const HINT: &str = "write a whole number and a unit: `250ms`, `10s`, `5m`, `1h`, `30d`, `1y`";
        match number_and_unit(text).map(|(number, unit)| (unit, scaled(&TIMES, number, unit))) {
            Some((_, Some(0))) => Err(Fault::new("is no time at all").hint("the least is `1ms`")),
            Some((_, Some(ms))) if ms <= TIME_MS_MAX => Ok(Duration::from_millis(ms)),
            Some((_, Some(_))) => Err(Fault::new("is too long").hint("the most is `100y`")),
            Some(("", None)) => Err(Fault::new("has no unit").hint(HINT)),
            _ => Err(Fault::new("is not a time").hint(HINT)),
        }
    }

    fn show(&self) -> String {
        shown(&TIMES, u64::try_from(self.as_millis()).unwrap_or(u64::MAX))
    }

    fn stand_in() -> Duration {
        Duration::from_secs(1)
    }
}

/// A number of bytes between two bounds, both allowed. Without others they are 0 and 1 EiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes<const MIN: u64 = 0, const MAX: u64 = { 1 << 60 }>(u64);

impl<const MIN: u64, const MAX: u64> Bytes<MIN, MAX> {
    /// A size known to the program. Panics outside the bounds: for constants in declarations.
    pub const fn new(bytes: u64) -> Self {
        assert!(bytes >= MIN && bytes <= MAX);
        Bytes(bytes)
    }

    /// How many.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How many, where memory is meant.
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const MIN: u64, const MAX: u64> Word for Bytes<MIN, MAX> {
    const WHAT: &str = "a size such as `8KiB` or `10MiB`";
    const PATTERN: &str = "^[0-9]+(B|KiB|MiB|GiB|TiB)?$";

    fn parse(text: &str) -> Result<Self, Fault> {
        let bytes = size(text)?;
        match (bytes < MIN, bytes > MAX) {
            (true, _) => {
                Err(Fault::new("is too small").hint(format!("the least is `{}`", shown(&SIZES, MIN))))
            }
            (_, true) => {
                Err(Fault::new("is too large").hint(format!("the most is `{}`", shown(&SIZES, MAX))))
            }
            _ => Ok(Bytes(bytes)),
        }
    }

    fn show(&self) -> String {
        shown(&SIZES, self.0)
    }

    fn stand_in() -> Self {
        Bytes(MIN)
    }
}

/// Bytes from `8KiB` or plain `8192`; the most there is when that overflows.
fn size(text: &str) -> Result<u64, Fault> {
    let bytes = number_and_unit(text).and_then(|(number, unit)| match unit {
        "" => Some(number),
        unit => scaled(&SIZES, number, unit),
    });
    bytes.ok_or_else(|| {
        Fault::new("is not a size")
            .hint("write a number of bytes or one with a unit: `512B`, `8KiB`, `10MiB`, `1GiB`")
    })
}

/// A whole number between two bounds, both allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count<const MIN: u32 = 0, const MAX: u32 = { u32::MAX }>(u32);

impl<const MIN: u32, const MAX: u32> Count<MIN, MAX> {
    /// A number known to the program. Panics outside the bounds: for constants in declarations.
    pub const fn new(count: u32) -> Self {
        assert!(count >= MIN && count <= MAX);
        Count(count)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Word for Count<MIN, MAX> {
    const WHAT: &str = "a whole number";
    const PATTERN: &str = "^[0-9]+$";

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::new("is not a whole number"));
        }
        // Digits alone: the only error left is overflow.
        let count = text.parse().unwrap_or(u64::MAX);
        match u32::try_from(count).ok().filter(|count| (MIN..=MAX).contains(count)) {
            Some(count) => Ok(Count(count)),
            None => Err(Fault::new("is out of range").hint(format!("from {MIN} to {MAX}"))),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> Self {
        Count(MIN)
    }

    fn shape() -> Shape {
        Shape::Integer { min: u64::from(MIN), max: u64::from(MAX) }
    }
}

/// The name of a listener, service or route: `[a-z][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);

impl Label {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Display for Label {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Word for Label {
    const WHAT: &str = "a name";
    const PATTERN: &str = "^[a-z][a-z0-9-]{0,62}$";

    fn parse(text: &str) -> Result<Label, Fault> {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 63
            && text.bytes().all(is_part);
        match is_name {
            true => Ok(Label(text.into())),
            false => Err(Fault::new("is not a name")
                .hint("a small letter, then small letters, digits and `-`, 63 characters at most")),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> Label {
        Label("none".into())
    }
}

#[cfg(test)]
mod tests;
