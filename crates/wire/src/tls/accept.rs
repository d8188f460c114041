//! A handshake with a client: begins with its first bytes, ends within its time. Called for every connection of a
//! listener with TLS.

use super::Tls;
use super::server::Server;
use super::session::Session;
use crate::socket::Socket;
use crate::stream::Stream;
use crate::timer::Timer;
use rustls::server::UnbufferedServerConnection;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidegate_core::limits::{HANDSHAKES_MAX, HANDSHAKES_PER_CLIENT_MAX, LINGER_TIME, UNREAD_BODY_BYTES_MAX};

/// What a client is told that speaks HTTP where TLS is spoken. In plain text: it asked so.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 49\r\n\
connection: close\r\n\r\nThis port speaks TLS: ask it with https, please.\n";

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub socket: Socket,
    /// Whether an earlier session was resumed.
    pub is_resumed: bool,
}

/// Why there is none.
#[derive(Debug)]
pub enum Refused {
    /// The client left without a word, or never said one.
    Silent,
    /// The client took too long, spoke something else, or did not like what it saw.
    Failed,
    /// More handshakes are under way than there may be, in all or with this client.
    Crowded,
}

/// Shakes hands with a client.
///
/// `client` is whose share of the places it takes, as `listen::counted_address` has it; `None` takes of the whole.
pub async fn accept(
    socket: Socket,
    server: &Server,
    within: Duration,
    client: Option<IpAddr>,
) -> Result<Accepted, Refused> {
    let Socket::Plain(mut stream) = socket else { return Err(Refused::Failed) };
    let timer = Timer::new();
    timer.set_after(within);
    poll_fn(|cx| in_time(stream.poll_readable(cx), &timer, cx)).await.map_err(|_| Refused::Silent)?;
    // Silent clients take no place: they cost no more than idle ones.
    let Some(_place) = Place::take(client) else { return Err(Refused::Crowded) };
    let Ok(session) = UnbufferedServerConnection::new(server.config.clone()) else {
        return Err(Refused::Failed);
    };
    let mut tls = Box::new(Tls::new(stream, Session::Server(session)));
    match poll_fn(|cx| in_time(tls.poll_fetch(cx).unwrap_or(Poll::Ready(())).map(Ok), &timer, cx)).await {
        Ok(()) if tls.held.incoming.is_empty() => return Err(Refused::Silent),
        Ok(()) if is_http(tls.held.incoming.bytes()) => {
            let Tls { stream, .. } = *tls;
            answer_plainly(stream, &timer).await;
            return Err(Refused::Failed);
        }
        Ok(()) => {}
        Err(_) => return Err(Refused::Failed),
    }
    match poll_fn(|cx| in_time(tls.poll_handshake(cx), &timer, cx)).await {
        Ok(()) => {
            let is_resumed = tls.session.is_resumed();
            Ok(Accepted { socket: Socket::Tls(tls), is_resumed })
        }
        Err(_) => {
            tls.stream.shutdown_write();
            linger(&mut tls.stream, &timer).await;
            Err(Refused::Failed)
        }
    }
}

/// The outcome, or that the time is over.
fn in_time<T>(result: Poll<io::Result<T>>, timer: &Timer, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    match result {
        Poll::Pending => timer.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        ready => ready,
    }
}

/// Whether a connection begins with a method. TLS begins with the type of a record, which is no letter.
fn is_http(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_uppercase)
}

async fn answer_plainly(mut stream: Stream, timer: &Timer) {
    // It fits into an empty send buffer, or nobody reads it.
    let _ = poll_fn(|cx| in_time(stream.poll_write(cx, &[IoSlice::new(PLAIN_ANSWER)]), timer, cx)).await;
    stream.shutdown_write();
    linger(&mut stream, timer).await;
}

/// Reads away what is still coming: a close with unread bytes is a reset, and may destroy what was written.
async fn linger(stream: &mut Stream, timer: &Timer) {
    timer.set_after(LINGER_TIME);
    let mut room = [0; 1024];
    let mut left = UNREAD_BODY_BYTES_MAX;
    let _ = poll_fn(|cx| {
        loop {
            match ready!(in_time(stream.poll_read(cx, &mut room), timer, cx)) {
                Ok(n) if n > 0 && n <= left => left -= n,
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// What is under way on this worker.
#[derive(Default)]
struct UnderWay {
    all: usize,
    /// Only of addresses that are counted: as many entries as there are places, at most.
    by_address: HashMap<IpAddr, usize>,
}

thread_local! {
    static UNDER_WAY: RefCell<UnderWay> = RefCell::default();
}

/// One of the places of `HANDSHAKES_MAX`.
struct Place {
    address: Option<IpAddr>,
}

impl Place {
    /// On the account of this client (as `listen::counted_address` has it), if it has one.
    fn take(address: Option<IpAddr>) -> Option<Place> {
        UNDER_WAY.with_borrow_mut(|under_way| {
            if under_way.all >= HANDSHAKES_MAX {
                return None;
            }
            if let Some(address) = address {
                let count = under_way.by_address.entry(address).or_insert(0);
                if *count >= HANDSHAKES_PER_CLIENT_MAX {
                    return None;
                }
                *count += 1;
            }
            under_way.all += 1;
            Some(Place { address })
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // At thread end the counts may be gone already, and nobody asks any more.
        let _ = UNDER_WAY.try_with(|under_way| {
            let mut under_way = under_way.borrow_mut();
            under_way.all -= 1;
            if let Some(Entry::Occupied(mut count)) = self.address.map(|it| under_way.by_address.entry(it)) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_plain_answer_has_the_length_it_states() {
        let text = std::str::from_utf8(PLAIN_ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }

    #[test]
    fn a_client_takes_its_share_of_the_places_and_all_together_take_all() {
        let client = |n: u32| Some(IpAddr::V4(Ipv4Addr::from(n)));
        let fill = |address| std::iter::from_fn(|| Place::take(address)).collect::<Vec<_>>();
        let share = fill(client(1));
        assert_eq!(share.len(), HANDSHAKES_PER_CLIENT_MAX);
        let others: Vec<Place> = (2..).map_while(|n| Place::take(client(n))).collect();
        assert_eq!(share.len() + others.len(), HANDSHAKES_MAX);
        drop(share);
        assert_eq!(
            fill(None).len(),
            HANDSHAKES_PER_CLIENT_MAX,
            "given back, and nobody's share bounds this one"
        );
        drop(others);
        assert_eq!(fill(client(1)).len(), HANDSHAKES_PER_CLIENT_MAX);
        UNDER_WAY.with_borrow(|left| assert!(left.all == 0 && left.by_address.is_empty()));
    }
}
