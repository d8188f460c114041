//! What routes without a name are called. Their conditions make a name; where those that all names show are the same
//! for several routes, the further ones are added, so that logs and metrics can tell the routes apart.

use crate::config::{FileRoute, Route};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use tidegate_core::problem::{Problem, Problems};

/// Adds to default names what tells them apart. Tells where that is not enough. `written` are the same routes.
pub(crate) fn tell_apart(routes: &mut [Route], written: &[FileRoute], problems: &mut Problems) {
    let mut shared: HashMap<Arc<str>, usize> = HashMap::new();
    for route in routes.iter() {
        *shared.entry(route.name.clone()).or_default() += 1;
    }
    let is_shared = |route: &Route| shared.get(&route.name).is_some_and(|&count| count > 1);
    for (route, _) in routes.iter_mut().zip(written).filter(|(_, written)| written.name.is_none()) {
        if is_shared(route) {
            route.name = (route.name.to_string() + &further(route)).into();
        }
    }
    let mut first: HashMap<&str, &Route> = HashMap::new();
    for (route, written) in routes.iter().zip(written) {
        let Some(place) = written.condition.place() else { continue };
        let Some(other) = first.insert(&route.name, route).filter(|_| written.name.is_none()) else {
            continue;
        };
        // Two that take the same requests are told of already.
        if !is_twin(route, other) {
            let reason = format!("would have the same name as the route of {}", other.place.seen_from(place));
            problems.push(Problem::at(place, reason).hint("give one of them a `name`"));
        }
    }
}

fn is_twin(one: &Route, other: &Route) -> bool {
    (&one.listeners, &one.condition) == (&other.listeners, &other.condition)
}

/// The conditions that a name usually leaves out: ` header:x-beta=1 query:debug=* listener:https`.
fn further(route: &Route) -> String {
    let mut text = String::new();
    for row in &route.condition.headers {
        write!(text, " header:{}={}", row.name.as_str(), row.value.shown()).unwrap_or_default();
    }
    for row in &route.condition.query {
        write!(text, " query:{}={}", row.name.as_str(), row.value.shown()).unwrap_or_default();
    }
    for row in &route.condition.cookies {
        write!(text, " cookie:{}={}", row.name.as_str(), row.value.shown()).unwrap_or_default();
    }
    if !route.listeners.is_empty() {
        let names: Vec<&str> = route.listeners.iter().map(|name| name.as_str()).collect();
        write!(text, " listener:{}", names.join(",")).unwrap_or_default();
    }
    text
}
