//! What is counted and kept beside the snapshots. `shared` holds what all workers count together, in memory; `durable`
//! what must outlive the process, in SQLite. Called through the traits of `core::shelf`; knows no policy by name.

pub mod durable;
pub mod shared;
