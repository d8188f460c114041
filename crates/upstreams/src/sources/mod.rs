//! Where the addresses of backends come from when they are not written in the configuration: what an answer of such
//! a source means. Pure: whoever asks the source is in `tidegate`.

pub mod dns;
