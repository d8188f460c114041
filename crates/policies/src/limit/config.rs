//! What may be written under `limit`: one limit or a list of them, each as a word or with its keys.

use crate::per::{self, Per};
use std::time::Duration;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Setting, Shape, Word};
use tidegate_core::units::{Count, Label, Period, Rate};

settings! {
    /// A rate limit.
    pub(crate) struct LimitSettings {
        /// How many requests in which time, and whose: `100/min`, `100/min per consumer`.
        pub(crate) rate: Placed<RatePer>,
        /// Whose requests are counted together: `consumer`, `ip`, `route`, or `header:NAME` for each value of a header. `route` unless it says.
        pub(crate) per: Option<Placed<Per>>,
        /// How many may come at once. As many as the rate counts, unless it says.
        pub(crate) burst: Option<Count<1>>,
        /// Only watch: count what would be refused, and refuse nothing.
        pub(crate) observe: bool = false,
        /// What clients see it called in `RateLimit`, and what it is counted under: keep it when the list changes.
        pub(crate) name: Option<Label>,
    }
    short rate;
}

/// One limit, or a list of them.
pub(crate) fn shape() -> Shape {
    let one = LimitSettings::shape();
    Shape::Either(vec![one.clone(), Shape::List(Box::new(one))])
}

/// A rate, and in the same word whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RatePer {
    pub(crate) rate: Rate,
    /// How long its period is.
    pub(crate) period: Duration,
    pub(crate) per: Option<Per>,
}

impl Word for RatePer {
    const WHAT: &str = "a rate such as `100/min` or `100/min per consumer`";
    const PATTERN: &str =
        "^[0-9]+[kMG]?/(s|min|h|day)( per (consumer|ip|route|header:[A-Za-z0-9!#$%&'*+.^_`|~-]+))?$";

    fn parse(text: &str) -> Result<RatePer, Fault> {
        let (rate, per) = per::split(text)?;
        let rate = Rate::parse(rate)?;
        let seconds = match rate.per {
            Period::Second => 1,
            Period::Minute => 60,
            Period::Hour => 3600,
            Period::Day => 86_400,
            Period::Month => {
                let fault = Fault::new("has no fixed length, and a limit counts by the clock");
                return Err(fault.hint("for a calendar month write `quota: 1M/month`"));
            }
        };
        Ok(RatePer { rate, period: Duration::from_secs(seconds), per })
    }

    fn show(&self) -> String {
        match &self.per {
            Some(per) => format!("{} per {}", Word::show(&self.rate), Word::show(per)),
            None => Word::show(&self.rate),
        }
    }

    fn stand_in() -> RatePer {
        RatePer { rate: <Rate as Word>::stand_in(), period: Duration::from_secs(1), per: None }
    }
}
