//! The SQL of quotas: one transaction for many orders. Counts of periods that are over are removed now and then.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Order, Row};
use crate::durable::lease::{self, Grant, Lease, Want};

/// How often counts that nobody needs any more are removed.
const CLEAN_EVERY_S: u64 = 600;
/// Counts of periods are kept so long after their end, for those who read them.
const KEPT_S: u64 = 86_400;

const USED: &str =
    "SELECT used FROM quotas WHERE route = ?1 AND name = ?2 AND period = ?3 AND key = ?4 AND until = ?5";
const SET: &str = "INSERT INTO quotas (route, name, period, key, until, used) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT DO UPDATE SET used = excluded.used";

type Granted<'o> = Vec<(&'o Want, Grant, &'o Lease)>;

/// Carries out orders, all or none. What was granted is on disk when it returns.
pub(super) fn write<'o>(
    connection: &mut Connection,
    orders: &'o [Order],
    cleaned_at: &mut u64,
) -> rusqlite::Result<Granted<'o>> {
    let mut grants = Vec::new();
    let transaction = connection.transaction()?;
    for order in orders {
        match order {
            Order::Lease { row, want, now_s, lease } => {
                let grant = lease::grant(want, used(&transaction, row)?);
                set(&transaction, row, grant.debited)?;
                grants.push((want, grant, &**lease));
                if now_s.abs_diff(*cleaned_at) > CLEAN_EVERY_S {
                    *cleaned_at = *now_s;
                    let old = now_s.saturating_sub(KEPT_S);
                    transaction.execute("DELETE FROM quotas WHERE until < ?1", params![old as i64])?;
                }
            }
            Order::Correct { row, rest, .. } => {
                let used = used(&transaction, row)?;
                let corrected = (used + rest.owed).saturating_sub(rest.unused);
                // A count that was removed meanwhile does not come back as nothing.
                if corrected != used {
                    set(&transaction, row, corrected)?;
                }
            }
            Order::End => {}
        }
    }
    transaction.commit()?;
    Ok(grants)
}

fn used(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<u64> {
    let place = &row.place;
    let found = transaction
        .prepare_cached(USED)?
        .query_row(params![place.route, place.name, place.period, row.key, row.until_s as i64], |row| {
            row.get::<_, i64>(0)
        })
        .optional()?;
    Ok(found.unwrap_or(0).max(0) as u64)
}

fn set(transaction: &Transaction<'_>, row: &Row, used: u64) -> rusqlite::Result<()> {
    let place = &row.place;
    let used = i64::try_from(used).unwrap_or(i64::MAX);
    transaction.prepare_cached(SET)?.execute(params![
        place.route,
        place.name,
        place.period,
        row.key,
        row.until_s as i64,
        used
    ])?;
    Ok(())
}
