//! The roster of a service now, and the door through which discovery and scaling replace it: no snapshot is
//! compiled for it, and no request waits. Workers keep a reference of their own and look at the version, which is
//! only read until the roster changes.

use crate::service::Roster;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard};

/// The last version given out. One count for all services, so that a version names one roster of one service and
/// a worker need not remember whose it keeps.
static VERSIONS: AtomicU64 = AtomicU64::new(0);

/// The version of a roster: no two of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64);

impl Version {
    fn next() -> Version {
        Version(VERSIONS.fetch_add(1, Relaxed) + 1)
    }

    /// The newest of the process: as long as it stays the same, no roster has changed.
    pub fn newest() -> Version {
        Version(VERSIONS.load(Relaxed))
    }
}

/// The place where a service's roster stands and is replaced. Counts for each backend's cell how many such places show it.
#[derive(Debug)]
pub struct CurrentRoster {
    version: AtomicU64,
    /// Apart, so that those who ask for the roster itself do not take the version's line from the workers.
    roster: Box<Mutex<Arc<Roster>>>,
}

impl CurrentRoster {
    /// A service that begins with these backends.
    pub fn new(roster: Roster) -> CurrentRoster {
        list(&roster);
        CurrentRoster {
            version: AtomicU64::new(Version::next().0),
            roster: Box::new(Mutex::new(Arc::new(roster))),
        }
    }

    /// The version now.
    pub fn version(&self) -> Version {
        Version(self.version.load(Acquire))
    }

    /// The roster now. Takes a lock for a moment: workers ask once per version.
    pub fn load(&self) -> Arc<Roster> {
        self.lock().clone()
    }

    /// The roster now and its version.
    pub fn load_versioned(&self) -> (Version, Arc<Roster>) {
        let roster = self.lock();
        (self.version(), roster.clone())
    }

    /// Requests that begin from now on see this roster; those under way keep theirs.
    pub fn replace(&self, roster: Roster) {
        list(&roster);
        let mut place = self.lock();
        // What was found out of its checks stays so until they are looked at again.
        roster.is_panicking.store(place.is_panicking.load(Relaxed), Relaxed);
        let before = std::mem::replace(&mut *place, Arc::new(roster));
        self.version.store(Version::next().0, Release);
        drop(place);
        unlist(&before);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Roster>> {
        self.roster.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for CurrentRoster {
    fn drop(&mut self) {
        unlist(&self.load());
    }
}

fn list(roster: &Roster) {
    for backend in &roster.backends {
        backend.cell.listings.fetch_add(1, Relaxed);
    }
}

fn unlist(roster: &Roster) {
    for backend in &roster.backends {
        backend.cell.listings.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Address, Backend, CellBook};

    fn roster(cells: &CellBook, ports: &[u16]) -> Roster {
        let service: Arc<str> = "api".into();
        let backends = ports.iter().map(|port| {
            let address = Address::Inet(([10, 0, 0, 1], *port).into());
            Backend::new(address.clone(), 1, cells.cell(&service, &address))
        });
        Roster::new(backends)
    }

    fn labels(roster: &Roster) -> Vec<&str> {
        roster.backends.iter().map(|backend| &*backend.label).collect()
    }

    #[test]
    fn a_roster_is_replaced_as_a_whole_and_its_version_tells() {
        let cells = CellBook::new(1);
        let current = CurrentRoster::new(roster(&cells, &[1, 2]));
        let (first, kept) = current.load_versioned();
        assert_eq!(current.version(), first);
        current.replace(roster(&cells, &[2, 3]));
        assert_ne!(current.version(), first);
        assert_eq!(labels(&kept), ["10.0.0.1:1", "10.0.0.1:2"], "who has it keeps it");
        assert_eq!(labels(&current.load()), ["10.0.0.1:2", "10.0.0.1:3"]);
        let other = CurrentRoster::new(roster(&cells, &[2, 3]));
        assert_ne!(other.version(), current.version(), "no two services share a version");
    }

    #[test]
    fn a_backend_is_listed_while_a_service_shows_it() {
        let cells = CellBook::new(1);
        let current = CurrentRoster::new(roster(&cells, &[1, 2]));
        let kept = current.load();
        let is_listed = |index: usize| kept.backends[index].cell.is_listed();
        assert!(is_listed(0) && is_listed(1));
        current.replace(roster(&cells, &[2]));
        assert!(!is_listed(0) && is_listed(1));
        let other = CurrentRoster::new(roster(&cells, &[1]));
        assert!(is_listed(0), "a service of a new snapshot shows it again");
        drop(other);
        drop(current);
        assert!(!is_listed(0) && !is_listed(1));
    }
}
