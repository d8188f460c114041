//! Bounds how fast requests may come: so many in a time, of a consumer, an address, a header's value or the whole route.
//! What is beyond is refused with 429 and Retry-After. Counted over all workers and kept through reloads by
//! `core::limiter`, which is asked once for each request; the answer's fields come from the policy's note. Allocates only
//! to refuse.

mod config;

#[cfg(test)]
mod tests;

use crate::allowance::{self, Allowance, Left};
use crate::per::Per;
use config::LimitSettings;
use std::sync::Arc;
use tidegate_core::building::Building;
use tidegate_core::clock;
use tidegate_core::gcra::Gcra;
use tidegate_core::limiter::{LimitId, Limiter};
use tidegate_core::name::Name;
use tidegate_core::node::Node;
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{Kind, Phase, Policy, Reason, Reply, RequestView, ResponseView, Verdict};
use tidegate_core::problem::Problem;
use tidegate_core::settings::{Placed, Setting, Word};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "limit",
    doc: "How fast requests may come, and whose: `100/min per consumer`; or a list of such limits, each of which holds.",
    shape: config::shape,
    build,
};

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let mut built: Vec<Box<dyn Policy>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, item) in node.items().iter().enumerate() {
        let settings = LimitSettings::read(item, building.problems);
        let name = match &settings.name {
            Some(name) => name.as_str().to_owned(),
            None => allowance::name("default", index),
        };
        if names.contains(&name) {
            let problem = Problem::at(&item.place, format!("two limits are called `{name}`"));
            building.problems.push(problem.hint("give each a `name` of its own"));
        }
        built.extend(one(&settings, &name, building).map(|limit| Box::new(limit) as Box<dyn Policy>));
        names.push(name);
    }
    built
}

/// `None` after telling why.
fn one(settings: &LimitSettings, name: &str, building: &mut Building<'_>) -> Option<Limit> {
    let place = settings.rate.place()?;
    let written = &*settings.rate;
    let per = match (&settings.per, &written.per) {
        (Some(per), Some(_)) => {
            let problem = Problem::at(per.place()?, "the rate says already whose requests it counts");
            building.problems.push(problem.hint("say it once"));
            return None;
        }
        (Some(per), None) => per.clone(),
        (None, Some(per)) => Placed::default(per.clone()),
        (None, None) => Placed::default(Per::Route),
    };
    let per = per.value.clone().beside(KIND.name, per.place().unwrap_or(place), building);
    let count = written.rate.count;
    let burst = settings.burst.map_or(count, |burst| u64::from(burst.get()));
    let Some(gcra) = Gcra::new(count, written.period, burst) else {
        let reason = format!("{} cannot be counted", settings.rate.quote());
        let hint = "the most is `10M/s`, and a burst has to be given back within a week";
        building.problems.push(Problem::at(place, reason).hint(hint));
        return None;
    };
    let limiter = building.shelf.limiter.clone();
    Some(Limit {
        gcra,
        id: limiter.as_ref().map_or(LimitId(0), |limiter| limiter.limit(building.part.name, name)),
        limiter,
        per,
        is_observing: settings.observe,
        allowance: Allowance::new(name, count, written.period.as_secs()),
        text: format!("{}, {burst} at once", Word::show(&written.rate)),
    })
}

/// See the file.
struct Limit {
    gcra: Gcra,
    /// Where it is counted; `None` where nobody is served.
    limiter: Option<Arc<dyn Limiter>>,
    id: LimitId,
    per: Per,
    is_observing: bool,
    allowance: Allowance,
    text: String,
}

impl Policy for Limit {
    /// An address is known before anybody is asked who they are: so those are counted whose credentials are refused, and
    /// guesses end with the limit.
    fn phase(&self) -> Phase {
        match self.per {
            Per::Ip => Phase::Guard,
            Per::Route | Per::Consumer | Per::Header { .. } => Phase::Quota,
        }
    }

    fn is_observing(&self) -> bool {
        self.is_observing
    }

    fn describe(&self) -> String {
        format!("{}, per {}", self.text, Word::show(&self.per))
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        let Some(limiter) = &self.limiter else { return Verdict::Continue };
        // The flow has read the clock for this request.
        let taken = match self.per.key(view.head, view.origin) {
            Ok(key) => limiter.take(self.id, key.bytes(), self.gcra, clock::coarse()),
            Err(ambiguous) => return Verdict::Reply(ambiguous.reply()),
        };
        if !self.is_observing {
            self.per.drop_mimics(view.head);
        }
        *view.note = Left::new(taken.left, taken.reset).note();
        match taken.wait {
            None => Verdict::Continue,
            Some(wait) => Verdict::Reply(Box::new(Reply {
                status: 429,
                outcome: Outcome::Limited,
                reason: Some(Reason::new("rate")),
                fields: vec![(
                    Name::RetryAfter.text().to_owned(),
                    allowance::seconds(wait).max(1).to_string(),
                )],
                body: None,
            })),
        }
    }

    fn response(&self, view: ResponseView<'_>) {
        // Clients are not told of a limit that does not hold.
        if let Some(left) = Left::of_note(view.note).filter(|_| !self.is_observing) {
            self.allowance.tell(left, &mut view.head.fields);
        }
    }
}
