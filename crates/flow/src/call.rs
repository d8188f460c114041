//! Steps 5 to 7 as one function: a call to a service, with its tries. A failed try is repeated when that is
//! certainly safe or was asked for, elsewhere if there is an elsewhere, and only while the request is whole.

use tidegate_core::balance::{Sample, Tried};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::Exchange;
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::{Leg, RoutePlan};
use tidegate_core::service::Service;
use tidegate_wire::http1::client::Upstream;
use tidegate_wire::http1::response::ParsedResponse;

use crate::pump::Pump;
use crate::receive;
use crate::record::Record;
use crate::rescue::Failure;
use crate::reserve::{self, Reservation};
use crate::send::{self, Reuse};
use crate::worker::Worker;

/// A backend that has answered with a head; its body is still to come.
pub(crate) struct Reached<'s, 'w> {
    /// The place there.
    pub reservation: Reservation<'s>,
    /// The connection.
    pub upstream: Box<Upstream>,
    /// What its head says of the body.
    pub parsed: ParsedResponse,
    /// The request's body, as far as it has been sent.
    pub upload: Pump<'w>,
}

impl Reached<'_, '_> {
    /// After the answer: keeps the connection if it is fit for another request.
    pub(crate) fn give_back(mut self, worker: &Worker, leg: &Leg) {
        if self.upstream.rest() {
            let most = leg.service.connections_idle_max.div_ceil(worker.workers);
            worker.pool.put(self.reservation.backend().cell.id, self.upstream, clock::coarse(), most);
        }
    }
}

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
}

/// A failed try.
pub(crate) struct TryFailed {
    pub cause: Cause,
    /// The backend has certainly not seen the request: any method may be sent again.
    pub is_unseen: bool,
    /// It failed on a connection that had waited idle: the backend may be well, and closed it.
    pub is_stale: bool,
}

/// How a try ended without an answer.
pub(crate) enum TryError {
    /// The backend's fault.
    Backend(TryFailed),
    /// Nobody's business to repeat: the client left, sent nonsense, or too much; or the time ran out.
    Final(Failure),
}

/// Calls a service.
pub(crate) async fn call<'s, 'w, E: Exchange>(
    worker: &'w Worker,
    plan: &RoutePlan,
    leg: &'s Leg,
    request: &mut RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'_>,
) -> Result<Reached<'s, 'w>, Failure> {
    let service: &Service = &leg.service;
    let deadline = plan.timeout.map_or(Nanos::NEVER, |timeout| record.head_at().after(timeout));
    let mut tried = Tried::default();
    let mut reuse = Reuse::Allowed;
    let mut stale_at = None;
    loop {
        let reservation = match stale_at.take() {
            Some(again) => again,
            None => reserve::reserve(worker, service, tried)?,
        };
        record.attempt(reservation.backend());
        let begun = clock::coarse();
        let upload = Pump::new(&worker.pipes, plan.body_bytes_max);
        let result =
            attempt(worker, service, &reservation, reuse, deadline, request, client, response, upload).await;
        let failed = match result {
            Ok((upstream, parsed, upload)) => {
                client.let_go();
                let now = record.first_byte();
                reservation.observe(now, Sample::Answered(now.since(begun)));
                if record.tries > 1 {
                    record.retry_answered(leg);
                }
                return Ok(Reached { reservation, upstream, parsed, upload });
            }
            Err(TryError::Final(failure)) => return Err(failure),
            Err(TryError::Backend(failed)) => failed,
        };
        if failed.is_stale && may_repeat(service, request, &failed, true) && client.rewind() {
            // The same backend on a new connection: only that tells whether it is well.
            reuse = Reuse::Never;
            stale_at = Some(reservation);
            continue;
        }
        reservation.observe(clock::exact(), Sample::Failed(clock::coarse().since(begun)));
        tried.add(reservation.index);
        let is_spent = record.retries >= service.retry.attempts || clock::coarse() >= deadline;
        if is_spent || !may_repeat(service, request, &failed, false) || !client.rewind() {
            record.retry_failed(leg);
            return Err(failed.into_failure());
        }
        record.retries += 1;
        reuse = Reuse::Allowed;
    }
}

/// Whether sending the request again is safe and wanted.
fn may_repeat(service: &Service, request: &RequestHead, failed: &TryFailed, is_own_doing: bool) -> bool {
    if failed.is_unseen {
        return true;
    }
    let on = service.retry.on;
    let is_listed = is_own_doing
        || match failed.cause {
            Cause::Connect | Cause::ConnectTimeout => on.connect,
            Cause::Reset => on.reset,
            Cause::Timeout => on.timeout,
            Cause::Bad => false,
        };
    is_listed && request.method.is_idempotent()
}

impl TryFailed {
    fn into_failure(self) -> Failure {
        match self.cause {
            Cause::Connect => Failure::new(502, Outcome::ConnectFailed),
            Cause::ConnectTimeout => Failure::new(504, Outcome::ConnectFailed),
            Cause::Reset => Failure::new(502, Outcome::BackendReset),
            Cause::Timeout => Failure::new(504, Outcome::BackendTimeout),
            Cause::Bad => Failure::new(502, Outcome::BackendError),
        }
    }
}

#[allow(clippy::too_many_arguments)] // everything a try touches, and nothing that outlives it
async fn attempt<'w, E: Exchange>(
    worker: &'w Worker,
    service: &Service,
    reservation: &Reservation<'_>,
    reuse: Reuse,
    deadline: Nanos,
    request: &RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    upload: Pump<'w>,
) -> Result<(Box<Upstream>, ParsedResponse, Pump<'w>), TryError> {
    let mut upstream = send::connect(worker, service, reservation, reuse, deadline, request, client).await?;
    send::begin(service, reservation, &mut upstream, request, client);
    receive::receive(service, deadline, request, client, response, upstream, upload).await
}
