//! Who asks, as an authenticator found out: what access, limits, templates, logs and backends are told of it.

use std::sync::Arc;

/// Somebody who is known. Shared by all requests that show the same credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What the consumer is called.
    pub consumer: Consumer,
    /// What the credential is good for.
    pub scopes: Box<[Box<str>]>,
    /// The entry of `auth` that found out.
    pub by: Arc<str>,
}

/// Whether a text can be a scope (RFC 6749 §3.3): visible ASCII but quotes and backslashes.
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// Longest name of a consumer. A subject of a token is at most 255 characters (OpenID Connect Core §2).
pub const CONSUMER_BYTES_MAX: usize = 255;

/// The name of a consumer. Invariant: one to `CONSUMER_BYTES_MAX` bytes of visible ASCII, with single blanks inside at
/// most: it can stand in a field and in a log as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Consumer(Arc<str>);

impl Consumer {
    /// Takes a name; `None` if it could not stand in a field as it is.
    pub fn new(name: &str) -> Option<Consumer> {
        let is_part = |b: u8| b.is_ascii_graphic() || b == b' ';
        let is_one = (1..=CONSUMER_BYTES_MAX).contains(&name.len())
            && name.bytes().all(is_part)
            && name.trim_ascii().len() == name.len()
            && !name.contains("  ");
        is_one.then(|| Consumer(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_can_stand_in_a_field_as_it_is() {
        let longest = "x".repeat(CONSUMER_BYTES_MAX);
        for name in ["web", "auth0|5f7c", "a@example.com", "CN=a b,O=c", &longest] {
            assert_eq!(Consumer::new(name).unwrap().as_str(), name);
        }
        for name in ["", " a", "a ", "a  b", "a\r\nx: y", "a\0", "ü", "a\tb", &(longest.clone() + "x")] {
            assert_eq!(Consumer::new(name), None, "{name:?}");
        }
    }
}
