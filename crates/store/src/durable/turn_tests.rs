//! The turn of a period, with requests on both sides of it, and what is owed while the store takes nothing.

use super::lease::{Lease, Said, grant};
use super::tests::{LONG, NOW, UNTIL, ask, counted, opened, passes};
use super::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tidegate_core::quotas::{Ask, Quotas};
use tidegate_core::units::Period;

const STEP: u64 = 86_400;

/// A request so many seconds after the turn; before it if that is less than nothing.
fn at(after_s: i64, count: u64) -> Ask<'static> {
    let until_s = if after_s < 0 { UNTIL } else { UNTIL + STEP };
    Ask { key: b"web", count, now_s: UNTIL.wrapping_add_signed(after_s), until_s }
}

fn web(counts: &[(u64, u64)]) -> Vec<(String, u64, u64)> {
    counts.iter().map(|(until, used)| ("web".to_owned(), *until, *used)).collect()
}

#[test]
fn a_request_that_comes_late_is_counted_in_the_period_that_has_begun() {
    let lease = Lease::default();
    let old = lease.take(&at(-1, 1000)).want.unwrap();
    let new = lease.take(&at(0, 1000)).want.unwrap();
    assert_eq!((old.until_s, new.until_s), (UNTIL, UNTIL + STEP));
    // It has waited meanwhile, and asks again: nothing is forgotten, and nothing asked twice.
    assert_eq!(lease.take(&at(-1, 1000)).want, None);
    lease.granted(&old, grant(&old, 0));
    assert!(lease.is_pending(), "that was the answer for the other period");
    lease.granted(&new, grant(&new, 0));
    let late = lease.take(&at(-1, 1000));
    assert_eq!((late.said, late.has_closed), (Said::Granted(999), true));
    assert_eq!(lease.owe(&at(-1, 1000)), Said::Granted(989), "on credit too");
    let rest = lease.take_closed().unwrap();
    assert_eq!((rest.until_s, rest.unused, rest.owed), (UNTIL, old.wanted, 0));
    assert_eq!(lease.take_closed(), None);
}

#[test]
fn only_a_gap_that_no_wait_explains_is_a_clock_put_back() {
    for (after_s, until_s) in [(-1, UNTIL + STEP), (-5, UNTIL + STEP), (-6, UNTIL), (-3600, UNTIL)] {
        let lease = Lease::default();
        for before_s in [-60, 5] {
            lease.failed(&lease.take(&at(before_s, 1000)).want.unwrap());
        }
        assert_eq!(lease.take(&at(after_s, 1000)).want.unwrap().until_s, until_s, "{after_s}");
    }
}

#[test]
fn both_periods_are_right_after_requests_on_both_sides_of_a_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (leases, quota) = opened(folder.path());
    let before = passes(&*quota, 137, at(-2, 100_000)) as u64;
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (quota, passed) = (&quota, &passed);
            scope.spawn(move || {
                for turn in 0..200 {
                    let of = at(if (thread + turn) % 2 == 0 { -1 } else { 0 }, 100_000);
                    passed.fetch_add(passes(&**quota, 1, of) as u64, Relaxed);
                }
            });
        }
    });
    assert_eq!((before, passed.load(Relaxed)), (137, 1600), "nobody is refused");
    let counts = leases.counts();
    assert_eq!((counts.owed, counts.failures), (0, 0), "nobody has waited in vain");
    assert!(counts.leases < 50, "{counts:?}");
    leases.close(LONG);
    let counted = counted(folder.path());
    assert_eq!(counted.iter().map(|row| row.2).sum::<u64>(), 1737, "{counted:?}");
    assert!(counted[0].2 >= 137 && counted.len() == 2, "{counted:?}");
}

#[test]
fn what_is_owed_of_a_period_is_counted_there_when_the_store_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let leases = Leases::default();
    let quota = leases.quota("orders", "quota", Period::Day);
    // Not open yet: it takes nothing.
    assert_eq!(passes(&*quota, 5, at(-1, 1000)), 5);
    assert_eq!(passes(&*quota, 2, at(0, 1000)), 2);
    leases.open(folder.path()).unwrap();
    assert_eq!(passes(&*quota, 1, at(1, 1000)), 1);
    leases.close(LONG);
    assert_eq!(counted(folder.path()), web(&[(UNTIL, 5), (UNTIL + STEP, 3)]));
}

#[test]
fn keys_that_owe_do_not_leave_before_they_have_paid() {
    let folder = tempfile::tempdir().unwrap();
    let leases = Leases::new(50);
    let quota = leases.quota("orders", "quota", Period::Day);
    let keys: Vec<String> = (0..90).map(|key| format!("{key:03}")).collect();
    for key in &keys {
        assert_eq!(passes(&*quota, 3, ask(key.as_bytes(), 1000)), 3);
    }
    leases.open(folder.path()).unwrap();
    for key in &keys {
        assert_eq!(passes(&*quota, 1, ask(key.as_bytes(), 1000)), 1);
    }
    leases.close(LONG);
    let expected: Vec<_> = keys.iter().map(|key| (key.clone(), UNTIL, 4)).collect();
    assert_eq!(counted(folder.path()), expected);
}

#[test]
fn keys_that_owe_have_a_bound_too() {
    let leases = Leases::new(50);
    let quota = leases.quota("orders", "quota", Period::Day);
    for key in 0..1000 {
        passes(&*quota, 1, Ask { key: format!("{key}").as_bytes(), now_s: NOW, ..ask(b"", 1000) });
    }
    assert!(leases.counts().keys <= 100 + 16, "{:?}", leases.counts());
}
