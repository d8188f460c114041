//! The policy family: a folder per member, and this list. Members see requests and answers through
//! `core::policy::Policy` and open no sockets; the flow runs those that a route names, in the order of their phases.

mod allow;
mod allowance;
pub mod auth;
mod compress;
mod cors;
mod headers;
mod limit;
mod maintenance;
mod per;
mod quota;
mod security_headers;
mod shield;
mod vary;

use tidegate_core::policy::Kind;

/// Every member.
pub const ALL: &[Kind] = &[
    allow::KIND,
    auth::KIND,
    limit::KIND,
    quota::KIND,
    compress::KIND,
    cors::KIND,
    headers::KIND,
    maintenance::KIND,
    security_headers::KIND,
    shield::KIND,
];
