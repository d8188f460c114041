//! A look at one request: where a text stands, what it says once it is decoded, and what was found there. Allocates
//! only where something is escaped, or found.

use super::decode::{self, Plus, decode};
use super::json;
use super::judge::{Finding, Judge};
use super::path;
use super::{Shield, Skipped};
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{Reason, Reply};

/// Longest name in a detail: enough to find the field by.
const NAME_BYTES_MAX: usize = 64;
/// Times a text is decoded: once as everybody does, and once as those do who decode what is decoded.
const DECODED_MAX: usize = 2;

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
    Form,
    Json,
    Part,
    Body,
}

impl Place {
    const fn text(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
            Place::Cookie => "cookie",
            Place::Form => "form field",
            Place::Json => "json field",
            Place::Part => "form part",
            Place::Body => "body",
        }
    }
}

/// What was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    code: &'static str,
    detail: String,
}

impl Found {
    /// What makes the body one that cannot be looked at.
    pub(super) fn in_body(code: &'static str, detail: &str) -> Box<Found> {
        Box::new(Found { code, detail: detail.to_owned() })
    }

    fn at(code: &'static str, place: Place, name: &[u8], more: &str) -> Box<Found> {
        let name = &name[..name.len().min(NAME_BYTES_MAX)];
        let name = String::from_utf8_lossy(name).replace(|c: char| c.is_control() || c == '`', "?");
        let named = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        Box::new(Found { code, detail: format!("{}{named}{more}", place.text()) })
    }

    /// The answer to it.
    pub(super) fn reply(self) -> Reply {
        let (status, outcome) = match self.code {
            super::BOMB => (413, Outcome::TooLarge),
            super::MALFORMED => (400, Outcome::BadRequest),
            _ => (403, Outcome::Forbidden),
        };
        let reason = Some(Reason::with(self.code, self.detail));
        Reply { status, outcome, reason, fields: Vec::new(), body: None }
    }
}

/// A look at one request.
pub(super) struct Look<'s> {
    judge: Judge,
    paths: bool,
    skip: &'s Skipped,
    /// Where texts are decoded into, one for each time.
    decoded: [Vec<u8>; DECODED_MAX],
}

impl<'s> Look<'s> {
    pub(super) fn new(shield: &'s Shield) -> Look<'s> {
        Look { judge: shield.judge, paths: shield.paths, skip: &shield.skip, decoded: Default::default() }
    }

    /// At a text as it is.
    pub(super) fn text(&self, place: Place, name: &[u8], text: &[u8]) -> Result<(), Box<Found>> {
        if self.skip.has(place, name) {
            return Ok(());
        }
        match self.judge.find(text) {
            None => Ok(()),
            Some(Finding::Xss) => Err(Found::at(super::XSS, place, name, "")),
            Some(Finding::Sql(fingerprint)) => {
                let fingerprint = String::from_utf8_lossy(&fingerprint);
                let fingerprint = fingerprint.trim_end_matches('\0');
                Err(Found::at(super::SQL, place, name, &format!(", fingerprint {fingerprint}")))
            }
        }
    }

    /// At a text that may be escaped, and at what it says once it is not.
    pub(super) fn encoded(
        &mut self,
        place: Place,
        name: &[u8],
        text: &[u8],
        plus: Plus,
    ) -> Result<(), Box<Found>> {
        let has_blank = plus == Plus::Blank && text.contains(&b'+');
        if !has_blank && !decode::is_escaped(text) {
            return self.unescaped(place, name, text);
        }
        if self.skip.has(place, name) {
            return Ok(());
        }
        let mut decoded = std::mem::take(&mut self.decoded);
        let result = self.decoded(place, name, text, plus, &mut decoded);
        self.decoded = decoded;
        result
    }

    fn decoded(
        &self,
        place: Place,
        name: &[u8],
        text: &[u8],
        plus: Plus,
        [once, twice]: &mut [Vec<u8>; DECODED_MAX],
    ) -> Result<(), Box<Found>> {
        once.clear();
        decode(text, plus, once);
        self.unescaped(place, name, once)?;
        if !decode::is_escaped(once) {
            return Ok(());
        }
        twice.clear();
        decode(once, plus, twice);
        self.unescaped(place, name, twice)
    }

    fn unescaped(&self, place: Place, name: &[u8], text: &[u8]) -> Result<(), Box<Found>> {
        let is_trick = match place {
            Place::Path => self.paths && path::is_trick(text),
            Place::Query => self.paths && path::is_way_out(text) && !self.skip.has(place, name),
            _ => false,
        };
        if is_trick {
            return Err(Found::at(super::PATH, place, name, ""));
        }
        self.text(place, name, text)
    }

    /// At `name=value`, both escaped as in a query.
    pub(super) fn pair(&mut self, place: Place, pair: &[u8]) -> Result<(), Box<Found>> {
        let (name, value) = match pair.iter().position(|&b| b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (&b""[..], pair),
        };
        self.encoded(place, b"", name, Plus::Blank)?;
        self.encoded(place, name, value, Plus::Blank)
    }

    /// At a text of JSON. The way to it is only asked for where it is told or compared.
    pub(super) fn json(&mut self, text: &[u8], way: impl Fn() -> Vec<u8>) -> Result<(), Box<Found>> {
        let mut unescaped = std::mem::take(&mut self.decoded[0]);
        let text = match text.contains(&b'\\') {
            true => {
                unescaped.clear();
                json::unescape(text, &mut unescaped);
                &unescaped
            }
            false => text,
        };
        let found = self.judge.find(text).is_some();
        let result = if found { self.text(Place::Json, &way(), text) } else { Ok(()) };
        self.decoded[0] = unescaped;
        result
    }
}
