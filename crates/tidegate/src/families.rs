//! Every member of every family, by name: the one place that knows them all.

use tidegate_config::Route;
use tidegate_core::balance::Balancer;
use tidegate_core::policy::Policy;

/// Builds a balancer.
pub(crate) fn balancer(name: &str) -> Option<Box<dyn Balancer>> {
    tidegate_upstreams::balancers::find(name).map(|kind| (kind.build)())
}

/// Builds a route's policies.
pub(crate) fn policies(_route: &Route) -> Vec<Box<dyn Policy>> {
    Vec::new()
}
