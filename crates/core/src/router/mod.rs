//! Finds the route for a request: the most specific one whose conditions all hold. Compiled once per
//! snapshot, read by every worker; called by the flow's routing step. Reads no header and no query: the
//! caller says whether a route's further conditions hold.
//!
//! Which of several matching routes is taken depends on the routes alone, never on the request, so
//! `build` sorts all of them once, and the search is for the smallest rank that matches:
//! 1. the host: exact, then the longest wildcard, then none;
//! 2. the path: more literal segments, then more `{name}` segments, then without `**` before with;
//! 3. more other conditions, where a list of methods is one;
//! 4. the order in the file.
//!
//! All hosts and paths stand in one tree (`tree`), whose literal edges are one hash table: a lookup costs
//! one probe per label and segment, however many routes there are.

mod build;
mod methods;
mod names;
mod pattern;
mod search;
mod specific;
mod tree;

#[cfg(test)]
mod parsing;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod work;

pub use methods::MethodSet;
pub(crate) use names::NO_NAMES;
pub use names::{PathName, PathNames};
pub use pattern::{HostPattern, PathPattern};
pub use specific::{Advantage, Specificity};

use crate::name::Method;
use tree::Tree;

/// What one route asks for.
#[derive(Clone, Debug)]
pub struct RouteMatch {
    /// The host, or any.
    pub host: Option<HostPattern>,
    /// The path.
    pub path: PathPattern,
    /// The methods; empty is any.
    pub methods: MethodSet,
    /// How many conditions there are beside host, path and methods; they are the caller's to check.
    pub other_conditions: usize,
}

impl RouteMatch {
    /// Whether the host is one it takes; written as in `Lookup`. Asks this route alone, for those who explain what
    /// the router did.
    pub fn takes_host(&self, host: &[u8]) -> bool {
        self.host.as_ref().is_none_or(|pattern| pattern.fits(tree::host_name(host)))
    }

    /// Whether the path is one it takes, written as in `Lookup`. The same.
    pub fn takes_path(&self, path: &[u8]) -> bool {
        self.path.fits(path)
    }

    /// Whether the method is one it takes. The same.
    pub fn takes_method(&self, method: Method, text: &[u8]) -> bool {
        self.methods.takes(method, text)
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// The host as the client sent it: a port, the case and a final dot do not matter.
    pub host: &'a [u8],
    /// The path in its plain form (`crate::path::plain`). One that does not begin with `/`, as in `OPTIONS *`, matches
    /// no route.
    pub path: &'a [u8],
    /// The method.
    pub method: Method,
    /// Its text, which counts only when it is `Method::Other`.
    pub method_text: &'a [u8],
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This route, by its place in the list.
    Route(usize),
    /// Only routes for these other methods: 405, and the set is the value of `Allow`.
    MethodNotAllowed(MethodSet),
    /// Nothing: 404.
    None,
}

/// The compiled routes. Immutable, shared by all workers.
#[derive(Debug)]
pub struct Router {
    tree: Tree,
    /// The methods of each route, by its place in the list; asked only for methods without a name of
    /// their own, and for `Allow`.
    methods: Box<[MethodSet]>,
}

impl Router {
    /// Compiles the routes, in the order of the file. Cannot fail: routes that match the same requests are
    /// allowed, and the first one wins.
    pub fn new(routes: &[RouteMatch]) -> Router {
        build::router(routes)
    }

    /// The most specific route for which everything holds. `other_conditions_hold` is asked only about
    /// routes with other conditions whose host, path and method match. Allocates nothing, unless the answer
    /// is 405 and its `Allow` has methods that `Method` does not know. The cost does not depend on the
    /// number of routes, only on the length of the path and on how many patterns overlap on it.
    pub fn find(&self, lookup: Lookup<'_>, other_conditions_hold: impl Fn(usize) -> bool) -> Found {
        self.find_counted(lookup, other_conditions_hold).0
    }

    /// The same, and how many nodes of the tree were entered: a measure of work that no machine changes.
    fn find_counted(&self, lookup: Lookup<'_>, holds: impl Fn(usize) -> bool) -> (Found, usize) {
        let (best, steps) = search::best(self, &lookup, &holds);
        if let Some(end) = best {
            return (Found::Route(end.route as usize), steps);
        }
        let (allowed, more_steps) = search::allowed(self, &lookup, &holds);
        let found = if allowed.is_empty() { Found::None } else { Found::MethodNotAllowed(allowed) };
        (found, steps + more_steps)
    }
}
