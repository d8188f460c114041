//! Step 8: the request's id is put on the answer, and the policies of the route look at it, in reverse order,
//! whoever gave it. What they want to change of its body is gathered here and done while it is delivered.

use tidegate_core::exchange::{AnswerBody, Client};
use tidegate_core::filter::Filter;
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::name::{Method, Name};
use tidegate_core::plan::RoutePlan;
use tidegate_core::policy::{BodyNeed, ResponseView};
use tidegate_core::status::is_bodiless;

use crate::filtered::Filtering;
use crate::record::Record;

/// What follows the head of a shaped answer.
pub(crate) struct Shaped {
    /// How it is framed.
    pub body: AnswerBody,
    /// What it passes through; `None` where nothing changes it.
    pub filtering: Option<Filtering>,
}

/// Shapes an answer that comes with this body.
pub(crate) fn outbound(
    plan: &RoutePlan,
    request: &RequestHead,
    response: &mut ResponseHead,
    body: AnswerBody,
    client: &Client,
    record: &Record<'_>,
) -> Shaped {
    let origin = record.origin_of(client);
    // First, so that what the operator says about the field counts.
    identify(response, origin.request_id);
    secure(response, client);
    let is_head = request.method == Method::Head;
    let has_body = !is_bodiless(response.status) && body.length != Length::Empty;
    let would_have = is_head && !is_bodiless(response.status);
    let mut length = match would_have {
        true => body.stated_length.map_or(Length::Streamed, Length::Exact),
        false => body.length,
    };
    // A part of a body (206) has places in the whole that a change would move.
    let may_filter = plan.is_filtered && (has_body || would_have) && response.status != 206;
    let mut filters: Vec<Box<dyn Filter>> = Vec::new();
    for (index, planned) in plan.policies.iter().enumerate().rev() {
        let (policy, note) = (&planned.policy, record.notes[index]);
        policy.response(ResponseView { head: &mut *response, request, origin, note, length });
        if may_filter
            && policy.needs().response == BodyNeed::Stream
            && let Some(filter) =
                policy.filter(ResponseView { head: &mut *response, request, origin, note, length })
        {
            filters.push(filter);
            length = Length::Streamed;
        }
    }
    match () {
        () if filters.is_empty() => Shaped { body, filtering: None },
        // The head is that of the answer to GET, whose length nobody knows.
        () if is_head => {
            Shaped { body: AnswerBody { length: Length::Empty, stated_length: None }, filtering: None }
        }
        () => Shaped {
            body: AnswerBody { length: Length::Streamed, stated_length: None },
            filtering: Some(Filtering::new(filters)),
        },
    }
}

/// Has browsers keep to TLS, where the listener says so (RFC 6797 §7.1): of two such fields they would look at one.
pub(crate) fn secure(response: &mut ResponseHead, client: &Client) {
    let hsts = client.door.as_ref().and_then(|door| door.hsts.as_deref());
    if let Some(value) = hsts {
        response.fields.set("strict-transport-security", value.as_bytes());
    }
}

/// Puts the request's id on an answer.
pub(crate) fn identify(response: &mut ResponseHead, request_id: &[u8]) {
    response.fields.remove(Name::XRequestId);
    response.fields.add(Name::XRequestId, request_id);
}
