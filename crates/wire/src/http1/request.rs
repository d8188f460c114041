//! Parses request heads, strictly and resumably. Sans-I/O. Called by the server side with the bytes it has
//! so far; says whether the head is whole, how its body is framed, and what becomes of the connection.

use tidegate_core::head::{Field, Length, RequestHead, Span};
use tidegate_core::limits::{HeadLimits, METHOD_BYTES_MAX};
use tidegate_core::name::{Method, Name};
use tidegate_core::outcome::Refusal;
use tidegate_core::path;

use super::bytes::is_token;
use super::head::{Facts, Shift, field_of};
use super::lines::{Line, LineFault, Lines};
use super::target::{Path, Target, is_host, split};

pub use super::head::Version;

/// What a request head says about the message and the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedRequest {
    /// Bytes of the buffer that the head took, a leading empty line included; the body begins there.
    pub bytes: usize,
    /// The body that follows; `Streamed` is chunked.
    pub length: Length,
    /// The client's version.
    pub version: Version,
    /// Whether another request may follow on the connection.
    pub is_keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body. Never for an empty one.
    pub expects_continue: bool,
    /// The one protocol the client would change to, in the head's text. Never with a body, in HTTP/1.0, without
    /// `Connection: upgrade`, or for h2c.
    pub upgrade: Option<Span>,
}

/// Parses one head from a growing buffer. Small; lives as long as the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestParser {
    stage: Stage,
    lines: Lines,
    shift: Shift,
    version: Version,
    facts: Facts,
    /// The Host field; and the authority of an absolute target, which outweighs it.
    host: Option<Span>,
    authority: Option<Span>,
    expects: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    RequestLine,
    Fields,
}

impl RequestParser {
    /// Forgets a head that was begun: after a refusal, before the parser is used again.
    pub fn reset(&mut self) {
        *self = RequestParser::default();
    }

    /// Parses on. `buf` holds all bytes since the end of the last message, `head` is the same in every call
    /// until the head is whole; it is cleared at the first. None while bytes are missing.
    ///
    /// Every line is checked when it is whole, and a byte that no line may contain at once. The verdict does
    /// not depend on how the bytes were cut into calls. When it is `Some`, the parser is ready for the next
    /// head.
    ///
    /// Errors: the refusal to answer with; nothing of the connection may be used after it.
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<Option<ParsedRequest>, Refusal> {
        if self.stage == Stage::Start {
            head.clear();
            let Some(start) = skip_empty_line(buf)? else { return Ok(None) };
            self.lines = Lines::at(start);
            self.stage = Stage::RequestLine;
        }
        if self.stage == Stage::RequestLine {
            let Some(line) = self.lines.next(buf, limits).map_err(fault_of_request_line)? else {
                return Ok(None);
            };
            self.request_line(buf, line, limits, head)?;
            self.stage = Stage::Fields;
        }
        while let Some(line) = self.lines.next(buf, limits).map_err(fault_of_field_line)? {
            if line.start == line.end {
                return self.finish(buf, head).map(Some);
            }
            if head.fields.list().len() >= limits.fields_max {
                return Err(Refusal::new(431, "too many fields"));
            }
            let (mut field, value) = field_of(buf, line, self.shift)?;
            self.note(&mut field, value)?;
            head.fields.add_line(field);
        }
        Ok(None)
    }

    fn request_line(
        &mut self,
        buf: &[u8],
        line: Line,
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<(), Refusal> {
        let bytes = &buf[line.start..line.end];
        let (method, target) = split_request_line(bytes)?;
        self.version = version_of(&bytes[target + 1..])?;
        head.method = Method::read(&bytes[..method])?;
        if head.method == Method::Connect {
            return Err(Refusal::new(405, "CONNECT is not served here"));
        }
        let start = line.start + method + 1;
        let target = &bytes[method + 1..target];
        let Target { authority, path, query } = split(target, head.method)?;

        head.path_rules = limits.path;
        let text = head.fields.text_mut();
        let in_target = match path {
            Path::At(path) => match path::read(&target[path.clone()], limits.path, text)? {
                Some(forms) => {
                    (head.path, head.plain) = (forms.path, forms.plain);
                    None
                }
                None => Some(path),
            },
            Path::Meant(path) => {
                text.extend_from_slice(path);
                head.path = Span::new(0, text.len());
                None
            }
        };
        // A path that is not the target's own stands first in the text, the head behind it.
        self.shift = Shift { head: line.start, text: text.len() };
        if let Some(path) = in_target {
            head.path = self.shift.span(start + path.start, start + path.end);
        }
        head.method_text = self.shift.span(line.start, line.start + method);
        self.authority = authority.map(|a| self.shift.span(start + a.start, start + a.end));
        head.has_query = query.is_some();
        head.query = query.map_or(Span::NONE, |q| self.shift.span(start + q.start, start + q.end));
        Ok(())
    }

    #[inline]
    fn note(&mut self, field: &mut Field, value: &[u8]) -> Result<(), Refusal> {
        match field.name {
            Name::Host => self.note_host(field, value),
            Name::Expect if self.version == Version::Http11 => self.note_expect(field, value),
            Name::Expect => {
                field.is_removed = true;
                Ok(())
            }
            _ => self.facts.note(field, value, self.version),
        }
    }

    fn note_host(&mut self, field: &mut Field, value: &[u8]) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::bad("Host given twice"));
        }
        let is_sound = match value {
            [] => self.version == Version::Http10,
            host => is_host(host),
        };
        if !is_sound {
            return Err(Refusal::bad("bad Host"));
        }
        field.is_removed = true;
        self.host = Some(field.value);
        Ok(())
    }

    fn note_expect(&mut self, field: &mut Field, value: &[u8]) -> Result<(), Refusal> {
        self.expects += 1;
        if self.expects > 1 {
            return Err(Refusal::bad("Expect given twice"));
        }
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::new(417, "expectation not known"));
        }
        field.is_removed = true;
        Ok(())
    }

    fn finish(&mut self, buf: &[u8], head: &mut RequestHead) -> Result<ParsedRequest, Refusal> {
        if self.host.is_none() && self.version == Version::Http11 {
            return Err(Refusal::bad("Host is missing"));
        }
        let length = match self.facts.content_length {
            Some(bytes) => Length::Exact(bytes),
            None if self.facts.is_chunked => Length::Streamed,
            None => Length::Empty,
        };
        let has_body = !matches!(length, Length::Empty | Length::Exact(0));
        if has_body && head.method == Method::Trace {
            return Err(Refusal::bad("TRACE with a body"));
        }
        head.host = self.authority.or(self.host).unwrap_or(Span::NONE);
        let bytes = self.lines.position();
        head.fields.add_text(&buf[self.lines.head()..bytes]);
        self.facts.remove_nominated(&mut head.fields);
        let parsed = ParsedRequest {
            bytes,
            length,
            version: self.version,
            is_keep_alive: self.facts.is_keep_alive(self.version),
            expects_continue: self.expects > 0 && has_body,
            upgrade: self.facts.upgrade(self.version).filter(|_| !has_body),
        };
        self.reset();
        Ok(parsed)
    }
}

/// Where the head begins: one empty line before it is allowed (RFC 9112 §2.2). None while undecided.
fn skip_empty_line(buf: &[u8]) -> Result<Option<usize>, Refusal> {
    match buf {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some(2)),
        [b'\r', ..] => Err(Refusal::bad("carriage return without line feed")),
        _ => Ok(Some(0)),
    }
}

/// Where the first and the last space stand; between method and target, and before the version.
fn split_request_line(line: &[u8]) -> Result<(usize, usize), Refusal> {
    // Almost always the version has eight bytes: look there before searching.
    let last = match line.len().checked_sub(9) {
        Some(at) if line[at] == b' ' => at,
        _ => line.iter().rposition(|&b| b == b' ').ok_or(Refusal::bad("bad request line"))?,
    };
    let method = match line {
        [b'G', b'E', b'T', b' ', ..] => 3,
        _ => line.iter().position(|&b| b == b' ').unwrap_or(last),
    };
    if !is_token(&line[..method]) || method > METHOD_BYTES_MAX {
        return Err(Refusal::bad("bad method"));
    }
    if method == last {
        return Err(Refusal::bad("request line without version"));
    }
    Ok((method, last))
}

/// 505 for another version in the proper form, 400 for anything else (RFC 9112 §2.3).
fn version_of(bytes: &[u8]) -> Result<Version, Refusal> {
    match bytes {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(Refusal::new(505, "HTTP version not supported"))
        }
        _ => Err(Refusal::bad("bad HTTP version")),
    }
}

fn fault_of_request_line(fault: LineFault) -> Refusal {
    match fault {
        LineFault::Control(reason) => Refusal::bad(reason),
        LineFault::LineTooLong => Refusal::new(414, "request line too long"),
        LineFault::HeadTooLong => Refusal::new(431, "head too large"),
    }
}

fn fault_of_field_line(fault: LineFault) -> Refusal {
    match fault {
        LineFault::Control(reason) => Refusal::bad(reason),
        LineFault::LineTooLong => Refusal::new(431, "field line too long"),
        LineFault::HeadTooLong => Refusal::new(431, "head too large"),
    }
}
