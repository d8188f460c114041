//! Bounds how many wrong credentials a client may show in a second. Past the bound they are not even looked at, so
//! that nobody can guess faster. By client, so that whoever guesses does not lock out the operator elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use tidegate_core::clock::{self, Nanos};

use super::Refusal;

/// Wrong credentials of one client in a second. A person mistypes one; a script with an old token tries a few times
/// in parallel; ten a second guess nothing that is worth calling a token.
const WRONG_PER_SECOND_MAX: u32 = 10;
/// Clients that are remembered, each for a second. More than that at a time share one place.
const CLIENTS_MAX: usize = 1024;

/// Wrong credentials of the last second, by client.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    wrong: Mutex<HashMap<Client, Window>>,
}

/// Whom wrong credentials and silent connections are counted for; a whole network of IPv6, as one client has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// By Unix socket, or one of too many.
    Nameless,
    V4([u8; 4]),
    V6([u8; 8]),
}

/// A second that began with the first wrong credential in it.
#[derive(Clone, Copy, Debug)]
struct Window {
    began: Nanos,
    count: u32,
}

impl Window {
    fn is_over(&self, now: Nanos) -> bool {
        now.since(self.began).as_secs() >= 1
    }
}

impl Attempts {
    /// Looks at a credential by `look`, unless this client has shown too many wrong ones.
    pub(super) fn within<T>(
        &self,
        client: Option<IpAddr>,
        look: impl FnOnce() -> Option<T>,
    ) -> Result<T, Refusal> {
        let (client, now) = (Client::of(client), clock::exact());
        // Several may pass here at a time before the first is counted: as many as there are control threads.
        if self.lock().get(&client).is_some_and(|window| !window.is_over(now) && window.is_full()) {
            return Err(Refusal::TooMany);
        }
        look().ok_or_else(|| {
            self.count(client, now);
            Refusal::Wrong
        })
    }

    fn count(&self, client: Client, now: Nanos) {
        let mut wrong = self.lock();
        if wrong.len() >= CLIENTS_MAX && !wrong.contains_key(&client) {
            wrong.retain(|_, window| !window.is_over(now));
        }
        let client = match wrong.len() {
            CLIENTS_MAX.. if !wrong.contains_key(&client) => Client::Nameless,
            _ => client,
        };
        let window = wrong.entry(client).or_insert(Window { began: now, count: 0 });
        if window.is_over(now) {
            *window = Window { began: now, count: 0 };
        }
        window.count += 1;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Window>> {
        self.wrong.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Window {
    fn is_full(&self) -> bool {
        self.count >= WRONG_PER_SECOND_MAX
    }
}

impl Client {
    /// The client at an address; `None` is a Unix socket.
    pub(crate) fn of(address: Option<IpAddr>) -> Client {
        match address.map(|address| address.to_canonical()) {
            None => Client::Nameless,
            Some(IpAddr::V4(address)) => Client::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                let mut network = [0; 8];
                network.copy_from_slice(&address.octets()[..8]);
                Client::V6(network)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_guesses_is_not_listened_to_and_others_are() {
        let attempts = Attempts::default();
        let guess = |client: &str, is_right: bool| {
            attempts.within(Some(client.parse().unwrap()), || is_right.then_some(()))
        };
        let began = clock::exact();
        for _ in 0..WRONG_PER_SECOND_MAX {
            assert_eq!(guess("10.0.0.1", true), Ok(()), "right ones are not counted");
            assert_eq!(guess("10.0.0.1", false), Err(Refusal::Wrong));
        }
        let next = guess("10.0.0.1", true);
        // A machine that stalls for a second here has begun another one.
        assert!(next == Err(Refusal::TooMany) || clock::exact().since(began).as_secs() >= 1);
        assert_eq!(guess("::ffff:10.0.0.2", true), Ok(()), "another client");
        for last in 0..2 * WRONG_PER_SECOND_MAX {
            let _ = guess(&format!("2001:db8::{last}"), false);
        }
        assert_eq!(guess("2001:db8:1::1", true), Ok(()), "another network");
    }

    #[test]
    fn memory_is_bounded_however_many_guess() {
        let attempts = Attempts::default();
        for client in 0..4 * CLIENTS_MAX as u32 {
            let _ = attempts.within(Some(IpAddr::from(client.to_be_bytes())), || None::<()>);
        }
        assert!(attempts.lock().len() <= CLIENTS_MAX + 1);
    }
}
