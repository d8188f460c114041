//! Ways out of a folder, and what makes a path mean another to whoever reads it next. The gateway has made the path
//! canonical and refused what is ambiguous in it; what is left to find is escaped twice. Pure.

/// Whether a path, decoded until nothing in it is escaped, is not one anybody asks for in good faith.
pub(super) fn is_trick(path: &[u8]) -> bool {
    has_unreadable(path) || path.split(|b| matches!(b, b'/' | b'\\')).any(is_climb)
}

/// Whether a value, decoded, is a way out of a folder and nothing else: up twice or more, without a blank.
pub(super) fn is_way_out(value: &[u8]) -> bool {
    if value.iter().any(u8::is_ascii_whitespace) {
        return false;
    }
    let climbs = value.split(|b| matches!(b, b'/' | b'\\')).filter(|segment| is_climb(segment)).count();
    climbs >= 2 || climbs == 1 && has_unreadable(value)
}

/// `..`, also with parameters, which some servers drop before they resolve it.
fn is_climb(segment: &[u8]) -> bool {
    matches!(segment, b"..") || segment.starts_with(b"..;")
}

/// A NUL, which ends the path for some, or a character in more bytes than it needs, which is a slash or a dot for some
/// (RFC 3629 §3).
fn has_unreadable(bytes: &[u8]) -> bool {
    bytes.contains(&0)
        || bytes
            .windows(2)
            .any(|two| matches!(two, [0xc0 | 0xc1, 0x80..=0xbf]) || matches!(two, [0xe0, 0x80..=0x9f]))
}
