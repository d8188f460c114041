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
    let mut digits = [0; 20]; // u64::MAX has twenty
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `null`, or nanoseconds as seconds with six places.
pub(crate) fn seconds(out: &mut Vec<u8>, ns: Option<u64>) {
    let Some(ns) = ns else { return out.extend_from_slice(b"null") };
    let us = ns / 1000;
    number(out, us / 1_000_000);
    let mut places = *b".000000";
    let mut left = us % 1_000_000;
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

/// Whether a byte may stand in a JSON string as it is, and is a character of its own.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    // Nearly every text is plain, and then this is one look and one copy.
    match text.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        true => out.extend_from_slice(text),
        false => escape(out, text),
    }
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
