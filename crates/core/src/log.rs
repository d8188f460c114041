//! The way of access log lines out of the data plane: a ring per worker, and one reader that empties them all.
//! Writing never waits: a line that finds no room is dropped and counted. What a line looks like is the flow's
//! matter, where lines go telemetry's.

mod ring;

use crate::meters::PerWorker;
use ring::Ring;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// Bytes of a line, its line feed included; longer ones are dropped. Every text in a line is cut far below it.
pub const LINE_BYTES_MAX: usize = 32 << 10;

/// The rings of all workers. Without a log they take no memory.
#[derive(Debug)]
pub struct Log {
    rings: PerWorker<Ring>,
    reader: Mutex<Option<Thread>>,
    is_reader_waiting: AtomicBool,
    lost: AtomicU64,
}

impl Log {
    /// Rings for so many workers.
    pub fn new(workers: usize) -> Log {
        Log {
            rings: PerWorker::new(workers),
            reader: Mutex::new(None),
            is_reader_waiting: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        }
    }

    /// Takes the memory of all rings, so that no worker has to at its first line.
    pub fn prepare(&self) {
        self.rings.of(0);
    }

    /// Hands over a line, which ends in a line feed. Only that worker's thread may.
    pub fn write(&self, worker: usize, line: &[u8]) {
        self.rings.of(worker).push(line);
        if self.is_reader_waiting.load(Relaxed) {
            self.wake();
        }
    }

    /// Wakes the reader if it waits.
    pub fn wake(&self) {
        self.is_reader_waiting.store(false, Relaxed);
        // Held for a moment only, and by the reader or another who wakes it.
        if let Some(reader) = &*self.reader.lock().unwrap_or_else(PoisonError::into_inner) {
            reader.unpark();
        }
    }

    /// Waits for lines, or so long. Lines may come unnoticed, as a writer does not stop to make sure that we see
    /// what it sees: they are found when the time is over. For the one reader.
    pub fn wait(&self, most: Duration) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
        self.is_reader_waiting.store(true, Relaxed);
        if self.rings.used().all(Ring::is_empty) {
            std::thread::park_timeout(most);
        }
        self.is_reader_waiting.store(false, Relaxed);
    }

    /// Waits for so long, or until somebody but a worker wakes it. For the one reader.
    pub fn pause(&self, most: Duration) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
        std::thread::park_timeout(most);
    }

    /// Moves lines to the end of `out` until it holds at least `most` bytes or there are none; says how many lines
    /// came. For the one reader.
    pub fn read(&self, out: &mut Vec<u8>, most: usize) -> u64 {
        self.rings.used().map(|ring| ring.pop_into(out, most)).sum()
    }

    /// Counts lines that were handed over and could not be kept.
    pub fn lose(&self, lines: u64) {
        self.lost.fetch_add(lines, Relaxed);
    }

    /// Lines dropped, ever.
    pub fn dropped(&self) -> u64 {
        self.rings.used().map(Ring::dropped).sum::<u64>() + self.lost.load(Relaxed)
    }
}
