//! Copies of requests for another service: taken after the first has answered, sent by a task of their own, and their
//! answers thrown away. The client, the first service and its meters notice nothing of it. `copy` is a step of a
//! request; what it leaves is taken by the program, which runs and owns the tasks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{AnswerBody, Client, Exchange, Fault, Fill, Protocol, Sink, Source};
use tidegate_core::head::{Fields, Length, NO_FIELDS, RequestHead, ResponseHead, Span};
use tidegate_core::limits::{PIECES_MAX, UNREAD_BODY_BYTES_MAX};
use tidegate_core::meters::RouteMeters;
use tidegate_core::name::Name;
use tidegate_core::plan::{Mirror, RoutePlan};
use tidegate_wire::scratch::Leased;
use tidegate_wire::timer::Timer;

use crate::call::{self, Bounds, Reached};
use crate::record::Record;
use crate::worker::Worker;

/// Copies of one worker under way at a time; further ones are dropped and counted. A service that takes a second for
/// each is thus sent 64 a second by a worker, which says enough of how it does.
const COPIES_MAX: usize = 64;
/// Largest body that is copied: as large as one that may be sent a second time, which is what is whole in the buffer.
const COPIED_BYTES_MAX: u64 = 64 << 10;
/// Longest a copy may take, its answer's body included. Who is slower is not going to tell anything more.
const COPY_TIME_MAX: Duration = Duration::from_secs(10);

/// The copies a worker has yet to send.
#[derive(Default)]
pub(crate) struct Copies {
    waiting: RefCell<VecDeque<Copy>>,
    /// Waiting ones and those being sent.
    under_way: Rc<Cell<usize>>,
    sender: Cell<Option<Waker>>,
}

/// A place among `COPIES_MAX`.
struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A request on its way to a second service.
pub struct Copy {
    mirror: Arc<Mirror>,
    meters: Arc<RouteMeters>,
    request: RequestHead,
    client: Client,
    protocol: Protocol,
    body: Vec<u8>,
    _place: Place,
}

/// Takes a copy of a request whose answer has begun to come, if it is its turn. The body is the client's again, where
/// it was; it waits for nothing.
pub(crate) fn copy<E: Exchange>(
    worker: &Worker,
    plan: &RoutePlan,
    mirror: &Arc<Mirror>,
    request: &RequestHead,
    client: &mut E,
    reached: &Reached<'_, '_>,
) {
    let millionths = (u128::from(worker.random()) * 1_000_000) >> 64;
    if millionths >= u128::from(mirror.share_millionths) {
        return;
    }
    let mirrored = &plan.meters.mirrored;
    let copies = &worker.copies;
    if copies.under_way.get() >= COPIES_MAX {
        mirrored.dropped.fetch_add(1, Relaxed);
        return;
    }
    let is_whole = reached.upload.is_done && client.upgrade().is_none() && client.taken() <= COPIED_BYTES_MAX;
    let Some(body) = is_whole.then(|| body_again(client)).flatten() else {
        mirrored.skipped.fetch_add(1, Relaxed);
        return;
    };
    copies.under_way.set(copies.under_way.get() + 1);
    let mut request = request.clone();
    // So that it sends no mail and charges nobody for what is only looked at.
    request.fields.add(Name::XMirrored, b"1");
    copies.waiting.borrow_mut().push_back(Copy {
        mirror: mirror.clone(),
        meters: plan.meters.clone(),
        request,
        client: client.client().clone(),
        protocol: client.protocol(),
        body,
        _place: Place(copies.under_way.clone()),
    });
    if let Some(sender) = copies.sender.take() {
        sender.wake();
    }
}

/// The request's body once more, if all of it is still here.
fn body_again<E: Exchange>(client: &mut E) -> Option<Vec<u8>> {
    if !client.rewind() {
        return None;
    }
    let mut body = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match client.poll_fill(&mut cx) {
            Poll::Ready(Ok(Fill::Data)) => {
                let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
                let count = client.pieces(&mut pieces);
                let before = body.len();
                pieces[..count].iter().for_each(|piece| body.extend_from_slice(piece));
                client.consume(body.len() - before);
            }
            Poll::Ready(Ok(Fill::End)) => return Some(body),
            Poll::Ready(Err(_)) | Poll::Pending => return None,
        }
    }
}

impl Worker {
    /// The next copy to send. Whoever asks runs it beside others, and ends them when the worker ends.
    pub async fn next_copy(&self) -> Copy {
        poll_fn(|cx| match self.copies.waiting.borrow_mut().pop_front() {
            Some(copy) => Poll::Ready(copy),
            None => {
                self.copies.sender.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

impl Copy {
    /// Sends it and throws the answer away. Takes no longer than `COPY_TIME_MAX`. Dropping it is safe.
    pub async fn send(self, worker: Rc<Worker>) {
        let Copy { mirror, meters, mut request, client, protocol, body, _place } = self;
        let mut detached = Detached { client, protocol, body, taken: 0, timer: Timer::new() };
        let mut record = Record::detached(&worker);
        let mut response: Leased<ResponseHead> = Leased::take();
        let bounds = Bounds::once(clock::coarse().after(COPY_TIME_MAX));
        let called =
            call::call(&worker, bounds, &mirror.leg, &mut request, &mut detached, &mut response, &mut record);
        let is_answered = match called.await {
            Ok(reached) => end(&worker, &mirror, reached, &mut detached, bounds.deadline).await,
            Err(_) => false,
        };
        let counter = if is_answered { &meters.mirrored.answered } else { &meters.mirrored.failed };
        counter.fetch_add(1, Relaxed);
    }
}

/// Reads an answer to its end, as long as that is short, so that the connection serves again. Whether it came.
async fn end(
    worker: &Worker,
    mirror: &Mirror,
    mut reached: Reached<'_, '_>,
    client: &mut Detached,
    deadline: Nanos,
) -> bool {
    let mut thrown = 0;
    let is_over = poll_fn(|cx| {
        loop {
            match reached.upstream.poll_fill(cx) {
                Poll::Ready(Ok(Fill::Data)) if thrown <= UNREAD_BODY_BYTES_MAX => {
                    let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
                    let count = reached.upstream.pieces(&mut pieces);
                    let bytes = pieces[..count].iter().map(|piece| piece.len()).sum();
                    reached.upstream.consume(bytes);
                    thrown += bytes;
                }
                // It has answered; the rest of it is nobody's business.
                Poll::Ready(Ok(Fill::Data)) => return Poll::Ready(Some(false)),
                Poll::Ready(Ok(Fill::End)) => return Poll::Ready(Some(true)),
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => return client.poll_deadline(cx, deadline).map(|()| None),
            }
        }
    })
    .await;
    if is_over == Some(true) {
        reached.give_back(worker, &mirror.leg);
    }
    is_over.is_some()
}

/// A client that has gone on long ago: its request is given, and its answer goes nowhere.
struct Detached {
    client: Client,
    protocol: Protocol,
    body: Vec<u8>,
    taken: usize,
    timer: Timer,
}

impl Source for Detached {
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

impl Sink for Detached {
    fn poll_send<S: Source>(&mut self, _: &mut Context<'_>, _: &mut S) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, _: &Fields) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }
}

impl Exchange for Detached {
    fn client(&self) -> &Client {
        &self.client
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn length(&self) -> Length {
        match self.body.len() {
            0 => Length::Empty,
            bytes => Length::Exact(bytes as u64),
        }
    }

    fn expects_continue(&self) -> bool {
        false
    }

    fn upgrade(&self) -> Option<Span> {
        None
    }

    fn rewind(&mut self) -> bool {
        self.taken = 0;
        true
    }

    fn let_go(&mut self) {}

    fn taken(&self) -> u64 {
        self.taken as u64
    }

    fn interim(&mut self, _: &ResponseHead) {}

    fn answer(&mut self, _: &RequestHead, _: &ResponseHead, _: AnswerBody) {}

    fn announce_trailers(&mut self, _: &RequestHead) {}

    fn close_after(&mut self) {}

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn shutdown_write(&mut self) {}

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Nanos) -> Poll<()> {
        if at <= clock::coarse() {
            return Poll::Ready(());
        }
        self.timer.set(at);
        self.timer.poll(cx)
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<Fault> {
        Poll::Pending // nobody who could go
    }
}
