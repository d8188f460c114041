//! One request from its head to its record: the steps, one file each. Start at `steps.rs`, which is the whole
//! on one screen. What a step needs of the worker (snapshot, pool, dice, pipes) is in `worker.rs`.

mod again;
mod call;
mod deliver;
mod door;
mod filtered;
mod forward;
mod gather;
mod held;
mod inbound;
mod json;
mod line;
mod mirror;
mod origin;
mod outbound;
mod pump;
mod receive;
mod record;
mod rehearse;
mod reply;
mod rescue;
mod reserve;
mod route;
mod send;
mod steps;
mod text;
mod tunnel;
pub mod worker;

pub use mirror::Copy;
pub use rehearse::{End, Rehearsal, rehearse};
pub use worker::Worker;
