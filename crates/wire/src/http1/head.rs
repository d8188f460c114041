//! Field lines, and what they say about framing and the connection: the half of a head that requests and
//! responses share. Called by both head parsers and, for trailers, by `chunked`.

use tidegate_core::head::{Field, Fields, Span};
use tidegate_core::limits::{BODY_BYTES_MAX, CONNECTION_OPTIONS_MAX, FIELD_NAME_BYTES_MAX};
use tidegate_core::name::{NAME_BYTES_MAX, Name};
use tidegate_core::outcome::Refusal;

use super::bytes::{elements, is_token, leading_token, plain_name, trim_end, trim_start};
use super::lines::Line;

/// The two versions this codec speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// Where a position of the buffer will be in the head's text: the head is copied behind what stands there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shift {
    /// Where the head begins in the buffer.
    pub(crate) head: usize,
    /// How much text stands before it.
    pub(crate) text: usize,
}

impl Shift {
    pub(crate) fn span(self, start: usize, end: usize) -> Span {
        Span::new(start - self.head + self.text, end - self.head + self.text)
    }
}

/// Takes a line apart into name and value. No white space before the colon, no folding: a line that begins
/// with white space has no name. A field that mimics a known one comes back as removed.
#[inline]
pub(crate) fn field_of(buf: &[u8], line: Line, shift: Shift) -> Result<(Field, &[u8]), Refusal> {
    let bytes = &buf[line.start..line.end];
    // Looks beyond the line, which may be shorter than what is looked at in one go.
    let (name_bytes, has_sign) = match plain_name(&buf[line.start..]) {
        Some(name_bytes) if name_bytes < bytes.len() => (name_bytes, false),
        _ => leading_token(bytes),
    };
    if bytes.get(name_bytes) != Some(&b':') || name_bytes == 0 {
        return Err(Refusal::bad(fault_of_name(bytes, name_bytes)));
    }
    if name_bytes > FIELD_NAME_BYTES_MAX {
        return Err(Refusal::new(431, "field name too long"));
    }
    let value = match &bytes[name_bytes + 1..] {
        // One space, as everybody writes it.
        [b' ', value @ ..] if value.first().is_some_and(|&b| b > b' ') => value,
        value => trim_start(value),
    };
    let value_start = line.end - value.len();
    let value = if value.last().is_some_and(|&b| b > b' ') { value } else { trim_end(value) };
    let name = Name::of(&bytes[..name_bytes]);
    if matches!(name, Name::ContentLength | Name::TransferEncoding) && bytes.contains(&b'\t') {
        // White space by the RFC, but peers differ on tabs, and nobody honest frames with them.
        return Err(Refusal::bad("tab in a framing field"));
    }
    let mimicked = if has_sign { mimicked(&bytes[..name_bytes]) } else { Name::Other };
    if matches!(mimicked, Name::ContentLength | Name::TransferEncoding) {
        return Err(Refusal::bad("field name that mimics framing"));
    }
    let field = Field {
        line: shift.span(line.start, line.end + 2),
        value: shift.span(value_start, value_start + value.len()),
        name_bytes: name_bytes as u16,
        name,
        is_removed: mimicked != Name::Other,
    };
    Ok((field, value))
}

fn fault_of_name(line: &[u8], name_bytes: usize) -> &'static str {
    match (line.get(name_bytes), name_bytes) {
        (Some(b' ' | b'\t'), 0) => "field line that begins with white space",
        (Some(b' ' | b'\t'), _) => "white space in or after a field name",
        (Some(b':'), _) => "empty field name",
        (Some(_), _) => "byte not allowed in a field name",
        (None, _) => "field line without colon",
    }
}

/// The known name that a name with other signs stands for where they are read as hyphens, as CGI and its heirs do with
/// underscores, and some with any: `Content_Length`, which is refused, or `X.Forwarded.For`, which is dropped, as nobody
/// honest sends it.
fn mimicked(name: &[u8]) -> Name {
    let mut plain = [0; NAME_BYTES_MAX];
    let Some(plain) = plain.get_mut(..name.len()) else { return Name::Other };
    for (to, &from) in plain.iter_mut().zip(name) {
        *to = if from.is_ascii_alphanumeric() { from } else { b'-' };
    }
    Name::of(plain)
}

/// What the fields seen so far say about framing and the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// The one Content-Length.
    pub(crate) content_length: Option<u64>,
    /// Whether the one transfer coding, chunked, was given.
    pub(crate) is_chunked: bool,
    says_close: bool,
    says_keep_alive: bool,
    says_upgrade: bool,
    /// Connection options so far, and whether any of them names a field.
    options: usize,
    nominates: bool,
    /// Upgrade fields so far, and the value of the last if it is one protocol.
    upgrades: usize,
    protocol: Option<Span>,
}

impl Facts {
    /// Reads a field for what it says about the hop, and marks it as removed if it ends at this hop.
    #[inline]
    pub(crate) fn note(&mut self, field: &mut Field, value: &[u8], version: Version) -> Result<(), Refusal> {
        match field.name {
            Name::ContentLength => self.note_length(value)?,
            Name::TransferEncoding => self.note_coding(value, version)?,
            Name::Connection => self.note_options(value)?,
            Name::Upgrade => {
                self.upgrades += 1;
                self.protocol = is_protocol(value).then_some(field.value);
            }
            Name::KeepAlive
            | Name::ProxyConnection
            | Name::ProxyAuthenticate
            | Name::ProxyAuthorization
            | Name::Http2Settings
            | Name::Te
            | Name::Trailer => {}
            _ => return Ok(()),
        }
        field.is_removed = true;
        Ok(())
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.content_length.is_some() {
            return Err(Refusal::bad("Content-Length given twice"));
        }
        if self.is_chunked {
            return Err(Refusal::bad("Content-Length beside Transfer-Encoding"));
        }
        self.content_length = Some(decimal(value).ok_or(Refusal::bad("bad Content-Length"))?);
        Ok(())
    }

    fn note_coding(&mut self, value: &[u8], version: Version) -> Result<(), Refusal> {
        if self.is_chunked {
            return Err(Refusal::bad("Transfer-Encoding given twice"));
        }
        if self.content_length.is_some() {
            return Err(Refusal::bad("Transfer-Encoding beside Content-Length"));
        }
        if version == Version::Http10 {
            return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(fault_of_coding(value));
        }
        self.is_chunked = true;
        Ok(())
    }

    fn note_options(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in elements(value).filter(|o| !o.is_empty()) {
            self.options += 1;
            match option {
                o if o.eq_ignore_ascii_case(b"keep-alive") => self.says_keep_alive = true,
                o if o.eq_ignore_ascii_case(b"close") => self.says_close = true,
                o if o.eq_ignore_ascii_case(b"upgrade") => self.says_upgrade = true,
                o if is_token(o) => self.nominates = true,
                _ => return Err(Refusal::bad("bad Connection option")),
            }
        }
        if self.options > CONNECTION_OPTIONS_MAX {
            return Err(Refusal::bad("too many Connection options"));
        }
        Ok(())
    }

    /// Whether the connection may carry another message. One `close` outweighs every `keep-alive`.
    pub(crate) fn is_keep_alive(&self, version: Version) -> bool {
        !self.says_close && (version == Version::Http11 || self.says_keep_alive)
    }

    /// The one protocol that the peer would change to, properly nominated.
    pub(crate) fn upgrade(&self, version: Version) -> Option<Span> {
        let is_asked = version == Version::Http11 && self.says_upgrade && self.upgrades == 1;
        self.protocol.filter(|_| is_asked)
    }

    /// Marks what Connection nominates, once the text stands. Nominating Host or framing has no effect: they
    /// end at this hop anyway and are written anew.
    pub(crate) fn remove_nominated(&self, fields: &mut Fields) {
        if self.nominates {
            fields.remove_listed(Name::Connection);
        }
    }
}

/// A length in plain digits: no sign, no list, no needless zero, which some read as octal.
fn decimal(digits: &[u8]) -> Option<u64> {
    match digits {
        [b'0'] => return Some(0),
        [] | [b'0', ..] => return None,
        _ => {}
    }
    let mut number: u64 = 0;
    for &digit in digits {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    (number <= BODY_BYTES_MAX).then_some(number)
}

/// Why a value is not `chunked`: 501 for a sound list that names a coding we do not know; 400 for all that
/// is malformed, forbidden (`identity`), or does not end in one `chunked` where it has one (RFC 9112 §6.1).
fn fault_of_coding(value: &[u8]) -> Refusal {
    let count = elements(value).count();
    let is_sound = elements(value).enumerate().all(|(i, coding)| {
        let is_last = i + 1 == count;
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        is_coding(coding) && !coding.eq_ignore_ascii_case(b"identity") && (is_last || !is_chunked)
    });
    match is_sound {
        true => Refusal::new(501, "transfer coding not known"),
        false => Refusal::bad("bad Transfer-Encoding"),
    }
}

/// Looks like the name of a coding: a token without the odd marks, as no registered one has them.
fn is_coding(name: &[u8]) -> bool {
    let is_plain = |&b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    !name.is_empty() && name.iter().all(is_plain)
}

/// One protocol such as `websocket` or `TLS/1.0`; never h2c, which would smuggle a second protocol past us.
fn is_protocol(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |&b| b == b'/');
    let is_sound = parts.all(is_token);
    is_sound && !value.eq_ignore_ascii_case(b"h2c")
}
