//! Looks after backends that refused a connection: tries to connect until one succeeds, then they are up again.
//! Control plane: load on the workers neither delays it nor is delayed by it.

use std::sync::Arc;
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::service::{Address, BackendCell};
use tidegate_wire::socket::Socket;

use crate::gateway::Shared;

/// How often a backend that is down is tried. A second is the shortest outage anyone plans for.
const EVERY: Duration = Duration::from_secs(1);
/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Tries at a time: a whole rack may be down.
const AT_ONCE_MAX: usize = 64;

/// Runs for as long as the gateway does.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let snapshot = shared.snapshot();
        let backends = snapshot.services.iter().flat_map(|service| &service.roster.backends);
        let down: Vec<_> = backends.filter(|backend| backend.cell.is_down()).collect();
        for some in down.chunks(AT_ONCE_MAX) {
            let mut tries = tokio::task::JoinSet::new();
            for backend in some {
                tries.spawn(try_one(backend.address.clone(), backend.cell.clone()));
            }
            tries.join_all().await;
        }
    }
}

async fn try_one(address: Address, cell: Arc<BackendCell>) {
    if let Ok(Ok(_)) = tokio::time::timeout(TIMEOUT, Socket::connect(&address)).await {
        cell.connected(clock::exact());
    }
}
