//! What people are told of a backend: a line on standard error when it goes down, with the reason, and one when it is up
//! again. Whoever found out, a request on a worker or a check, did so in the backend's cell; the prober looks at it once a
//! round. One that goes up and down all the time is told of as often as somebody can read, with how often it has changed
//! meanwhile.

use std::time::Duration;
use tidegate_core::clock::Nanos;
use tidegate_core::service::{Backend, Service};
use tidegate_telemetry::say;

/// Lines about one backend that may follow on each other: that it died, was started anew, and the same once more.
const BURST: u32 = 4;
/// After these there is one in so long a time.
const LINE_TIME: Duration = Duration::from_secs(10);

/// What people were told of one backend.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether it was said to be down; one that nothing was said of is not.
    is_down: bool,
    /// Whether it was down at the last look.
    was_down: bool,
    /// Changes since the last line.
    changes: u32,
    /// When all lines of the burst may follow on each other again (GCRA).
    free_at: Nanos,
}

impl Told {
    /// Looks at a backend and tells what there is to tell. Whether it did.
    pub(super) fn look(&mut self, service: &Service, backend: &Backend, now: Nanos) -> bool {
        let reason = backend.cell.down_reason();
        let Some(changes) = self.news(backend.cell.is_down(), now) else { return false };
        let mut details: Vec<(&str, &dyn std::fmt::Display)> =
            vec![("service", &service.name), ("backend", &backend.label)];
        details.extend(reason.iter().map(|reason| ("reason", reason as &dyn std::fmt::Display)));
        if changes > 1 {
            details.push(("changes", &changes));
        }
        match self.is_down {
            true => say::warn_each("a backend is down", &details),
            false => say::info("a backend is up again", &details),
        }
        true
    }

    /// Whether there is something to tell, and the changes that led to it since the last line.
    fn news(&mut self, is_down: bool, now: Nanos) -> Option<u32> {
        self.changes += u32::from(is_down != self.was_down);
        self.was_down = is_down;
        let is_in_time = self.free_at <= now.after(LINE_TIME * (BURST - 1));
        if is_down == self.is_down || !is_in_time {
            return None;
        }
        self.free_at = self.free_at.max(now).after(LINE_TIME);
        self.is_down = is_down;
        Some(std::mem::take(&mut self.changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Nanos {
        Nanos((second + 100) * 1_000_000_000)
    }

    #[test]
    fn each_change_is_told_once() {
        let mut told = Told::default();
        assert_eq!(told.news(false, at(0)), None, "what is up from the beginning is no news");
        assert_eq!(told.news(true, at(1)), Some(1));
        assert_eq!(told.news(true, at(2)), None);
        assert_eq!(told.news(false, at(3)), Some(1));
        assert_eq!(told.news(false, at(4)), None);
        assert_eq!(Told::default().news(true, at(0)), Some(1), "down from the beginning is");
    }

    /// Once a second, for an hour: a line in ten seconds, and the last one is true.
    #[test]
    fn what_goes_up_and_down_is_told_now_and_then_with_how_often() {
        let mut told = Told::default();
        let lines: Vec<u32> = (0..3600).filter_map(|second| told.news(second % 3 != 0, at(second))).collect();
        assert!((300..=3600 / 10 + BURST as usize).contains(&lines.len()), "{} lines", lines.len());
        assert_eq!(lines[..4], [1; 4]);
        assert!(lines[4..].iter().all(|changes| *changes > 1), "{lines:?}");
        let settled = (3600..3700).filter_map(|second| told.news(true, at(second))).count();
        assert!(settled <= 1 && told.is_down);
    }
}
