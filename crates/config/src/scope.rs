//! Tells every place inside a route which names the route's path has, so that whoever reads a text there knows what
//! it may mention. Called once, when the tree is whole and before anything is read of it.

use crate::matching::PathPattern;
use std::sync::Arc;
use tidegate_core::node::{Node, Value};
use tidegate_core::router::{self, PathNames};
use tidegate_core::settings::Word;

/// Puts everything in each route in the reach of the names of its path, and tells where there is no consumer.
pub(crate) fn fill(root: &mut Node) {
    let Value::Map(entries) = &mut root.value else { return };
    for routes in entries.iter_mut().filter(|entry| &*entry.key == "routes") {
        let Value::List(routes) = &mut routes.value.value else { continue };
        // Most routes are like this one, and there may be thousands.
        let plain = Arc::new(PathNames::default().anonymous());
        for route in routes {
            let names = names_of(route);
            match (names.is_empty(), route.entry("auth").is_some()) {
                (true, true) => {}
                (true, false) => set(route, &plain),
                (false, true) => set(route, &Arc::new(names)),
                (false, false) => set(route, &Arc::new(names.anonymous())),
            }
        }
    }
}

/// The names of a route's path. Without a path there are none but the rest: it matches every path.
fn names_of(route: &Node) -> PathNames {
    let Some(condition) = route.entry("match").map(|entry| &entry.value) else { return PathNames::unknown() };
    let path = match &condition.value {
        Value::Scalar(path) => &*path.text,
        Value::Map(_) => match condition.entry("path").map(|entry| &entry.value.value) {
            Some(Value::Scalar(path)) => &*path.text,
            Some(_) => return PathNames::unknown(),
            None => PathPattern::EVERY,
        },
        _ => return PathNames::unknown(),
    };
    match PathPattern::parse(path).map(|_| router::PathPattern::parse(path)) {
        Ok(Ok(pattern)) => pattern.path_names(),
        _ => PathNames::unknown(),
    }
}

/// The tree is bounded in depth, but by another file: nothing here relies on it.
fn set(route: &mut Node, names: &Arc<PathNames>) {
    let mut waiting = vec![route];
    while let Some(node) = waiting.pop() {
        node.place.set_names(names);
        match &mut node.value {
            Value::List(nodes) => waiting.extend(nodes),
            Value::Map(entries) => waiting.extend(entries.iter_mut().map(|entry| &mut entry.value)),
            Value::Null | Value::Scalar(_) | Value::Refused => {}
        }
    }
}
