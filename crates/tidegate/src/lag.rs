//! How late a worker's loop is: a timer on it that should ring every so often, and how long after its moment it did.

use std::sync::Arc;
use std::time::Duration;
use tidegate_core::clock;
use tidegate_core::meters::{Lag, PerWorker};

/// Between two looks. A loop that stands still for longer than this is seen for certain, one that does so for less by
/// luck; five wake-ups a second cost an idle worker nothing.
const EVERY: Duration = Duration::from_millis(200);

/// Runs on a worker for as long as it lives.
pub(crate) async fn watch(lag: Arc<PerWorker<Lag>>, worker: usize) {
    loop {
        let due = clock::exact().after(EVERY);
        tokio::time::sleep(EVERY).await;
        let now = clock::exact();
        lag.of(worker).record(now, now.since(due));
    }
}
