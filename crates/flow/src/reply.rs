//! Answers the gateway gives by itself: those in the configuration, and problem details. They pass through the
//! same exchange as a backend's.

use std::future::poll_fn;
use std::task::{Context, Poll};
use tidegate_core::date;
use tidegate_core::exchange::{AnswerBody, Exchange, Fault, Fill, Source};
use tidegate_core::head::{Fields, Length, NO_FIELDS, RequestHead, ResponseHead};
use tidegate_core::name::{Method, Name};
use tidegate_core::outcome::Refusal;
use tidegate_core::plan::{Redirect, Respond, RoutePlan};
use tidegate_core::status::is_bodiless;
use tidegate_core::template::Origin;
use tidegate_wire::scratch;

use crate::outbound::{self, Shaped};
use crate::pump::Pump;
use crate::record::Record;
use crate::rescue::Failure;
use crate::worker::Worker;

/// Gives an answer that stands in the configuration.
pub(crate) async fn respond<E: Exchange>(
    worker: &Worker,
    plan: &RoutePlan,
    answer: &Respond,
    request: &RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    let mut filled = Vec::new();
    if answer.status < 300 {
        // A client that sends on behind such an answer, as it has not failed, may read no more meanwhile (curl 7.88):
        // it would never learn that its windows are open again.
        poll_fn(|cx| client.poll_drain(cx)).await;
    }
    response.clear();
    response.status = answer.status;
    let origin = record.origin(client);
    for field in &answer.fields {
        field.add_to(&mut response.fields, request, origin);
    }
    date(response);
    let body = match answer.body.constant() {
        Some(body) => body,
        None => {
            filled = scratch::text();
            answer.body.write(request, origin, &mut filled);
            &filled
        }
    };
    let result = deliver(worker, Some(plan), request, client, response, body, record).await;
    scratch::give_back(&mut filled);
    result
}

/// Puts a date on an answer that has none (RFC 9110 §6.6.1).
pub(crate) fn date(response: &mut ResponseHead) {
    if response.fields.get(Name::Date).is_none() {
        response.fields.add(Name::Date, date::now().as_bytes());
    }
}

/// Answers `OPTIONS *`, which asks after the gateway itself: that it is there (RFC 9110 §9.3.7). No route is meant.
pub(crate) async fn options<E: Exchange>(
    worker: &Worker,
    request: &RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    response.clear();
    response.status = 204;
    date(response);
    deliver(worker, None, request, client, response, b"", record).await
}

/// Fills the head of an answer that sends the client elsewhere.
pub(crate) fn redirect(
    redirect: &Redirect,
    request: &RequestHead,
    response: &mut ResponseHead,
    origin: Origin<'_>,
) -> Result<(), Refusal> {
    let mut url = scratch::text();
    let written = redirect.location.write(request, origin, &mut url);
    response.clear();
    response.status = redirect.status;
    response.fields.add(Name::Date, date::now().as_bytes());
    response.fields.add(Name::Location, &url);
    scratch::give_back(&mut url);
    written
}

/// How a body in memory is framed.
fn framing(request: &RequestHead, status: u16, bytes: u64) -> AnswerBody {
    match () {
        () if is_bodiless(status) => AnswerBody { length: Length::Empty, stated_length: None },
        () if request.method == Method::Head => {
            AnswerBody { length: Length::Empty, stated_length: Some(bytes) }
        }
        () => AnswerBody { length: Length::Exact(bytes), stated_length: None },
    }
}

/// Sends an answer whose body is in memory, through the policies of its route if it has one.
pub(crate) async fn deliver<E: Exchange>(
    worker: &Worker,
    plan: Option<&RoutePlan>,
    request: &RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    body: &[u8],
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    let framed = framing(request, response.status, body.len() as u64);
    let Shaped { body: framed, filtering } = match plan {
        Some(plan) => outbound::outbound(plan, request, response, framed, client.client(), record),
        None => {
            outbound::identify(response, record.request_id());
            outbound::secure(response, client.client());
            Shaped { body: framed, filtering: None }
        }
    };
    client.answer(request, response, framed);
    record.answered(response.status);
    let mut text = Text { left: if framed.length == Length::Empty { b"" } else { body } };
    let mut pump = Pump::new(&worker.pipes, u64::MAX);
    let result = match filtering {
        None => poll_fn(|cx| pump.poll(cx, &mut text, client)).await,
        Some(mut filtering) => poll_fn(|cx| pump.poll(cx, &mut filtering.over(&mut text), client)).await,
    };
    record.bytes_out = pump.moved;
    result.map_err(|_| Failure::client_gone())
}

/// Bytes in memory as a body.
struct Text<'a> {
    left: &'a [u8],
}

impl Source for Text<'_> {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        Poll::Ready(Ok(if self.left.is_empty() { Fill::End } else { Fill::Data }))
    }

    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        match out.first_mut() {
            Some(piece) if !self.left.is_empty() => {
                *piece = self.left;
                1
            }
            _ => 0,
        }
    }

    fn is_last(&self) -> bool {
        true
    }

    fn consume(&mut self, n: usize) {
        self.left = &self.left[n..];
    }

    fn trailers(&self) -> &Fields {
        &NO_FIELDS
    }
}
