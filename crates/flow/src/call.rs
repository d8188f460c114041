//! Steps 5 to 7 as one function: a call to a service, with its tries. Whether a failed one is repeated is asked of
//! `again`.

use std::task::{Context, Poll, Waker};
use tidegate_core::balance::Sample;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{Exchange, Fill, Source};
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::limits::{PIECES_MAX, UNREAD_BODY_BYTES_MAX};
use tidegate_core::plan::{Leg, PlannedPolicy, RoutePlan};
use tidegate_core::service::Service;
use tidegate_wire::http1::client::Upstream;
use tidegate_wire::http1::response::ParsedResponse;

use crate::again::{Cause, Tries, TryFailed};
use crate::pump::Pump;
use crate::receive;
use crate::record::{Last, Record};
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

impl<'s> Reached<'s, '_> {
    /// After the answer: keeps the connection if it is fit for another request.
    pub(crate) fn give_back(self, worker: &Worker, leg: &Leg) {
        keep(worker, leg, &self.reservation, self.upstream);
    }

    /// An answer nobody is given: what lies ready of it is thrown away, and if that was all, the connection serves
    /// another request. Waits for nothing. Gives the place there back to whoever tries again.
    fn set_aside(self, worker: &Worker, leg: &Leg) -> Reservation<'s> {
        let Reached { reservation, mut upstream, upload, .. } = self;
        let mut cx = Context::from_waker(Waker::noop());
        let mut thrown = 0;
        while upload.is_done && thrown <= UNREAD_BODY_BYTES_MAX {
            match upstream.poll_fill(&mut cx) {
                Poll::Ready(Ok(Fill::Data)) => {
                    let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
                    let count = upstream.pieces(&mut pieces);
                    let bytes = pieces[..count].iter().map(|piece| piece.len()).sum();
                    upstream.consume(bytes);
                    thrown += bytes;
                }
                Poll::Ready(Ok(Fill::End)) => {
                    keep(worker, leg, &reservation, upstream);
                    break;
                }
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        reservation
    }
}

/// Keeps a connection after an answer, if it is fit for another request.
fn keep(worker: &Worker, leg: &Leg, reservation: &Reservation<'_>, mut upstream: Box<Upstream>) {
    if upstream.rest() {
        let most = worker.share(leg.service.connections_idle_max);
        worker.pool.put(&reservation.backend().cell, upstream, clock::coarse(), most);
    } else if upstream.has_surplus() {
        worker.pool.suspect(&reservation.backend().cell);
    }
}

/// What bounds a call.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'p> {
    /// Until the head of the answer, all tries included.
    pub deadline: Nanos,
    /// Most bytes of request body.
    body_bytes_max: u64,
    /// Whether a failed try is repeated as the service says.
    pub again: Again,
    /// Whoever looks at answers, early ones (103) too.
    pub policies: &'p [PlannedPolicy],
}

/// Whether a failed try is repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// As the service says.
    Allowed,
    /// No, but for one on a kept connection that had ended.
    Never,
}

impl<'p> Bounds<'p> {
    /// Those of a client's request.
    pub(crate) fn of(plan: &'p RoutePlan, record: &Record<'_>) -> Bounds<'p> {
        let deadline = plan.timeout.map_or(Nanos::NEVER, |timeout| record.head_at().after(timeout));
        let (body_bytes_max, policies) = (plan.body_bytes_max, &*plan.policies);
        Bounds { deadline, body_bytes_max, again: Again::Allowed, policies }
    }

    /// One try until then, with a body that is here already.
    pub(crate) fn once(deadline: Nanos) -> Bounds<'p> {
        Bounds { deadline, body_bytes_max: u64::MAX, again: Again::Never, policies: &[] }
    }
}

/// How a try ended without an answer.
pub(crate) enum TryError {
    /// The backend's fault.
    Backend(TryFailed),
    /// Nobody's business to repeat: the client left, sent nonsense, or too much; or the time ran out.
    Final(Failure),
}

/// Calls a service. What of the request was kept for another try still is, when it returns.
pub(crate) async fn call<'s, 'w, E: Exchange>(
    worker: &'w Worker,
    bounds: Bounds<'s>,
    leg: &'s Leg,
    request: &mut RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'_>,
) -> Result<Reached<'s, 'w>, Failure> {
    let service: &Service = &leg.service;
    let mut tries = Tries::new(worker, leg, bounds);
    let mut reuse = Reuse::Allowed;
    let mut reservation = reserve::reserve(worker, service, tries.roster())?;
    loop {
        record.attempt(reservation.backend());
        let begun = clock::coarse();
        let upload = Pump::new(&worker.pipes, bounds.body_bytes_max);
        let result =
            attempt(worker, service, &reservation, reuse, bounds, request, client, response, upload, record)
                .await;
        reuse = Reuse::Allowed;
        let failed = match result {
            Err(TryError::Final(failure)) => {
                record.tried(leg, Last::Failed);
                return Err(failure);
            }
            Err(TryError::Backend(failed)) => failed,
            Ok((upstream, parsed, upload)) => {
                let now = record.first_byte();
                let is_failed = service.retry.on.has_status(response.status);
                let sample = if is_failed { Sample::Failed } else { Sample::Answered };
                reservation.observe(now, sample(now.since(begun)));
                let answers = reservation.backend().cell.answers.of(worker.number);
                answers.count(response.status, now.since(begun));
                let reached = Reached { reservation, upstream, parsed, upload };
                if is_failed {
                    let cause = Cause::Status(response.status);
                    let has_interim = reached.upstream.has_interim;
                    let failed = TryFailed { cause, is_unseen: false, has_interim, is_stale: false };
                    let index = reached.reservation.index;
                    if let Some(next) = tries.another(worker, request, client, record, (index, failed)) {
                        reservation = reached.set_aside(worker, leg);
                        reservation.move_to(next);
                        continue;
                    }
                }
                record.tried(leg, if is_failed { Last::Failed } else { Last::Answered });
                return Ok(reached);
            }
        };
        if failed.is_worth_a_new_connection(request) && client.rewind() {
            reuse = Reuse::Never;
            continue;
        }
        reservation.observe(clock::exact(), Sample::Failed(clock::coarse().since(begun)));
        let index = reservation.index;
        match tries.another(worker, request, client, record, (index, failed)) {
            Some(next) => reservation.move_to(next),
            None => {
                record.tried(leg, Last::Failed);
                return Err(failed.into_failure());
            }
        }
    }
}

#[allow(clippy::too_many_arguments)] // everything a try touches, and nothing that outlives it
async fn attempt<'w, E: Exchange>(
    worker: &'w Worker,
    service: &Service,
    reservation: &Reservation<'_>,
    reuse: Reuse,
    bounds: Bounds<'_>,
    request: &RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    upload: Pump<'w>,
    record: &mut Record<'_>,
) -> Result<(Box<Upstream>, ParsedResponse, Pump<'w>), TryError> {
    let deadline = bounds.deadline;
    let mut upstream = send::connect(worker, service, reservation, reuse, deadline, request, client).await?;
    record.connected();
    send::begin(service, reservation, &mut upstream, request, client);
    receive::receive(service, bounds, request, client, response, upstream, upload).await
}
