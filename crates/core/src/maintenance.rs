//! Being closed on purpose: what a route or a service says while somebody works on it. Declared here because both have
//! the key.

use crate::outcome::Outcome;
use crate::policy::{Reason, Reply};
use crate::settings;
use crate::settings::Toggle;
use crate::units::Count;
use std::time::Duration;

settings! {
    /// Closed on purpose: requests are answered here. `true` is all of it as by default.
    pub struct Maintenance {
        /// The status of the answer.
        pub status: Count<400, 599> = Count::new(503),
        /// Its body. Problem details unless set.
        pub body: Option<String>,
        /// What the body is.
        pub content_type: ContentType = ContentType(String::from("text/plain; charset=utf-8")),
        /// When clients may ask again, as `Retry-After` tells them.
        pub retry_after: Toggle<Duration> = Toggle::On(Duration::from_secs(60)),
    }
}

/// The word for it: the reason of refusals, and the name of the policy.
pub const MAINTENANCE: &str = "maintenance";

impl Maintenance {
    /// The answer to every request.
    pub fn reply(&self) -> Reply {
        let retry_after = match self.retry_after {
            Toggle::On(time) => vec![(String::from("retry-after"), time.as_secs().max(1).to_string())],
            Toggle::Off => Vec::new(),
        };
        Reply {
            status: self.status.get() as u16,
            outcome: Outcome::Maintenance,
            reason: Some(Reason::new(MAINTENANCE)),
            fields: retry_after,
            body: self.body.as_ref().map(|body| (self.content_type.0.clone(), body.clone().into_bytes())),
        }
    }
}

/// A value of Content-Type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(String);

impl settings::Word for ContentType {
    const WHAT: &str = "a content type such as `text/html; charset=utf-8`";
    const PATTERN: &str = "^[^/]+/[^/]+";

    fn parse(text: &str) -> Result<ContentType, settings::Fault> {
        let is_whole = text
            .split_once('/')
            .is_some_and(|(kind, of)| !kind.is_empty() && !of.is_empty() && !of.starts_with('/'));
        let is_one = is_whole && crate::head::is_field_value(text.as_bytes()) && text.trim() == text;
        match is_one {
            true => Ok(ContentType(text.to_owned())),
            false => Err(settings::Fault::new("is not a content type").hint("write one such as `text/html`")),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> ContentType {
        ContentType(String::from("text/plain"))
    }
}
