//! The balancer family: a folder per member, and this list. A member is asked with `core::balance::Balancer`
//! and built once per service; what it learns about a backend is in the backend's cell.

mod draw;
mod ewma;
mod least_request;
mod round_robin;
mod two_choices;

#[cfg(test)]
pub(crate) mod simulation;
#[cfg(test)]
mod tests;

use tidegate_core::balance::Kind;

/// Every member; the first is the default.
pub const ALL: &[Kind] = &[ewma::KIND, least_request::KIND, round_robin::KIND];
