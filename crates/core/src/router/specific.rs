//! How specific a route is: what it asks for, in the order in which that counts. The router sorts by it, and whoever
//! explains the router's choice names the first point in which two routes differ.

use super::RouteMatch;
use std::cmp::{Ordering, Reverse};

/// What decides between routes that match the same request. The more specific, the smaller; of equals the first in
/// the file wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    /// Of two wildcards for one host the one with more labels is the longer text.
    host: Reverse<usize>,
    literals: Reverse<usize>,
    params: Reverse<usize>,
    has_rest: bool,
    conditions: Reverse<usize>,
}

/// The first point in which a route is more specific than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advantage {
    /// Its host is exact, a longer wildcard, or there at all.
    Host,
    /// Its path has more literal segments.
    Literals,
    /// Its path has more segments by name.
    Params,
    /// Its path has an end, the other's `**` none.
    End,
    /// It has more other conditions.
    Conditions,
}

impl Specificity {
    /// That of a route.
    pub fn of(route: &RouteMatch) -> Specificity {
        let host = match &route.host {
            Some(host) if host.is_wildcard() => host.name().len(),
            Some(_) => usize::MAX,
            None => 0,
        };
        let literals = route.path.literals();
        Specificity {
            host: Reverse(host),
            literals: Reverse(literals),
            params: Reverse(route.path.segments().len() - literals),
            has_rest: route.path.has_rest(),
            conditions: Reverse(route.other_conditions + usize::from(!route.methods.is_empty())),
        }
    }

    /// Why this one wins over `other`; `None` if it does not.
    pub fn advantage(&self, other: &Specificity) -> Option<Advantage> {
        let points = [
            (self.host.cmp(&other.host), Advantage::Host),
            (self.literals.cmp(&other.literals), Advantage::Literals),
            (self.params.cmp(&other.params), Advantage::Params),
            (self.has_rest.cmp(&other.has_rest), Advantage::End),
            (self.conditions.cmp(&other.conditions), Advantage::Conditions),
        ];
        match points.into_iter().find(|(order, _)| order.is_ne()) {
            Some((Ordering::Less, advantage)) => Some(advantage),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{HostPattern, MethodSet, PathPattern};

    #[test]
    fn the_first_difference_is_the_reason() {
        let check = |(host, path, methods): (&str, &str, &str), than: (&str, &str, &str), expected| {
            let read = |(host, path, methods): (&str, &str, &str)| {
                let mut set = MethodSet::default();
                methods.split_terminator(',').for_each(|method| set.insert(method).unwrap());
                Specificity::of(&RouteMatch {
                    host: (!host.is_empty()).then(|| HostPattern::parse(host).unwrap()),
                    path: PathPattern::parse(path).unwrap(),
                    methods: set,
                    other_conditions: 0,
                })
            };
            let (one, other) = (read((host, path, methods)), read(than));
            assert_eq!(one.advantage(&other), expected, "{host} {path} {methods} over {than:?}");
            assert_eq!(other.advantage(&one), None, "{than:?} over {host} {path} {methods}");
        };
        check(("a.org", "/**", ""), ("*.org", "/a/b", "GET"), Some(Advantage::Host));
        check(("*.a.org", "/", ""), ("*.org", "/", ""), Some(Advantage::Host));
        check(("", "/a/{x}/**", ""), ("", "/{y}/{x}", "GET"), Some(Advantage::Literals));
        check(("", "/a/{x}/**", ""), ("", "/a/**", "GET"), Some(Advantage::Params));
        check(("", "/a", ""), ("", "/a/**", "GET"), Some(Advantage::End));
        check(("", "/a", "GET"), ("", "/a", ""), Some(Advantage::Conditions));
        check(("", "/a", ""), ("", "/b", ""), None);
    }
}
