//! What of a body is looked at, by what it says it is: forms, JSON, multipart and plain text. Its texts come one after
//! the other, so that the look can stop for the other connections of the worker and go on.

use super::decode::Plus;
use super::json;
use super::judge::OVERLAP_BYTES;
use super::look::{Found, Look, Place};
use super::multipart::{Part, Parts};
use super::parameters::Unreadable;
use std::borrow::Cow;

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
        // Some end the type at a comma or a blank as well.
        let ends_type = |b: &u8| matches!(b, b';' | b',' | b' ' | b'\t');
        let media = content_type.trim_ascii_start().split(ends_type).next().unwrap_or_default();
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

/// How the names begin of what characters may be written in: those that keep ASCII as it is, so that the signs which
/// attacks are made of are what they look like.
const CHARSETS: [&str; 15] = [
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "iso-8859-",
    "latin1",
    "windows-125",
    "cp125",
    "koi8-",
    "shift_jis",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "euc-",
];

/// Whether a text says, or shows, that it is written in other bytes than those: then nothing here is what it says, and no
/// form or JSON is (RFC 8259 §8.1).
pub(super) fn is_in_other_signs(content_type: Option<&[u8]>, bytes: &[u8]) -> bool {
    let content_type = content_type.unwrap_or_default();
    let kind = Kind::of(Some(content_type));
    let charsets = content_type.split(|&b| b == b';').skip(1).filter_map(|parameter| {
        let at = parameter.iter().position(|&b| b == b'=')?;
        let (name, value) = (parameter[..at].trim_ascii(), parameter[at + 1..].trim_ascii());
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        name.eq_ignore_ascii_case(b"charset").then_some(value)
    });
    let begins = |name: &[u8], known: &str| {
        name.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known.as_bytes()))
    };
    let is_known = |name: &[u8]| CHARSETS.iter().any(|known| begins(name, known));
    if kind.is_some() && charsets.into_iter().any(|name| !is_known(name)) {
        return true;
    }
    // Of two or four bytes a character, with a mark or without: ASCII has a NUL in each.
    let has_mark = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    match kind {
        Some(Kind::Form | Kind::Json) => has_mark || memchr::memchr(0, bytes).is_some(),
        Some(Kind::Plain) => has_mark || bytes.iter().take(4).any(|&byte| byte == 0),
        Some(Kind::Multipart) | None => false,
    }
}

/// The texts of a body that are still to be looked at.
pub(super) struct Texts<'b> {
    reading: Reading<'b>,
    /// A text that is looked at in steps, and that is not through yet.
    long: Option<Long<'b>>,
}

#[allow(clippy::large_enum_variant)] // one at a time, on the stack: a box would be an allocation for each body
enum Reading<'b> {
    Form(&'b [u8]),
    Multipart(Parts<'b>),
    Json(json::Texts<'b>, &'b [u8]),
    /// What should have been JSON and is not.
    Quoted(&'b [u8]),
    Over,
}

/// The rest of a long text, and what it is.
struct Long<'b> {
    place: Place,
    name: Cow<'b, [u8]>,
    /// All of it.
    read: &'b [u8],
    rest: &'b [u8],
    /// The value of a form whose name this is.
    then: &'b [u8],
}

impl<'b> Long<'b> {
    fn of(place: Place, name: Cow<'b, [u8]>, text: &'b [u8]) -> Long<'b> {
        Long { place, name, read: text, rest: text, then: b"" }
    }
}

/// A long text is looked at in steps of so many bytes: a quarter of a millisecond, twice that where it is escaped.
const STEP_BYTES: usize = 4 << 10;
/// What each step has in common with the next: an attack's beginning, of which each byte may be escaped by six.
const STEP_OVERLAP_BYTES: usize = 6 * OVERLAP_BYTES;
/// Longest name of a form field that is told and may be skipped, where the field is long.
const NAME_BYTES_MAX: usize = 1 << 10;

impl<'b> Texts<'b> {
    pub(super) fn new(kind: Kind, bytes: &'b [u8], content_type: &'b [u8]) -> Result<Texts<'b>, Box<Found>> {
        let reading = match kind {
            Kind::Form => Reading::Form(bytes),
            Kind::Multipart => match Parts::new(bytes, content_type).map_err(unreadable)? {
                Some(parts) => Reading::Multipart(parts),
                None => return Ok(Texts::plain(bytes)),
            },
            Kind::Json => Reading::Json(json::Texts::new(bytes), bytes),
            Kind::Plain => return Ok(Texts::plain(bytes)),
        };
        Ok(Texts { reading, long: None })
    }

    fn plain(bytes: &'b [u8]) -> Texts<'b> {
        let long = Long::of(Place::Body, Cow::default(), bytes);
        Texts { reading: Reading::Over, long: Some(long) }
    }

    /// None.
    pub(super) fn none() -> Texts<'b> {
        Texts { reading: Reading::Over, long: None }
    }

    /// Looks at the next one, or at some more of one that is long. Says how many bytes that were; `None` when there are
    /// no more.
    pub(super) fn look(&mut self, look: &mut Look<'_>) -> Result<Option<usize>, Box<Found>> {
        if self.long.is_some() {
            return self.go_on(look).map(Some);
        }
        match &mut self.reading {
            Reading::Form(rest) => {
                if rest.is_empty() {
                    return Ok(None);
                }
                let end = rest.iter().position(|&b| b == b'&').unwrap_or(rest.len());
                let pair = &rest[..end];
                *rest = rest.get(end + 1..).unwrap_or_default();
                let (name, value) = match pair.iter().position(|&b| b == b'=') {
                    Some(at) => (&pair[..at], &pair[at + 1..]),
                    None => (&b""[..], pair),
                };
                if pair.len() <= STEP_BYTES {
                    look.pair(Place::Form, pair)?;
                    return Ok(Some(pair.len()));
                }
                self.long = Some(Long { then: value, ..Long::of(Place::Form, Cow::default(), name) });
                Ok(Some(0))
            }
            Reading::Multipart(parts) => match parts.next().map_err(unreadable)? {
                Some(part) => {
                    let bytes = look_at_part(look, &part)?;
                    let content = if part.file.is_none() { part.content } else { b"" };
                    self.long = (!content.is_empty()).then(|| Long::of(Place::Part, part.name, content));
                    Ok(Some(bytes))
                }
                None => Ok(None),
            },
            Reading::Json(texts, bytes) => {
                if let Some(json::Text::Key(text) | json::Text::Value(text)) = texts.next() {
                    if text.len() > STEP_BYTES {
                        self.long = Some(Long::of(Place::Json, Cow::default(), text));
                        return Ok(Some(0));
                    }
                    look.json(text, || texts.way())?;
                    return Ok(Some(text.len()));
                }
                if !texts.is_broken {
                    return Ok(None);
                }
                // Not JSON: whoever reads it behind us takes it for something, so it is looked at as it is, and then at
                // what stands between quotes.
                let bytes = *bytes;
                *self = Texts { reading: Reading::Quoted(bytes), ..Texts::plain(bytes) };
                Ok(Some(0))
            }
            Reading::Quoted(rest) => match json::quoted(rest) {
                Some(text) if text.len() > STEP_BYTES => {
                    self.long = Some(Long::of(Place::Json, Cow::default(), text));
                    Ok(Some(0))
                }
                Some(text) => {
                    look.json(text, Vec::new)?;
                    Ok(Some(text.len()))
                }
                None => Ok(None),
            },
            Reading::Over => Ok(None),
        }
    }

    /// Looks at some more of a long text.
    fn go_on(&mut self, look: &mut Look<'_>) -> Result<usize, Box<Found>> {
        let Some(long) = &mut self.long else { return Ok(0) };
        let now = step(&mut long.rest);
        match (long.place, &self.reading) {
            (Place::Form, _) => look.encoded(Place::Form, &long.name, now, Plus::Blank)?,
            (Place::Json, Reading::Json(texts, _)) => look.json(now, || texts.way())?,
            (Place::Json, _) => look.json(now, Vec::new)?,
            (place, _) => look.text(place, &long.name, now)?,
        }
        if long.rest.is_empty() {
            let (name, value) = (long.read, std::mem::take(&mut long.then));
            let is_name = !value.is_empty();
            self.long =
                is_name.then(|| Long::of(Place::Form, name[..name.len().min(NAME_BYTES_MAX)].into(), value));
        }
        Ok(now.len())
    }
}

fn unreadable(_: Unreadable) -> Box<Found> {
    Found::in_body(super::MALFORMED, "body, parts that could be read in two ways")
}

/// The next step of a long text. What it has in common with the one before is enough to know an attack by.
fn step<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    if rest.len() <= STEP_BYTES {
        return std::mem::take(rest);
    }
    let now = &rest[..STEP_BYTES];
    *rest = &rest[STEP_BYTES - STEP_OVERLAP_BYTES..];
    now
}

/// At what a part is called. The content of a file is not looked at: it is what it is.
fn look_at_part(look: &mut Look<'_>, part: &Part<'_>) -> Result<usize, Box<Found>> {
    look.text(Place::Part, &part.name, &part.name)?;
    if let Some(file) = &part.file {
        look.encoded(Place::Part, &part.name, file, Plus::Plus)?;
    }
    Ok(part.name.len())
}
