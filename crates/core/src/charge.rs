//! Who holds how much of a memory that has a bound: all of the process, and each client. Pure counting over all
//! workers, without locks; what was charged is given back when the charge is dropped.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::limits::{
    GATHERED_BYTES_MAX, GATHERED_BYTES_PER_CLIENT_MAX, UNTAKEN_BYTES_MAX, UNTAKEN_BYTES_PER_CLIENT_MAX,
};

/// Counters of clients in each of two rows: 64 KiB in all, however many clients there are. A client is counted in one
/// of each row, and the lesser of the two is nearer to the truth (a count-min sketch, Cormode and Muthukrishnan 2005).
/// Who shares one counter with a client that holds much is not mistaken for it; both are shared once in 16 million.
const COUNTERS: usize = 4096;

/// What is held of one such memory.
#[derive(Debug)]
pub struct Held {
    bytes_max: usize,
    client_bytes_max: usize,
    all: AtomicUsize,
    clients: [[AtomicUsize; COUNTERS]; 2],
}

impl Held {
    const fn within(bytes_max: usize, client_bytes_max: usize) -> Held {
        let clients = [const { [const { AtomicUsize::new(0) }; COUNTERS] }; 2];
        Held { bytes_max, client_bytes_max, all: AtomicUsize::new(0), clients }
    }
}

/// Of bodies that policies look at.
pub static GATHERED: Held = Held::within(GATHERED_BYTES_MAX, GATHERED_BYTES_PER_CLIENT_MAX);
/// Of bodies on HTTP/2 connections that their backends have not taken.
pub static UNTAKEN: Held = Held::within(UNTAKEN_BYTES_MAX, UNTAKEN_BYTES_PER_CLIENT_MAX);

/// With a secret of the process, so that nobody can choose whom to share counters with.
static PLACES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Who is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The process holds as much as it may.
    Process,
    /// This client has its share.
    Client,
}

/// A part of what the process may hold, given back when dropped.
#[derive(Debug)]
pub struct Charge {
    held: &'static Held,
    bytes: usize,
    /// The client's counter in each row; `None` without an address.
    places: Option<[usize; 2]>,
}

impl Charge {
    /// Nothing yet, on the account of this client (as `units::counted_address` has it). One without an address has no
    /// share but the whole: it came over a Unix socket by somebody on this machine, or stands for many clients.
    pub fn of(held: &'static Held, client: Option<IpAddr>) -> Charge {
        let places = client.map(|address| {
            let hash = PLACES.hash_one(address) as usize;
            [hash % COUNTERS, hash / COUNTERS % COUNTERS]
        });
        Charge { held, bytes: 0, places }
    }

    /// Raises it to `bytes`, unless that would be too much; it does not sink by it.
    ///
    /// # Errors
    /// Who is full; then it is as it was.
    pub fn raise(&mut self, bytes: usize) -> Result<(), Full> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let of_client = self.counters().map(|counter| counter.fetch_add(more, Relaxed) + more).min();
        let of_all = self.held.all.fetch_add(more, Relaxed) + more;
        let full = match () {
            () if of_client.is_some_and(|bytes| bytes > self.held.client_bytes_max) => Full::Client,
            () if of_all > self.held.bytes_max => Full::Process,
            () => {
                self.bytes += more;
                return Ok(());
            }
        };
        self.give_back(more);
        Err(full)
    }

    /// Gives back what is beyond `bytes`.
    pub fn lower(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        if less > 0 {
            self.bytes -= less;
            self.give_back(less);
        }
    }

    /// Whether less than half of it is held, by all and by this client: then there is room for what can be done without.
    pub fn is_ample(&self) -> bool {
        let of_client = self.counters().map(|counter| counter.load(Relaxed)).min().unwrap_or(0);
        of_client < self.held.client_bytes_max / 2 && self.held.all.load(Relaxed) < self.held.bytes_max / 2
    }

    /// What is charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn counters(&self) -> impl Iterator<Item = &'static AtomicUsize> {
        let places = self.places.into_iter().flatten();
        self.held.clients.iter().zip(places).map(|(row, place)| &row[place])
    }

    fn give_back(&self, bytes: usize) {
        self.counters().for_each(|counter| {
            counter.fetch_sub(bytes, Relaxed);
        });
        self.held.all.fetch_sub(bytes, Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    static OURS: Held = Held::within(GATHERED_BYTES_MAX, GATHERED_BYTES_PER_CLIENT_MAX);

    fn charge(client: Option<IpAddr>) -> Charge {
        Charge::of(&OURS, client)
    }

    /// Charges of a mebibyte each until one is refused, by whom.
    fn fill(client: Option<IpAddr>) -> (Vec<Charge>, Full) {
        let mut charges = Vec::new();
        loop {
            let mut one = charge(client);
            match one.raise(1 << 20) {
                Ok(()) => charges.push(one),
                Err(full) => return (charges, full),
            }
        }
    }

    #[test]
    fn a_client_holds_its_share_and_all_together_what_the_process_may() {
        let client = |n: u8| Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
        let (share, full) = fill(client(1));
        assert_eq!((share.len() << 20, full), (GATHERED_BYTES_PER_CLIENT_MAX, Full::Client));
        assert_eq!(charge(client(2)).raise(1 << 20), Ok(()), "another has its own");
        assert!(!charge(client(1)).is_ample() && charge(client(2)).is_ample() && charge(None).is_ample());
        drop(share);
        assert_eq!(charge(client(1)).raise(GATHERED_BYTES_PER_CLIENT_MAX), Ok(()), "given back");

        let (rest, full) = fill(None);
        assert_eq!((rest.len() << 20, full), (GATHERED_BYTES_MAX, Full::Process));
        assert_eq!(charge(client(2)).raise(1), Err(Full::Process));
        assert!(!charge(client(2)).is_ample() && !charge(None).is_ample());
        drop(rest);
        let mut one = charge(client(2));
        assert_eq!((one.raise(100), one.raise(60), one.raise(200)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(one.bytes, 200);
        assert_eq!(one.raise(GATHERED_BYTES_MAX + 1), Err(Full::Client));
        assert_eq!(OURS.all.load(Relaxed), 200, "a refused raise leaves all as it was");
        one.lower(300);
        one.lower(50);
        assert_eq!((one.bytes, OURS.all.load(Relaxed)), (50, 50));
        drop(one);
        assert_eq!(OURS.all.load(Relaxed), 0);
        assert!(OURS.clients.iter().flatten().all(|counter| counter.load(Relaxed) == 0));
    }
}
