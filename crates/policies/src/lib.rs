//! The policy family: a folder per member, and this list. Members see requests and answers through
//! `core::policy::Policy` and open no sockets; the flow runs those that a route names, in the order of their phases.

mod allowance;
pub mod auth;
mod compress;
mod headers;
mod limit;
mod per;
mod vary;

use tidegate_core::policy::Kind;

/// Every member.
pub const ALL: &[Kind] = &[limit::KIND, compress::KIND, headers::KIND];
