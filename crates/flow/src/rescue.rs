//! The one place that turns a failure into what the client sees: a status and problem details (RFC 9457). Says
//! what happened and which request it was; never a backend's address or anything of our insides.

use std::io::Write;
use tidegate_core::charge::Full;
use tidegate_core::clock;
use tidegate_core::date;
use tidegate_core::exchange::{Client, Exchange};
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::maintenance::{MAINTENANCE, Maintenance};
use tidegate_core::meters::Refused;
use tidegate_core::name::{Method, Name};
use tidegate_core::outcome::{Outcome, Refusal};
use tidegate_core::plan::RoutePlan;
use tidegate_core::policy::Reply;
use tidegate_core::status::{is_bodiless, reason};
use tidegate_wire::scratch;

use crate::line::{Line, Times};
use crate::outbound;
use crate::record::{self, Record};
use crate::reply;
use crate::worker::Worker;

/// Why a request did not get its backend's answer.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u16,
    /// How it counts.
    pub outcome: Outcome,
    detail: &'static str,
    field: Option<(&'static str, String)>,
    reply: Option<Box<Reply>>,
    /// Whose memory for request bodies it was that is full.
    full: Option<Full>,
}

impl Failure {
    /// A failure with its status.
    pub(crate) fn new(status: u16, outcome: Outcome) -> Failure {
        Failure { status, outcome, detail: "", field: None, reply: None, full: None }
    }

    /// A request that turned out, after its head, to be one nobody can take.
    pub(crate) fn refused(refusal: Refusal) -> Failure {
        Failure { detail: refusal.reason, ..Failure::new(refusal.status, outcome_of(refusal)) }
    }

    /// There is no memory for the request's body. A client that has its share is told that it asks too much, all others
    /// that we have too little.
    pub(crate) fn full(full: Full) -> Failure {
        let (status, outcome) = match full {
            Full::Client => (429, Outcome::Limited),
            Full::Process => (503, Outcome::Shed),
        };
        Failure { full: Some(full), ..Failure::new(status, outcome).with("retry-after", "1".into()) }
    }

    /// What operators are told of it. The policy that such refusals count for is none of the route's own.
    fn no_memory(&self) -> Option<Refused> {
        let reason = match self.full? {
            Full::Client => "client_share",
            Full::Process => "full",
        };
        Some(Refused { policy: "body_memory", reason, is_observed: false })
    }

    /// Nobody is left to answer. 499 is what logs and metrics show for it, as in nginx.
    pub(crate) fn client_gone() -> Failure {
        Failure::new(499, Outcome::ClientGone)
    }

    /// A request that has been here before: it would come back for ever.
    pub(crate) fn looped() -> Failure {
        Failure { detail: "the request came back to this gateway", ..Failure::new(508, Outcome::Loop) }
    }

    /// A policy's own answer.
    pub(crate) fn reply(reply: Box<Reply>) -> Failure {
        let (status, outcome) = (reply.status, reply.outcome);
        Failure { reply: Some(reply), ..Failure::new(status, outcome) }
    }

    /// A service that is closed on purpose.
    pub(crate) fn closed(
        maintenance: &Maintenance,
        plan: &RoutePlan,
        record: &mut Record<'_>,
        (request, peer): (&RequestHead, &Client),
    ) -> Failure {
        let reply = maintenance.reply();
        if let Some(reason) = &reply.reason {
            let refused = Refused { policy: MAINTENANCE, reason: reason.code, is_observed: false };
            record.refused(plan, refused, &reason.detail, request, peer);
        }
        Failure::reply(Box::new(reply))
    }

    /// Adds a field to the answer.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Failure {
        self.field = Some((name, value));
        self
    }
}

fn outcome_of(refusal: Refusal) -> Outcome {
    match refusal.status {
        413 => Outcome::TooLarge,
        405 => Outcome::MethodNotAllowed,
        _ => Outcome::BadRequest,
    }
}

/// Answers a failed request, if an answer is still possible.
pub(crate) async fn rescue<E: Exchange>(
    worker: &Worker,
    plan: Option<&RoutePlan>,
    request: &RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'_>,
    failure: Failure,
) {
    record.outcome = failure.outcome;
    if let (Some(refused), Some(plan)) = (failure.no_memory(), plan) {
        record.refused(plan, refused, "", request, client.client());
    }
    if record.is_answered() {
        return; // the head is out: all that is left is to end the connection, which the codec does
    }
    record.status = failure.status;
    if failure.outcome == Outcome::ClientGone {
        return;
    }
    if matches!(failure.status, 400 | 408 | 413) {
        client.close_after(); // what follows on the connection cannot be trusted, or is not wanted
    }
    let mut body = scratch::text();
    fill(&failure, record.request_id(), response, &mut body);
    if let Err(gone) = reply::deliver(worker, plan, request, client, response, &body, record).await {
        record.outcome = gone.outcome;
    }
    scratch::give_back(&mut body);
}

/// Answers what the codec refused before it was a request.
pub(crate) fn refuse(
    worker: &Worker,
    client: &Client,
    refusal: Refusal,
    answer: &mut ResponseHead,
    body: &mut Vec<u8>,
) {
    let id = record::RequestId::new(worker);
    fill(&Failure::refused(refusal), id.bytes(), answer, body);
    outbound::identify(answer, id.bytes());
    outbound::secure(answer, client);
    let snapshot = worker.snapshot();
    let outcome = outcome_of(refusal);
    snapshot.unrouted.of(worker.number).count(Method::Other, refusal.status, outcome);
    if let Some(log) = &snapshot.log {
        let line = Line {
            head_at: clock::exact(),
            request_id: id.bytes(),
            client,
            route: record::NOBODY,
            service: record::NOBODY,
            backend: None,
            asked: None,
            consumer: None,
            status: refusal.status,
            outcome,
            reason: None,
            bytes_in: 0,
            bytes_out: body.len() as u64,
            retries: 0,
            times: Times::default(),
            attempt: None,
        };
        record::write(log, worker.number, &line);
    }
}

/// Writes head and body of a failure's answer.
fn fill(failure: &Failure, request_id: &[u8], response: &mut ResponseHead, body: &mut Vec<u8>) {
    response.clear();
    response.status = failure.status;
    response.fields.add(Name::Date, date::now().as_bytes());
    if let Some((name, value)) = &failure.field {
        response.fields.push(name, value.as_bytes());
    }
    if let Some(reply) = &failure.reply {
        for (name, value) in &reply.fields {
            response.fields.push(name, value.as_bytes());
        }
        if let Some((content_type, bytes)) = &reply.body {
            response.fields.add(Name::ContentType, content_type.as_bytes());
            body.extend_from_slice(bytes);
            return;
        }
    }
    if is_bodiless(failure.status) {
        return;
    }
    response.fields.add(Name::ContentType, b"application/problem+json");
    // Every text here is our own and free of what JSON would escape; writing to memory cannot fail.
    let _ = write!(
        body,
        r#"{{"type":"about:blank","title":"{}","status":{},"code":"{}","#,
        reason(failure.status),
        failure.status,
        failure.outcome.code(),
    );
    if !failure.detail.is_empty() {
        let _ = write!(body, r#""detail":"{}","#, failure.detail);
    }
    body.extend_from_slice(br#""request_id":""#);
    body.extend_from_slice(request_id);
    body.extend_from_slice(b"\"}\n");
}
