//! Who holds how much of the memory for gathered bodies: all of the process, and each client. Pure counting over all
//! workers, without locks; what was charged is given back when the charge is dropped. Called by `gather`.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tidegate_core::limits::{GATHERED_BYTES_MAX, GATHERED_BYTES_PER_CLIENT_MAX};

/// Counters of clients in each of two rows: 64 KiB in all, however many clients there are. A client is counted in one
/// of each row, and the lesser of the two is nearer to the truth (a count-min sketch, Cormode and Muthukrishnan 2005).
/// Who shares one counter with a client that holds much is not mistaken for it; both are shared once in 16 million.
const COUNTERS: usize = 4096;

/// What bodies hold.
#[derive(Debug)]
struct Held {
    all: AtomicUsize,
    clients: [[AtomicUsize; COUNTERS]; 2],
}

impl Held {
    const fn nothing() -> Held {
        Held { all: AtomicUsize::new(0), clients: [const { [const { AtomicUsize::new(0) }; COUNTERS] }; 2] }
    }
}

static HELD: Held = Held::nothing();

/// With a secret of the process, so that nobody can choose whom to share counters with.
static PLACES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Who is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The process holds as much as it may.
    Process,
    /// This client has its share.
    Client,
}

/// A part of what the process may hold, given back when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    held: &'static Held,
    bytes: usize,
    /// The client's counter in each row; `None` without an address.
    places: Option<[usize; 2]>,
}

impl Charge {
    /// Nothing yet, on the account of this client (as `listen::counted_address` has it). One without an address came
    /// over a Unix socket by somebody on this machine, and has no share but the whole.
    pub(crate) fn of(client: Option<IpAddr>) -> Charge {
        Charge::within(&HELD, client)
    }

    fn within(held: &'static Held, client: Option<IpAddr>) -> Charge {
        let places = client.map(|address| {
            let hash = PLACES.hash_one(address) as usize;
            [hash % COUNTERS, hash / COUNTERS % COUNTERS]
        });
        Charge { held, bytes: 0, places }
    }

    /// Raises it to `bytes`, unless that would be too much; it never sinks.
    pub(crate) fn raise(&mut self, bytes: usize) -> Result<(), Full> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let of_client = self.counters().map(|counter| counter.fetch_add(more, Relaxed) + more).min();
        let of_all = self.held.all.fetch_add(more, Relaxed) + more;
        let full = match () {
            () if of_client.is_some_and(|bytes| bytes > GATHERED_BYTES_PER_CLIENT_MAX) => Full::Client,
            () if of_all > GATHERED_BYTES_MAX => Full::Process,
            () => {
                self.bytes += more;
                return Ok(());
            }
        };
        self.give_back(more);
        Err(full)
    }

    /// What is charged.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
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

/// Nobody's.
impl Default for Charge {
    fn default() -> Charge {
        Charge::of(None)
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

    static OURS: Held = Held::nothing();

    fn charge(client: Option<IpAddr>) -> Charge {
        Charge::within(&OURS, client)
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
        drop(share);
        assert_eq!(charge(client(1)).raise(GATHERED_BYTES_PER_CLIENT_MAX), Ok(()), "given back");

        let (rest, full) = fill(None);
        assert_eq!((rest.len() << 20, full), (GATHERED_BYTES_MAX, Full::Process));
        assert_eq!(charge(client(2)).raise(1), Err(Full::Process));
        drop(rest);
        let mut one = charge(client(2));
        assert_eq!((one.raise(100), one.raise(60), one.raise(200)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(one.bytes, 200);
        assert_eq!(one.raise(GATHERED_BYTES_MAX + 1), Err(Full::Client));
        assert_eq!(OURS.all.load(Relaxed), 200, "a refused raise leaves all as it was");
        drop(one);
        assert_eq!(OURS.all.load(Relaxed), 0);
        assert!(OURS.clients.iter().flatten().all(|counter| counter.load(Relaxed) == 0));
    }
}
