//! Members of families as a file names and sets them. Which there are is handed in by the program; nothing here
//! knows one by name. They are built while the file is read, so that what is wrong with their settings is told with
//! all the rest, at its place.

use crate::workbench::{Beside, Workbench};
use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_core::auth;
use tidegate_core::balance::{self, Balancer, Build, Pick, Sample};
use tidegate_core::building::{AuthEntries, Building};
use tidegate_core::clock::Nanos;
use tidegate_core::limits::ROUTE_POLICIES_MAX;
use tidegate_core::node::{Entry, Node, Value};
use tidegate_core::policy::{self, Policy};
use tidegate_core::problem::{Place, Problem, Problems, quote};
use tidegate_core::service::Roster;
use tidegate_core::settings::{Absent, Declaration, Fault, FieldShape, Rest, Shape, expected};
use tidegate_core::shelf::Shelf;
use tidegate_core::tls::{self, Maker};

/// The members of every family that a configuration may name.
#[derive(Clone, Copy, Debug)]
pub struct Families<'a> {
    /// What a route may ask for, each by a key of its own.
    pub policies: &'a [policy::Kind],
    /// How an entry of `auth` may find out who asks.
    pub authenticators: &'a [auth::Kind],
    /// What a service may be balanced by; the first unless it says.
    pub balancers: &'a [balance::Kind],
    /// Makes what TLS needs of certificates and keys.
    pub tls: &'a dyn Maker,
    /// What members share that outlives a configuration; `None` where nobody will be served.
    pub shelf: Option<&'a Shelf>,
}

impl<'a> Families<'a> {
    /// These policies and balancers, and nothing else.
    pub const fn new(policies: &'a [policy::Kind], balancers: &'a [balance::Kind]) -> Families<'a> {
        Families { policies, authenticators: &[], balancers, tls: &tls::Nothing, shelf: None }
    }
}

/// Files that a member has read, and a digest of what was in each.
pub(crate) type WhatWasRead = Arc<[(PathBuf, u64)]>;

/// A member as it was written, and what was built of that. Equal to another of the same name and settings that has read
/// the same in its files.
pub struct Member<T: ?Sized> {
    name: &'static str,
    written: Node,
    read: WhatWasRead,
    built: Arc<T>,
}

impl<T: ?Sized> Member<T> {
    pub(crate) fn new(name: &'static str, written: Node, read: WhatWasRead, built: Arc<T>) -> Member<T> {
        Member { name, written, read, built }
    }

    /// The member's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What was built.
    pub fn built(&self) -> &Arc<T> {
        &self.built
    }
}

impl<T: ?Sized> Clone for Member<T> {
    fn clone(&self) -> Member<T> {
        let (written, read) = (self.written.clone(), self.read.clone());
        Member { name: self.name, written, read, built: self.built.clone() }
    }
}

impl<T: ?Sized> PartialEq for Member<T> {
    fn eq(&self, other: &Member<T>) -> bool {
        self.name == other.name && self.written == other.written && self.read == other.read
    }
}

impl<T: ?Sized> Debug for Member<T> {
    /// The name alone: settings may hold credentials.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The keys of a route that belong to policies.
pub(crate) fn policy_keys(families: &Families<'_>) -> Vec<FieldShape> {
    let key = |kind: &policy::Kind| FieldShape {
        key: kind.name,
        doc: kind.doc,
        shape: (kind.shape)(),
        absent: Absent::Nothing,
    };
    families.policies.iter().map(key).collect()
}

/// Builds the policies that a route's own keys leave over: in the order of their phases, and within one in that of
/// the file.
pub(crate) fn policies(
    rest: &Rest,
    route: &Arc<str>,
    auth: &AuthEntries,
    bench: &mut Workbench<'_>,
    problems: &mut Problems,
) -> Vec<Member<dyn Policy>> {
    let kinds = bench.families.policies;
    let keys: Vec<&str> = rest.entries.iter().map(|entry| &*entry.key).collect();
    let beside = Beside { name: route, keys: &keys, auth };
    let mut members: Vec<Member<dyn Policy>> = Vec::new();
    for entry in &rest.entries {
        let Some(kind) = kinds.iter().find(|kind| kind.name == &*entry.key) else {
            let known: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
            rest.refuse(entry, &known, problems);
            continue;
        };
        let build = |node: &Node, building: &mut Building<'_>| -> Vec<Arc<dyn Policy>> {
            (kind.build)(node, building).into_iter().map(Arc::from).collect()
        };
        let built = bench.build(kind.name, &entry.value, beside, problems, build);
        if let Some(what) =
            built.iter().find_map(|member: &Member<dyn Policy>| member.built.needs().unserved())
        {
            let reason = format!("`{}` asks for {what}, which no policy can have", kind.name);
            problems.push(
                Problem::at(&entry.place, reason).hint("the mistake is in the policy, not in this file"),
            );
        }
        members.extend(built);
        if members.len() > ROUTE_POLICIES_MAX {
            let reason = format!("the route has more than {ROUTE_POLICIES_MAX} policies");
            problems.push(Problem::at(&entry.place, reason).hint("a list makes one of each of its items"));
            break;
        }
    }
    members.sort_by_key(|member| member.built.phase());
    members
}

/// The key of a service that names its balancer.
const BALANCE: &str = "balance";
const BALANCER: &str = "the name of a balancer";

/// The key of a service that belongs to balancers.
pub(crate) fn balancer_key(families: &Families<'_>) -> FieldShape {
    let words = families.balancers.iter().map(|kind| (kind.name, kind.doc)).collect();
    let settings = |kind: &balance::Kind| match kind.build {
        Build::Plain(_) => None,
        Build::With { shape, .. } => {
            Some(FieldShape { key: kind.name, doc: kind.doc, shape: shape(), absent: Absent::Nothing })
        }
    };
    let fields: Vec<FieldShape> = families.balancers.iter().filter_map(settings).collect();
    let shape = match fields.is_empty() {
        true => Shape::Choice(words),
        false => Shape::Either(vec![
            Shape::Choice(words),
            Shape::Struct(Declaration {
                name: "BalancerSettings",
                doc: "A balancer and its settings: one of these keys.",
                short: None,
                fields,
                has_rest: false,
            }),
        ]),
    };
    FieldShape {
        key: BALANCE,
        doc: "How an instance is chosen for a request.",
        shape,
        absent: match families.balancers.first() {
            Some(kind) => Absent::Value(kind.name.to_owned()),
            None => Absent::Refused,
        },
    }
}

/// Builds the balancer of the service called at `place`, from the key that its own keys leave over.
pub(crate) fn balancer(
    rest: &Rest,
    place: &Place,
    families: &Families<'_>,
    problems: &mut Problems,
) -> Member<dyn Balancer> {
    for entry in rest.entries.iter().filter(|entry| &*entry.key != BALANCE) {
        rest.refuse(entry, &[BALANCE], problems);
    }
    let built = match rest.entries.iter().find(|entry| &*entry.key == BALANCE) {
        Some(entry) => chosen(&entry.value, families, problems),
        None => match families.balancers.first() {
            Some(kind) => Some(build(kind, without_settings(place), problems)),
            None => {
                problems.push(Problem::at(place, "the key `balance` is missing"));
                None
            }
        },
    };
    built.unwrap_or_else(|| Member {
        name: "none",
        written: without_settings(place),
        read: WhatWasRead::default(),
        built: Arc::new(Nobody),
    })
}

/// The balancer that a name alone, or a name with settings, stands for. `None` after telling why there is none.
fn chosen(node: &Node, families: &Families<'_>, problems: &mut Problems) -> Option<Member<dyn Balancer>> {
    let names: Vec<&str> = families.balancers.iter().map(|kind| kind.name).collect();
    let find = |name: &str| families.balancers.iter().find(|kind| kind.name == name);
    match &node.value {
        Value::Scalar(scalar) => match find(&scalar.text) {
            Some(kind) => return Some(build(kind, without_settings(&node.place), problems)),
            None => problems.push_with(|| Fault::choice(&scalar.text, &names).problem(node)),
        },
        Value::Map(entries) => match &entries[..] {
            [entry] => match find(&entry.key) {
                Some(kind) => return build_set(kind, entry, problems),
                None => problems.push_with(|| {
                    let fault = Fault::choice(&entry.key, &names);
                    let problem =
                        Problem::at(&entry.place, format!("{} {}", quote(&entry.key), fault.reason));
                    Problem { hint: fault.hint.map(String::from), ..problem }
                }),
            },
            _ => {
                let problem = Problem::at(&node.place, "one balancer belongs here");
                problems.push(problem.hint("write its name, or a map of its name and its settings"));
            }
        },
        Value::Refused => {}
        Value::Null | Value::List(_) => problems.push(expected(BALANCER, node)),
    }
    None
}

fn build_set(kind: &balance::Kind, entry: &Entry, problems: &mut Problems) -> Option<Member<dyn Balancer>> {
    if let Build::Plain(_) = kind.build {
        let problem = Problem::at(&entry.place, format!("`{}` has nothing to set", kind.name));
        problems.push(problem.hint(format!("write `{BALANCE}: {}`", kind.name)));
        return None;
    }
    Some(build(kind, entry.value.clone(), problems))
}

fn build(kind: &balance::Kind, written: Node, problems: &mut Problems) -> Member<dyn Balancer> {
    let built = match kind.build {
        Build::Plain(build) => build(),
        Build::With { build, .. } => build(&written, problems),
    };
    Member::new(kind.name, written, WhatWasRead::default(), built.into())
}

/// What a name alone stands for.
fn without_settings(place: &Place) -> Node {
    Node { place: place.clone(), value: Value::Map(Vec::new()) }
}

/// Stands in for a balancer that could not be read, for the checks that follow. Serves nobody.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Balancer for Nobody {
    fn pick(&self, _: &Roster, _: Pick) -> Option<usize> {
        None
    }

    fn observe(&self, _: &Roster, _: usize, _: Nanos, _: Sample) {}
}

#[cfg(test)]
mod tests;
