//! Tells HTTP/2 by prior knowledge (RFC 9113 §3.3) from HTTP/1 on a plain connection, by its first bytes and without
//! taking any of them.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tidegate_core::exchange::Handler;

use super::connection;
use super::watch::PREFACE;
use crate::http1::server::{Idle, Serving, Stage};
use crate::socket::Socket;
use crate::timer::Timer;

/// So many bytes of the preface decide: the method PRI is reserved for it (RFC 9113 §11.6).
const DECISIVE_BYTES: usize = 4;

/// Serves a plain socket to its end, in the protocol that the client begins with.
pub async fn serve_either<H: Handler, G>(
    mut socket: Socket,
    address: Option<SocketAddr>,
    serving: Rc<Serving>,
    handler: Rc<H>,
    open: G,
) {
    let begins = Begins::wait(&mut socket, &serving).await;
    match begins {
        // Boxed: a connection that waits for its next request of HTTP/1 shall not pay for what HTTP/2 needs.
        Begins::Preface => Box::pin(connection::serve(socket, address, serving, handler, open)).await,
        Begins::Other => Idle::new(socket, address, serving).serve(handler, open).await,
        Begins::Never => {}
    }
}

/// What a client begins with.
enum Begins {
    Preface,
    Other,
    Never,
}

impl Begins {
    async fn wait(socket: &mut Socket, serving: &Serving) -> Begins {
        let timer = Timer::new();
        let limits = serving.limits.get();
        timer.set_after(limits.idle);
        let mut seen = 0;
        poll_fn(|cx| match poll_bytes(socket, cx, &mut seen) {
            Poll::Ready(begins) => Poll::Ready(begins),
            Poll::Pending => {
                if seen > 0 {
                    let due = timer.deadline().min(tidegate_core::clock::coarse().after(limits.head_time));
                    timer.set(due);
                }
                match timer.poll(cx).is_ready() || serving.stage.get() == Stage::Ended {
                    true => Poll::Ready(Begins::Never),
                    false => Poll::Pending,
                }
            }
        })
        .await
    }
}

fn poll_bytes(socket: &mut Socket, cx: &mut Context<'_>, seen: &mut usize) -> Poll<Begins> {
    let mut bytes = [0; DECISIVE_BYTES];
    loop {
        let Ok(n) = ready!(socket.poll_look(cx, &mut bytes, *seen)) else {
            return Poll::Ready(Begins::Never);
        };
        *seen = n;
        match PREFACE.starts_with(&bytes[..n]) {
            true if n == DECISIVE_BYTES => return Poll::Ready(Begins::Preface),
            true if n > 0 => {}
            // An end as well: whoever serves HTTP/1 knows what to do about it.
            _ => return Poll::Ready(Begins::Other),
        }
    }
}
