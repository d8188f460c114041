//! Parts of a whole, and so many of something in a stretch of time.

use super::{SIZES, number_and_unit, scaled, shown};
use crate::settings::{Fault, Word};

/// A part of a whole, from 0 % to 100 %, kept in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// 1,000,000 is all of it.
    pub millionths: u32,
}

impl Word for Share {
    const WHAT: &str = "a share such as `20%` or `99.9%`";
    const PATTERN: &str = "^[0-9]+(\\.[0-9]{1,4})?%$";

    fn parse(text: &str) -> Result<Share, Fault> {
        let fault = || Fault::new("is not a share").hint("write a percentage: `20%`, `99.9%`");
        let number = text.strip_suffix('%').ok_or_else(fault)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_written = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // Four places after the point are what millionths can hold.
        if !is_written(whole) || !is_written(part) || part.len() > 4 {
            return Err(fault());
        }
        let whole: u64 = whole.parse().map_err(|_| fault())?;
        let part = format!("{part:0<4}").parse::<u64>().map_err(|_| fault())?;
        match whole.saturating_mul(10_000).saturating_add(part) {
            millionths @ 0..=1_000_000 => Ok(Share { millionths: millionths as u32 }),
            _ => Err(Fault::new("is more than the whole").hint("the most is `100%`")),
        }
    }

    fn show(&self) -> String {
        let part = format!("{:04}", self.millionths % 10_000);
        match part.trim_end_matches('0') {
            "" => format!("{}%", self.millionths / 10_000),
            part => format!("{}.{part}%", self.millionths / 10_000),
        }
    }

    fn stand_in() -> Share {
        Share { millionths: 0 }
    }
}

/// So many events in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Events; at least 1.
    pub count: u64,
    /// The stretch.
    pub per: Period,
}

/// The stretches a rate may be counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// `s`.
    Second,
    /// `min`.
    Minute,
    /// `h`.
    Hour,
    /// `day`: of the calendar, in UTC.
    Day,
    /// `month`: of the calendar, in UTC.
    Month,
}

const PERIODS: [(&str, Period); 5] = [
    ("s", Period::Second),
    ("min", Period::Minute),
    ("h", Period::Hour),
    ("day", Period::Day),
    ("month", Period::Month),
];
/// Suffixes of large counts, greatest first; decimal, as they count events.
const COUNTS: [(&str, u64); 4] = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000), ("", 1)];

/// What a period is called here that has another name elsewhere.
fn meant(period: &str) -> Option<&'static str> {
    match period {
        "sec" | "second" | "seconds" => Some("a second is `s`: `100/s`"),
        "m" | "minute" | "minutes" | "mins" => Some("a minute is `min`: `100/min`"),
        "hr" | "hour" | "hours" => Some("an hour is `h`: `100/h`"),
        "d" | "days" => Some("a day is `day`: `100/day`"),
        "mo" | "months" => Some("a month is `month`: `1M/month`"),
        _ => None,
    }
}

impl Word for Rate {
    const WHAT: &str = "a rate such as `100/s`, `100/min` or `1M/month`";
    const PATTERN: &str = "^[0-9]+[kMG]?/(s|min|h|day|month)$";

    fn parse(text: &str) -> Result<Rate, Fault> {
        let fault = || {
            Fault::new("is not a rate").hint("write a number and a period: `100/s`, `100/min`, `1M/month`")
        };
        let (count, per) = text.split_once('/').ok_or_else(fault)?;
        let (number, suffix) = number_and_unit(count).ok_or_else(fault)?;
        let count = scaled(&COUNTS, number, suffix).ok_or_else(fault)?;
        let Some((_, per)) = PERIODS.iter().find(|(name, _)| *name == per) else {
            return Err(match meant(per) {
                Some(hint) => Fault::new("has a period that is not known").hint(hint),
                None => fault(),
            });
        };
        match count {
            0 => Err(Fault::new("lets nothing through").hint("the least is 1")),
            count => Ok(Rate { count, per: *per }),
        }
    }

    fn show(&self) -> String {
        let per = PERIODS.iter().find(|(_, per)| *per == self.per).map_or("s", |(name, _)| name);
        format!("{}/{per}", shown(&COUNTS, self.count))
    }

    fn stand_in() -> Rate {
        Rate { count: 1, per: Period::Second }
    }
}

/// Bytes per second; at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate {
    /// So many.
    pub bytes_per_second: u64,
}

impl Word for ByteRate {
    const WHAT: &str = "a rate of bytes such as `1000B/s` or `50MiB/s`";
    const PATTERN: &str = "^[0-9]+(B|KiB|MiB|GiB|TiB)/s$";

    fn parse(text: &str) -> Result<ByteRate, Fault> {
        let fault = || {
            Fault::new("is not a rate of bytes").hint("write a size for each second: `1000B/s`, `50MiB/s`")
        };
        let (number, unit) = text.strip_suffix("/s").and_then(number_and_unit).ok_or_else(fault)?;
        match scaled(&SIZES, number, unit).ok_or_else(fault)? {
            0 => Err(Fault::new("is no rate at all").hint("the least is `1B/s`")),
            bytes_per_second => Ok(ByteRate { bytes_per_second }),
        }
    }

    fn show(&self) -> String {
        // Decimal thousands read better in bytes than as a fraction of a KiB: `1000B/s` is its own spelling.
        format!("{}/s", shown(&SIZES, self.bytes_per_second))
    }

    fn stand_in() -> ByteRate {
        ByteRate { bytes_per_second: 1 }
    }
}
