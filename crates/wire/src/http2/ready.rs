//! Which parts of a connection were woken: one bit for each of its streams and one for the connection itself, so that
//! all of it is a single task and only what was woken is looked at. What wakes a part while the task runs costs no
//! further turn of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Parts that can be told apart.
pub(super) const PARTS_MAX: usize = 128;
/// The part that is the connection itself.
pub(super) const CONNECTION: usize = PARTS_MAX - 1;

/// The parts that were woken.
pub(super) struct Ready {
    bits: [AtomicU64; 2],
    /// Whether the task runs now: it looks again before it waits.
    is_running: AtomicBool,
    task: Mutex<Waker>,
}

impl Ready {
    /// Nothing is woken, and nobody is told.
    pub(super) fn new() -> Arc<Ready> {
        Arc::new(Ready {
            bits: [AtomicU64::new(0), AtomicU64::new(0)],
            is_running: AtomicBool::new(false),
            task: Mutex::new(Waker::noop().clone()),
        })
    }

    /// What wakes a part.
    pub(super) fn waker(self: &Arc<Ready>, part: usize) -> Waker {
        Waker::from(Arc::new(Part { ready: self.clone(), part }))
    }

    /// The task begins a turn.
    pub(super) fn enter(&self, task: &Waker) {
        self.is_running.store(true, SeqCst);
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone_from(task);
    }

    /// The task ends its turn. Says whether a part was woken and not looked at: then the task has to come again by itself,
    /// as whoever woke the part may have seen the task run.
    #[must_use]
    pub(super) fn leave(&self) -> bool {
        self.is_running.store(false, SeqCst);
        self.bits.iter().any(|word| word.load(SeqCst) != 0)
    }

    /// Wakes a part.
    pub(super) fn wake(&self, part: usize) {
        let bit = 1 << (part % 64);
        let before = self.bits[part / 64].fetch_or(bit, SeqCst);
        if before & bit == 0 && !self.is_running.load(SeqCst) {
            self.wake_task();
        }
    }

    /// Whether a part was woken; it counts as looked at from now on.
    pub(super) fn take(&self, part: usize) -> bool {
        let bit = 1 << (part % 64);
        let word = &self.bits[part / 64];
        word.load(SeqCst) & bit != 0 && word.fetch_and(!bit, SeqCst) & bit != 0
    }

    /// One part that was woken, but for the connection; it counts as looked at.
    pub(super) fn take_stream(&self) -> Option<usize> {
        for (index, word) in self.bits.iter().enumerate() {
            let streams = match index {
                0 => word.load(SeqCst),
                _ => word.load(SeqCst) & !(1 << (CONNECTION % 64)),
            };
            if streams != 0 {
                let part = index * 64 + streams.trailing_zeros() as usize;
                self.take(part);
                return Some(part);
            }
        }
        None
    }

    fn wake_task(&self) {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

struct Part {
    ready: Arc<Ready>,
    part: usize,
}

impl Wake for Part {
    fn wake(self: Arc<Self>) {
        self.ready.wake(self.part);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.wake(self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_part_is_found_once_and_its_task_is_told_unless_it_runs() {
        let ready = Ready::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        ready.enter(&Waker::from(count.clone()));
        assert!(!ready.leave());
        let told = || count.0.load(SeqCst);
        for part in [0, 63, 64, 99] {
            ready.waker(part).wake();
        }
        assert_eq!(told(), 4);
        ready.waker(63).wake();
        assert_eq!(told(), 4, "it was woken already");
        let found: Vec<usize> = std::iter::from_fn(|| ready.take_stream()).collect();
        assert_eq!(found, [0, 63, 64, 99]);

        ready.waker(CONNECTION).wake();
        assert_eq!((told(), ready.take_stream()), (5, None));
        assert!(ready.take(CONNECTION) && !ready.take(CONNECTION));

        ready.enter(&Waker::from(count.clone()));
        ready.waker(7).wake();
        assert_eq!(told(), 5, "the task runs and will look");
        assert!(ready.leave(), "it did not look");
        ready.waker(8).wake();
        assert_eq!(told(), 6, "it runs no more");
    }
}
