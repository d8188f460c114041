//! Step 6: a connection to the backend, waiting or new, and the request's head on it.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::descriptors::{DESCRIPTORS, Held, Side};
use tidegate_core::exchange::Exchange;
use tidegate_core::head::RequestHead;
use tidegate_core::outcome::Outcome;
use tidegate_core::service::{Address, Backend, HostSent, Service};
use tidegate_core::state::DownReason;
use tidegate_wire::http1::client::Upstream;
use tidegate_wire::http1::encode::RequestFraming;
use tidegate_wire::socket::{Socket, down_reason, is_out_of_descriptors, is_own_want};
use tidegate_wire::tls::secured;

use crate::again::{Cause, TryFailed};
use crate::call::TryError;
use crate::pump::Stopped;
use crate::receive::client_failure;
use crate::rescue::Failure;
use crate::reserve::Reservation;
use crate::worker::Worker;

/// Whether a waiting connection may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Yes.
    Allowed,
    /// No: one has just turned out to be closed.
    Never,
}

/// Takes a waiting connection or opens one. Success and failure of opening tell whether the backend is up.
pub(crate) async fn connect<E: Exchange>(
    worker: &Worker,
    service: &Service,
    reservation: &Reservation<'_>,
    reuse: Reuse,
    deadline: Nanos,
    request: &RequestHead,
    client: &mut E,
) -> Result<Box<Upstream>, TryError> {
    let backend = reservation.backend();
    if reuse == Reuse::Allowed {
        while let Some(upstream) = worker.pool.take(backend.cell.id) {
            // What must not be sent twice is not sent on a connection the backend has closed already.
            if request.method.is_idempotent() || upstream.is_open() {
                return Ok(upstream);
            }
        }
    }
    let held = descriptor(worker)?;
    let due = clock::coarse().after(service.timeouts.connect).min(deadline);
    let mut connecting = Box::pin(open(service, backend));
    let connected = poll_fn(|cx| {
        if let Poll::Ready(fault) = client.poll_gone(cx) {
            return Poll::Ready(Err(TryError::Final(client_failure(Stopped::Source(fault)))));
        }
        if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
            return Poll::Ready(Ok(result.map_err(Some)));
        }
        client.poll_deadline(cx, due).map(|()| Ok(Err(None)))
    });
    let connected = connected.await?;
    let now = clock::exact();
    let socket = match connected {
        Ok(socket) => socket,
        Err(_) if now >= deadline => {
            return Err(TryError::Final(Failure::new(504, Outcome::BackendTimeout)));
        }
        Err(Some(error)) if is_out_of_descriptors(&error) => return Err(out_of_descriptors()),
        Err(error) => {
            let reason = error.as_ref().map_or(DownReason::Timeout, down_reason);
            if !error.as_ref().is_some_and(is_own_want) {
                backend.cell.connect_failed(now, reason);
                worker.pool.forget(backend.cell.id);
            }
            let cause = if error.is_some() { Cause::Connect } else { Cause::ConnectTimeout };
            return Err(TryError::Backend(TryFailed {
                cause,
                is_unseen: true,
                has_interim: false,
                is_stale: false,
            }));
        }
    };
    match service.health {
        None => backend.cell.connected(now),
        Some(_) => backend.cell.reached(now),
    }
    Ok(Box::new(Upstream::new(socket).holding(held)))
}

/// A descriptor for a connection to a backend. Where there is none, this worker's spare pipes give theirs, and then its
/// idle connections, which cost more to open again.
fn descriptor(worker: &Worker) -> Result<Held, TryError> {
    let take = || DESCRIPTORS.take(Side::Backend, 1);
    take()
        .or_else(|| worker.pipes.forget_all().then(take).flatten())
        .or_else(|| worker.pool.forget_all().then(take).flatten())
        .ok_or_else(out_of_descriptors)
}

/// Our own want, whatever backend it was wanted for: none is to blame, and no other would do better. What other workers
/// hold idle is theirs alone to close: they do so within a second.
fn out_of_descriptors() -> TryError {
    DESCRIPTORS.run_short();
    DESCRIPTORS.wants.connect.fetch_add(1, Relaxed);
    TryError::Final(Failure::new(503, Outcome::OutOfDescriptors).with("retry-after", "1".into()))
}

/// Opens a connection, with its handshake where the backend speaks TLS.
async fn open(service: &Service, backend: &Backend) -> io::Result<Socket> {
    let socket = Socket::connect(&backend.address).await?;
    match &backend.address {
        Address::Inet(_) | Address::Unix(_) => Ok(socket),
        Address::Tls(_) => secured(service.tls.as_ref(), socket, &backend.authority).await,
    }
}

/// Puts the request's head on the connection; it leaves with the body, or with the first flush.
pub(crate) fn begin<E: Exchange>(
    service: &Service,
    reservation: &Reservation<'_>,
    upstream: &mut Upstream,
    request: &RequestHead,
    client: &E,
) {
    let host = host(service, reservation.backend(), request);
    upstream.begin(request, host, framing(request, client));
}

/// The Host a backend sees.
pub(crate) fn host<'a>(service: &'a Service, backend: &'a Backend, request: &'a RequestHead) -> &'a [u8] {
    match &service.host {
        HostSent::Client if !request.host.is_empty() => request.host_bytes(),
        HostSent::Client | HostSent::Backend => backend.authority.as_bytes(),
        HostSent::Named(name) => name.as_bytes(),
    }
}

/// What the head says of the body and the connection.
pub(crate) fn framing<'a, E: Exchange>(request: &'a RequestHead, client: &E) -> RequestFraming<'a> {
    RequestFraming {
        length: client.length(),
        upgrade: client.upgrade().map(|token| token.of(request.fields.text())),
        expects_continue: client.expects_continue(),
    }
}
