//! Where quotas are counted: requests of a key in a period of the calendar, kept through restarts. What is served is
//! debited before, in leases, so that the count is never below it, and a request seldom waits. Implemented by
//! `store::durable`.

use crate::units::Period;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a quota says to one more request.
pub enum Debit<'a> {
    /// It may pass, and so many more.
    Granted {
        /// So many.
        left: u64,
    },
    /// Everything is used up until the period is over.
    Spent,
    /// It has to wait until more is leased. Bounded in time.
    Wait(Pin<Box<dyn Future<Output = Debit<'a>> + 'a>>),
}

/// One more request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'k> {
    /// Whose it is.
    pub key: &'k [u8],
    /// How many there may be in the period.
    pub count: u64,
    /// Now, in seconds since 1970.
    pub now_s: u64,
    /// When the period is over.
    pub until_s: u64,
}

/// One quota of a route, the same for every configuration that has it.
pub trait Quota: Send + Sync + Debug {
    /// Debits one request.
    ///
    /// When the store does not answer, requests go on with what is leased, and then on credit, within what is known to
    /// be left: what is owed is debited once the store is back.
    fn take(&self, ask: Ask<'_>) -> Debit<'_>;
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaCounts {
    /// Keys in memory.
    pub keys: u64,
    /// Leases taken from the store.
    pub leases: u64,
    /// Transactions of the store that were written.
    pub flushes: u64,
    /// Transactions that failed.
    pub failures: u64,
    /// Requests that were served on credit, as the store did not answer.
    pub owed: u64,
}

/// Keeps quotas.
pub trait Quotas: Send + Sync + Debug {
    /// The quota of that name on the route of that name.
    fn quota(&self, route: &str, name: &str, period: Period) -> Arc<dyn Quota>;

    /// What was done so far.
    fn counts(&self) -> QuotaCounts;
}
