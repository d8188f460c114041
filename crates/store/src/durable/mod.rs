//! What must outlive the process: quotas. Requests are debited from leases in memory (`quotas`, `lease`); one thread takes
//! the leases from a database and gives back what was not used (`sqlite`). Nothing here is asked on a worker that could
//! hold it up.

mod lease;
mod quotas;
mod sqlite;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;

pub use quotas::Leases;
