//! One check of one backend: connects, asks if there is something to ask, and says what it found.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::descriptors::DESCRIPTORS;
use tidegate_core::limits::LINGER_TIME;
use tidegate_core::service::{Address, BackendCell, Check, Service};
use tidegate_core::state::DownReason;
use tidegate_upstreams::health::{Checked, Finding};
use tidegate_wire::probe::{self, Answer};
use tidegate_wire::socket::{Socket, down_reason, is_out_of_descriptors, is_own_want};
use tidegate_wire::tls::secured;

/// How long a backend of a service without `health` may take to take a connection.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// A backend to check, on behalf of its service.
pub(super) struct Visit {
    pub(super) service: Arc<Service>,
    pub(super) address: Address,
    pub(super) authority: Arc<str>,
    pub(super) cell: Arc<BackendCell>,
}

/// Makes one check, within its time. `None` if it could not be made for want of something on our side, such as
/// descriptors: that says nothing of the backend.
pub(super) async fn check(visit: Visit) -> (Visit, Option<Checked>) {
    let (asked, timeout) = match &visit.service.health {
        Some(health) => (&health.check, health.timeout),
        None => (&Check::Connect, LOOK_TIMEOUT),
    };
    let began = clock::exact();
    let late = Some((Finding::Late, DownReason::CheckTimeout));
    let found = tokio::time::timeout(timeout, ask(&visit, asked)).await.unwrap_or(late);
    let ended = clock::exact();
    (visit, found.map(|(finding, reason)| Checked { finding, reason, began, ended }))
}

async fn ask(visit: &Visit, asked: &Check) -> Option<(Finding, DownReason)> {
    let socket = match Socket::connect(&visit.address).await {
        Ok(socket) => socket,
        Err(error) if is_own_want(&error) => {
            if is_out_of_descriptors(&error) {
                DESCRIPTORS.wants.check.fetch_add(1, Relaxed);
            }
            return None;
        }
        Err(error) => match down_reason(&error) {
            DownReason::Refused => return Some((Finding::Refused, DownReason::Refused)),
            // Unreachable, say: not enough to be sure.
            reason => return Some((Finding::Late, reason)),
        },
    };
    let socket = match &visit.address {
        Address::Inet(_) | Address::Unix(_) => socket,
        Address::Tls(_) => match secured(visit.service.tls.as_ref(), socket, &visit.authority).await {
            Ok(socket) => socket,
            Err(_) => return Some((Finding::Bad, DownReason::CheckTls)),
        },
    };
    let good = |status| Some((Finding::Good, DownReason::CheckStatus(status)));
    let Check::Get { path, host, statuses } = asked else { return good(0) };
    match probe::get(socket, host.as_ref().unwrap_or(&visit.authority), path).await {
        Ok(answer) => {
            let status = answer.status;
            tokio::spawn(finish(answer));
            match statuses.contains(&status) {
                true => good(status),
                false => Some((Finding::Bad, DownReason::CheckStatus(status))),
            }
        }
        Err(_) => Some((Finding::Bad, DownReason::CheckInvalid)),
    }
}

/// The verdict does not wait for the rest of the answer. Ends by itself, so nobody waits for it.
async fn finish(answer: Answer) {
    // Late or not, the connection ends here.
    let _ = tokio::time::timeout(LINGER_TIME, answer.finish()).await;
}
