//! Step 8: the policies of the route look at the answer, in reverse order, whoever gave it; and the request's id
//! is put on.

use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::name::Name;
use tidegate_core::plan::RoutePlan;
use tidegate_core::policy::ResponseView;

/// Shapes an answer.
pub(crate) fn outbound(
    plan: &RoutePlan,
    request: &RequestHead,
    response: &mut ResponseHead,
    request_id: &str,
) {
    for policy in plan.policies.iter().rev() {
        policy.response(ResponseView { head: response, request });
    }
    identify(response, request_id);
}

/// Puts the request's id on an answer.
pub(crate) fn identify(response: &mut ResponseHead, request_id: &str) {
    response.fields.remove(Name::XRequestId);
    response.fields.add(Name::XRequestId, request_id.as_bytes());
}
