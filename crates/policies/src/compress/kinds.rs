//! Which media types are worth compressing.

use tidegate_core::settings::{Fault, Word};

/// Media types: one, all of a kind, or all with one suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MediaRange {
    /// `text/html`.
    One(Box<str>),
    /// `text/*`, kept as `text/`.
    Kind(Box<str>),
    /// `+json`.
    Suffix(Box<str>),
}

/// What is text, or was never compressed. `text/event-stream` is among them: it is flushed with every event.
const USUAL: [&str; 13] = [
    "text/*",
    "+json",
    "+xml",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/yaml",
    "application/x-ndjson",
    "application/wasm",
    "application/vnd.ms-fontobject",
    "font/ttf",
    "font/otf",
    "image/x-icon",
];

impl MediaRange {
    /// Those of an API and its pages.
    pub(crate) fn usual() -> Vec<MediaRange> {
        USUAL.iter().filter_map(|text| MediaRange::parse(text).ok()).collect()
    }

    /// Whether the value of a Content-Type is of these.
    pub(crate) fn has(&self, content_type: &[u8]) -> bool {
        let media = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        match self {
            MediaRange::One(one) => media.eq_ignore_ascii_case(one.as_bytes()),
            MediaRange::Kind(kind) => {
                media.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
            }
            MediaRange::Suffix(suffix) => {
                let start = media.len().checked_sub(suffix.len());
                start.is_some_and(|start| media[start..].eq_ignore_ascii_case(suffix.as_bytes()))
            }
        }
    }
}

impl Word for MediaRange {
    const WHAT: &str = "media types such as `text/html`, `text/*` or `+json`";
    const PATTERN: &str = r"^(\+[A-Za-z0-9.-]+|[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+))$";

    fn parse(text: &str) -> Result<MediaRange, Fault> {
        let is_part = |part: &str| {
            let is_fit = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
            !part.is_empty() && part.bytes().all(is_fit)
        };
        let lower = text.to_ascii_lowercase();
        match (lower.strip_prefix('+'), lower.split_once('/')) {
            (Some(suffix), None) if is_part(suffix) => Ok(MediaRange::Suffix(lower.as_str().into())),
            (None, Some((kind, "*"))) if is_part(kind) => Ok(MediaRange::Kind(format!("{kind}/").into())),
            (None, Some((kind, one))) if is_part(kind) && is_part(one) => {
                Ok(MediaRange::One(lower.as_str().into()))
            }
            _ => Err(Fault::new("is not a media type").hint("write `text/html`, `text/*` or `+json`")),
        }
    }

    fn show(&self) -> String {
        match self {
            MediaRange::One(text) | MediaRange::Suffix(text) => String::from(&**text),
            MediaRange::Kind(kind) => format!("{kind}*"),
        }
    }

    fn stand_in() -> MediaRange {
        MediaRange::One("text/plain".into())
    }
}
