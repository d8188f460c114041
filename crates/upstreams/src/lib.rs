//! What Tidegate knows about the backends of a service beyond their addresses: how one is chosen for the
//! next request, and what checks say of it. Sends nothing itself: the flow asks, `wire` connects.

pub mod balancers;
pub mod health;
