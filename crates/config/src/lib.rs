//! Reads, checks and types the configuration; the only room that knows the file format. A file becomes a
//! tree of nodes (`yaml`), `${…}` is filled in (`interpolate`), the declarations read it (`file` and its
//! parts), names and sums are checked across it (`check`). Nothing here knows what a setting does.

mod address;
mod check;
mod compile;
mod config;
mod fields;
mod interpolate;
mod load;
mod matching;
mod policies;
mod target;
mod yaml;

pub use address::Backend;
pub use compile::{Workshop, compile};
pub use config::{
    Admin, Balance, Config, Connections, Host, Listen, ListenLimits, Retry, RetryCause, Route, Service,
    State, Timeouts, Workers,
};
pub use fields::{HeaderName, HeaderValue};
pub use load::{from_text, load};
pub use matching::{HostPattern, Match, MethodName, PathPattern};
pub use policies::{FieldEdits, HeadersSettings, Policies};
pub use target::{Respond, Split, Target};

/// The JSON Schema of the configuration file.
pub fn schema() -> String {
    tidegate_core::settings::schema::schema(&config::declaration())
}

/// The reference text of every key, in Markdown.
pub fn reference() -> String {
    tidegate_core::settings::reference::reference(&config::declaration())
}

#[cfg(test)]
mod tests;
