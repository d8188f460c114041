//! How a connection begins and how it ends: the handshake, the streams that outlive it, the last bytes on their way.
//! What happens between is in `connection`.

use h2::server;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tidegate_core::limits::{LINGER_TIME, UNREAD_BODY_BYTES_MAX};

use super::connection::STREAM_TURNS_MAX;
use super::limits;
use super::link::{End, Link};
use super::outflow::Piece;
use super::ready::{CONNECTION, Ready};
use super::streams::Streams;
use crate::http1::server::{Serving, Stage};
use crate::timer::Timer;

/// What `h2` is given: the socket, and pieces of answers.
pub(super) type Frames = server::Connection<End, Piece>;

/// Reads the preface and says what a client may do.
pub(super) async fn shake_hands(
    link: &Rc<RefCell<Link>>,
    serving: &Serving,
    timer: &Timer,
) -> Option<Frames> {
    let limits = serving.limits.get();
    timer.set_after(limits.head_time);
    let mut handshake = pin!(limits::settings(&limits.head).handshake::<_, Piece>(End(link.clone())));
    poll_fn(|cx| {
        link.borrow_mut().begin_turn();
        let shaken = handshake.as_mut().poll(cx);
        match (shaken, link.borrow_mut().poll_flush(cx)) {
            (_, Poll::Ready(Err(_))) => Poll::Ready(None),
            (Poll::Ready(shaken), _) => Poll::Ready(shaken.ok()),
            _ if timer.poll(cx).is_ready() || serving.stage.get() == Stage::Ended => Poll::Ready(None),
            _ => Poll::Pending,
        }
    })
    .await
}

/// The connection is no more. Streams that run on learn from it that their client has gone; one that does not within
/// a while is dropped.
pub(super) async fn end_streams(mut streams: Streams, ready: &Arc<Ready>, timer: &Timer) {
    timer.set_after(LINGER_TIME);
    streams.wake_all();
    poll_fn(|cx| {
        ready.enter(cx.waker());
        streams.run(STREAM_TURNS_MAX);
        ready.take(CONNECTION);
        if ready.leave() {
            cx.waker().wake_by_ref();
        }
        if streams.count() == 0 { Poll::Ready(()) } else { timer.poll(cx) }
    })
    .await;
}

/// Closes so that what was written still arrives: a close with unread bytes would reset the connection and may destroy
/// the last frames on their way.
pub(super) async fn linger(link: &Rc<RefCell<Link>>, timer: &Timer) {
    timer.set_after(LINGER_TIME);
    let mut drained = 0;
    let mut is_flushed = false;
    poll_fn(|cx| {
        let link = &mut *link.borrow_mut();
        link.begin_turn();
        if !is_flushed {
            match link.poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    link.socket.say_end();
                    link.socket.shutdown_write();
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return timer.poll(cx),
            }
            is_flushed = true;
        }
        let mut room = [0; 4096];
        while drained <= UNREAD_BODY_BYTES_MAX {
            match link.socket.poll_read(cx, &mut room) {
                Poll::Ready(Ok(0) | Err(_)) => break,
                Poll::Ready(Ok(n)) => drained += n,
                Poll::Pending => return timer.poll(cx),
            }
        }
        Poll::Ready(())
    })
    .await;
}
