//! What is different between two configurations, by the keys of the file. Said to the operator after a reload.

use crate::config::{Config, Route};
use std::collections::HashMap;
use tidegate_core::settings::Table;
use tidegate_core::units::Label;

impl Config {
    /// The keys whose values are not the same in `next`, such as `services.catalog`; added and removed names among
    /// them. A different order of routes alone is `routes`.
    pub fn changes(&self, next: &Config) -> Vec<String> {
        let mut changes = Vec::new();
        let mut whole = |key: &str, is_same: bool| {
            if !is_same {
                changes.push(key.to_owned());
            }
        };
        whole("workers", self.workers == next.workers);
        whole("admin", self.admin == next.admin);
        whole("state", self.state == next.state);
        whole("drain", self.drain == next.drain);
        whole("telemetry", self.telemetry == next.telemetry);
        whole("resolver", self.resolver == next.resolver);
        tables("listen", &self.listen, &next.listen, &mut changes);
        tables("auth", &self.auth, &next.auth, &mut changes);
        tables("services", &self.services, &next.services, &mut changes);
        routes(&self.routes, &next.routes, &mut changes);
        changes
    }
}

fn tables<V: PartialEq>(key: &str, old: &Table<Label, V>, new: &Table<Label, V>, changes: &mut Vec<String>) {
    let differs = |name: &Label| match (old.get(name), new.get(name)) {
        (Some(old), Some(new)) => old.value != new.value,
        _ => true,
    };
    let vanished = old.iter().filter(|row| new.get(&row.name).is_none());
    for row in new.iter().chain(vanished).filter(|row| differs(&row.name)) {
        changes.push(format!("{key}.{}", row.name));
    }
}

fn routes(old: &[Route], new: &[Route], changes: &mut Vec<String>) {
    let by_name = |routes: &[Route]| -> HashMap<_, _> {
        routes.iter().enumerate().map(|(index, route)| (route.name.clone(), index)).collect()
    };
    let (old_names, new_names) = (by_name(old), by_name(new));
    let before = changes.len();
    for route in new {
        if old_names.get(&route.name).is_none_or(|&index| old[index] != *route) {
            changes.push(format!("routes.{}", route.name));
        }
    }
    for route in old.iter().filter(|route| !new_names.contains_key(&route.name)) {
        changes.push(format!("routes.{}", route.name));
    }
    if changes.len() == before && !old.iter().map(|route| &route.name).eq(new.iter().map(|route| &route.name))
    {
        changes.push("routes".to_owned());
    }
}
