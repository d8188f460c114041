//! The forms that the database has had, in order: each step leads from one to the next, and a step that has been in a
//! release never changes. The number of the last is kept in the file.

use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use tidegate_core::problem::Problem;

use super::unusable;

/// The number of a form is the number of steps to it.
const STEPS: &[&str] = &[
    // 1: quotas. `until` is the end of the period, in seconds since 1970; by it old counts are found.
    "CREATE TABLE quotas (
        route TEXT NOT NULL, name TEXT NOT NULL, period TEXT NOT NULL, key BLOB NOT NULL, until INTEGER NOT NULL,
        used INTEGER NOT NULL,
        PRIMARY KEY (route, name, period, key, until)
    ) WITHOUT ROWID;
    CREATE INDEX quotas_by_until ON quotas (until);",
];

/// Brings the database to its last form, whole or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Problem> {
    let mut steps = || -> rusqlite::Result<Option<i64>> {
        // Takes the lock, which is then kept.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let form: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let Some(left) = usize::try_from(form).ok().and_then(|form| STEPS.get(form..)) else {
            return Ok(Some(form));
        };
        for step in left {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", STEPS.len() as i64)?;
        transaction.commit()?;
        Ok(None)
    };
    match steps() {
        Ok(None) => Ok(()),
        Ok(Some(form)) => {
            let (path, known) = (path.display(), STEPS.len());
            let reason = format!(
                "the store {path} was written by a newer version: its form is {form}, this one knows {known}"
            );
            Err(Problem::new(reason)
                .hint("run that version, or give this one a folder of its own: `state: { dir: … }`"))
        }
        Err(error) => Err(unusable(path, &error)),
    }
}
