//! Step 2: the route for a request, by the canonical path that router, policies and backend all see.

use tidegate_core::exchange::Exchange;
use tidegate_core::head::RequestHead;
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::{RoutePlan, Snapshot};
use tidegate_core::router::Found;

use crate::rescue::Failure;

/// Finds the plan, or says 404, or 405 with the methods that would do.
pub(crate) fn route<'s, E: Exchange>(
    snapshot: &'s Snapshot,
    request: &RequestHead,
    client: &E,
) -> Result<&'s RoutePlan, Failure> {
    match snapshot.find(request, client.client()) {
        Found::Route(index) => Ok(&snapshot.plans[index]),
        Found::MethodNotAllowed(methods) => {
            Err(Failure::new(405, Outcome::MethodNotAllowed).with("allow", methods.to_string()))
        }
        Found::None => Err(Failure::new(404, Outcome::NoRoute)),
    }
}
