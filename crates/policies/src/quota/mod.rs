//! Bounds how many requests may come in a period of the calendar: of a consumer, an address, a header's value or the whole
//! route. What is beyond is refused with 429 until the period is over. Counted by `core::quotas`, which keeps it through
//! restarts. Allocates only to refuse, and to wait for the store.

mod config;

#[cfg(test)]
mod tests;

use crate::allowance::{self, Allowance, Left};
use crate::per::Per;
use aws_lc_rs::digest;
use config::QuotaSettings;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::building::Building;
use tidegate_core::date;
use tidegate_core::name::Name;
use tidegate_core::node::Node;
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{Kind, Phase, Policy, Reason, Reply, RequestView, ResponseView, Verdict};
use tidegate_core::problem::Problem;
use tidegate_core::quotas::{Ask, Debit, Quota};
use tidegate_core::settings::{Placed, Setting, Word};
use tidegate_core::units::{Period, Rate};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "quota",
    doc: "How many requests may come in a period of the calendar, and whose: `1M/month per consumer`; or a list of such quotas, each of which holds.",
    shape: config::shape,
    build,
};

/// What quotas are called that have no name. Not `default`, which is a limit's: clients see both in one list.
const NAME: &str = "quota";

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let mut built: Vec<Box<dyn Policy>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, item) in node.items().iter().enumerate() {
        let settings = QuotaSettings::read(item, building.problems);
        let name = match &settings.name {
            Some(name) => name.as_str().to_owned(),
            None => allowance::name(NAME, index),
        };
        if names.contains(&name) {
            let problem = Problem::at(&item.place, format!("two quotas are called `{name}`"));
            building.problems.push(problem.hint("give each a `name` of its own"));
        }
        built.extend(one(&settings, &name, building).map(|quota| Box::new(quota) as Box<dyn Policy>));
        names.push(name);
    }
    built
}

/// `None` after telling why.
fn one(settings: &QuotaSettings, name: &str, building: &mut Building<'_>) -> Option<Bounded> {
    let place = settings.amount.place()?;
    let per = match (&settings.per, &settings.amount.per) {
        (Some(per), Some(_)) => {
            let problem = Problem::at(per.place()?, "the amount says already whose requests it counts");
            building.problems.push(problem.hint("say it once"));
            return None;
        }
        (Some(per), None) => per.clone(),
        (None, Some(per)) => Placed::default(per.clone()),
        (None, None) => Placed::default(Per::Route),
    };
    let per = per.value.clone().beside(KIND.name, per.place().unwrap_or(place), building);
    let amount = settings.amount.amount;
    let quotas = building.shelf.quotas.as_ref();
    Some(Bounded {
        amount,
        quota: quotas.map(|quotas| quotas.quota(building.part.name, name, amount.per)),
        per,
        is_observing: settings.observe,
        allowance: Allowance::new(name, amount.count, window_s(amount.per)),
    })
}

/// How long a period is that clients are told of; of months the longest.
fn window_s(period: Period) -> u64 {
    match period {
        Period::Second => 1,
        Period::Minute => 60,
        Period::Hour => 3600,
        Period::Day => 86_400,
        Period::Month => 31 * 86_400,
    }
}

/// See the file.
struct Bounded {
    amount: Rate,
    /// Where it is counted; `None` where nobody is served.
    quota: Option<Arc<dyn Quota>>,
    per: Per,
    is_observing: bool,
    allowance: Allowance,
}

impl Policy for Bounded {
    fn phase(&self) -> Phase {
        Phase::Quota
    }

    fn is_observing(&self) -> bool {
        self.is_observing
    }

    fn describe(&self) -> String {
        format!("{}, per {}", Word::show(&self.amount), Word::show(&self.per))
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        let Some(quota) = &self.quota else { return Verdict::Continue };
        let now_s = date::seconds();
        let until_s = date::period_end(self.amount.per, now_s);
        let debit = {
            let key = match self.per.key(view.head, view.origin) {
                Ok(key) => key,
                Err(ambiguous) => return Verdict::Reply(ambiguous.reply()),
            };
            let digest;
            let key = match &self.per {
                // It may be a credential, and it goes to disk.
                Per::Header { .. } => {
                    digest = digest::digest(&digest::SHA256, key.bytes());
                    digest.as_ref()
                }
                Per::Route | Per::Consumer | Per::Ip => key.bytes(),
            };
            quota.take(Ask { key, count: self.amount.count, now_s, until_s })
        };
        if !self.is_observing {
            self.per.drop_mimics(view.head);
        }
        let reset_s = until_s - now_s;
        match debit {
            Debit::Wait(wait) => {
                Verdict::Wait(Box::pin(async move { verdict(last(wait.await).await, reset_s, view.note) }))
            }
            debit => verdict(debit, reset_s, view.note),
        }
    }

    fn response(&self, view: ResponseView<'_>) {
        // Clients are not told of a quota that does not hold.
        if let Some(left) = Left::of_note(view.note).filter(|_| !self.is_observing) {
            self.allowance.tell(left, &mut view.head.fields);
        }
    }
}

/// What a quota says in the end.
async fn last(mut debit: Debit<'_>) -> Debit<'_> {
    while let Debit::Wait(wait) = debit {
        debit = wait.await;
    }
    debit
}

fn verdict<'a>(debit: Debit<'_>, reset_s: u64, note: &mut u64) -> Verdict<'a> {
    let reset = Duration::from_secs(reset_s);
    match debit {
        Debit::Granted { left } => {
            *note = Left::new(left, reset).note();
            Verdict::Continue
        }
        Debit::Spent | Debit::Wait(_) => {
            *note = Left::new(0, reset).note();
            Verdict::Reply(Box::new(Reply {
                status: 429,
                outcome: Outcome::Quota,
                reason: Some(Reason::new("quota")),
                fields: vec![(Name::RetryAfter.text().to_owned(), reset_s.max(1).to_string())],
                body: None,
            }))
        }
    }
}
