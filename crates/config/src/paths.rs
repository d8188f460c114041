//! How a listener reads paths, and which routes it then cannot guard alone. Where more is let through than by default, a
//! backend may take a path for another than the router did: whoever is guarded by a more specific route is warned.

use crate::config::{Listen, Route};
use crate::matching::Match;
use crate::members::Member;
use crate::target::Target;
use tidegate_core::path::{self, PathRules};
use tidegate_core::policy::Policy;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::router::{PathPattern, RouteMatch, Specificity};
use tidegate_core::settings::{Placed, Table};
use tidegate_core::units::Label;
use tidegate_core::{choice, settings};

settings! {
    /// How the paths of requests are read. What is not set is safe: whatever a backend makes of a path, the route of the plain one has judged it.
    pub struct Paths {
        /// Whether `//` is `/`. `false` keeps empty segments: then a backend that merges them serves `//admin` as `/admin`, whatever route has let it through.
        pub merge_slashes: bool = true,
        /// What becomes of `%2F`: `refuse` is 400. `keep` makes it a part of its segment: then a backend that decodes it serves `/a%2Fadmin` as `/a/admin`.
        pub encoded_slash: EncodedSlash = EncodedSlash::Refuse,
    }
}

choice! {
    /// What becomes of an escaped slash.
    pub enum EncodedSlash {
        /// It is answered with 400.
        Refuse = "refuse",
        /// It is a part of its segment, and sent on escaped.
        Keep = "keep",
    }
}

impl Paths {
    /// The rules, as codecs know them.
    pub fn rules(&self) -> PathRules {
        PathRules {
            merge_slashes: self.merge_slashes,
            encoded_slash: match self.encoded_slash {
                EncodedSlash::Refuse => path::EncodedSlash::Refuse,
                EncodedSlash::Keep => path::EncodedSlash::Keep,
            },
        }
    }
}

/// Tells of a match with an empty segment where no listener of the route keeps those.
pub(crate) fn check(
    condition: &Placed<Match>,
    listeners: &[Label],
    listen: &Table<Label, Listen>,
    problems: &mut Problems,
) {
    let path = condition.path.as_str();
    let Some(place) = condition.place().filter(|_| path.contains("//")) else { return };
    let is_asked = |name: &Label| listeners.is_empty() || listeners.contains(name);
    if listen.iter().filter(|row| is_asked(&row.name)).all(|row| row.value.paths.merge_slashes) {
        let problem = Problem::at(place, "never matches: `//` is `/` before a route is looked for");
        problems.push(problem.hint("write one `/`, or `paths: { merge_slashes: false }` on the listener"));
    }
}

/// The policies that keep somebody out.
const GUARDS: [&str; 4] = ["auth", "allow", "limit", "shield"];

/// A route with what the router makes of it.
struct Judged<'a> {
    route: &'a Route,
    condition: RouteMatch,
    rank: Specificity,
}

/// The routes whose guards can be got past, because a listener lets paths through that backends read in two ways: one
/// warning for each, with the first route that would take such a path.
pub(crate) fn warnings(listen: &Table<Label, Listen>, routes: &[Route]) -> Problems {
    let mut warnings = Problems::default();
    let loose = listen.iter().filter(|row| row.value.paths.rules() != PathRules::STRICT);
    let loose: Vec<(&Label, PathRules)> = loose.map(|row| (&row.name, row.value.paths.rules())).collect();
    if loose.is_empty() {
        return warnings;
    }
    let judged: Vec<Judged<'_>> = routes.iter().filter_map(Judged::of).collect();
    for guarded in judged.iter().filter(|judged| judged.condition.path.literals() > 0) {
        let found = loose.iter().find_map(|(listener, rules)| {
            let other = judged.iter().find(|other| other.gets_past(guarded, listener, *rules))?;
            Some((listener, rules, other))
        });
        if let Some((listener, rules, other)) = found {
            warnings.push(warning(guarded, other, listener, *rules));
        }
    }
    warnings.sorted()
}

fn warning(guarded: &Judged<'_>, other: &Judged<'_>, listener: &Label, rules: PathRules) -> Problem {
    let lets = match (rules.merge_slashes, rules.encoded_slash) {
        (false, path::EncodedSlash::Keep) => "`//` and `%2F`",
        (false, path::EncodedSlash::Refuse) => "`//`",
        (true, _) => "`%2F`",
    };
    let mut keys: Vec<String> =
        guarded.lacking_in(other).map(|member| format!("`{}`", member.name())).collect();
    keys.dedup();
    let reason = format!(
        "the listener `{listener}` lets {lets} through: a path that a backend may take for one of this route can come by \
         `{}`, without {}",
        other.route.name,
        keys.join(" and ")
    );
    let hint = "write the same keys there too, or leave `paths` of the listener as it is by default";
    Problem::at(&guarded.route.place, reason).hint(hint)
}

impl<'a> Judged<'a> {
    fn of(route: &'a Route) -> Option<Judged<'a>> {
        let condition = crate::compile::route_match(&route.condition, 0).ok()?;
        Some(Judged { route, rank: Specificity::of(&condition), condition })
    }

    /// The guards that another route does not have alike.
    fn lacking_in(&self, other: &Judged<'_>) -> impl Iterator<Item = &'a Member<dyn Policy>> {
        let is_guard = |member: &&Member<dyn Policy>| GUARDS.contains(&member.name());
        let there = &other.route.policies;
        let lacking: Vec<_> =
            self.route.policies.iter().filter(is_guard).filter(|guard| !there.contains(guard)).collect();
        lacking.into_iter()
    }

    /// Whether this route is less specific than one that is guarded, and may take a path that reads like its.
    fn gets_past(&self, guarded: &Judged<'_>, listener: &Label, rules: PathRules) -> bool {
        let takes = |route: &Route| route.listeners.is_empty() || route.listeners.contains(listener);
        let hosts = match (&self.condition.host, &guarded.condition.host) {
            (None, _) => true,
            (Some(own), Some(theirs)) => own == theirs || own.takes_all_of(theirs),
            (Some(_), None) => true,
        };
        self.rank > guarded.rank
            && self.condition.path != guarded.condition.path
            && matches!(self.route.to, Target::Service(_) | Target::Split(_))
            && takes(self.route)
            && takes(guarded.route)
            && hosts
            && has_room(&self.condition.path, rules)
            && self.condition.path.begins_like(&guarded.condition.path)
            && guarded.lacking_in(self).next().is_some()
    }
}

/// Whether a pattern can take a path that the rules let through and that reads like another.
fn has_room(pattern: &PathPattern, rules: PathRules) -> bool {
    let takes_escaped = rules.encoded_slash == path::EncodedSlash::Keep
        && (pattern.has_rest() || pattern.names().next().is_some());
    takes_escaped || (!rules.merge_slashes && pattern.has_rest())
}

#[cfg(test)]
mod tests;
