//! The database: a file that one thread writes. It takes what waits, writes it in one transaction, and answers when that
//! is on disk. The file is locked while it is open: counts of two gateways would be wrong in both.

mod counts;
mod migrations;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_core::limits::STORE_QUEUE_MAX;
use tidegate_core::problem::Problem;

use super::lease::{Lease, Rest, Want};
use super::quotas::{Place, Shared};

/// The file in the state folder.
const FILE: &str = "tidegate.db";
/// How long an ending gateway may still hold the file.
const LOCK_TIME: Duration = Duration::from_secs(1);
/// Orders in one transaction: some milliseconds.
const BATCH_MAX: usize = 1000;
/// How often an ending gateway looks whether everything is written.
pub(super) const END_LOOK: Duration = Duration::from_millis(5);

/// What a count is of.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) place: Arc<Place>,
    pub(super) key: Box<[u8]>,
    pub(super) until_s: u64,
}

/// What the thread is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Debit what a lease wants, and tell it.
    Lease { row: Row, want: Want, now_s: u64, lease: Arc<Lease> },
    /// Count what is owed, and not what was leased and not used; and tell the lease.
    Correct { row: Row, rest: Rest, lease: Arc<Lease> },
    /// End, when everything before is written.
    End,
}

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) orders: SyncSender<Order>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Database {
    /// Opens the file in this folder, or makes it, and starts the thread.
    pub(super) fn open(folder: &Path, shared: Arc<Shared>) -> Result<Database, Problem> {
        let path = folder.join(FILE);
        let connection = opened(&path)?;
        let (orders, waiting) = sync_channel(STORE_QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("tidegate-store".into())
            .spawn(move || run(connection, &waiting, &shared))
            .map_err(|error| Problem::new(format!("cannot start a thread: {error}")))?;
        Ok(Database { orders, thread: Mutex::new(Some(thread)) })
    }

    /// Orders once there is room, if that is before `end`.
    pub(super) fn order_until(&self, end: Instant, mut order: Order) {
        while let Err(TrySendError::Full(refused)) = self.orders.try_send(order) {
            if Instant::now() >= end {
                return;
            }
            order = refused;
            std::thread::sleep(END_LOOK);
        }
    }

    /// Has everything written, and ends; waits for it no longer than until `end`.
    pub(super) fn finish(&self, end: Instant) {
        self.order_until(end, Order::End);
        let thread = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < end {
            std::thread::sleep(END_LOOK);
        }
    }
}

fn opened(path: &Path) -> Result<Connection, Problem> {
    let shown = path.display();
    // Before SQLite makes it, which would let others read it.
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let made = options.custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path);
    made.map_err(|error| {
        let problem = Problem::new(format!("cannot open the store {shown}: {error}"));
        problem.hint(match path.is_symlink() {
            true => "it is a link: put the file itself there, or name its folder in `state: { dir: … }`",
            false => "set `state: { dir: … }` to a folder this user may write to",
        })
    })?;
    // SQLite refuses links in any part of a path; those on the way to the folder are the operator's.
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let set_up = || -> rusqlite::Result<Connection> {
        let connection =
            Connection::open_with_flags(&whole, OpenFlags::default() | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
        connection.busy_timeout(LOCK_TIME)?;
        // In this order: the log of a file that is locked needs no memory shared with others. `FULL`: what is
        // committed is on disk, also when the power fails.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    };
    let mut connection = set_up().map_err(|error| unusable(path, &error))?;
    check(&connection, path)?;
    migrations::migrate(&mut connection, path)?;
    Ok(connection)
}

/// Refuses a file whose pages do not fit together: its counts would be served on credit until somebody looked. Reads
/// all of it, some 100 MB in a second.
fn check(connection: &Connection, path: &Path) -> Result<(), Problem> {
    let said: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match said {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(damaged(path, said.lines().last().unwrap_or_default())),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn damaged(path: &Path, why: &str) -> Problem {
    Problem::new(format!("the store {} is damaged: {why}", path.display()))
        .hint("put back a copy of it, or move it away: its counts then begin anew")
}

/// Why a file cannot be used, and what to do.
fn unusable(path: &Path, error: &rusqlite::Error) -> Problem {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Problem::new(format!("the store {shown} is in use by another gateway"))
                .hint("give each gateway a folder of its own: `state: { dir: … }`")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => damaged(path, &error.to_string()),
        _ => Problem::new(format!("cannot use the store {shown}: {error}"))
            .hint("look at the rights and the space of its folder"),
    }
}

/// Writes what waits, until it is told to end or nobody can tell it any more.
fn run(mut connection: Connection, waiting: &Receiver<Order>, shared: &Shared) {
    let mut is_ending = false;
    let mut cleaned_at = 0;
    while !is_ending {
        let Ok(first) = waiting.recv() else { return };
        let mut batch = vec![first];
        batch.extend(waiting.try_iter().take(BATCH_MAX - 1));
        is_ending = batch.iter().any(|order| matches!(order, Order::End));
        match counts::write(&mut connection, &batch, &mut cleaned_at) {
            Ok(grants) => {
                shared.meters.flushes.fetch_add(1, Relaxed);
                shared.meters.leases.fetch_add(grants.len() as u64, Relaxed);
                shared.is_late.store(false, Relaxed);
                for (want, grant, lease) in grants {
                    lease.granted(want, grant);
                }
                for order in &batch {
                    if let Order::Correct { rest, lease, .. } = order {
                        lease.settled(rest);
                    }
                }
            }
            Err(_) => {
                shared.meters.failures.fetch_add(1, Relaxed);
                for order in &batch {
                    match order {
                        Order::Lease { want, lease, .. } => lease.failed(want),
                        Order::Correct { rest, lease, .. } => lease.back(rest),
                        Order::End => {}
                    }
                }
            }
        }
    }
}
