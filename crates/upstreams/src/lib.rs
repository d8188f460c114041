//! What Tidegate knows about the backends of a service beyond written addresses: how one is chosen for the next
//! request, what checks say of it, and what the DNS says of names. Sends nothing itself: the flow asks, `wire` connects, `tidegate` looks
//! names up.

pub mod balancers;
pub mod health;
pub mod sources;
