//! HTTP/2 from clients: the rules of RFC 9113 before anything becomes HTTP/1, limits, floods, endings, and programs
//! that people use. Most of it over frames made by hand, as no library would send them.

mod endings;
mod floods;
mod frames;
mod gathering;
mod programs;
mod rules;
mod sizes;
mod untaken;
mod uploads;

use tidegate_testkit::gateway::everything_to;
use tidegate_testkit::{Gateway, RawBackend, Setup};

/// A gateway that speaks both protocols before one backend.
fn gateway(backend: &RawBackend, limits: &str) -> Gateway {
    let setup = Setup::new(env!("CARGO_BIN_EXE_tidegate")).workers(1);
    setup.protocols("[h1, h2]").limits(limits).start(&everything_to(&[backend.address], ""))
}
