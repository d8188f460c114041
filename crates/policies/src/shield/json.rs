//! The texts of a JSON document, one after the other, with the way to each: keys and values. Reads as it goes, without
//! a tree and without recursion, so that neither depth nor size costs memory. Checks no more than it needs to know
//! that others read the same texts. Pure.

use super::decode::hex;

/// Keys that are remembered for the way to a value; what is deeper is told by those.
const WAY_KEYS_MAX: usize = 32;

/// A text of the document, as it stands there: between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text<'b> {
    /// The name of a member.
    Key(&'b [u8]),
    /// A value.
    Value(&'b [u8]),
}

/// A document that is read.
#[derive(Clone, Debug)]
pub(super) struct Texts<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Lists and maps that are open.
    depth: usize,
    /// The last key in each open map, empty in a list.
    keys: [&'b [u8]; WAY_KEYS_MAX],
    /// Something is not JSON: the texts so far are not all there are.
    pub(super) is_broken: bool,
}

impl<'b> Texts<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Texts<'b> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Texts { bytes, at: 0, depth: 0, keys: [&[]; WAY_KEYS_MAX], is_broken: false }
    }

    /// The way to the last text, as `a.b`.
    pub(super) fn way(&self) -> Vec<u8> {
        let open = self.depth.min(WAY_KEYS_MAX - 1);
        let keys = self.keys[..=open].iter().filter(|key| !key.is_empty());
        keys.copied().collect::<Vec<_>>().join(&b'.')
    }

    /// The next text.
    pub(super) fn next(&mut self) -> Option<Text<'b>> {
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    self.name(b"");
                }
                b'}' | b']' if self.depth > 0 => {
                    self.name(b"");
                    self.depth -= 1;
                }
                b'"' => return Some(self.text()),
                b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.skip_word(),
                _ => return self.give_up(),
            }
            if self.is_broken {
                return None;
            }
        }
        None
    }

    fn name(&mut self, key: &'b [u8]) {
        if let Some(place) = self.keys.get_mut(self.depth) {
            *place = key;
        }
    }

    fn give_up(&mut self) -> Option<Text<'b>> {
        self.is_broken = true;
        None
    }

    /// A number, true, false or null.
    fn skip_word(&mut self) {
        let start = self.at - 1;
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
        self.at += self.bytes[self.at..].iter().take_while(|b| is_part(b)).count();
        let word = &self.bytes[start..self.at];
        let is_number =
            word.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e' | b'E'));
        let is_cut = self.at == self.bytes.len();
        self.is_broken |= !(is_number || is_cut || matches!(word, b"true" | b"false" | b"null"));
    }

    /// The text that begins here; the last one may be cut off.
    fn text(&mut self) -> Text<'b> {
        let start = self.at;
        let mut end = start;
        loop {
            match self.bytes.get(end) {
                None => break,
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
            }
        }
        let text = &self.bytes[start..end.min(self.bytes.len())];
        self.at = (end + 1).min(self.bytes.len());
        let after = self.bytes[self.at..].iter().find(|b| !b.is_ascii_whitespace());
        match after {
            Some(b':') => {
                self.name(text);
                Text::Key(text)
            }
            Some(b',' | b'}' | b']') | None => Text::Value(text),
            Some(_) => {
                self.is_broken = true;
                Text::Value(text)
            }
        }
    }
}

/// The next text between quotes of either kind, of what is not JSON but may be to somebody: with comments in it, or
/// single quotes. The last one may be cut off.
pub(super) fn quoted<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let start = memchr::memchr2(b'"', b'\'', rest)?;
    let (quote, text) = (rest[start], &rest[start + 1..]);
    let mut end = 0;
    while let Some(&byte) = text.get(end).filter(|byte| **byte != quote) {
        end += if byte == b'\\' { 2 } else { 1 };
    }
    let end = end.min(text.len());
    *rest = text.get(end + 1..).unwrap_or_default();
    Some(&text[..end])
}

/// Appends what a text stands for (RFC 8259 §7). What is no escape stays as it is.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let (b'\\', [escaped, behind @ ..]) = (byte, after) else {
            out.push(*byte);
            rest = after;
            continue;
        };
        rest = behind;
        match escaped {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => rest = unicode(behind, out),
            other => out.push(*other),
        }
    }
}

/// Four digits, and four more of a pair. Says what is behind them.
fn unicode<'t>(text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let unit = |text: &[u8]| text.get(..4).and_then(hex);
    let Some(first) = unit(text) else { return text };
    let second = text.get(4..6).filter(|two| *two == b"\\u").and_then(|_| unit(&text[6..]));
    let (code, length) = match (first, second) {
        (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
            (0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), 10)
        }
        _ => (first, 4),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    &text[length..]
}
