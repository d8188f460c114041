//! HTTP/2 from a client (RFC 9113): the `h2` crate moves frames, and each stream is an exchange that passes through the
//! same handler as an HTTP/1 request. A connection is one task with all its streams. Knows nothing of what a request
//! means; what HTTP/1 could read in two ways is refused in `head`.

mod connection;
mod edges;
mod follow;
mod head;
mod huffman;
mod inbox;
mod limits;
mod link;
mod outflow;
mod pace;
mod preface;
mod ready;
mod receiving;
mod sending;
mod stream;
mod streams;
mod watch;

pub use connection::serve;
pub use preface::serve_either;
