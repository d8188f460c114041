//! Step 7: the request's body goes out while the response's head is waited for, whichever comes first. Interim
//! answers are passed on. Tells apart who failed: the client, the backend, or the clock.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{Exchange, Fault};
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::limits::INTERIM_RESPONSES_MAX;
use tidegate_core::name::Name;
use tidegate_core::outcome::{Outcome, Refusal};
use tidegate_core::service::Service;
use tidegate_wire::http1::client::Upstream;
use tidegate_wire::http1::response::ParsedResponse;
use tidegate_wire::scratch::Leased;

use crate::again::{Cause, TryFailed};
use crate::call::{Bounds, TryError};
use crate::pump::{Pump, Stopped};
use crate::rescue::Failure;

/// A client that waits for 100 (Continue) is told to go on after so long without a word from the backend: many
/// backends never send one (RFC 9110 §10.1.1 asks for a wait that is not indefinite).
const CONTINUE_TIME: Duration = Duration::from_secs(1);

/// A request on its way to a backend whose head has not come.
struct Waiting<'a, 'w, E> {
    service: &'a Service,
    request: &'a RequestHead,
    client: &'a mut E,
    upstream: Box<Upstream>,
    upload: Pump<'w>,
    /// The client's body is held back until 100 comes, or this moment.
    hold_until: Option<Nanos>,
    /// The backend takes no more of the request; its answer may still come.
    is_upload_broken: bool,
    interims: usize,
    /// An interim answer could not be written as a whole yet.
    owes_interim: bool,
    /// When the request was sent: the response timeout runs from here.
    sent_at: Option<Nanos>,
    /// Bytes moved when last looked, and when that was: the idle timeout runs from there.
    progress: (u64, Nanos),
    bounds: Bounds<'a>,
}

/// Waits for the head.
#[allow(clippy::too_many_arguments)] // see `call::attempt`
pub(crate) async fn receive<'w, E: Exchange>(
    service: &Service,
    bounds: Bounds<'_>,
    request: &RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    upstream: Box<Upstream>,
    upload: Pump<'w>,
) -> Result<(Box<Upstream>, ParsedResponse, Pump<'w>), TryError> {
    let now = clock::coarse();
    let hold_until = client.expects_continue().then(|| now.after(CONTINUE_TIME));
    let mut waiting = Waiting {
        service,
        request,
        client,
        upstream,
        upload,
        hold_until,
        is_upload_broken: false,
        interims: 0,
        owes_interim: false,
        sent_at: None,
        progress: (0, now),
        bounds,
    };
    let parsed = poll_fn(|cx| match waiting.poll(cx, response) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => {
            let (due, cause) = waiting.due();
            match waiting.client.poll_deadline(cx, due) {
                Poll::Ready(()) => waiting.poll_due(cx, cause),
                Poll::Pending => Poll::Pending,
            }
        }
    })
    .await?;
    Ok((waiting.upstream, parsed, waiting.upload))
}

/// What a deadline stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Continue,
    Response,
    Idle,
    Route,
}

impl<E: Exchange> Waiting<'_, '_, E> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
    ) -> Poll<Result<ParsedResponse, TryError>> {
        if self.owes_interim {
            self.flush_interim(cx)?;
        }
        if self.sent_at.is_none() && !self.is_upload_broken {
            match self.poll_upload(cx) {
                Poll::Ready(Ok(())) => self.sent_at = Some(clock::coarse()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(result) = self.poll_head(cx, head) {
            return Poll::Ready(result);
        }
        if let Poll::Ready(fault) = self.client.poll_gone(cx) {
            return Poll::Ready(Err(TryError::Final(client_failure(Stopped::Source(fault)))));
        }
        Poll::Pending
    }

    /// Sends the head and, unless it is held back, the body.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TryError>> {
        if self.hold_until.is_some() {
            if let Poll::Ready(Err(_)) = self.upstream.poll_flush(cx) {
                self.is_upload_broken = true;
            }
            return Poll::Pending;
        }
        match self.upload.poll(cx, self.client, &mut *self.upstream) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(Stopped::Sink(_))) => {
                // It may have answered before it closed.
                self.is_upload_broken = true;
                Poll::Pending
            }
            Poll::Ready(Err(stopped)) => Poll::Ready(Err(TryError::Final(client_failure(stopped)))),
        }
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
    ) -> Poll<Result<ParsedResponse, TryError>> {
        loop {
            let parsed = match self.upstream.poll_head(cx, self.request.method, head) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(parsed)) => parsed,
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(TryError::Backend(self.failed(fault)))),
            };
            if !parsed.is_interim {
                return Poll::Ready(self.check_switch(head, parsed));
            }
            self.interims += 1;
            if self.interims > INTERIM_RESPONSES_MAX {
                return Poll::Ready(Err(self.bad()));
            }
            if head.status == 100 {
                self.hold_until = None;
            }
            self.shape_interim(head);
            self.client.interim(head);
            self.flush_interim(cx)?;
            if self.sent_at.is_none() && !self.is_upload_broken {
                match self.poll_upload(cx) {
                    Poll::Ready(Ok(())) => self.sent_at = Some(clock::coarse()),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
        }
    }

    /// Of early fields (103) those are taken out that the gateway decides about in the final answer: the request's id is
    /// ours, and no cookie gets past who edits them there. All else passes, and other interim answers as they are.
    fn shape_interim(&self, head: &mut ResponseHead) {
        if head.status == 103 {
            head.fields.remove(Name::SetCookie);
            head.fields.remove(Name::XRequestId);
            for planned in self.bounds.policies.iter().rev() {
                planned.policy.early(head);
            }
        }
    }

    /// Writes an interim answer, as far as the client takes it now.
    fn flush_interim(&mut self, cx: &mut Context<'_>) -> Result<(), TryError> {
        let flushed = self.client.poll_flush(cx);
        self.owes_interim = flushed.is_pending();
        match flushed {
            Poll::Ready(Err(_)) => Err(TryError::Final(Failure::client_gone())),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// A 101 that nobody asked for, or to another protocol than offered, is not an answer to this request.
    fn check_switch(&self, head: &ResponseHead, parsed: ParsedResponse) -> Result<ParsedResponse, TryError> {
        if head.status != 101 {
            return Ok(parsed);
        }
        let is_asked = match (self.client.upgrade(), parsed.upgrade) {
            (Some(offered), Some(taken)) => {
                let offered = offered.of(self.request.fields.text());
                taken.of(head.fields.text()).eq_ignore_ascii_case(offered)
            }
            _ => false,
        };
        if is_asked { Ok(parsed) } else { Err(self.bad()) }
    }

    fn bad(&self) -> TryError {
        let has_interim = self.upstream.has_interim;
        TryError::Backend(TryFailed { cause: Cause::Bad, is_unseen: false, has_interim, is_stale: false })
    }

    fn failed(&self, fault: Fault) -> TryFailed {
        let has_answered = self.upstream.has_answered();
        let cause = match fault {
            Fault::Gone if !has_answered => Cause::Reset,
            Fault::Gone | Fault::Malformed(_) | Fault::Slow | Fault::Full(_) => Cause::Bad,
        };
        let is_lost = cause == Cause::Reset;
        let is_unseen = is_lost && (!self.upstream.has_sent() || self.upstream.is_certainly_unseen());
        let has_interim = self.upstream.has_interim;
        TryFailed { cause, is_unseen, has_interim, is_stale: is_lost && self.upstream.is_reused }
    }

    /// The next deadline.
    fn due(&mut self) -> (Nanos, Due) {
        let now = clock::coarse();
        let (due, what) = match (self.hold_until, self.sent_at) {
            (Some(until), _) => (until, Due::Continue),
            (None, Some(sent_at)) => (sent_at.after(self.service.timeouts.response), Due::Response),
            (None, None) => {
                if self.upload.moved != self.progress.0 {
                    self.progress = (self.upload.moved, now);
                }
                (self.progress.1.after(self.service.timeouts.idle), Due::Idle)
            }
        };
        if self.bounds.deadline < due { (self.bounds.deadline, Due::Route) } else { (due, what) }
    }

    /// A deadline has passed.
    fn poll_due(&mut self, cx: &mut Context<'_>, due: Due) -> Poll<Result<ParsedResponse, TryError>> {
        match due {
            Due::Continue => {
                self.hold_until = None;
                let mut go_on: Leased<ResponseHead> = Leased::take();
                go_on.status = 100;
                self.client.interim(&go_on);
                cx.waker().wake_by_ref();
                self.flush_interim(cx)?;
                Poll::Pending
            }
            Due::Response | Due::Idle => {
                let is_unseen = !self.upstream.has_sent();
                let has_interim = self.upstream.has_interim;
                let failed = TryFailed { cause: Cause::Timeout, is_unseen, has_interim, is_stale: false };
                Poll::Ready(Err(TryError::Backend(failed)))
            }
            Due::Route => Poll::Ready(Err(TryError::Final(Failure::new(504, Outcome::BackendTimeout)))),
        }
    }
}

/// What stopped a request's body on the client's side, as a failure.
pub(crate) fn client_failure(stopped: Stopped) -> Failure {
    match stopped {
        Stopped::TooLarge => Failure::new(413, Outcome::TooLarge),
        Stopped::Source(Fault::Malformed(refusal)) => Failure::refused(refusal),
        Stopped::Source(Fault::Slow) => {
            Failure::refused(Refusal::new(408, "the request body came too slowly"))
        }
        Stopped::Source(Fault::Full(full)) => Failure::full(full),
        Stopped::Source(Fault::Gone) | Stopped::Sink(_) => Failure::client_gone(),
    }
}
