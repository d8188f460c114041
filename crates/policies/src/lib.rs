//! The policy family: a folder per member, and this list. Members see requests and answers through
//! `core::policy::Policy` and open no sockets; the flow runs those that a route names, in the order of their phases.

pub mod auth;
mod compress;
mod headers;
mod vary;

use tidegate_core::policy::Kind;

/// Every member.
pub const ALL: &[Kind] = &[compress::KIND, headers::KIND];
