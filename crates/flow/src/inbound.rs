//! Step 3: the policies of the route look at the request, in order of phase; and the bound on its body, as far
//! as its head tells. What a policy that only watches says is counted here and ignored, for every policy alike.

use std::sync::Arc;
use tidegate_core::exchange::{Client, Exchange};
use tidegate_core::head::{Length, RequestHead};
use tidegate_core::identity::Identity;
use tidegate_core::meters::Refused;
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::{PlannedPolicy, RoutePlan};
use tidegate_core::policy::{Reply, RequestView, Verdict};

use crate::forward;
use crate::gather::Gathered;
use crate::record::Record;
use crate::rescue::Failure;

/// Runs the policies; any of them may answer instead of the backend.
pub(crate) async fn inbound<E: Exchange>(
    plan: &RoutePlan,
    request: &mut RequestHead,
    client: &E,
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    if matches!(client.length(), Length::Exact(bytes) if bytes > plan.body_bytes_max) {
        return Err(Failure::new(413, Outcome::TooLarge));
    }
    for (index, planned) in plan.policies.iter().enumerate() {
        let mut note = 0;
        let origin = record.origin(client);
        let view = RequestView { head: request, origin, note: &mut note };
        let said = last(planned.policy.request(view)).await;
        record.notes[index] = note;
        if let Said::Identified(identity) = &said {
            forward::consumer(request, identity);
        }
        follow(plan, planned, said, record, (request, client.client()))?;
    }
    Ok(())
}

/// Runs the policies that look at the body, over as much of it as there is in memory.
pub(crate) async fn body<E: Exchange>(
    plan: &RoutePlan,
    request: &mut RequestHead,
    client: &E,
    gathered: &Gathered,
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    for (index, planned) in plan.policies.iter().enumerate() {
        let Some(most) = planned.body_bytes_max().filter(|_| planned.policy.wants_body(request)) else {
            continue;
        };
        let mut note = record.notes[index];
        let origin = record.origin(client);
        let view = RequestView { head: request, origin, note: &mut note };
        let said = last(planned.policy.request_body(view, gathered.shown(most, client.trailers()))).await;
        record.notes[index] = note;
        if let Said::Identified(identity) = &said {
            forward::consumer(request, identity);
        }
        follow(plan, planned, said, record, (request, client.client()))?;
    }
    Ok(())
}

/// A verdict that borrows nothing of the request.
enum Said {
    Continue,
    Identified(Arc<Identity>),
    Reply(Box<Reply>),
}

/// What a policy says in the end.
async fn last(mut verdict: Verdict<'_>) -> Said {
    loop {
        match verdict {
            Verdict::Continue => return Said::Continue,
            Verdict::Identified(identity) => return Said::Identified(identity),
            Verdict::Reply(reply) => return Said::Reply(reply),
            Verdict::Wait(future) => verdict = future.await,
        }
    }
}

/// Does as a policy says.
fn follow(
    plan: &RoutePlan,
    planned: &PlannedPolicy,
    said: Said,
    record: &mut Record<'_>,
    (request, peer): (&RequestHead, &Client),
) -> Result<(), Failure> {
    match said {
        Said::Continue => Ok(()),
        Said::Identified(identity) => {
            record.identity = Some(identity);
            Ok(())
        }
        Said::Reply(reply) => {
            let is_observed = planned.policy.is_observing();
            if let Some(reason) = &reply.reason {
                let refused = Refused { policy: planned.name, reason: reason.code, is_observed };
                record.refused(plan, refused, &reason.detail, request, peer);
            }
            match is_observed {
                true => Ok(()),
                false => Err(Failure::reply(reply)),
            }
        }
    }
}
