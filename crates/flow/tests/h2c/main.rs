//! Proves that head, body and steps do not know the protocol: HTTP/2 without TLS passes through the worker that
//! HTTP/1 passes through, by its own codec and an exchange per stream. Clients are the `h2` crate's,
//! backends are raw sockets.

mod answers;
mod bodies;
mod client;
mod endings;
mod gateway;
mod interims;
