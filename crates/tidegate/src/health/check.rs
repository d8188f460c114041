//! One check of one backend: connects, asks if there is something to ask, and says what it found.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::limits::LINGER_TIME;
use tidegate_core::service::{Address, BackendCell, Check, Service};
use tidegate_upstreams::health::{Checked, Finding};
use tidegate_wire::probe::{self, Answer};
use tidegate_wire::socket::Socket;
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

/// Makes one check, within its time.
pub(super) async fn check(visit: Visit) -> (Visit, Checked) {
    let (asked, timeout) = match &visit.service.health {
        Some(health) => (&health.check, health.timeout),
        None => (&Check::Connect, LOOK_TIMEOUT),
    };
    let began = clock::exact();
    let finding = match tokio::time::timeout(timeout, ask(&visit, asked)).await {
        Ok(finding) => finding,
        Err(_) => Finding::Late,
    };
    let checked = Checked { finding, began, ended: clock::exact() };
    (visit, checked)
}

async fn ask(visit: &Visit, asked: &Check) -> Finding {
    let socket = match Socket::connect(&visit.address).await {
        Ok(socket) => socket,
        // A Unix socket without its file, too: nobody listens.
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            return Finding::Refused;
        }
        // Unreachable, say, or no descriptor is left here: not enough to be sure.
        Err(_) => return Finding::Late,
    };
    let socket = match &visit.address {
        Address::Inet(_) | Address::Unix(_) => socket,
        Address::Tls(_) => match secured(visit.service.tls.as_ref(), socket, &visit.authority).await {
            Ok(socket) => socket,
            Err(_) => return Finding::Bad,
        },
    };
    let Check::Get { path, host, statuses } = asked else { return Finding::Good };
    match probe::get(socket, host.as_ref().unwrap_or(&visit.authority), path).await {
        Ok(answer) => {
            let is_good = statuses.contains(&answer.status);
            tokio::spawn(finish(answer));
            if is_good { Finding::Good } else { Finding::Bad }
        }
        Err(_) => Finding::Bad,
    }
}

/// The verdict does not wait for the rest of the answer. Ends by itself, so nobody waits for it.
async fn finish(answer: Answer) {
    // Late or not, the connection ends here.
    let _ = tokio::time::timeout(LINGER_TIME, answer.finish()).await;
}
