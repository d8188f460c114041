//! Step 3: the policies of the route look at the request, in order of phase; and the bound on its body, as far
//! as its head tells.

use tidegate_core::exchange::Exchange;
use tidegate_core::head::{Length, RequestHead};
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::RoutePlan;
use tidegate_core::policy::{RequestView, Verdict};
use tidegate_core::template::Origin;

use crate::rescue::Failure;

/// Runs the policies; any of them may answer instead of the backend.
pub(crate) async fn inbound<E: Exchange>(
    plan: &RoutePlan,
    request: &mut RequestHead,
    client: &E,
    origin: Origin<'_>,
) -> Result<(), Failure> {
    if matches!(client.length(), Length::Exact(bytes) if bytes > plan.body_bytes_max) {
        return Err(Failure::new(413, Outcome::TooLarge));
    }
    for policy in &plan.policies {
        let mut verdict = policy.request(RequestView { head: request, origin });
        loop {
            match verdict {
                Verdict::Continue => break,
                Verdict::Reply(reply) => return Err(Failure::reply(reply)),
                Verdict::Wait(future) => verdict = future.await,
            }
        }
    }
    Ok(())
}
