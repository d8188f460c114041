//! The entries of `auth`: a name, and how it finds out who asks. Which kinds there are is handed in by the program.

use crate::members::{Families, Member};
use crate::workbench::{Beside, Workbench};
use std::sync::Arc;
use tidegate_core::auth::Authenticator;
use tidegate_core::building::{AuthEntries, Building};
use tidegate_core::node::Node;
use tidegate_core::problem::{Place, Problem, Problems};
use tidegate_core::settings;
use tidegate_core::settings::{Absent, FieldShape, Rest, Table};
use tidegate_core::units::Label;

settings! {
    /// One way to find out who asks: one of these keys.
    pub(crate) struct FileAuth {}
    rest kind;
}

/// The keys of an entry.
pub(crate) fn keys(families: &Families<'_>) -> Vec<FieldShape> {
    let key = |kind: &tidegate_core::auth::Kind| FieldShape {
        key: kind.name,
        doc: kind.doc,
        shape: (kind.shape)(),
        absent: Absent::Nothing,
    };
    families.authenticators.iter().map(key).collect()
}

/// Every entry that could be built.
pub(crate) type Entries = Table<Label, Option<Member<dyn Authenticator>>>;

/// Builds the entries.
pub(crate) fn entries(
    written: Table<Label, FileAuth>,
    bench: &mut Workbench<'_>,
    problems: &mut Problems,
) -> Entries {
    written.map(|name, place, entry| one(&name.shared(), place, &entry.kind, bench, problems))
}

/// What routes may name.
pub(crate) fn named(entries: &Entries) -> AuthEntries {
    let mut named = AuthEntries::default();
    for row in entries.iter() {
        match &row.value {
            Some(member) => named.built.push((row.name.shared(), member.built().clone())),
            None => named.broken.push(row.name.shared()),
        }
    }
    named
}

fn one(
    name: &Arc<str>,
    place: &Place,
    rest: &Rest,
    bench: &mut Workbench<'_>,
    problems: &mut Problems,
) -> Option<Member<dyn Authenticator>> {
    let kinds = bench.families.authenticators;
    let known: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let find = |key: &str| kinds.iter().find(|kind| kind.name == key);
    for entry in rest.entries.iter().filter(|entry| find(&entry.key).is_none()) {
        rest.refuse(entry, &known, problems);
    }
    let mut chosen = rest.entries.iter().filter_map(|entry| Some((entry, find(&entry.key)?)));
    let Some((entry, kind)) = chosen.next() else {
        if rest.entries.is_empty() {
            let problem = Problem::at(place, "says nothing of how it finds out who asks");
            problems.push(problem.hint(format!("write one of the keys {}", known.join(", "))));
        }
        return None;
    };
    if let Some((second, _)) = chosen.next() {
        let problem = Problem::at(&second.place, "an entry of `auth` is of one kind");
        problems.push(problem.hint("give it an entry of its own; a route may name several"));
    }
    let beside = Beside { name, keys: &[], auth: &AuthEntries::default() };
    let build = |node: &Node, building: &mut Building<'_>| (kind.build)(node, building).into_iter().collect();
    bench.build(kind.name, &entry.value, beside, problems, build).pop()
}
