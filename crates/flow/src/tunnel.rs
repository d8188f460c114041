//! After a 101: bytes both ways until both sides have ended, or neither has moved a byte for the idle timeout.

use std::future::poll_fn;
use std::task::Poll;
use tidegate_core::clock;
use tidegate_core::exchange::Exchange;
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::Leg;

use crate::call::Reached;
use crate::pump::Pump;
use crate::record::Record;
use crate::rescue::Failure;
use crate::worker::Worker;

/// Runs a tunnel to its end.
pub(crate) async fn tunnel<'w, E: Exchange>(
    worker: &'w Worker,
    leg: &Leg,
    client: &mut E,
    reached: &mut Reached<'_, 'w>,
    record: &mut Record<'_>,
) -> Result<(), Failure> {
    reached.upstream.begin_tunnel();
    let upstream = &mut *reached.upstream;
    let mut up = Pump::new(&worker.pipes, u64::MAX);
    let mut down = Pump::new(&worker.pipes, u64::MAX);
    let mut progress = (u64::MAX, clock::coarse());
    let result = poll_fn(|cx| {
        let was_open = (!up.is_done, !down.is_done);
        // What stops one direction is a close or a reset: the other side is told, and the tunnel ends.
        let is_cut = matches!(down.poll(cx, upstream, client), Poll::Ready(Err(_)))
            || matches!(up.poll(cx, client, upstream), Poll::Ready(Err(_)));
        if is_cut {
            return Poll::Ready(Ok(()));
        }
        if was_open.0 && up.is_done {
            upstream.shutdown_write();
        }
        if was_open.1 && down.is_done {
            client.shutdown_write();
        }
        if up.is_done && down.is_done {
            return Poll::Ready(Ok(()));
        }
        let moved = up.moved + down.moved;
        if moved != progress.0 {
            progress = (moved, clock::coarse());
        }
        client
            .poll_deadline(cx, progress.1.after(leg.service.timeouts.idle))
            .map(|()| Err(Failure::new(504, Outcome::BackendTimeout)))
    })
    .await;
    record.bytes_in = up.moved;
    record.bytes_out = down.moved;
    result
}
