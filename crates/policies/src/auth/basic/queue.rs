//! Whose password is verified next: clients take turns, told apart by their addresses, so that one that guesses has its
//! own share of the places and of the work, and no other waits behind it. Pure; `verifying` does the work.

use std::collections::VecDeque;
use std::net::IpAddr;
use tidegate_core::limits::{PASSWORDS_PER_CLIENT_MAX, PASSWORDS_WAITING_MAX};
use tidegate_core::units::counted_address;

/// A client, by the address that is counted; all without one are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lane(Option<IpAddr>);

impl Lane {
    pub(super) fn of(address: Option<IpAddr>) -> Lane {
        Lane(address.map(counted_address))
    }
}

/// What waits of one client. Invariant: something waits, or something is under way.
struct Waiting<J> {
    lane: Lane,
    jobs: VecDeque<J>,
    is_under_way: bool,
}

/// Passwords that wait to be verified, by client. Of one client one is under way at a time: with two threads there is
/// always one for everybody else.
pub(super) struct Queue<J> {
    /// Whose turn it is stands first.
    lanes: VecDeque<Waiting<J>>,
    waiting: usize,
}

impl<J> Default for Queue<J> {
    fn default() -> Queue<J> {
        Queue { lanes: VecDeque::new(), waiting: 0 }
    }
}

/// Too many wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<J> Queue<J> {
    /// Lets a job wait. Where all places are taken, the client that has most of them loses its last one, which is given
    /// back here, unless nobody has more than this client would have.
    ///
    /// Errors: the client has its share, or as many as anybody.
    pub(super) fn push(&mut self, lane: Lane, job: J) -> Result<Option<J>, Full> {
        let at = self.lanes.iter().position(|one| one.lane == lane);
        let own = at.map_or(0, |at| self.lanes[at].jobs.len());
        if own >= PASSWORDS_PER_CLIENT_MAX {
            return Err(Full);
        }
        let displaced = match self.waiting < PASSWORDS_WAITING_MAX {
            true => None,
            false => Some(self.displace(own + 1).ok_or(Full)?),
        };
        match at {
            Some(at) => self.lanes[at].jobs.push_back(job),
            None => self.lanes.push_back(Waiting { lane, jobs: [job].into(), is_under_way: false }),
        }
        self.waiting += 1;
        Ok(displaced)
    }

    /// Takes the last job of the client that has most, if it has more than `least`. It keeps one: its lane stays.
    fn displace(&mut self, least: usize) -> Option<J> {
        let most = self.lanes.iter_mut().max_by_key(|one| one.jobs.len())?;
        let job = if most.jobs.len() > least { most.jobs.pop_back() } else { None }?;
        self.waiting -= 1;
        Some(job)
    }

    /// Takes the next job; until `done` no other of its client is given.
    pub(super) fn next(&mut self) -> Option<(Lane, J)> {
        let at = self.lanes.iter().position(|one| !one.is_under_way && !one.jobs.is_empty())?;
        let mut one = self.lanes.remove(at)?;
        let job = one.jobs.pop_front()?;
        let lane = one.lane;
        one.is_under_way = true;
        self.lanes.push_back(one);
        self.waiting -= 1;
        Some((lane, job))
    }

    /// A job that was taken is over.
    pub(super) fn done(&mut self, lane: &Lane) {
        let Some(at) = self.lanes.iter().position(|one| one.lane == *lane) else { return };
        self.lanes[at].is_under_way = false;
        if self.lanes[at].jobs.is_empty() {
            self.lanes.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(text: &str) -> Lane {
        Lane::of(text.parse().ok())
    }

    #[test]
    fn who_guesses_has_a_share_and_nobody_waits_behind_it() {
        let mut queue = Queue::default();
        let (guessing, other) = (lane("10.0.0.1"), lane("10.0.0.2"));
        for number in 0..PASSWORDS_PER_CLIENT_MAX {
            assert_eq!(queue.push(guessing, number), Ok(None));
        }
        assert_eq!(queue.push(guessing, 99), Err(Full));
        assert_eq!(queue.next(), Some((guessing, 0)));
        assert_eq!(queue.next(), None, "one of a client at a time");
        assert_eq!(queue.push(other, 100), Ok(None));
        assert_eq!(queue.push(other, 101), Ok(None));
        assert_eq!(queue.next(), Some((other, 100)));
        queue.done(&guessing);
        queue.done(&other);
        let order: Vec<usize> = std::iter::from_fn(|| {
            let (lane, number) = queue.next()?;
            queue.done(&lane);
            Some(number)
        })
        .collect();
        assert_eq!(order, [1, 101, 2, 3, 4, 5, 6, 7], "in turn");
        assert!(queue.lanes.is_empty() && queue.waiting == 0, "nothing is kept of who has nothing waiting");
    }

    #[test]
    fn where_all_places_are_taken_who_has_most_loses_one() {
        let mut queue = Queue::default();
        let clients = PASSWORDS_WAITING_MAX / PASSWORDS_PER_CLIENT_MAX;
        let at = |client: usize| lane(&format!("2001:db8:0:{client:x}::1"));
        for client in 0..clients {
            for _ in 0..PASSWORDS_PER_CLIENT_MAX {
                assert_eq!(queue.push(at(client), client), Ok(None));
            }
        }
        let mut lost = vec![0; clients];
        let mut more = clients;
        while let Ok(displaced) = queue.push(at(more), more) {
            lost[displaced.expect("all places are taken")] += 1;
            more += 1;
        }
        assert_eq!(more, PASSWORDS_WAITING_MAX, "until everybody has one");
        assert!(lost.iter().all(|&lost| lost == PASSWORDS_PER_CLIENT_MAX - 1), "{lost:?}");
        assert_eq!(queue.waiting, PASSWORDS_WAITING_MAX);
    }

    #[test]
    fn a_client_is_its_64_bits_of_ipv6_and_all_without_an_address_are_one() {
        assert_eq!(lane("2001:db8::1"), lane("2001:db8::ffff:1"));
        assert_ne!(lane("2001:db8::1"), lane("2001:db8:0:1::1"));
        assert_eq!(lane("::ffff:10.0.0.1"), lane("10.0.0.1"));
        assert_eq!(lane(""), lane("-"));
    }
}
