//! Writes JSON into memory: the few shapes a log line has. Whatever bytes a client sent, what is written is valid JSON
//! and one line: quotes, backslashes and controls are escaped, what is not UTF-8 becomes U+FFFD.

/// Stands at the end of a text that was cut.
const CUT: &str = "…";

/// Appends `null`, or the text in quotes, cut to at most `most` bytes of it.
pub(crate) fn text(out: &mut Vec<u8>, text: Option<&[u8]>, most: usize) {
    let Some(text) = text else { return out.extend_from_slice(b"null") };
    out.push(b'"');
    match text.len() <= most {
        true => escaped(out, text),
        false => {
            escaped(out, &text[..boundary(text, most)]);
            out.extend_from_slice(CUT.as_bytes());
        }
    }
    out.push(b'"');
}

/// Appends a number.
pub(crate) fn number(out: &mut Vec<u8>, mut number: u64) {
    if number < 10 {
        return out.push(b'0' + number as u8); // most are
    }
    let mut digits = [0; 20]; // u64::MAX has twenty
    let mut at = digits.len();
    while number > 0 {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `null`, or nanoseconds as seconds with six places.
pub(crate) fn seconds(out: &mut Vec<u8>, ns: Option<u64>) {
    let Some(ns) = ns else { return out.extend_from_slice(b"null") };
    let us = ns / 1000;
    let mut left = (us % 1_000_000) as u32;
    number(out, us / 1_000_000);
    let mut places = *b".000000";
    for place in places[1..].iter_mut().rev() {
        *place = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&places);
}

/// The greatest length up to `most` that does not cut a character in two.
fn boundary(text: &[u8], most: usize) -> usize {
    // A character has at most three bytes after its first, each of the form 10xxxxxx.
    (most.saturating_sub(3)..=most).rev().find(|at| text[*at] & 0xc0 != 0x80).unwrap_or(most)
}

fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    // Nearly every text is plain, and then this is one look and one copy.
    match is_plain(text) {
        true => out.extend_from_slice(text),
        false => escape(out, text),
    }
}

/// Whether all bytes may stand in a JSON string as they are, and are characters of their own: ASCII without controls,
/// quotes and backslashes. Eight at a time: bit 7 of each byte of `odd` tells of it, by the ways to find a zero byte
/// and one below a bound in "Bit Twiddling Hacks" (Anderson). A borrow may make them find a byte too many behind one
/// that is odd indeed, which changes nothing here.
fn is_plain(text: &[u8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let odd = |word: u64| {
        let is = |byte: u8| {
            let rest = word ^ (EACH * u64::from(byte));
            rest.wrapping_sub(EACH) & !rest
        };
        let is_control = word.wrapping_sub(EACH * 0x20) & !word;
        (is(b'"') | is(b'\\') | is_control | word) & (EACH * 0x80)
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b'x'; 8];
    last[..rest.len()].copy_from_slice(rest);
    let seen =
        words.iter().fold(odd(u64::from_le_bytes(last)), |seen, word| seen | odd(u64::from_le_bytes(*word)));
    seen == 0
}

#[cold]
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for chunk in text.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                0x00..=0x1f => {
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                }
                _ => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("what is written is UTF-8")
    }

    #[test]
    fn texts_are_valid_json_whatever_their_bytes() {
        let cases: [(&[u8], &str); 10] = [
            (b"", r#""""#),
            (b"/a/b?c", r#""/a/b?c""#),
            (br#"say "hi" \ there"#, r#""say \"hi\" \\ there""#),
            (b"a\r\nb\tc\0\x1f\x7f", "\"a\\u000d\\u000ab\\u0009c\\u0000\\u001f\x7f\""),
            ("é日本".as_bytes(), "\"é日本\""),
            (b"\xe9t\xe9", "\"\u{fffd}t\u{fffd}\""),
            (b"\xff\xfe\"", "\"\u{fffd}\u{fffd}\\\"\""),
            (b"\xe6\x97", "\"\u{fffd}\""),
            (b"\xed\xa0\x80", "\"\u{fffd}\u{fffd}\u{fffd}\""),
            (b"\xe2\x80\xa8", "\"\u{2028}\""),
        ];
        for (bytes, expected) in cases {
            assert_eq!(written(|out| text(out, Some(bytes), 100)), expected, "{bytes:?}");
        }
        assert_eq!(written(|out| text(out, None, 100)), "null");
    }

    #[test]
    fn every_byte_in_every_place_is_plain_or_not() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let expected = matches!(byte, 0x20..=0x7f) && byte != b'"' && byte != b'\\';
                    assert_eq!(is_plain(&text), expected, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_cut_text_says_so_and_never_splits_a_character() {
        assert_eq!(written(|out| text(out, Some(b"abcdef"), 6)), r#""abcdef""#);
        assert_eq!(written(|out| text(out, Some(b"abcdefg"), 6)), r#""abcdef…""#);
        assert_eq!(written(|out| text(out, Some("日本日".as_bytes()), 5)), r#""日…""#);
        assert_eq!(written(|out| text(out, Some("日本日".as_bytes()), 6)), r#""日本…""#);
        assert_eq!(written(|out| text(out, Some(&[0x80; 9]), 6)), format!("\"{}…\"", "\u{fffd}".repeat(6)));
        assert_eq!(written(|out| text(out, Some(b"abc"), 0)), r#""…""#);
    }

    #[test]
    fn numbers_and_seconds() {
        for (value, expected) in [(0, "0"), (7, "7"), (10, "10"), (u64::MAX, "18446744073709551615")] {
            assert_eq!(written(|out| number(out, value)), expected);
        }
        for (ns, expected) in
            [(0, "0.000000"), (999, "0.000000"), (1_000, "0.000001"), (61_000_020_999, "61.000020")]
        {
            assert_eq!(written(|out| seconds(out, Some(ns))), expected);
        }
        assert_eq!(written(|out| seconds(out, None)), "null");
    }
}
