//! Step 5: a place at a backend. The balancer chooses, the bound on connections holds, and the place is given
//! back when the reservation is dropped, however the request ends.

use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::balance::{Pick, Sample, Tried};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::meters::NORMAL_PRIORITY;
use tidegate_core::outcome::Outcome;
use tidegate_core::service::{Backend, Roster, Service};

use crate::rescue::Failure;
use crate::worker::{PinnedRoster, Worker};

/// A place at a backend for one try.
pub(crate) struct Reservation<'s> {
    room: Room<'s>,
    /// The roster it was chosen from, whatever replaces it meanwhile.
    roster: PinnedRoster,
    /// Which backend of the roster.
    pub index: usize,
}

/// Reserves the first place of a request.
pub(crate) fn reserve<'s>(
    worker: &Worker,
    service: &'s Service,
    roster: &PinnedRoster,
) -> Result<Reservation<'s>, Failure> {
    let room = Room::take(service)?;
    let Some(index) = pick(worker, service, roster, Tried::default()) else {
        return Err(Failure::new(503, Outcome::NoBackend));
    };
    service.meters.budget.count();
    let reservation = Reservation { room, roster: roster.clone(), index };
    reservation.begin();
    Ok(reservation)
}

/// One of the requests that a service may have under way.
struct Room<'s>(&'s Service);

impl Room<'_> {
    /// Takes one: counted first and then looked at, so that workers at the same moment see each other.
    fn take(service: &Service) -> Result<Room<'_>, Failure> {
        let room = Room(service);
        if service.meters.in_flight.fetch_add(1, Relaxed) < service.connections_max as u64 {
            return Ok(room);
        }
        service.meters.shed[NORMAL_PRIORITY].fetch_add(1, Relaxed);
        Err(Failure::new(503, Outcome::Shed).with("retry-after", "1".into()))
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.meters.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The backend to try next, away from those this request has failed on while there are others.
pub(crate) fn pick(worker: &Worker, service: &Service, roster: &Roster, tried: Tried) -> Option<usize> {
    let pick = Pick { now: clock::coarse(), random: worker.random(), tried };
    service.balancer.pick(roster, pick)
}

impl Reservation<'_> {
    fn begin(&self) {
        let cell = &self.backend().cell;
        cell.in_flight.fetch_add(1, Relaxed);
        cell.requests.fetch_add(1, Relaxed);
    }

    /// Gives up the place at this backend for one at another, or at the same once more. The one among the requests of the
    /// service is kept: nobody else can have taken it meanwhile.
    pub(crate) fn move_to(&mut self, index: usize) {
        self.backend().cell.in_flight.fetch_sub(1, Relaxed);
        self.index = index;
        self.begin();
    }

    /// The backend.
    pub(crate) fn backend(&self) -> &Backend {
        &self.roster.backends[self.index]
    }

    /// Tells the balancer how the try went.
    pub(crate) fn observe(&self, now: Nanos, sample: Sample) {
        let cell = &self.backend().cell;
        match sample {
            Sample::Failed(_) => drop(cell.failures.fetch_add(1, Relaxed)),
            Sample::Answered(_) if self.room.0.health.is_some() => cell.answered_at.store(now.0, Relaxed),
            Sample::Answered(_) => {}
        }
        self.room.0.balancer.observe(&self.roster, self.index, now, sample);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.backend().cell.in_flight.fetch_sub(1, Relaxed);
    }
}
