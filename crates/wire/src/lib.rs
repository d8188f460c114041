//! Bytes to messages and back: the only room with client and upstream sockets.

pub mod buffer;
pub mod fetch;
pub mod http1;
pub mod http2;
pub mod listen;
pub mod pool;
pub mod probe;
mod rate;
pub mod scratch;
pub mod socket;
mod stream;
pub mod timer;
pub mod tls;
