//! HTTP/1.1, sans-I/O: bytes in, heads and body pieces out, and the other way round.
//!
//! One rule runs through it: refuse, do not repair. What two implementations could read in two ways ends
//! here, on both sides; what is kept was checked byte by byte and is written on verbatim, while framing
//! and hop-by-hop fields are always written anew. Sources: RFC 9110 and RFC 9112.

mod bytes;
mod inbound;
pub(crate) mod lines;
mod outbound;

pub mod chunked;
pub mod client;
pub mod encode;
pub mod head;
#[doc(hidden)]
pub mod invariants;
pub mod request;
pub mod response;
pub mod server;
pub mod target;
