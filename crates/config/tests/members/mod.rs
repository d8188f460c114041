//! Members of families that no program has, so that reading is tested without knowing a real one: they do nothing
//! but be named, set, put in order and refused.

use tidegate_core::balance::{self, Balancer, Build, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::header::HeaderValue;
use tidegate_core::policy::{self, Phase, Policy, RequestView, ResponseView, Verdict};
use tidegate_core::service::Roster;
use tidegate_core::settings::Setting;
use tidegate_core::units::Count;
use tidegate_core::{choice, settings};

pub(crate) const POLICIES: &[policy::Kind] = &[
    policy::Kind {
        name: "stamp",
        doc: "Puts a word on messages.",
        shape: StampSettings::shape,
        build: |node, building| {
            StampSettings::read(node, building.problems);
            vec![Box::new(Idle(Phase::Shape))]
        },
    },
    policy::Kind {
        name: "gate",
        doc: "Lets nobody pass.",
        shape: bool::shape,
        build: |node, building| match bool::read(node, building.problems) {
            true => vec![Box::new(Idle(Phase::Guard))],
            false => Vec::new(),
        },
    },
];

pub(crate) const BALANCERS: &[balance::Kind] = &[
    balance::Kind { name: "first", doc: "The first of all.", build: Build::Plain(|| Box::new(At(0))) },
    balance::Kind { name: "last", doc: "The last of all.", build: Build::Plain(|| Box::new(At(usize::MAX))) },
    balance::Kind {
        name: "nth",
        doc: "The one of that number.",
        build: Build::With {
            shape: NthSettings::shape,
            build: |node, problems| Box::new(At(NthSettings::read(node, problems).index.get() as usize)),
        },
    },
];

settings! {
    /// A word, and what it is put on.
    struct StampSettings {
        /// The word.
        with: HeaderValue,
        /// What it is put on.
        on: Side = Side::Request,
    }
    short with;
}

choice! {
    /// Kinds of messages.
    enum Side {
        /// On the way in.
        Request = "request",
        /// On the way out.
        Response = "response",
    }
}

settings! {
    /// Which one.
    struct NthSettings {
        /// Its number, from 0.
        index: Count<0, 9>,
    }
}

struct Idle(Phase);

impl Policy for Idle {
    fn phase(&self) -> Phase {
        self.0
    }

    fn request<'a>(&'a self, _: RequestView<'a>) -> Verdict<'a> {
        Verdict::Continue
    }

    fn response(&self, _: ResponseView<'_>) {}
}

#[derive(Debug)]
struct At(usize);

impl Balancer for At {
    fn pick(&self, roster: &Roster, _: Pick) -> Option<usize> {
        Some(self.0.min(roster.backends.len().checked_sub(1)?))
    }

    fn observe(&self, _: &Roster, _: usize, _: Nanos, _: Sample) {}
}
