//! Reads, checks and types the configuration; the only room that knows the file format. A file becomes a
//! tree of nodes (`yaml`), `${…}` is filled in (`interpolate`), what it includes is put beside it (`include`), the
//! declarations read it (`config` and its parts), names and sums are checked across it (`check`), members of families
//! are built from what is theirs (`members`). Nothing here knows what a setting does, nor any member by name.

mod address;
mod admin;
mod auth;
mod cases;
mod check;
mod compile;
mod config;
mod contact;
mod difference;
mod explain;
mod health;
mod include;
mod interpolate;
mod load;
mod matching;
mod members;
mod naming;
mod paths;
mod pattern;
mod protocols;
mod scope;
mod sources;
mod target;
mod telemetry;
mod tls;
mod trusted;
mod wanted;
mod workbench;
mod written;
mod yaml;

pub use address::{Backend, NameServer};
pub use admin::{OwnName, Token};
pub use cases::{Case, ClientIp, Expect, Line, Request, Url};
pub use compile::{Previous, Workshop, compile};
pub use config::{
    Admin, Config, Connections, Drain, Host, HostName, Listen, ListenLimits, Resolver, Retry, RetryCause,
    Route, Service, State, Timeouts, Workers,
};
pub use contact::Contact;
pub use explain::{Asked, Chosen, Explanation, Leads, Met, Other, Rewritten, Verdict, explain};
pub use health::{Asked as HealthAsked, Health, Statuses};
pub use load::{from_kept, from_text, load, load_from};
pub use matching::{HostPattern, Match, MethodName, PathPattern};
pub use members::{Families, Member};
pub use paths::{EncodedSlash, Paths};
pub use protocols::Protocol;
pub use sources::{Sources, Text};
pub use target::{Redirect, Respond, Split, Target};
pub use telemetry::{AccessLog, LogFormat, LogTarget, Rotate, Telemetry};
pub use tls::{ListenTls, Oldest, ServiceTls, certificates};
pub use wanted::{FieldName, QueryKey, Wanted};
pub use written::Written;

/// The JSON Schema of a configuration file that may name these members.
pub fn schema(families: &Families<'_>) -> String {
    tidegate_core::settings::schema::schema(&config::declaration(families))
}

/// The reference text of every key, in Markdown.
pub fn reference(families: &Families<'_>) -> String {
    tidegate_core::settings::reference::reference(&config::declaration(families))
}

#[cfg(test)]
mod tests;
