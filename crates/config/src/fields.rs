//! Names and values of header fields that an operator may set or remove.

use tidegate_core::head::is_field_value;
use tidegate_core::policy::TEMPLATE_NAMES;
use tidegate_core::problem::nearest;
use tidegate_core::secret::Secret;
use tidegate_core::settings::{Fault, Word};

/// Fields that frame a message or belong to one connection (RFC 9110 §7.6.1, RFC 9112 §6): the gateway
/// writes them anew, and an edit would let two readers disagree about where a message ends.
const OWN: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// The name of a field, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName(String);

impl HeaderName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for HeaderName {
    const WHAT: &str = "the name of a header";
    const PATTERN: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

    fn parse(text: &str) -> Result<HeaderName, Fault> {
        /// Far above any name in use; our own heads count names in 16 bits.
        const BYTES_MAX: usize = 256;
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if text.is_empty() || text.len() > BYTES_MAX || !text.bytes().all(is_token) {
            return Err(
                Fault::new("is not the name of a header").hint("letters, digits and `-`, without the colon")
            );
        }
        let name = text.to_ascii_lowercase();
        match name.as_str() {
            "host" => Err(Fault::new("is set by the service").hint("its key `host` says which name is sent")),
            own if OWN.contains(&own) => Err(Fault::new("is written by the gateway itself")
                .hint("it frames the message, and cannot be edited")),
            _ => Ok(HeaderName(name)),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> HeaderName {
        HeaderName(String::from("x-none"))
    }
}

/// The value of a field. It may mention `{host}`, `{path}`, `{client_ip}` and `{request_id}`; braces around
/// anything but a word stand for themselves. Secret, as it may carry a credential from `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue(Secret<String>);

impl HeaderValue {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.reveal()
    }
}

impl Word for HeaderValue {
    const WHAT: &str = "the value of a header";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<HeaderValue, Fault> {
        /// Half a default line, so that an edited head still passes the next proxy.
        const BYTES_MAX: usize = 4096;
        if !is_field_value(text.as_bytes()) {
            return Err(Fault::new("holds a control character").hint("a header is one line of text"));
        }
        if text.trim_matches([' ', '\t']) != text {
            return Err(Fault::new("begins or ends with a space").hint("no receiver would see it"));
        }
        if text.len() > BYTES_MAX {
            return Err(Fault::new("is too long for a header").hint("4096 bytes at most"));
        }
        match words_in_braces(text).find(|word| !TEMPLATE_NAMES.contains(word)) {
            None => Ok(HeaderValue(Secret::new(text.to_owned()))),
            Some(word) => {
                let known = TEMPLATE_NAMES.map(|name| format!("`{{{name}}}`")).join(", ");
                let hint = match nearest(word, TEMPLATE_NAMES) {
                    Some(meant) => format!("did you mean `{{{meant}}}`?"),
                    None => format!("known here: {known}"),
                };
                Err(Fault::new("mentions a value that does not exist").hint(hint))
            }
        }
    }

    fn show(&self) -> String {
        format!("{:?}", self.as_str())
    }

    fn stand_in() -> HeaderValue {
        HeaderValue(Secret::new(String::new()))
    }
}

/// Each `word` of a `{word}`.
fn words_in_braces(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|after| after.split_once('}')).map(|(word, _)| word).filter(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    })
}
