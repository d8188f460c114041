//! Step 8: the request's id is put on the answer, and the policies of the route look at it, in reverse order,
//! whoever gave it.

use tidegate_core::exchange::Client;
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::name::Name;
use tidegate_core::plan::RoutePlan;
use tidegate_core::policy::ResponseView;

use crate::record::Record;

/// Shapes an answer.
pub(crate) fn outbound(
    plan: &RoutePlan,
    request: &RequestHead,
    response: &mut ResponseHead,
    length: Length,
    client: &Client,
    record: &Record<'_>,
) {
    let origin = record.origin_of(client);
    // First, so that what the operator says about the field counts.
    identify(response, origin.request_id);
    for (index, planned) in plan.policies.iter().enumerate().rev() {
        let note = record.notes[index];
        planned.policy.response(ResponseView { head: response, request, origin, note, length });
    }
}

/// Puts the request's id on an answer.
pub(crate) fn identify(response: &mut ResponseHead, request_id: &[u8]) {
    response.fields.remove(Name::XRequestId);
    response.fields.add(Name::XRequestId, request_id);
}
