//! Undoes what stands between a value and its text: percent escapes, with the `%uXXXX` of old scripts, and `+` for a
//! blank. Lenient, as those are who read it behind us: what is no escape stays as it is. Pure.

/// What `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plus {
    /// A blank, as in forms and queries.
    Blank,
    /// Itself.
    Plus,
}

/// Whether anything in a text is escaped.
pub(super) fn is_escaped(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| b == b'%') {
        rest = &rest[at..];
        if escape(rest).is_some() {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// Appends the text that the bytes stand for.
pub(super) fn decode(bytes: &[u8], plus: Plus, out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        match byte {
            b'%' => match escape(rest) {
                Some((code, length)) => {
                    push(code, length == 3, out);
                    rest = &rest[length..];
                    continue;
                }
                None => out.push(b'%'),
            },
            b'+' if plus == Plus::Blank => out.push(b' '),
            _ => out.push(*byte),
        }
        rest = after;
    }
}

/// The code that an escape at the front stands for, and its length.
fn escape(bytes: &[u8]) -> Option<(u32, usize)> {
    match bytes {
        [b'%', b'u' | b'U', digits @ ..] => Some((hex(digits.get(..4)?)?, 6)),
        [b'%', digits @ ..] => Some((hex(digits.get(..2)?)?, 3)),
        _ => None,
    }
}

/// A byte stands for itself; a character for its bytes.
fn push(code: u32, is_byte: bool, out: &mut Vec<u8>) {
    match (is_byte, char::from_u32(code)) {
        (true, _) => out.push(code as u8),
        (false, Some(character)) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        (false, None) => out.extend_from_slice("\u{fffd}".as_bytes()),
    }
}

/// The number that hex digits write.
pub(super) fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &digit| Some(number << 4 | (digit as char).to_digit(16)?))
}
