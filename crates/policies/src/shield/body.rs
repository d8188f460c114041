//! What of a body is looked at, by what it says it is: forms, JSON, multipart and plain text. Its texts come one after
//! the other, so that the look can stop for the other connections of the worker and go on.

use super::decode::Plus;
use super::json;
use super::look::{Found, Look, Place};
use super::multipart::{Part, Parts};

/// What a body is, as far as the look is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Form,
    Multipart,
    Json,
    Plain,
}

impl Kind {
    /// By the media type; a body without one is taken for what it looks like. `None` is not looked at: images and
    /// other bytes, XML (which is full of what would be script in a value), and the messages of gRPC.
    pub(super) fn of(content_type: Option<&[u8]>) -> Option<Kind> {
        let Some(content_type) = content_type else { return Some(Kind::Json) };
        let media = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| media.eq_ignore_ascii_case(name.as_bytes());
        let ends = |end: &str| {
            media.len() > end.len() && media[media.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
        };
        match () {
            () if is("application/x-www-form-urlencoded") => Some(Kind::Form),
            () if is("multipart/form-data") => Some(Kind::Multipart),
            () if is("application/json") || is("text/json") || ends("+json") => Some(Kind::Json),
            () if is("application/x-ndjson") || is("application/csp-report") => Some(Kind::Json),
            () if is("text/plain") || is("application/graphql") || media.is_empty() => Some(Kind::Plain),
            () => None,
        }
    }
}

/// The texts of a body that are still to be looked at.
#[allow(clippy::large_enum_variant)] // one at a time, on the stack: a box would be an allocation for each body
pub(super) enum Texts<'b> {
    Form(&'b [u8]),
    Multipart(Parts<'b>),
    Json(json::Texts<'b>, &'b [u8]),
    Plain(&'b [u8]),
    Over,
}

/// A long text is looked at in steps of so many bytes.
const STEP_BYTES: usize = 16 << 10;

impl<'b> Texts<'b> {
    pub(super) fn new(kind: Kind, bytes: &'b [u8], content_type: &'b [u8]) -> Texts<'b> {
        match kind {
            Kind::Form => Texts::Form(bytes),
            Kind::Multipart => match Parts::new(bytes, content_type) {
                Some(parts) => Texts::Multipart(parts),
                None => Texts::Plain(bytes),
            },
            Kind::Json => Texts::Json(json::Texts::new(bytes), bytes),
            Kind::Plain => Texts::Plain(bytes),
        }
    }

    /// Looks at the next one. Says how many bytes that were; `None` when there are no more.
    pub(super) fn look(&mut self, look: &mut Look<'_>) -> Result<Option<usize>, Box<Found>> {
        match self {
            Texts::Form(rest) => {
                if rest.is_empty() {
                    return Ok(None);
                }
                let end = rest.iter().position(|&b| b == b'&').unwrap_or(rest.len());
                let pair = &rest[..end];
                *rest = rest.get(end + 1..).unwrap_or_default();
                look.pair(Place::Form, pair)?;
                Ok(Some(pair.len()))
            }
            Texts::Multipart(parts) => match parts.next() {
                Some(part) => look_at_part(look, part).map(Some),
                None => Ok(None),
            },
            Texts::Json(texts, bytes) => {
                if let Some(text) = texts.next() {
                    return look_at_json(look, texts, text).map(Some);
                }
                // Not JSON: whoever reads it behind us takes it for something, so it is looked at as it is.
                *self = if texts.is_broken { Texts::Plain(bytes) } else { Texts::Over };
                self.look(look)
            }
            Texts::Plain(rest) => {
                if rest.is_empty() {
                    return Ok(None);
                }
                let (now, later) = rest.split_at(rest.len().min(STEP_BYTES));
                *rest = later;
                look.text(Place::Body, b"", now)?;
                Ok(Some(now.len()))
            }
            Texts::Over => Ok(None),
        }
    }
}

/// The content of a file is not looked at: it is what it is.
fn look_at_part(look: &mut Look<'_>, part: Part<'_>) -> Result<usize, Box<Found>> {
    let mut bytes = part.name.len();
    look.text(Place::Part, part.name, part.name)?;
    match part.file {
        Some(file) => look.encoded(Place::Part, part.name, file, Plus::Plus)?,
        None => {
            bytes += part.content.len();
            look.text(Place::Part, part.name, part.content)?;
        }
    }
    Ok(bytes)
}

fn look_at_json(
    look: &mut Look<'_>,
    texts: &json::Texts<'_>,
    text: json::Text<'_>,
) -> Result<usize, Box<Found>> {
    let (json::Text::Key(bytes) | json::Text::Value(bytes)) = text;
    look.json(bytes, || texts.way())?;
    Ok(bytes.len())
}
