//! What tests stand on: the gateway as a process, peers on raw sockets that do exactly what a test says,
//! real servers as backends, load, chance with a seed. Plain threads and blocking sockets on purpose: a
//! tool that shares the gateway's runtime or codec would share its mistakes. Used by tests only.

pub mod authority;
pub mod backend;
pub mod connection;
pub mod forwarded;
pub mod gateway;
pub mod issuer;
pub mod load;
pub mod message;
pub mod name_server;
pub mod peers;
pub mod ports;
pub mod problem;
pub mod process;
pub mod random;
pub mod records;
pub mod secure;

pub use backend::{Act, RawBackend, Visit};
pub use connection::{Connection, How, Lost};
pub use gateway::{Gateway, Setup};
pub use issuer::Issuer;
pub use message::{Framing, Message};
pub use name_server::{NameServer, Reply};
pub use random::Random;
