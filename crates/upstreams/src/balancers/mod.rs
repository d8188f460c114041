//! The balancer family: a folder per member, and this list. A member is asked with `core::balance::Balancer`
//! and built once per service; what it learns about a backend is in the backend's cell.

mod draw;
mod ewma;
mod least_request;
mod round_robin;
mod two_choices;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use tidegate_core::balance::Balancer;

/// A member of the family.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What users write after `balance:`.
    pub name: &'static str,
    /// One sentence for the reference.
    pub doc: &'static str,
    /// Builds it for one service.
    pub build: fn() -> Box<dyn Balancer>,
}

/// Every member; the first is the default.
pub const ALL: &[Kind] = &[ewma::KIND, least_request::KIND, round_robin::KIND];

/// The member of that name.
pub fn find(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}
