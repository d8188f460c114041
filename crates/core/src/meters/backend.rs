//! What one worker counts of a backend's answers: how long they took, and their status by class. Written by that worker
//! alone.

use super::histogram::Histogram;
use super::worker::bump;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The classes of status codes (RFC 9110 §15), as in the label `class`.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// One worker's counts of a backend's answers.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Answers {
    classes: [AtomicU64; CLASSES.len()],
    /// From a try's beginning until the head of its answer.
    pub duration: Histogram,
}

impl Answers {
    /// Counts an answer. A status outside the classes counts as 5xx, as RFC 9110 §15 has it. Only the worker it belongs
    /// to may.
    pub fn count(&self, status: u16, duration: Duration) {
        let class = match status {
            100..600 => usize::from(status / 100 - 1),
            _ => CLASSES.len() - 1,
        };
        bump(&self.classes[class], 1);
        self.duration.record(duration);
    }

    /// Adds what was counted by class to a sum.
    pub fn add_to(&self, sums: &mut [u64; CLASSES.len()]) {
        for (sum, class) in sums.iter_mut().zip(&self.classes) {
            *sum += class.load(Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::HistogramSum;

    #[test]
    fn answers_are_counted_by_class() {
        let answers = Answers::default();
        for status in [101, 200, 204, 304, 404, 499, 500, 599, 600, 999, 0] {
            answers.count(status, Duration::from_millis(1));
        }
        let (mut classes, mut duration) = ([0; CLASSES.len()], HistogramSum::default());
        answers.add_to(&mut classes);
        answers.duration.add_to(&mut duration);
        assert_eq!((classes, duration.count()), ([1, 2, 1, 2, 5], 11));
    }
}
