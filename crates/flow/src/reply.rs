//! Answers the gateway gives by itself: those in the configuration, and problem details. They pass through the
//! same exchange as a backend's.

use std::future::poll_fn;
use std::task::{Context, Poll};
use tidegate_core::date;
use tidegate_core::exchange::{AnswerBody, Exchange, Fault, Fill, Source};
use tidegate_core::head::{Fields, Length, NO_FIELDS, RequestHead, ResponseHead};
use tidegate_core::name::{Method, Name};
use tidegate_core::outcome::Refusal;
use tidegate_core::plan::{Redirect, Respond};
use tidegate_core::template::{Origin, Template};
use tidegate_wire::scratch;

use crate::pump::Pump;
use crate::record::Record;
use crate::rescue::Failure;
use crate::worker::Worker;

/// Fills the head of an answer from the configuration.
pub(crate) fn respond(
    answer: &Respond,
    request: &RequestHead,
    response: &mut ResponseHead,
    origin: Origin<'_>,
) {
    response.clear();
    response.status = answer.status;
    for field in &answer.fields {
        field.add_to(&mut response.fields, request, origin);
    }
    // Nobody behind us has put a date on it (RFC 9110 §6.6.1).
    if response.fields.get(Name::Date).is_none() {
        response.fields.add(Name::Date, date::now().as_bytes());
    }
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

/// Sends an answer whose body stands in the configuration.
pub(crate) async fn deliver_text<E: Exchange>(
    worker: &Worker,
    request: &RequestHead,
    client: &mut E,
    response: &ResponseHead,
    text: &Template,
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    let mut filled = Vec::new();
    let body = match text.constant() {
        Some(body) => body,
        None => {
            filled = scratch::text();
            text.write(request, record.origin(client), &mut filled);
            &filled
        }
    };
    let result = deliver(worker, request, client, response, body, record).await;
    scratch::give_back(&mut filled);
    result
}

/// Whether answers with this status have no body and no length (RFC 9110 §8.6).
fn is_bodiless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

/// Sends an answer whose body is in memory.
pub(crate) async fn deliver<E: Exchange>(
    worker: &Worker,
    request: &RequestHead,
    client: &mut E,
    response: &ResponseHead,
    body: &[u8],
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    let length = body.len() as u64;
    let (shown, framing) = match () {
        () if is_bodiless(response.status) => {
            (&b""[..], AnswerBody { length: Length::Empty, stated_length: None })
        }
        () if request.method == Method::Head => {
            (&b""[..], AnswerBody { length: Length::Empty, stated_length: Some(length) })
        }
        () => (body, AnswerBody { length: Length::Exact(length), stated_length: None }),
    };
    client.answer(request, response, framing);
    record.answered(response.status);
    let mut text = Text { left: shown };
    let mut pump = Pump::new(&worker.pipes, u64::MAX);
    let result = poll_fn(|cx| pump.poll(cx, &mut text, client)).await;
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
