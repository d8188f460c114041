//! The byte classes of HTTP/1, and the searches every parser here is made of. Pure, table-driven.

/// Where the first control stands: any byte that no line may contain, which in a sound head is the CR of the
/// line's end. One search thus both ends a line and validates it. Tab, obs-text and spaces are no controls
/// (RFC 9110 §5.5).
#[inline]
pub(crate) fn find_control(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk::<8>() {
        match controls_of(u64::from_le_bytes(*word)) {
            0 => at += 8,
            found => {
                let hit = at + (found.trailing_zeros() / 8) as usize;
                if bytes[hit] != b'\t' {
                    return Some(hit);
                }
                at = hit + 1;
            }
        }
    }
    bytes[at..].iter().position(|&b| is_control(b)).map(|i| at + i)
}

/// Marks, with bit 7 of a byte, the first byte of a little-endian word that is below 0x20 or 0x7f. Bytes
/// above the first mark may be marked wrongly, as the subtraction borrows through them.
#[inline]
fn controls_of(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let below_space = word.wrapping_sub(EACH * 0x20) & !word;
    let is_delete = word ^ (EACH * 0x7f);
    let deletes = is_delete.wrapping_sub(EACH) & !is_delete;
    (below_space | deletes) & (EACH * 0x80)
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Length of the token that the bytes start with (RFC 9110 §5.6.2), and whether it has an underscore.
#[inline]
pub(crate) fn leading_token(bytes: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let class = CLASS[byte as usize];
        if class == 0 {
            return (at, seen & UNDERSCORE != 0);
        }
        seen |= class;
    }
    (bytes.len(), seen & UNDERSCORE != 0)
}

/// Whether all of it is one token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && leading_token(bytes).0 == bytes.len()
}

/// Whether the byte may stand in a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] != 0
}

const TOKEN: u8 = 1;
const UNDERSCORE: u8 = 2;

static CLASS: [u8; 256] = {
    let others = *b"!#$%&'*+-.^_`|~";
    let mut table = [0; 256];
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = TOKEN;
        i += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = TOKEN;
        }
        byte += 1;
    }
    table[b'_' as usize] = TOKEN | UNDERSCORE;
    table
};

/// Whether all of it may stand in a request target: visible ASCII but `#`, which starts a fragment and is
/// never sent.
#[inline]
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    // A fold without an early end: the compiler makes vector code of it.
    bytes.iter().fold(true, |sound, &b| sound & b.is_ascii_graphic() & (b != b'#'))
}

/// Without the white space before it: spaces and tabs (OWS).
#[inline]
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Without the white space after it.
#[inline]
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma-separated list, trimmed; empty ones included (RFC 9110 §5.6.1).
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(|e| trim_end(trim_start(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_control_is_found_at_every_place() {
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let expected = ((byte < 0x20 && byte != b'\t') || byte == 0x7f).then_some(place);
                    assert_eq!(find_control(&bytes), expected, "{byte:#x} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn neighbours_do_not_hide_or_make_controls() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let bytes = [first, second, b'\t', 0x80, 0xff, 0x7e, 0x20, first, second];
                assert_eq!(find_control(&bytes), bytes.iter().position(|&b| is_control(b)), "{bytes:x?}");
            }
        }
    }

    #[test]
    fn tokens_are_those_of_the_rfc() {
        let separators = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_graphic() && !separators.contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte:#x}");
        }
        assert!(!is_token(b"") && is_token(b"a") && !is_token(b"a b"));
    }

    #[test]
    fn lists_keep_their_empty_elements() {
        let found: Vec<_> = elements(b" a,\tb , ,c\t").collect();
        assert_eq!(found, [&b"a"[..], b"b", b"", b"c"]);
        assert_eq!(elements(b"").count(), 1);
    }
}
