//! How fast a stream's client is, in both directions, and the stream's one timer: the handler's deadline and the
//! moments at which a rate is judged share it.

use std::task::{Context, Poll};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::Fault;

use crate::rate::RateWatch;
use crate::timer::Timer;

/// A direction of the body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// The pace of one stream.
pub(super) struct Pace {
    timer: Timer,
    ways: [RateWatch; 2],
    /// When the next of them must be looked at; `NEVER` while bytes move.
    due: Nanos,
}

impl Pace {
    /// Nobody is waited for.
    pub(super) fn new() -> Pace {
        Pace { timer: Timer::new(), ways: Default::default(), due: Nanos::NEVER }
    }

    /// The client keeps us waiting; `moved` counts its bytes so far. Pending, or that it is too slow.
    pub(super) fn wait<T>(
        &mut self,
        cx: &mut Context<'_>,
        way: Way,
        min_rate: u64,
        moved: u64,
    ) -> Poll<Result<T, Fault>> {
        let now = clock::coarse();
        match self.ways[way as usize].waiting(now, min_rate, || moved) {
            Err(fault) => Poll::Ready(Err(fault)),
            Ok(due) => {
                self.due = if self.due > now { self.due.min(due) } else { due };
                self.arm(cx, self.due);
                Poll::Pending
            }
        }
    }

    /// The client moved bytes.
    pub(super) fn moved(&mut self, way: Way) {
        let watch = &mut self.ways[way as usize];
        if watch.is_waiting() {
            watch.moving(clock::coarse());
            if !self.ways.iter().any(RateWatch::is_waiting) {
                self.due = Nanos::NEVER;
            }
        }
    }

    /// See `Exchange::poll_deadline`.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Nanos) -> Poll<()> {
        let now = clock::coarse();
        if at <= now {
            return Poll::Ready(());
        }
        if self.due <= now {
            // Whoever still waits for the client has judged it anew in this turn.
            self.due = Nanos::NEVER;
        }
        self.arm(cx, at.min(self.due));
        Poll::Pending
    }

    fn arm(&self, cx: &mut Context<'_>, due: Nanos) {
        self.timer.set(due);
        if self.timer.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
