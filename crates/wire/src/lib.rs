//! Bytes to messages and back: the only room with client and upstream sockets.

pub mod http1;
