//! Asks the authenticators that a route names, one after the other, who sends a request. Members of the family are the
//! folders beside this file.

use tidegate_core::auth::Kind;

/// Every member.
pub const ALL: &[Kind] = &[];
