//! A request without sockets: the same steps as traffic takes, up to where a backend would be asked, with a client on
//! paper. Shows what would be sent, or what the gateway answers by itself. Called by the program's `test`.

use std::sync::Arc;
use std::task::{Context, Poll};
use tidegate_core::clock::Nanos;
use tidegate_core::exchange::{AnswerBody, Client, Exchange, Fault, Fill, Protocol, Sink, Source};
use tidegate_core::head::{Fields, Length, NO_FIELDS, RequestHead, ResponseHead, Span};
use tidegate_core::plan::{Leg, Target};
use tidegate_wire::http1::encode::write_request_head;
use tidegate_wire::http1::request::ParsedRequest;
use tidegate_wire::scratch::Leased;

use crate::record::Record;
use crate::worker::Worker;
use crate::{rescue, send, steps};

/// What became of a request.
#[derive(Debug)]
pub struct Rehearsal {
    /// The name of the route that took it, if one did.
    pub route: Option<Arc<str>>,
    /// Where it ended.
    pub end: End,
}

/// Where a request ended.
#[derive(Debug)]
pub enum End {
    /// It would be sent to a backend.
    Sent {
        /// The services it may go to: several of a split.
        services: Vec<Arc<str>>,
        /// The head a backend would get, byte for byte; of several backends the first.
        head: Vec<u8>,
    },
    /// The gateway answered by itself.
    Answered {
        /// The head.
        head: ResponseHead,
        /// The body.
        body: Vec<u8>,
    },
}

/// Runs a request that was parsed as `parsed`, with this body, through the snapshot of a worker. Counts nothing.
/// Policies that keep counts count it like any other.
pub async fn rehearse(
    worker: &Worker,
    request: &mut RequestHead,
    parsed: &ParsedRequest,
    client: Client,
    body: &[u8],
) -> Rehearsal {
    let snapshot = worker.snapshot();
    let mut record = Record::begin(worker, &snapshot, request);
    let mut response: Leased<ResponseHead> = Leased::take();
    let mut paper = Paper {
        client,
        parsed,
        body: body.to_vec(),
        taken: 0,
        has_continued: false,
        answer: ResponseHead::default(),
        answer_body: Vec::new(),
    };

    let mut plan = None;
    let towards =
        steps::towards(worker, &snapshot, request, &mut paper, &mut response, &mut record, &mut plan).await;
    let route = plan.map(|plan| plan.name.clone());
    let end = match towards {
        Ok(Some(way)) => {
            End::Sent { services: services(&way.plan.target), head: sent(way.leg, request, &paper) }
        }
        Ok(None) => paper.answered(),
        Err(failure) => {
            rescue::rescue(worker, plan, request, &mut paper, &mut response, &mut record, failure).await;
            paper.answered()
        }
    };
    Rehearsal { route, end }
}

fn services(target: &Target) -> Vec<Arc<str>> {
    match target {
        Target::Service(leg) => vec![leg.service.name.clone()],
        Target::Split(split) => split.legs().map(|leg| leg.service.name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// The head for the first backend; of a service that has none yet, with the client's host.
fn sent(leg: &Leg, request: &RequestHead, client: &Paper<'_>) -> Vec<u8> {
    let roster = leg.service.roster.load();
    let host = match roster.backends.first() {
        Some(backend) => send::host(&leg.service, backend, request),
        None => request.host_bytes(),
    };
    let mut head = Vec::new();
    write_request_head(&mut head, request, host, send::framing(request, client));
    head
}

/// A client on paper: its request is given, its answer is kept.
struct Paper<'a> {
    client: Client,
    parsed: &'a ParsedRequest,
    body: Vec<u8>,
    taken: usize,
    /// It was told to go on with its body.
    has_continued: bool,
    answer: ResponseHead,
    answer_body: Vec<u8>,
}

impl Paper<'_> {
    fn answered(self) -> End {
        End::Answered { head: self.answer, body: self.answer_body }
    }
}

impl Source for Paper<'_> {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        Poll::Ready(Ok(if self.taken == self.body.len() { Fill::End } else { Fill::Data }))
    }

    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        match out.first_mut() {
            Some(piece) if self.taken < self.body.len() => {
                *piece = &self.body[self.taken..];
                1
            }
            _ => 0,
        }
    }

    fn is_last(&self) -> bool {
        true
    }

    fn consume(&mut self, n: usize) {
        self.taken += n;
    }

    fn trailers(&self) -> &Fields {
        &NO_FIELDS
    }
}

impl Sink for Paper<'_> {
    fn poll_send<S: Source>(&mut self, _: &mut Context<'_>, from: &mut S) -> Poll<Result<(), Fault>> {
        loop {
            let mut pieces = [&b""[..]];
            if from.pieces(&mut pieces) == 0 {
                return Poll::Ready(Ok(()));
            }
            let bytes = pieces[0].len();
            self.answer_body.extend_from_slice(pieces[0]);
            from.consume(bytes);
        }
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, _: &Fields) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }
}

impl Exchange for Paper<'_> {
    fn client(&self) -> &Client {
        &self.client
    }

    fn protocol(&self) -> Protocol {
        Protocol::Http11
    }

    fn length(&self) -> Length {
        self.parsed.length
    }

    fn expects_continue(&self) -> bool {
        self.parsed.expects_continue && !self.has_continued
    }

    fn upgrade(&self) -> Option<Span> {
        self.parsed.upgrade
    }

    fn rewind(&mut self) -> bool {
        self.taken = 0;
        true
    }

    fn let_go(&mut self) {}

    fn taken(&self) -> u64 {
        self.taken as u64
    }

    fn interim(&mut self, head: &ResponseHead) {
        self.has_continued |= head.status == 100;
    }

    fn answer(&mut self, _: &RequestHead, head: &ResponseHead, _: AnswerBody) {
        self.answer = head.clone();
    }

    fn announce_trailers(&mut self, _: &RequestHead) {}

    fn close_after(&mut self) {}

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn shutdown_write(&mut self) {}

    fn poll_deadline(&mut self, _: &mut Context<'_>, _: Nanos) -> Poll<()> {
        Poll::Pending // nothing is waited for that a deadline would end
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<Fault> {
        Poll::Pending
    }
}
