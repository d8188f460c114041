//! The byte classes of HTTP/1, and the searches every parser here is made of. Pure: tables, and sixteen bytes at a
//! time where the processor can.

/// Where the first control stands: any byte that no line may contain, which in a sound head is the CR of the
/// line's end. One search thus both ends a line and validates it. Tab, obs-text and spaces are no controls
/// (RFC 9110 §5.5).
#[inline]
pub(crate) fn find_control(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(sixteen) = bytes[at..].first_chunk::<16>() {
        match wide::controls_of(sixteen) {
            Some(0) => at += 16,
            Some(found) => return Some(at + found.trailing_zeros() as usize),
            None => break,
        }
    }
    find_control_in_words(bytes, at)
}

/// Length of the name that the bytes start with, if a colon ends it within the first 32 and it has nothing but
/// letters, digits and hyphens, as nearly every field name. `None` says nothing.
#[inline]
pub(crate) fn plain_name(bytes: &[u8]) -> Option<usize> {
    let (colons, plain) = wide::names_of(bytes.first_chunk::<16>()?)?;
    if colons != 0 {
        let length = colons.trailing_zeros();
        return (plain.trailing_ones() == length).then_some(length as usize);
    }
    let (colons, more_plain) = wide::names_of(bytes[16..].first_chunk::<16>()?)?;
    let is_plain = plain.trailing_ones() == 16 && more_plain.trailing_ones() == colons.trailing_zeros();
    (colons != 0 && is_plain).then(|| 16 + colons.trailing_zeros() as usize)
}

/// Sixteen bytes at once: SSE2, which every x86-64 processor has.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // the instructions are safe where they exist, and these are part of x86-64 itself
mod wide {
    use std::arch::x86_64::*;

    /// A bit for every control but tab. `None` where the processor cannot tell.
    #[inline]
    pub(super) fn controls_of(bytes: &[u8; 16]) -> Option<u32> {
        let whole = u128::from_le_bytes(*bytes);
        // SAFETY: x86-64 has SSE2, and nothing here reads memory.
        let found = unsafe {
            let bytes = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
            let is_below_space = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
            let is_delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
            let is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\t' as i8));
            _mm_movemask_epi8(_mm_andnot_si128(is_tab, _mm_or_si128(is_below_space, is_delete)))
        };
        Some(found as u32)
    }

    /// A bit for every colon, and one for every letter, digit and hyphen. `None` where the processor cannot tell.
    #[inline]
    pub(super) fn names_of(bytes: &[u8; 16]) -> Option<(u32, u32)> {
        let whole = u128::from_le_bytes(*bytes);
        // SAFETY: as above.
        let (colons, plain) = unsafe {
            let bytes = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
            let each = |byte: u8| _mm_set1_epi8(byte as i8);
            // Below a bound: the lesser of both is the byte itself.
            let is_up_to = |bytes, most: u8| _mm_cmpeq_epi8(_mm_min_epu8(bytes, each(most)), bytes);
            let letters = _mm_sub_epi8(_mm_or_si128(bytes, each(0x20)), each(b'a'));
            let digits = _mm_sub_epi8(bytes, each(b'0'));
            let is_hyphen = _mm_cmpeq_epi8(bytes, each(b'-'));
            let is_plain = _mm_or_si128(_mm_or_si128(is_up_to(letters, 25), is_up_to(digits, 9)), is_hyphen);
            (_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, each(b':'))), _mm_movemask_epi8(is_plain))
        };
        Some((colons as u32, plain as u32))
    }
}

/// Other processors go on in words.
#[cfg(not(target_arch = "x86_64"))]
mod wide {
    pub(super) fn controls_of(_: &[u8; 16]) -> Option<u32> {
        None
    }

    pub(super) fn names_of(_: &[u8; 16]) -> Option<(u32, u32)> {
        None
    }
}

/// The same from a place on, eight bytes at a time and then one.
#[inline]
fn find_control_in_words(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
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

/// Length of the token that the bytes start with (RFC 9110 §5.6.2), and whether it has other signs than hyphens.
#[inline]
pub(crate) fn leading_token(bytes: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let class = CLASS[byte as usize];
        if class == 0 {
            return (at, seen & SIGN != 0);
        }
        seen |= class;
    }
    (bytes.len(), seen & SIGN != 0)
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
/// What some backends read as a hyphen: most the underscore, some any sign.
const SIGN: u8 = 2;

static CLASS: [u8; 256] = {
    let others = *b"!#$%&'*+-.^_`|~";
    let mut table = [0; 256];
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = TOKEN | SIGN;
        i += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = TOKEN;
        }
        byte += 1;
    }
    table[b'-' as usize] = TOKEN;
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
    fn plain_names_are_names() {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let name = place + 3;
                    bytes.extend_from_slice(b"bc:");
                    bytes[name..].fill(b':');
                    let expected = if byte == b':' { place } else { name };
                    let is_name = expected != 0 && bytes[..expected].iter().all(|&b| is_plain(b));
                    let is_in_reach =
                        expected < 16 && bytes.len() >= 16 || expected < 32 && bytes.len() >= 32;
                    let found = plain_name(&bytes).filter(|&found| found != 0);
                    let is_found = is_name && is_in_reach && cfg!(target_arch = "x86_64");
                    assert_eq!(found, is_found.then_some(expected), "{byte:#x} at {place} of {length}");
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
