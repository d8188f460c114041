//! The only clock of the data plane: nanoseconds since the process began. `exact` reads the system's
//! monotonic clock; `coarse` repeats what this thread read last, good enough for deadlines.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment: nanoseconds since the process began. 2^64 ns are 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Later than any moment that is reached.
    pub const NEVER: Nanos = Nanos(u64::MAX);

    /// The time from `earlier` to here; zero if it is the other way round.
    pub fn since(self, earlier: Nanos) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment and so much later.
    pub fn after(self, wait: Duration) -> Nanos {
        Nanos(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

thread_local! {
    static COARSE: Cell<u64> = const { Cell::new(0) };
}

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// Now, from the system (about 25 ns), remembered for `coarse`.
#[allow(clippy::disallowed_methods)] // the one place that may
pub fn exact() -> Nanos {
    let now = epoch().elapsed().as_nanos() as u64;
    COARSE.set(now);
    Nanos(now)
}

/// What `exact` said last on this thread; a worker calls it at least once per turn of its loop.
pub fn coarse() -> Nanos {
    match COARSE.get() {
        0 => exact(),
        now => Nanos(now),
    }
}
