//! Step 10: what is kept of a request: its stamps while it runs, and its meters when it ends. Always runs.

use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::Exchange;
use tidegate_core::head::RequestHead;
use tidegate_core::meters::bump;
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::{Leg, RoutePlan, Snapshot};
use tidegate_core::service::Backend;
use tidegate_core::template::Origin;

use crate::worker::Worker;

/// A request's id: 128 random bits in hex, the same in the answer, at the backend and in the log.
pub(crate) struct RequestId([u8; 32]);

impl RequestId {
    pub(crate) fn new(worker: &Worker) -> RequestId {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let bits = u128::from(worker.random()) << 64 | u128::from(worker.random());
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bits.to_be_bytes()) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        RequestId(text)
    }

    /// As text.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// How the last try of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// With an answer.
    Answered,
    /// Without one, or with one that is as good as none.
    Failed,
}

/// What is known of a request in flight.
pub(crate) struct Record<'s> {
    id: RequestId,
    worker: usize,
    head_at: Nanos,
    /// How it ended.
    pub outcome: Outcome,
    /// The status the client got, or would have got.
    pub status: u16,
    is_answered: bool,
    /// The way it took, once chosen.
    pub leg: Option<&'s Leg>,
    /// Tries made.
    pub tries: u32,
    /// Tries beyond the first, but for those repeated because a kept connection had ended.
    pub retries: u32,
    /// Bytes of body from the client.
    pub bytes_in: u64,
    /// Bytes of body to the client.
    pub bytes_out: u64,
}

impl Record<'_> {
    /// The request's head has come.
    pub(crate) fn begin<'s>(worker: &Worker) -> Record<'s> {
        Record {
            id: RequestId::new(worker),
            worker: worker.number,
            head_at: clock::exact(),
            outcome: Outcome::Ok,
            status: 0,
            is_answered: false,
            leg: None,
            tries: 0,
            retries: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// The id.
    pub(crate) fn request_id(&self) -> &[u8] {
        &self.id.0
    }

    /// What policies and templates see of the request beside its head.
    pub(crate) fn origin<'a, E: Exchange>(&'a self, client: &'a E) -> Origin<'a> {
        Origin { client: client.client(), request_id: self.request_id() }
    }

    /// When the head had come.
    pub(crate) fn head_at(&self) -> Nanos {
        self.head_at
    }

    /// A try begins.
    pub(crate) fn attempt(&mut self, _backend: &Backend) {
        self.tries += 1;
    }

    /// The backend's head has come: by the clock of this turn of the loop, which was read when the kernel said so.
    pub(crate) fn first_byte(&mut self) -> Nanos {
        clock::coarse()
    }

    /// The answer's head is on its way to the client.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
        self.is_answered = true;
    }

    /// Whether it is too late for another answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// The last try is over: counts those beyond the first by how it ended.
    pub(crate) fn tried(&self, leg: &Leg, last: Last) {
        if self.retries == 0 {
            return;
        }
        let meters = &leg.service.meters;
        let counter = match last {
            Last::Answered => &meters.retries_answered,
            Last::Failed => &meters.retries_failed,
        };
        counter.fetch_add(u64::from(self.retries), Relaxed);
    }

    /// A further try was wanted and not made: the budget is spent.
    pub(crate) fn retry_over_budget(&self, leg: &Leg) {
        leg.service.meters.retries_over_budget.fetch_add(1, Relaxed);
    }

    /// The request is over.
    pub(crate) fn end<E: Exchange>(
        &self,
        snapshot: &Snapshot,
        plan: Option<&RoutePlan>,
        request: &RequestHead,
        client: &E,
    ) {
        let meters = match (self.leg, plan) {
            (Some(leg), _) => &leg.meters,
            (None, Some(plan)) => &plan.meters,
            (None, None) => &snapshot.unrouted,
        };
        let cells = meters.of(self.worker);
        cells.count(request.method, self.status);
        cells.duration.record(clock::exact().since(self.head_at));
        bump(&cells.bytes_in, self.bytes_in.max(client.taken()));
        bump(&cells.bytes_out, self.bytes_out);
    }
}
