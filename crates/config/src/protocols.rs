//! Which protocols a listener speaks.

use crate::config::Listen;
use tidegate_core::choice;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings::Placed;

choice! {
    /// A protocol that clients may speak.
    pub enum Protocol {
        /// HTTP/1.1, and 1.0.
        Http1 = "h1",
        /// HTTP/2. Without TLS by prior knowledge: clients begin with it.
        Http2 = "h2",
    }
}

/// What a listener speaks unless it says: without TLS nobody could tell a client of HTTP/2.
const PLAIN: &[Protocol] = &[Protocol::Http1];

/// With TLS the client chooses among what it is offered.
const SECURE: &[Protocol] = &[Protocol::Http1, Protocol::Http2];

impl Listen {
    /// The protocols its clients may speak; at least one.
    pub fn spoken(&self) -> &[Protocol] {
        match &self.protocols {
            Some(protocols) => &protocols.value,
            None if self.tls.is_some() => SECURE,
            None => PLAIN,
        }
    }

    /// Whether its clients may speak this one.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.spoken().contains(&protocol)
    }
}

/// Tells of a list that names nothing, or something twice.
pub(crate) fn check(protocols: &Placed<Vec<Protocol>>, problems: &mut Problems) {
    let Some(place) = protocols.place() else { return };
    if protocols.value.is_empty() {
        let problem = Problem::at(place, "a listener speaks at least one protocol");
        problems.push(problem.hint("write `[h1]`, `[h2]` or `[h1, h2]`"));
    }
    for (index, protocol) in protocols.value.iter().enumerate() {
        if protocols.value[..index].contains(protocol) {
            let name = match protocol {
                Protocol::Http1 => "h1",
                Protocol::Http2 => "h2",
            };
            problems.push(Problem::at(place, format!("`{name}` is there twice")).hint("write it once"));
        }
    }
}
