//! Leases over a real database, on a calendar that stands still unless a test moves it.

use super::*;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tidegate_core::quotas::{Ask, Debit, Quota, Quotas};
use tidegate_core::units::Period;

pub(super) const NOW: u64 = 1_700_000_000;
pub(super) const UNTIL: u64 = NOW + 1000;
pub(super) const LONG: Duration = Duration::from_secs(10);

/// An open store in a folder of its own or of an earlier one.
pub(super) fn opened(folder: &Path) -> (Leases, Arc<dyn Quota>) {
    let leases = Leases::default();
    let quota = leases.quota("orders", "quota", Period::Day);
    leases.open(folder).unwrap();
    (leases, quota)
}

pub(super) fn ask(key: &[u8], count: u64) -> Ask<'_> {
    Ask { key, count, now_s: NOW, until_s: UNTIL }
}

/// Asks once: how many are left, or nothing when all is spent.
async fn take(quota: &dyn Quota, ask: Ask<'_>) -> Option<u64> {
    let mut debit = quota.take(ask);
    loop {
        match debit {
            Debit::Granted { left } => return Some(left),
            Debit::Spent => return None,
            Debit::Wait(wait) => debit = wait.await,
        }
    }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Asks so often; how often it may pass.
pub(super) fn passes(quota: &dyn Quota, asks: usize, of: Ask<'_>) -> usize {
    block(async {
        let mut passed = 0;
        for _ in 0..asks {
            passed += usize::from(take(quota, of).await.is_some());
        }
        passed
    })
}

/// What the database counts: key, end of the period, used.
pub(super) fn counted(folder: &Path) -> Vec<(String, u64, u64)> {
    let database = Connection::open(folder.join("tidegate.db")).unwrap();
    let mut rows = database.prepare("SELECT key, until, used FROM quotas ORDER BY until, key").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let key = String::from_utf8(row.get::<_, Vec<u8>>(0)?).unwrap();
        Ok((key, row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64))
    };
    rows.query_map([], row).unwrap().map(Result::unwrap).collect()
}

#[test]
fn as_many_pass_as_the_quota_says_through_any_number_of_ends() {
    for count in [1, 3, 99, 100, 2500] {
        let folder = tempfile::tempdir().unwrap();
        let mut passed = 0;
        for part in [count / 3, count / 2, count] {
            let (leases, quota) = opened(folder.path());
            passed += passes(&*quota, part, ask(b"web", count as u64));
            leases.close(LONG);
            assert_eq!(counted(folder.path()).iter().map(|row| row.2).sum::<u64>(), passed as u64);
        }
        assert_eq!(passed, count);
    }
}

#[test]
fn what_is_left_is_told_to_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let (leases, quota) = opened(folder.path());
    let told: Vec<_> = (0..6).map(|_| block(take(&*quota, ask(b"web", 4)))).collect();
    assert_eq!(told, [Some(3), Some(2), Some(1), Some(0), None, None]);
    assert_eq!(block(take(&*quota, ask(b"other", 4))), Some(3), "another key");
    let of_an_hour = leases.quota("orders", "quota", Period::Hour);
    assert_eq!(block(take(&*of_an_hour, ask(b"web", 4))), Some(3), "another quota");
    assert_eq!(block(take(&*quota, ask(b"web", 6))), Some(1), "the quota was raised");
    leases.close(LONG);
}

#[test]
fn threads_together_get_what_one_would() {
    let folder = tempfile::tempdir().unwrap();
    let (leases, quota) = opened(folder.path());
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| passed.fetch_add(passes(&*quota, 1000, ask(b"web", 5000)) as u64, Relaxed));
        }
    });
    assert_eq!(passed.load(Relaxed), 5000);
    let counts = leases.counts();
    assert_eq!((counts.keys, counts.owed, counts.failures), (1, 0, 0));
    assert!(counts.leases < 1000, "{counts:?}");
    leases.close(LONG);
    assert_eq!(counted(folder.path()), [("web".to_owned(), UNTIL, 5000)]);
}

#[test]
fn a_new_period_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (leases, quota) = opened(folder.path());
    let step = 2000;
    for (steps, passed) in [(0, 500), (0, 500), (1, 1000), (2, 10)] {
        let of = Ask { key: b"web", count: 1000, now_s: NOW + steps * step, until_s: UNTIL + steps * step };
        assert_eq!(passes(&*quota, passed, of), passed);
    }
    let of = Ask { key: b"web", count: 1000, now_s: NOW + step, until_s: UNTIL + step };
    assert_eq!(passes(&*quota, 1, of), 0, "the clock was put back: that period is spent");
    leases.close(LONG);
    let expected = [(UNTIL, 1000), (UNTIL + step, 1000), (UNTIL + 2 * step, 10)];
    assert_eq!(counted(folder.path()), expected.map(|(until, used)| ("web".to_owned(), until, used)));
}

#[test]
fn old_counts_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (leases, quota) = opened(folder.path());
    passes(&*quota, 1, ask(b"web", 10));
    let later = NOW + 3 * 86_400;
    passes(&*quota, 1, Ask { key: b"web", count: 10, now_s: later, until_s: later + 1000 });
    leases.close(LONG);
    assert_eq!(counted(folder.path()), [("web".to_owned(), later + 1000, 1)]);
}

#[test]
fn keys_beyond_the_bound_are_kept_by_the_store_alone() {
    let folder = tempfile::tempdir().unwrap();
    let leases = Leases::new(50);
    let quota = leases.quota("orders", "quota", Period::Day);
    leases.open(folder.path()).unwrap();
    let keys: Vec<String> = (0..300).map(|key| format!("{key:03}")).collect();
    for _ in 0..3 {
        for key in &keys {
            assert_eq!(passes(&*quota, 1, ask(key.as_bytes(), 1000)), 1);
        }
        assert!(leases.counts().keys <= 50 + 2 * 16, "{:?}", leases.counts());
    }
    leases.close(LONG);
    assert_eq!(counted(folder.path()), keys.iter().map(|key| (key.clone(), UNTIL, 3)).collect::<Vec<_>>());
}

#[test]
fn without_the_store_requests_go_on_credit_within_the_quota() {
    let folder = tempfile::tempdir().unwrap();
    let (leases, quota) = opened(folder.path());
    assert_eq!(passes(&*quota, 5, ask(b"web", 20)), 5);
    leases.close(LONG);
    assert_eq!(passes(&*quota, 30, ask(b"web", 20)), 15, "what was used before is still known");
    assert_eq!(leases.counts().owed, 15);
}

#[test]
fn a_store_that_cannot_be_used_is_told_with_what_to_do() {
    let check = |prepare: &dyn Fn(&Path), reason: &str, hint: &str| {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let leases = Leases::default();
        assert!(leases.open(folder.path()).is_ok(), "not opened before anyone needs it");
        leases.quota("orders", "quota", Period::Day);
        let problem = leases.open(folder.path()).unwrap_err();
        assert!(problem.reason.contains(reason), "{}", problem.reason);
        assert!(problem.hint.as_deref().unwrap_or_default().contains(hint), "{:?}", problem.hint);
    };
    let newer = |folder: &Path| {
        let database = Connection::open(folder.join("tidegate.db")).unwrap();
        database.pragma_update(None, "user_version", 99).unwrap();
    };
    check(&newer, "written by a newer version: its form is 99, this one knows 1", "run that version");
    let damaged = |folder: &Path| std::fs::write(folder.join("tidegate.db"), [7; 9000]).unwrap();
    check(&damaged, "is damaged", "put back a copy");
    let damaged_within = |folder: &Path| {
        let (leases, quota) = opened(folder);
        passes(&*quota, 1, ask(b"web", 10));
        leases.close(LONG);
        let file = folder.join("tidegate.db");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[4096..].fill(7);
        std::fs::write(&file, bytes).unwrap();
    };
    check(&damaged_within, "is damaged", "put back a copy");
    let taken = |folder: &Path| {
        // Held until the test's end, by a thread of its own.
        let (leases, _) = opened(folder);
        std::mem::forget(leases);
    };
    check(&taken, "is in use by another gateway", "a folder of its own");
    let folder = |folder: &Path| std::fs::create_dir(folder.join("tidegate.db")).unwrap();
    check(&folder, "cannot open the store", "a folder this user may write to");
    let link = |folder: &Path| std::os::unix::fs::symlink("elsewhere", folder.join("tidegate.db")).unwrap();
    check(&link, "cannot open the store", "it is a link");
}

#[test]
fn a_folder_may_be_reached_by_a_link() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("disk")).unwrap();
    std::os::unix::fs::symlink("disk", folder.path().join("state")).unwrap();
    let (leases, quota) = opened(&folder.path().join("state"));
    assert_eq!(passes(&*quota, 3, ask(b"web", 2)), 2);
    leases.close(LONG);
    assert!(folder.path().join("disk/tidegate.db").exists());
}

#[test]
fn a_folder_that_takes_no_files_is_told() {
    let leases = Leases::default();
    leases.quota("orders", "quota", Period::Day);
    // Nobody can make a file there, whatever their rights.
    let problem = leases.open(Path::new("/proc")).unwrap_err();
    assert!(problem.reason.starts_with("cannot open the store /proc/tidegate.db"), "{}", problem.reason);
}

#[test]
fn counts_of_the_first_form_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let database = Connection::open(folder.path().join("tidegate.db")).unwrap();
    // As the first release makes it: this text never changes.
    let first = format!(
        "CREATE TABLE quotas (
            route TEXT NOT NULL, name TEXT NOT NULL, period TEXT NOT NULL, key BLOB NOT NULL, until INTEGER NOT NULL,
            used INTEGER NOT NULL, PRIMARY KEY (route, name, period, key, until)) WITHOUT ROWID;
        CREATE INDEX quotas_by_until ON quotas (until);
        INSERT INTO quotas VALUES ('orders', 'quota', 'day', x'776562', {UNTIL}, 13);
        PRAGMA user_version = 1;"
    );
    database.execute_batch(&first).unwrap();
    drop(database);
    let (leases, quota) = opened(folder.path());
    assert_eq!(passes(&*quota, 30, ask(b"web", 20)), 7);
    leases.close(LONG);
    assert_eq!(counted(folder.path()), [("web".to_owned(), UNTIL, 20)]);
}

#[test]
fn the_file_is_private_and_has_a_form() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (leases, quota) = opened(folder.path());
    passes(&*quota, 1, ask(b"web", 10));
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("tidegate.db"), mode("tidegate.db-wal")], [0o600, 0o600]);
    leases.close(LONG);
    let database = Connection::open(folder.path().join("tidegate.db")).unwrap();
    let form: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(form, 1);
}

#[test]
fn a_store_that_fails_is_no_outage() {
    let folder = tempfile::tempdir().unwrap();
    // It has the right form by its number and not by its tables: every order fails.
    let database = Connection::open(folder.path().join("tidegate.db")).unwrap();
    database.pragma_update(None, "user_version", 1).unwrap();
    drop(database);
    let (leases, quota) = opened(folder.path());
    assert_eq!(passes(&*quota, 30, ask(b"web", 20)), 20);
    let counts = leases.counts();
    assert_eq!((counts.owed, counts.flushes), (20, 0));
    assert!(counts.failures > 0);
    leases.close(LONG);
}

#[test]
fn what_is_owed_is_debited_once_the_store_is_back() {
    use lease::{Lease, Said, Taken, grant};
    let (lease, of) = (Lease::default(), ask(b"web", 1000));
    let Taken { said, want, .. } = lease.take(&of);
    let want = want.unwrap();
    assert_eq!((said, want.wanted, want.owed), (Said::Empty, 10, 0));
    let waits = Taken { said: Said::Empty, want: None, has_closed: false };
    assert_eq!(lease.take(&of), waits, "the store is asked once at a time");
    lease.failed(&want);
    for left in [999, 998, 997] {
        assert_eq!(lease.owe(&of), Said::Granted(left));
    }
    let want = lease.take(&of).want.unwrap();
    assert_eq!((want.wanted, want.owed), (10, 3));
    assert_eq!(lease.owe(&of), Said::Granted(996), "while the store is being asked");
    // 100 were counted before this process began.
    let granted = grant(&want, 100);
    assert_eq!((granted.granted, granted.debited), (10, 113));
    lease.granted(&want, granted);
    let Taken { said, want, .. } = lease.take(&of);
    assert_eq!(said, Said::Granted(1000 - 103 - 1 - 1), "what is owed still is not left");
    assert_eq!(want.unwrap().owed, 1);
}

#[test]
fn a_lease_is_small_beside_the_quota_and_smaller_near_its_end() {
    use lease::{Lease, grant};
    let cases = [
        // The quota, what is counted, and the lease that is given.
        (1, 0, 1),
        (1, 1, 0),
        (50, 0, 1),
        (1000, 0, 10),
        (1000, 950, 5),
        (1000, 995, 1),
        (1000, 1000, 0),
        (1000, 1200, 0),
        (1_000_000, 0, 1000),
        (1_000_000_000, 0, 1000),
        (1_000_000, 999_000, 100),
    ];
    for (count, used, expected) in cases {
        let want = Lease::default().take(&ask(b"web", count)).want.unwrap();
        assert_eq!(grant(&want, used).granted, expected, "{used} of {count}");
    }
}
