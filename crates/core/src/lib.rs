//! The vocabulary every room of Tidegate speaks: messages, plans, services, meters, problems and the traits
//! that connect the rooms. No I/O happens here, and nothing of ours is used from here.

pub mod auth;
pub mod balance;
pub mod budget;
pub mod building;
pub mod clock;
pub mod conditions;
pub mod date;
pub mod entry;
pub mod exchange;
pub mod filter;
pub mod head;
pub mod header;
pub mod identity;
pub mod limits;
pub mod location;
pub mod log;
pub mod meters;
pub mod name;
pub mod node;
pub mod outcome;
pub mod path;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod rewrite;
pub mod roster;
pub mod router;
pub mod secret;
pub mod service;
pub mod settings;
pub mod shelf;
pub mod state;
pub mod status;
pub mod template;
pub mod units;
