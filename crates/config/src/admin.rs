//! Values of the admin listener's keys.

use std::collections::BTreeSet;
use tidegate_core::settings::{Fault, Word};

/// What clients of the admin listener show: visible ASCII, as it travels in a header field (RFC 6750 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for Token {
    const WHAT: &str = "a token of visible ASCII characters";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<Token, Fault> {
        /// Far longer than anyone needs; bounds what is compared for each request.
        const BYTES_MAX: usize = 512;
        let fault = |reason: &'static str| Err(Fault::new(reason));
        match text {
            "" => fault("is empty"),
            _ if text.len() > BYTES_MAX => fault("is longer than 512 characters"),
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(Fault::new("holds a character that cannot be sent in a header")
                    .hint("letters, digits and signs alone, as `openssl rand -base64 32` makes them"))
            }
            _ if is_weak(text) => Err(Fault::new("is too weak: it could be guessed")
                .hint("at least 12 characters, as `openssl rand -base64 32` makes them; or leave `token` out, and one is made")),
            _ => Ok(Token(text.to_owned())),
        }
    }

    fn show(&self) -> String {
        String::new()
    }

    fn stand_in() -> Token {
        Token(String::from("none"))
    }
}

/// Whether somebody who may try for years would find it: 12 letters and digits by chance are 71 bits. What a person made
/// up may still be weak; this is for `admin`, `changeme` and `000000000000`.
fn is_weak(text: &str) -> bool {
    const CHARACTERS_MIN: usize = 12;
    const DIFFERENT_MIN: usize = 5;
    let different: BTreeSet<char> = text.chars().collect();
    text.chars().count() < CHARACTERS_MIN || different.len() < DIFFERENT_MIN
}

/// A name by which the admin listener is asked for: a host, in small letters, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnName(String);

impl OwnName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for OwnName {
    const WHAT: &str = "a host name such as `gateway.example.com`";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<OwnName, Fault> {
        let name = text.to_ascii_lowercase();
        match crate::matching::is_host_name(&name) {
            true => Ok(OwnName(name)),
            false => Err(Fault::new("is not a host name")
                .hint("write the name alone, as in `gateway.example.com`, without a port")),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> OwnName {
        OwnName(String::from("none.invalid"))
    }
}
