//! What may be written under `quota`: one quota or a list of them, each as a word or with its keys.

use crate::per::{self, Per};
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Setting, Shape, Word};
use tidegate_core::units::{Label, Period, Rate};

settings! {
    /// A quota.
    pub(crate) struct QuotaSettings {
        /// How many requests in which period of the calendar, in UTC, and whose: `1M/month per consumer`.
        pub(crate) amount: Placed<AmountPer>,
        /// Whose requests are counted together: `consumer`, `ip`, `route`, or `header:NAME` for each value of a header. `route` unless it says.
        pub(crate) per: Option<Placed<Per>>,
        /// Only watch: count what would be refused, and refuse nothing.
        pub(crate) observe: bool = false,
        /// What clients see it called in `RateLimit`, and what it is counted under: keep it when the list changes.
        pub(crate) name: Option<Label>,
    }
    short amount;
}

/// One quota, or a list of them.
pub(crate) fn shape() -> Shape {
    let one = QuotaSettings::shape();
    Shape::Either(vec![one.clone(), Shape::List(Box::new(one))])
}

/// An amount, and in the same word whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AmountPer {
    /// Of an hour, a day or a month.
    pub(crate) amount: Rate,
    pub(crate) per: Option<Per>,
}

impl Word for AmountPer {
    const WHAT: &str = "an amount such as `1M/month` or `10k/day per consumer`";
    const PATTERN: &str =
        "^[0-9]+[kMG]?/(h|day|month)( per (consumer|ip|route|header:[A-Za-z0-9!#$%&'*+.^_`|~-]+))?$";

    fn parse(text: &str) -> Result<AmountPer, Fault> {
        let (amount, per) = per::split(text)?;
        let amount = Rate::parse(amount)?;
        match amount.per {
            Period::Second | Period::Minute => {
                Err(Fault::new("is too short for a quota, which is kept on disk")
                    .hint("write `limit: 100/min`, or a quota of an hour, a day or a month"))
            }
            Period::Hour | Period::Day | Period::Month => Ok(AmountPer { amount, per }),
        }
    }

    fn show(&self) -> String {
        match &self.per {
            Some(per) => format!("{} per {}", Word::show(&self.amount), Word::show(per)),
            None => Word::show(&self.amount),
        }
    }

    fn stand_in() -> AmountPer {
        AmountPer { amount: Rate { count: 1, per: Period::Hour }, per: None }
    }
}
