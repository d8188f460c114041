//! Connections that nobody has let in: those that have sent no head yet, and those whose request is open to all. They
//! are few and short, so that whoever connects and says nothing takes no place from an operator. No I/O here: who serves
//! a connection ends it when it is told to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::access::Client;

/// Connections of one address (IPv6: of a /64) at a time: a browser opens six, a few scrapers and probes of one machine
/// come at once, and each is here for milliseconds.
const OF_A_CLIENT_MAX: usize = 32;
/// Connections of all addresses together at a time: so many descriptors may silent ones hold. `core::descriptors` keeps them
/// back.
const WAITING_MAX: usize = 256;

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// The oldest first; what is sent tells it to go.
    connections: BTreeMap<u64, (Client, oneshot::Sender<()>)>,
}

impl Lobby {
    /// Takes a connection in. Where there are too many the oldest is told to go: that of the same client, if it is that
    /// one who has too many. What is received says to go; that the sender is gone, that it was let in.
    pub(crate) fn enter(self: &Arc<Lobby>, client: Option<IpAddr>) -> (Ticket, oneshot::Receiver<()>) {
        let client = Client::of(client);
        let (tell, told) = oneshot::channel();
        let mut waiting = self.lock();
        let own = waiting.connections.iter().filter(|(_, (known, _))| *known == client);
        let (oldest_own, count) = own.fold((None, 0), |(oldest, n), (id, _)| (oldest.or(Some(*id)), n + 1));
        let oldest = match waiting.connections.len() {
            _ if count >= OF_A_CLIENT_MAX => oldest_own,
            WAITING_MAX.. => waiting.connections.keys().next().copied(),
            _ => None,
        };
        if let Some((_, tell)) = oldest.and_then(|id| waiting.connections.remove(&id)) {
            let _ = tell.send(()); // it may be ending by itself
        }
        let id = waiting.next;
        waiting.next += 1;
        waiting.connections.insert(id, (client, tell));
        (Ticket { lobby: self.clone(), id }, told)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the lobby, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    lobby: Arc<Lobby>,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.lobby.lock().connections.remove(&self.id);
    }
}

/// The way of one connection from the lobby to a place inside.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    places: Arc<Semaphore>,
    at: Arc<Mutex<At>>,
}

#[derive(Debug)]
enum At {
    /// Held until it is let in, or ends.
    Lobby { _ticket: Ticket },
    /// Held until it ends.
    Inside { _place: OwnedSemaphorePermit },
}

impl Entrance {
    /// Of a connection in the lobby.
    pub(crate) fn new(ticket: Ticket, places: &Arc<Semaphore>) -> Entrance {
        Entrance { places: places.clone(), at: Arc::new(Mutex::new(At::Lobby { _ticket: ticket })) }
    }

    /// Lets the connection in, once and for all its requests; `false` if there is no place.
    pub(crate) fn let_in(&self) -> bool {
        let mut at = self.lock();
        if let At::Inside { .. } = *at {
            return true;
        }
        match self.places.clone().try_acquire_owned() {
            Ok(place) => {
                *at = At::Inside { _place: place };
                true
            }
            Err(_) => false,
        }
    }

    /// Whether it was let in.
    pub(crate) fn is_inside(&self) -> bool {
        matches!(*self.lock(), At::Inside { .. })
    }

    fn lock(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::error::TryRecvError;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_oldest_of_a_client_goes_first_and_others_stay() {
        let lobby = Arc::new(Lobby::default());
        let (_other, mut other) = lobby.enter(address("10.0.0.2"));
        let mut own: Vec<_> = (0..OF_A_CLIENT_MAX).map(|_| lobby.enter(address("10.0.0.1"))).collect();
        let (_newest, mut newest) = lobby.enter(address("10.0.0.1"));
        assert_eq!(own[0].1.try_recv(), Ok(()), "the oldest of the client that has too many");
        for told in [&mut own[1].1, &mut newest, &mut other] {
            assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
        }
        own.truncate(2);
        let (_next, _) = lobby.enter(address("10.0.0.1"));
        assert_eq!(own[1].1.try_recv(), Err(TryRecvError::Empty), "places are given back");
    }

    #[test]
    fn there_is_a_bound_for_all_together() {
        let lobby = Arc::new(Lobby::default());
        let mut all: Vec<_> = (0..WAITING_MAX as u32)
            .map(|client| lobby.enter(Some(IpAddr::from(client.to_be_bytes()))))
            .collect();
        let _one_more = lobby.enter(address("192.0.2.1"));
        assert_eq!((all[0].1.try_recv(), all[1].1.try_recv()), (Ok(()), Err(TryRecvError::Empty)));
        assert_eq!(lobby.lock().connections.len(), WAITING_MAX);
    }

    #[test]
    fn who_is_let_in_leaves_the_lobby_and_is_told_nothing() {
        let (lobby, places) = (Arc::new(Lobby::default()), Arc::new(Semaphore::new(1)));
        let (ticket, mut told) = lobby.enter(None);
        let entrance = Entrance::new(ticket, &places);
        assert!(!entrance.is_inside() && entrance.let_in() && entrance.let_in() && entrance.is_inside());
        assert_eq!((told.try_recv(), lobby.lock().connections.len()), (Err(TryRecvError::Closed), 0));
        let second = Entrance::new(lobby.enter(None).0, &places);
        assert!(!second.let_in() && !second.is_inside());
        drop(entrance);
        assert!(second.let_in(), "a place that is free again");
    }
}
