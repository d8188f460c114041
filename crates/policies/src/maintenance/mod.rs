//! Closes a route on purpose: every request is answered here, as `core::maintenance` says. Preflights of a route with
//! `cors` are let through to it: a browser shows a page the answer only after a good one.

#[cfg(test)]
mod tests;

use crate::cors;
use tidegate_core::building::Building;
use tidegate_core::maintenance::{MAINTENANCE, Maintenance};
use tidegate_core::node::Node;
use tidegate_core::policy::{Kind, Phase, Policy, RequestView, ResponseView, Verdict};
use tidegate_core::settings::{Setting, Switch};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: MAINTENANCE,
    doc: "Closed on purpose: every request is answered here, and none reaches a backend.",
    shape: Switch::<Maintenance>::shape,
    build,
};

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let Some(settings) = Switch::<Maintenance>::read(node, building.problems).on() else {
        return Vec::new();
    };
    vec![Box::new(Closed { settings, lets_preflights: building.part.has(cors::KIND.name) })]
}

/// See the file.
struct Closed {
    settings: Maintenance,
    lets_preflights: bool,
}

impl Policy for Closed {
    fn phase(&self) -> Phase {
        Phase::Guard
    }

    fn describe(&self) -> String {
        format!("every request is answered with {}", self.settings.status.get())
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        match self.lets_preflights && cors::preflight(view.head).is_some() {
            true => Verdict::Continue,
            false => Verdict::Reply(Box::new(self.settings.reply())),
        }
    }

    fn response(&self, _: ResponseView<'_>) {}
}
