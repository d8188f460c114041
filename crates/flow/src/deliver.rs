//! Step 9: the answer's head and body to the client, in one pump, while the rest of an unfinished request body
//! still goes to the backend.

use std::future::poll_fn;
use std::task::{Context, Poll};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::Exchange;
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::Leg;

use crate::call::Reached;
use crate::filtered::Filtering;
use crate::outbound::Shaped;
use crate::pump::{Pump, Stopped};
use crate::receive::client_failure;
use crate::record::Record;
use crate::rescue::Failure;
use crate::tunnel;
use crate::worker::Worker;

/// Delivers an answer.
#[allow(clippy::too_many_arguments)] // see `call::attempt`
pub(crate) async fn deliver<'w, E: Exchange>(
    worker: &'w Worker,
    leg: &Leg,
    request: &RequestHead,
    client: &mut E,
    response: &ResponseHead,
    shaped: Shaped,
    reached: &mut Reached<'_, 'w>,
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    if !reached.upload.is_done {
        // Answered before it read everything: the connection cannot be in step again with certainty.
        client.close_after();
    }
    client.answer(request, response, shaped.body);
    record.answered(response.status);
    if response.status == 101 {
        return tunnel::tunnel(worker, leg, client, reached, record).await;
    }
    let download = Pump::new(&worker.pipes, u64::MAX);
    let mut delivery = Delivery { download, filtering: shaped.filtering, client, reached };
    let mut progress = (0, Nanos(0));
    let idle = leg.service.timeouts.idle;
    let result = poll_fn(|cx| match delivery.poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => {
            let moved = delivery.download.moved + delivery.reached.upload.moved;
            if progress != (moved, progress.1) || progress.1 == Nanos(0) {
                progress = (moved, clock::coarse());
            }
            let due = progress.1.after(idle);
            delivery.client.poll_deadline(cx, due).map(|()| Err(Failure::new(504, Outcome::BackendTimeout)))
        }
    })
    .await;
    record.bytes_out = delivery.download.moved;
    result
}

struct Delivery<'a, 'r, 'w, E> {
    download: Pump<'w>,
    filtering: Option<Filtering>,
    client: &'a mut E,
    reached: &'a mut Reached<'r, 'w>,
}

impl<E: Exchange> Delivery<'_, '_, '_, E> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let upstream = &mut *self.reached.upstream;
        let downloaded = match &mut self.filtering {
            None => self.download.poll(cx, upstream, self.client),
            Some(filtering) => self.download.poll(cx, &mut filtering.over(upstream), self.client),
        };
        match downloaded {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(Stopped::Source(_))) => {
                return Poll::Ready(Err(Failure::new(502, Outcome::BackendReset)));
            }
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::client_gone())),
            Poll::Pending => {}
        }
        if let Poll::Ready(fault) = self.client.poll_gone(cx) {
            return Poll::Ready(Err(client_failure(Stopped::Source(fault))));
        }
        if self.reached.upload.is_done {
            return Poll::Pending;
        }
        match self.reached.upload.poll(cx, self.client, &mut *self.reached.upstream) {
            // A backend that answers and takes no more of the request is within its rights.
            Poll::Pending | Poll::Ready(Ok(()) | Err(Stopped::Sink(_))) => Poll::Pending,
            Poll::Ready(Err(stopped)) => Poll::Ready(Err(client_failure(stopped))),
        }
    }
}
