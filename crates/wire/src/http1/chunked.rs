//! Decodes chunked bodies (RFC 9112 §7.1). Sans-I/O: says what the next bytes of a buffer are. Consumes every
//! framing byte it is shown, so that no caller has to gather a line; copies nothing but trailers.

use tidegate_core::head::Fields;
use tidegate_core::limits::{
    BODY_BYTES_MAX, CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX,
};
use tidegate_core::name::Name;

use super::bytes::{elements, find_control, is_token_byte};
use super::head::{Shift, field_of};
use super::lines::Line;

/// What the next bytes of the buffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes of framing, at least one: drop them and call again.
    Framing(usize),
    /// So many bytes of payload, at least one: use some, say `taken`, and call again.
    Data(usize),
    /// The buffer is empty and the body is not over.
    More,
    /// So many bytes of framing, after which the body is over. The rest of the buffer is not the body's.
    End(usize),
}

/// Decodes one body after the other. An error is final until `reset`.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    /// Size of the chunk being read, then what is left of it.
    left: u64,
    digits: usize,
    extension_bytes: usize,
    /// Where the current trailer line begins in the text of the trailers.
    trailer_line: usize,
    /// The trailer fields, complete once the body is over.
    pub trailers: Fields,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// After `;`: the name's first byte must come.
    ExtensionStart,
    ExtensionName,
    /// After `=`: a token or a quoted string must come.
    ExtensionValue,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscape,
    ExtensionQuoteEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// In the line that starts at `trailer_line`; an empty one ends the body.
    Trailer,
    TrailerLf,
    Over,
}

impl Decoder {
    /// Ready for the next body; keeps the memory.
    pub fn reset(&mut self) {
        self.trailers.clear();
        let trailers = std::mem::take(&mut self.trailers);
        *self = Decoder { trailers, ..Decoder::default() };
    }

    /// Whether the body is over.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Looks at the bytes that follow what was consumed so far.
    ///
    /// Errors: the reason; the connection must not be used any more.
    pub fn step(&mut self, buf: &[u8]) -> Result<Step, &'static str> {
        let mut at = 0;
        while let Some(&byte) = buf.get(at) {
            match self.state {
                State::Data if at > 0 => break,
                State::Data => {
                    return Ok(Step::Data(
                        usize::try_from(self.left).map_or(buf.len(), |n| n.min(buf.len())),
                    ));
                }
                State::Trailer => {
                    at += self.trailer_piece(&buf[at..])?;
                    continue;
                }
                State::TrailerLf => self.trailer_end(byte)?,
                State::Over => break,
                _ => self.state = self.framing_byte(byte)?,
            }
            at += 1;
        }
        Ok(match (self.state, at) {
            (State::Over, _) => Step::End(at),
            (_, 0) => Step::More,
            _ => Step::Framing(at),
        })
    }

    /// So many bytes of the payload were used.
    pub fn taken(&mut self, bytes: usize) {
        debug_assert!(self.state == State::Data && bytes as u64 <= self.left, "no more than was offered");
        self.left = self.left.saturating_sub(bytes as u64);
        if self.left == 0 {
            self.state = State::DataCr;
        }
    }

    fn framing_byte(&mut self, byte: u8) -> Result<State, &'static str> {
        use State::*;
        if !matches!(self.state, Size | SizeLf | DataCr | DataLf) {
            return self.extension_byte(byte);
        }
        match (self.state, byte) {
            (Size, b'\r' | b';') if self.digits == 0 => Err("chunk without size"),
            (Size, b'\r') => Ok(SizeLf),
            (Size, b';') => self.count_extension(ExtensionStart),
            (Size, _) => self.size_digit(byte),
            (SizeLf, b'\n') if self.left > 0 => Ok(Data),
            (SizeLf, b'\n') => Ok(Trailer),
            (SizeLf, _) => Err("carriage return without line feed in chunk size"),
            (DataCr, b'\r') => Ok(DataLf),
            (DataLf, b'\n') => {
                self.digits = 0;
                Ok(Size)
            }
            _ => Err("chunk longer than its size"),
        }
    }

    fn size_digit(&mut self, byte: u8) -> Result<State, &'static str> {
        let digit = (byte as char).to_digit(16).ok_or("bad chunk size")?;
        self.digits += 1;
        // 16 digits are 64 bits: no overflow within them.
        if self.digits > 16 {
            return Err("chunk size too large");
        }
        self.left = self.left << 4 | u64::from(digit);
        if self.left > BODY_BYTES_MAX {
            return Err("chunk size too large");
        }
        Ok(State::Size)
    }

    /// Extensions are checked, bounded and dropped. No white space anywhere: what the RFC tolerates there is
    /// what peers disagree about.
    fn extension_byte(&mut self, byte: u8) -> Result<State, &'static str> {
        use State::*;
        let next = match (self.state, byte) {
            (ExtensionName | ExtensionToken | ExtensionQuoteEnd, b'\r') => return Ok(SizeLf),
            (ExtensionName | ExtensionToken | ExtensionQuoteEnd, b';') => ExtensionStart,
            (ExtensionName, b'=') => ExtensionValue,
            (ExtensionStart | ExtensionName, _) if is_token_byte(byte) => ExtensionName,
            (ExtensionValue, b'"') => ExtensionQuoted,
            (ExtensionValue | ExtensionToken, _) if is_token_byte(byte) => ExtensionToken,
            (ExtensionQuoted | ExtensionEscape, 0..0x20 | 0x7f) => return Err("control in chunk extension"),
            (ExtensionQuoted, b'"') => ExtensionQuoteEnd,
            (ExtensionQuoted, b'\\') => ExtensionEscape,
            (ExtensionQuoted | ExtensionEscape, _) => ExtensionQuoted,
            _ => return Err("bad chunk extension"),
        };
        self.count_extension(next)
    }

    fn count_extension(&mut self, next: State) -> Result<State, &'static str> {
        self.extension_bytes += 1;
        match self.extension_bytes {
            0..=CHUNK_EXTENSION_BYTES_MAX => Ok(next),
            _ => Err("chunk extensions too long"),
        }
    }

    /// Takes what there is of a trailer line, up to its CR.
    fn trailer_piece(&mut self, buf: &[u8]) -> Result<usize, &'static str> {
        // The section's empty line needs two bytes, its bound is checked before anything is copied.
        let room = TRAILER_BYTES_MAX.saturating_sub(self.trailers.text().len());
        let piece = &buf[..buf.len().min(room + 1)];
        let end = find_control(piece).unwrap_or(piece.len());
        if end > room {
            return Err("trailers too large");
        }
        self.trailers.add_text(&piece[..end]);
        match piece.get(end) {
            None => Ok(end),
            Some(b'\r') => {
                self.state = State::TrailerLf;
                Ok(end + 1)
            }
            Some(b'\n') => Err("line feed without carriage return in trailers"),
            Some(_) => Err("control in trailers"),
        }
    }

    fn trailer_end(&mut self, byte: u8) -> Result<(), &'static str> {
        if byte != b'\n' {
            return Err("carriage return without line feed in trailers");
        }
        let line = Line { start: self.trailer_line, end: self.trailers.text().len() };
        if line.start == line.end {
            self.state = State::Over;
            return Ok(());
        }
        if self.trailers.list().len() >= TRAILER_FIELDS_MAX {
            return Err("too many trailers");
        }
        let (field, _) = field_of(self.trailers.text(), line, Shift::default()).map_err(|r| r.reason)?;
        if !may_trail(field.name, &self.trailers.text()[line.start..][..usize::from(field.name_bytes)]) {
            return Err("field not allowed in trailers");
        }
        self.trailers.add_text(b"\r\n");
        self.trailers.add_line(field);
        self.trailer_line = self.trailers.text().len();
        self.state = State::Trailer;
        Ok(())
    }
}

/// Marks as removed every trailer that the head did not declare in Trailer: who forwards trailers drops what
/// the receiver was not told of. A request's id is the gateway's to tell, so a client's own never comes behind it.
pub fn drop_undeclared(trailers: &mut Fields, head: &Fields) {
    let declared = |name: &[u8]| {
        let lists = head.list().iter().filter(|f| f.name == Name::Trailer);
        lists.flat_map(|f| elements(f.value.of(head.text()))).any(|d| d.eq_ignore_ascii_case(name))
    };
    for i in 0..trailers.list().len() {
        let field = &trailers.list()[i];
        let is_kept = field.name != Name::XRequestId && declared(trailers.name_of(field));
        trailers.list_mut()[i].is_removed |= !is_kept;
    }
}

/// Whether a field may come after the body: not if it frames, routes, authenticates, conditions or describes
/// the message, as it would be acted upon before it is there (RFC 9110 §6.5.1).
pub(crate) fn may_trail(name: Name, spelled: &[u8]) -> bool {
    match name {
        Name::Date | Name::Server | Name::UserAgent | Name::XRequestId => true,
        Name::Other => !NOT_IN_TRAILERS.iter().any(|n| spelled.eq_ignore_ascii_case(n.as_bytes())),
        _ => false,
    }
}

const NOT_IN_TRAILERS: [&str; 19] = [
    "accept-encoding",
    "age",
    "cache-control",
    "content-encoding",
    "content-range",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "range",
    "retry-after",
    "vary",
    "warning",
    "www-authenticate",
    "x-http-method-override",
];
