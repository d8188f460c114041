//! Whether a request whose try failed is tried again, and where: when that is certainly safe or was asked for,
//! elsewhere while there is an elsewhere, and only while the request is whole, there is time, and the service's
//! budget lasts. Called by `call`.

use tidegate_core::balance::Tried;
use tidegate_core::clock;
use tidegate_core::exchange::Exchange;
use tidegate_core::head::RequestHead;
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::Leg;
use tidegate_core::service::{RetryOn, Service};

use crate::call::{Again, Bounds};
use crate::record::Record;
use crate::rescue::Failure;
use crate::reserve;
use crate::worker::{PinnedRoster, Worker};

/// Refused connections that one request follows from backend to backend. As many as `Tried` tells apart: in a larger
/// roster that is all gone it must end somewhere.
const MOVES_MAX: u32 = 64;

/// Why a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No connection: refused or unreachable.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// Lost before a byte of the answer.
    Reset,
    /// No head in time.
    Timeout,
    /// The answer is not HTTP, or broke off in its head.
    Bad,
    /// It was answered with a status that is as good as no answer.
    Status(u16),
}

/// A failed try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TryFailed {
    pub cause: Cause,
    /// The backend has certainly not seen the request: any method may be sent again.
    pub is_unseen: bool,
    /// An interim answer went to the client: it has begun to be answered, and a second beginning would be one too many.
    pub has_interim: bool,
    /// It failed on a connection that had waited idle: the backend may be well, and closed it.
    pub is_stale: bool,
}

impl TryFailed {
    /// What the client is told if nothing better comes.
    pub(crate) fn into_failure(self) -> Failure {
        match self.cause {
            Cause::Connect => Failure::new(502, Outcome::ConnectFailed),
            Cause::ConnectTimeout => Failure::new(504, Outcome::ConnectFailed),
            Cause::Reset => Failure::new(502, Outcome::BackendReset),
            Cause::Timeout => Failure::new(504, Outcome::BackendTimeout),
            Cause::Bad => Failure::new(502, Outcome::BackendError),
            Cause::Status(status) => Failure::new(status, Outcome::BackendError),
        }
    }

    /// Whether to send the request again on a new connection to the same backend: only that tells whether it is well.
    pub(crate) fn is_worth_a_new_connection(&self, request: &RequestHead) -> bool {
        self.is_stale && !self.has_interim && (self.is_unseen || request.method.is_idempotent())
    }

    /// Whether sending it to another backend is safe and wanted.
    fn may_move(&self, on: RetryOn, request: &RequestHead) -> bool {
        let is_listed = match self.cause {
            Cause::Connect | Cause::ConnectTimeout => on.connect,
            Cause::Reset => on.reset,
            Cause::Timeout => on.timeout,
            Cause::Bad => false,
            Cause::Status(status) => on.has_status(status),
        };
        self.is_unseen || is_listed && !self.has_interim && request.method.is_idempotent()
    }
}

/// The tries of one request.
pub(crate) struct Tries<'s> {
    leg: &'s Leg,
    bounds: Bounds<'s>,
    /// One for all tries: where the request has failed is known by the place in it.
    roster: PinnedRoster,
    /// Where it has failed.
    tried: Tried,
    /// Further tries that count: `retry.attempts` bounds them, and the budget.
    retries: u32,
    /// Further tries because a connection was refused. No backend has seen the request and none has worked for it,
    /// so they cost neither attempts nor budget; each goes to a backend the request has not been to.
    moves: u32,
}

impl<'s> Tries<'s> {
    /// None yet.
    pub(crate) fn new(worker: &Worker, leg: &'s Leg, bounds: Bounds<'s>) -> Tries<'s> {
        let roster = worker.roster(&leg.service);
        Tries { leg, bounds, roster, tried: Tried::default(), retries: 0, moves: 0 }
    }

    /// The backends to try.
    pub(crate) fn roster(&self) -> &PinnedRoster {
        &self.roster
    }

    /// Where to try again after a try at backend `index` has failed, with the request's body at its beginning. `None`, and
    /// nothing spent, when that is nowhere.
    pub(crate) fn another<E: Exchange>(
        &mut self,
        worker: &Worker,
        request: &RequestHead,
        client: &mut E,
        record: &mut Record<'_>,
        (index, failed): (usize, TryFailed),
    ) -> Option<usize> {
        let service: &Service = &self.leg.service;
        self.tried.add(index);
        if self.bounds.again == Again::Never || clock::coarse() >= self.bounds.deadline {
            return None;
        }
        if !failed.may_move(service.retry.on, request) {
            return None;
        }
        let index = reserve::pick(worker, service, &self.roster, self.tried)?;
        let is_refused = failed.cause == Cause::Connect;
        let is_new = !self.tried.has(index);
        if is_refused && !is_new && self.roster.backends[index].cell.is_down() {
            return None; // every backend was asked, and this one has just refused
        }
        let is_move = is_refused && is_new && self.moves < MOVES_MAX;
        let budget = &service.meters.budget;
        if !is_move {
            if self.retries >= service.retry.attempts {
                return None;
            }
            if !budget.take(service.retry.budget_millionths) {
                record.retry_over_budget(self.leg);
                return None;
            }
        }
        if !client.rewind() {
            if !is_move {
                budget.give_back();
            }
            return None;
        }
        self.moves += u32::from(is_move);
        self.retries += u32::from(!is_move);
        record.retries += 1;
        Some(index)
    }
}
