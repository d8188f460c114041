//! Cells of which every worker has its own, so that counting is a plain store to a line nobody else writes. Made for
//! all workers at once when one of them first needs its own: a request finds its cells in one step.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Most workers a process may have; tables by worker are this long at most. More cores than that share.
pub const WORKERS_MAX: usize = 256;

/// Adds to a cell that only this thread writes: no locked instruction.
pub fn bump(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(by), Relaxed);
}

/// One `T` for each worker.
#[derive(Debug)]
pub struct PerWorker<T> {
    cells: OnceLock<Box<[T]>>,
    workers: usize,
}

impl<T: Default> PerWorker<T> {
    /// Cells for so many workers; no memory is taken yet.
    pub fn new(workers: usize) -> PerWorker<T> {
        PerWorker { cells: OnceLock::new(), workers: workers.clamp(1, WORKERS_MAX) }
    }

    /// The cell of one worker. Only that worker's thread may `bump` in it.
    pub fn of(&self, worker: usize) -> &T {
        let cells = self.cells.get_or_init(|| (0..self.workers).map(|_| T::default()).collect());
        &cells[worker.min(self.workers - 1)]
    }

    /// All cells, if any was ever used.
    pub fn used(&self) -> impl Iterator<Item = &T> {
        self.cells.get().into_iter().flatten()
    }
}

impl<T: Default> Default for PerWorker<T> {
    /// For one worker.
    fn default() -> PerWorker<T> {
        PerWorker::new(1)
    }
}
