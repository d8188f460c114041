//! Looks after backends by connecting to them: those that are down, until a connection succeeds and they are up
//! again; and those whose requests have begun to fail, as a process that dies may still take connections it will
//! never answer, and is not asked again while others are faster. Control plane: load on the workers neither delays
//! it nor is delayed by it.

use std::collections::HashMap;
use std::io::ErrorKind::ConnectionRefused;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::service::{Address, BackendCell};
use tidegate_wire::socket::Socket;

use crate::gateway::Shared;

/// How often. A second is the shortest outage anyone plans for.
const EVERY: Duration = Duration::from_secs(1);
/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Tries at a time: a whole rack may be down.
const AT_ONCE_MAX: usize = 64;

/// Runs for as long as the gateway does.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Failures seen so far, by the cell's number: bounded by the backends that were ever configured.
    let mut failures_seen = HashMap::new();
    loop {
        every.tick().await;
        let snapshot = shared.snapshot();
        snapshot.services.iter().for_each(|service| service.meters.budget.tick());
        let rosters: Vec<_> = snapshot.services.iter().map(|service| service.roster.load()).collect();
        let backends = rosters.iter().flat_map(|roster| &roster.backends);
        let asked: Vec<_> = backends
            .filter(|backend| {
                let failures = backend.cell.failures.load(Relaxed);
                let has_failed = failures_seen.insert(backend.cell.id, failures).unwrap_or(0) < failures;
                backend.cell.is_down() || has_failed
            })
            .collect();
        for some in asked.chunks(AT_ONCE_MAX) {
            let mut tries = tokio::task::JoinSet::new();
            for backend in some {
                tries.spawn(try_one(backend.address.clone(), backend.cell.clone()));
            }
            tries.join_all().await;
        }
    }
}

async fn try_one(address: Address, cell: Arc<BackendCell>) {
    match tokio::time::timeout(TIMEOUT, Socket::connect(&address)).await {
        Ok(Ok(_)) => cell.connected(clock::exact()),
        Ok(Err(error)) if error.kind() == ConnectionRefused => cell.connect_failed(clock::exact()),
        // Unreachable or slow is what requests find out for themselves: slowness is not death.
        _ => {}
    }
}
