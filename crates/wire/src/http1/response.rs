//! Parses response heads as strictly as request heads, resumably. Sans-I/O. Called by the client side; a
//! fault here is the backend's and means 502 and a closed connection.

use tidegate_core::head::{Length, ResponseHead, Span};
use tidegate_core::limits::HeadLimits;
use tidegate_core::name::Method;
use tidegate_core::outcome::Refusal;

use super::head::{Facts, Shift, Version, field_of};
use super::lines::{Line, LineFault, Lines};

/// What a response head says about the message and the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedResponse {
    /// Bytes of the buffer that the head took; the body begins there.
    pub bytes: usize,
    /// The body that follows. `Streamed` is chunked, or lasts until the backend closes.
    pub length: Length,
    /// The Content-Length of a response that has no body because of the method or status (HEAD, 304): what
    /// the body would have had.
    pub stated_length: Option<u64>,
    /// Whether only the end of the connection ends the body.
    pub is_close_delimited: bool,
    /// Whether the connection may be used again, once the body is read exactly.
    pub is_keep_alive: bool,
    /// Whether another response to the same request follows: 1xx but 101, which ends HTTP.
    pub is_interim: bool,
    /// The protocol that a 101 changes to, in the head's text.
    pub upgrade: Option<Span>,
}

/// Why a response cannot be taken. For our log; clients only learn that it was bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadResponse(pub &'static str);

impl From<Refusal> for BadResponse {
    fn from(refusal: Refusal) -> BadResponse {
        BadResponse(refusal.reason)
    }
}

impl From<LineFault> for BadResponse {
    fn from(fault: LineFault) -> BadResponse {
        BadResponse(match fault {
            LineFault::Control(reason) => reason,
            LineFault::LineTooLong => "line too long",
            LineFault::HeadTooLong => "head too large",
        })
    }
}

/// Parses one head from a growing buffer. Small; lives as long as the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseParser {
    has_status: bool,
    lines: Lines,
    version: Version,
    facts: Facts,
}

impl ResponseParser {
    /// Forgets a head that was begun.
    pub fn reset(&mut self) {
        *self = ResponseParser::default();
    }

    /// Parses on. `buf` holds all bytes since the end of the last message, `method` is that of the request,
    /// `head` is the same in every call until the head is whole; it is cleared at the first. None while bytes
    /// are missing. When it is `Some`, the parser is ready for the next head.
    ///
    /// Body rules (RFC 9112 §6.3): none after HEAD, 1xx, 204 and 304. A 1xx or 204 that announces a body by a
    /// Content-Length above zero or by Transfer-Encoding is refused, as that body would be taken for the next
    /// response; `Content-Length: 0`, which many send with 204, is dropped.
    ///
    /// Errors: the reason; nothing of the connection may be used after it.
    pub fn parse(
        &mut self,
        buf: &[u8],
        method: Method,
        limits: &HeadLimits,
        head: &mut ResponseHead,
    ) -> Result<Option<ParsedResponse>, BadResponse> {
        if !self.has_status {
            head.clear();
            let Some(line) = self.lines.next(buf, limits)? else { return Ok(None) };
            self.status_line(buf, line, head)?;
            self.has_status = true;
        }
        while let Some(line) = self.lines.next(buf, limits)? {
            if line.start == line.end {
                return self.finish(buf, method, head).map(Some);
            }
            if head.fields.list().len() >= limits.fields_max {
                return Err(BadResponse("too many fields"));
            }
            let (mut field, value) = field_of(buf, line, Shift::default())?;
            self.facts.note(&mut field, value, self.version)?;
            head.fields.add_line(field);
        }
        Ok(None)
    }

    /// `HTTP/1.1 200 OK`. The space before an empty reason may be missing, as it often is; nothing hangs on it.
    fn status_line(&mut self, buf: &[u8], line: Line, head: &mut ResponseHead) -> Result<(), BadResponse> {
        const CODE: usize = b"HTTP/1.1 ".len();
        let bytes = &buf[line.start..line.end];
        let (version, rest) = bytes.split_at_checked(CODE).ok_or(BadResponse("bad status line"))?;
        self.version = match version {
            b"HTTP/1.1 " => Version::Http11,
            b"HTTP/1.0 " => Version::Http10,
            _ => return Err(BadResponse("bad HTTP version")),
        };
        head.status = match rest {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']
            | [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => return Err(BadResponse("bad status code")),
        };
        let reason = (line.start + CODE + 4).min(line.end);
        head.reason = Span::new(reason, line.end);
        Ok(())
    }

    fn finish(
        &mut self,
        buf: &[u8],
        method: Method,
        head: &mut ResponseHead,
    ) -> Result<ParsedResponse, BadResponse> {
        let Facts { content_length, is_chunked, .. } = self.facts;
        let is_informational = head.status < 200;
        if is_informational && self.version == Version::Http10 {
            return Err(BadResponse("1xx in HTTP/1.0"));
        }
        let forbids_framing = is_informational || head.status == 204;
        if forbids_framing && (is_chunked || content_length.is_some_and(|n| n > 0)) {
            return Err(BadResponse("1xx or 204 that announces a body"));
        }
        let upgrade = match head.status {
            101 => Some(self.facts.upgrade(self.version).ok_or(BadResponse("101 without one protocol"))?),
            _ => None,
        };
        let has_body = !forbids_framing && head.status != 304 && method != Method::Head;
        let length = match content_length {
            _ if !has_body => Length::Empty,
            Some(bytes) => Length::Exact(bytes),
            None => Length::Streamed,
        };
        let is_close_delimited = length == Length::Streamed && !is_chunked;
        let bytes = self.lines.position();
        head.fields.add_text(&buf[..bytes]);
        self.facts.remove_nominated(&mut head.fields);
        let parsed = ParsedResponse {
            bytes,
            length,
            stated_length: content_length.filter(|_| !has_body && !forbids_framing),
            is_close_delimited,
            is_keep_alive: self.facts.is_keep_alive(self.version)
                && !is_close_delimited
                && head.status != 101,
            is_interim: is_informational && head.status != 101,
            upgrade,
        };
        self.reset();
        Ok(parsed)
    }
}
