//! Looks after backends. Those of a service with `health` are checked by its rules, each at a moment of its own. Of a
//! service without, those are looked at by a connect that are down, until one succeeds and they are up again, and
//! those whose requests have begun to fail, as a process that dies may still take connections it will never answer,
//! and is not asked again while others are faster. Follows the snapshot in use. Control plane, with sockets of its
//! own: load on the workers neither delays it nor is delayed by it.
//!
//! A check is one connection: a kept one would only show that the backend took a connection once, while requests need
//! new ones too. At two seconds apart that costs a backend nothing.
//!
//! Whatever takes a backend out or brings it back, people are told of it here: see `told`.

mod check;
mod told;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::service::{Backend, Service};
use tidegate_telemetry::say;
use tidegate_upstreams::health::{self, Checked, Finding, phase};
use tokio::task::JoinSet;

use crate::gateway::Shared;
use check::{LOOK_TIMEOUT, Visit, check};
use told::Told;

/// How often everybody is looked at: what requests found out becomes a look within that time, and retry budgets tick.
const ROUND: Duration = Duration::from_secs(1);
/// Checks due within so short a time are begun together: a thousand backends are not a thousand wake-ups.
const GRAIN: Duration = Duration::from_millis(20);
/// Lines about backends in one round: a rack that dies does not fill the log faster than that.
const LINES_MAX: usize = 32;
/// Checks under way at a time. Each holds a descriptor, and a whole rack may be silent.
const AT_ONCE_MAX: usize = 256;

/// Runs for as long as the gateway does.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut prober = Prober::default();
    let mut round_at = clock::exact();
    let mut wake_at = round_at;
    loop {
        let wait = wake_at.since(clock::exact());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            Some(ended) = prober.under_way.join_next() => {
                if let Ok((visit, checked)) = ended {
                    wake_at = wake_at.min(prober.ended(&visit, checked));
                }
                continue;
            }
        }
        let snapshot = shared.snapshot();
        let now = clock::exact();
        if now >= round_at {
            prober.round(&snapshot.services, now);
            round_at = phase::next(round_at, now, ROUND);
        }
        wake_at = prober.begin_due(&snapshot.services, now).max(now.after(GRAIN)).min(round_at);
    }
}

/// What is known of a backend between two checks.
struct Watch {
    /// When its next check is due; never for a service without `health`.
    due: Nanos,
    /// A check is under way, until this moment at the latest.
    busy_until: Nanos,
    /// Its failed requests as far as they were looked at.
    failures_seen: u64,
    /// The number of the last round in which it was there.
    round: u64,
    /// What people were told of it.
    told: Told,
}

#[derive(Default)]
struct Prober {
    /// By the cell's number; who is gone from the configuration is gone from here a round later.
    watches: HashMap<usize, Watch>,
    rounds: u64,
    /// The services whose checks are not believed, as far as people were told.
    panicking: HashSet<Arc<str>>,
    under_way: JoinSet<(Visit, Option<Checked>)>,
}

impl Prober {
    /// Once a second: meets new backends, forgets old ones, and sees to those that requests had trouble with.
    fn round(&mut self, services: &[Arc<Service>], now: Nanos) {
        self.rounds += 1;
        for service in services {
            service.meters.budget.tick();
            let roster = service.roster.load();
            for backend in &roster.backends {
                self.meet(service, backend, now);
            }
            match &service.health {
                Some(_) => health::settle(&roster, now),
                None => roster.is_panicking.store(false, Relaxed), // a reload may have taken the checks away
            }
            self.tell_panic(service, roster.is_panicking.load(Relaxed));
        }
        self.tell(services, now);
        let rounds = self.rounds;
        self.watches.retain(|_, watch| watch.round == rounds || watch.busy_until > now);
        self.panicking.retain(|name| services.iter().any(|service| service.name == *name));
    }

    /// Tells people when a service's checks are not believed any more, or are again: the lines of its backends alone read as
    /// if nothing were served.
    fn tell_panic(&mut self, service: &Service, is_panicking: bool) {
        let details: say::Details<'_> = &[("service", &&*service.name)];
        if is_panicking && self.panicking.insert(service.name.clone()) {
            let text = "all backends of a service fail their checks: the checks are not believed, and requests go on";
            say::warn_of(&service.name, text, details);
        } else if !is_panicking && self.panicking.remove(&service.name) {
            say::well_again(&service.name, "the checks of a service are believed again", details);
        }
    }

    fn meet(&mut self, service: &Arc<Service>, backend: &Backend, now: Nanos) {
        let failures = backend.cell.failures.load(Relaxed);
        let watch = self.watches.entry(backend.cell.id).or_insert_with(|| Watch {
            due: Nanos::NEVER,
            busy_until: Nanos(0),
            failures_seen: 0,
            round: 0,
            told: Told::default(),
        });
        watch.round = self.rounds;
        let has_failed = watch.failures_seen < failures;
        watch.failures_seen = failures;
        watch.due = match &service.health {
            // Just met, or checks are new to its service, or are made more often from now on.
            Some(health) if watch.due > now.after(health.every) => phase::first(now, health.every, random()),
            Some(_) if has_failed => watch.due.min(now),
            Some(_) => watch.due,
            None if has_failed || backend.cell.is_down() => now,
            None => Nanos::NEVER,
        };
    }

    /// Tells people which backends have gone down or come up since the last round, and of no more of them in one round
    /// than somebody can read: the others have their turn in later ones.
    fn tell(&mut self, services: &[Arc<Service>], now: Nanos) {
        let mut left = LINES_MAX;
        for service in services {
            for backend in &service.roster.load().backends {
                let Some(watch) = self.watches.get_mut(&backend.cell.id) else { continue };
                if left > 0 && watch.told.look(service, backend, now) {
                    left -= 1;
                }
            }
        }
    }

    /// Begins what is due, as far as there is room. When to look again.
    fn begin_due(&mut self, services: &[Arc<Service>], now: Nanos) -> Nanos {
        let mut next = Nanos::NEVER;
        for service in services {
            for backend in &service.roster.load().backends {
                let Some(watch) = self.watches.get_mut(&backend.cell.id) else { continue };
                if watch.busy_until > now {
                    continue; // its end wakes us
                }
                if watch.due <= now && self.under_way.len() < AT_ONCE_MAX {
                    let (timeout, due) = match &service.health {
                        Some(health) => (health.timeout, phase::next(watch.due, now, health.every)),
                        None => (LOOK_TIMEOUT, Nanos::NEVER),
                    };
                    watch.due = due;
                    watch.busy_until = now.after(timeout + ROUND);
                    self.under_way.spawn(check(Visit {
                        service: service.clone(),
                        address: backend.address.clone(),
                        authority: backend.authority.clone(),
                        cell: backend.cell.clone(),
                    }));
                }
                next = next.min(watch.due);
            }
        }
        next
    }

    /// Takes note of a check. When the backend's next one is due.
    fn ended(&mut self, visit: &Visit, checked: Option<Checked>) -> Nanos {
        let due = self.watches.get_mut(&visit.cell.id).map_or(Nanos::NEVER, |watch| {
            watch.busy_until = Nanos(0);
            watch.due
        });
        let Some(checked) = checked else { return due };
        match &visit.service.health {
            Some(health) if health::note(&visit.cell, health, checked) => {
                health::settle(&visit.service.roster.load(), checked.ended);
            }
            Some(_) => {}
            None => match checked.finding {
                Finding::Good => visit.cell.connected(checked.ended),
                Finding::Refused => visit.cell.connect_failed(checked.ended, checked.reason),
                // Unreachable or slow is what requests find out for themselves: slowness is not death.
                Finding::Late | Finding::Bad => {}
            },
        }
        due
    }
}

fn random() -> u64 {
    let mut bytes = [0u8; 8];
    // Filled or not: then all first checks are due at once, which is late for none.
    let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
