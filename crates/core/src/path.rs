//! One canonical path, made once before routing and seen alike by router, policies, cache and backend.
//! Pure. Called by every codec, and by whoever rewrites a path.
//!
//! Escapes of unreserved characters are decoded, other escapes get upper-case digits, dot segments are
//! resolved (RFC 3986 §6.2.2). `//` and `;` are kept as they are. What backends are known to read in two
//! ways is refused, not repaired: `%2F`, `%5C`, `%00`, a raw backslash, controls, climbing above the root.

use crate::outcome::Refusal;

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonical {
    /// It was canonical as it stood; nothing was written.
    Same,
    /// The canonical text was appended to the output.
    Changed,
}

/// Brings a path into canonical form. It starts with `/` and has no query. Appends to `out` only when the
/// form differs, and then no more bytes than the path has.
///
/// Errors: 400 with the reason; `out` is left as it was.
pub fn canonical(path: &[u8], out: &mut Vec<u8>) -> Result<Canonical, Refusal> {
    if path.first() != Some(&b'/') {
        return Err(Refusal::bad("path does not start with a slash"));
    }
    if !needs_work(path) {
        return Ok(Canonical::Same);
    }
    let base = out.len();
    let resolved = resolve(path, out);
    if resolved.is_err() || &out[base..] == path {
        out.truncate(base);
        return resolved.map(|()| Canonical::Same);
    }
    Ok(Canonical::Changed)
}

/// Whether a path may be other than canonical: one pass, no branch per byte. A false alarm costs time only.
#[inline]
pub fn needs_work(path: &[u8]) -> bool {
    let mut found = 0;
    let mut before = 0;
    for &byte in path {
        let class = CLASS[byte as usize];
        found |= (class & WORK) | (class & before & DOT);
        // A dot matters only after a slash: the slash lends the next byte the DOT bit.
        before = if byte == b'/' { DOT } else { 0 };
    }
    found != 0
}

/// The byte cannot stand in a canonical path without a closer look.
const WORK: u8 = 1;
/// The byte is a dot.
const DOT: u8 = 2;

static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte <= 0x20 || byte >= 0x7f {
            class[byte] = WORK;
        }
        byte += 1;
    }
    class[b'%' as usize] = WORK;
    class[b'\\' as usize] = WORK;
    class[b'?' as usize] = WORK;
    class[b'#' as usize] = WORK;
    class[b'.' as usize] = DOT;
    class
};

/// Writes the canonical form segment by segment; each is looked at once it is decoded, so that `%2e%2E` is
/// the dot segment it means.
fn resolve(path: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let base = out.len();
    let mut at = 0;
    while at < path.len() {
        let slash = out.len();
        out.push(b'/');
        at = decode_segment(path, at + 1, out)?;
        let is_last = at == path.len();
        let parent = match &out[slash + 1..] {
            b"." => slash,
            b".." => match out[base..slash].iter().rposition(|&b| b == b'/') {
                Some(parent) => base + parent,
                None => return Err(Refusal::bad("path climbs above the root")),
            },
            _ => continue,
        };
        out.truncate(parent);
        if is_last {
            out.push(b'/');
        }
    }
    Ok(())
}

/// Appends one segment, decoded as far as the canonical form is, and says where the next slash stands.
fn decode_segment(path: &[u8], start: usize, out: &mut Vec<u8>) -> Result<usize, Refusal> {
    let mut at = start;
    while let Some(&byte) = path.get(at) {
        match byte {
            b'/' => break,
            b'%' => {
                out_escape(path, at, out)?;
                at += 3;
                continue;
            }
            b'\\' => return Err(Refusal::bad("backslash in path")),
            b'?' | b'#' | 0..=0x20 | 0x7f.. => return Err(Refusal::bad("byte not allowed in path")),
            _ => out.push(byte),
        }
        at += 1;
    }
    Ok(at)
}

fn out_escape(path: &[u8], at: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let digit = |i: usize| path.get(i).and_then(|&b| (b as char).to_digit(16));
    let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
        return Err(Refusal::bad("bad escape in path"));
    };
    match (high << 4 | low) as u8 {
        b'/' | b'\\' => Err(Refusal::bad("encoded slash in path")),
        0 => Err(Refusal::bad("encoded NUL in path")),
        byte if is_unreserved(byte) => {
            out.push(byte);
            Ok(())
        }
        _ => {
            out.extend_from_slice(&[
                b'%',
                path[at + 1].to_ascii_uppercase(),
                path[at + 2].to_ascii_uppercase(),
            ]);
            Ok(())
        }
    }
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Result<&str, &str>) {
        let mut out = b"before".to_vec();
        let found = canonical(path.as_bytes(), &mut out);
        let found = match &found {
            Ok(Canonical::Same) => {
                assert_eq!(out, b"before", "{path}");
                Ok(path)
            }
            Ok(Canonical::Changed) => {
                let text = std::str::from_utf8(&out[6..]).unwrap();
                assert_ne!(text, path, "said to be changed and is not");
                Ok(text)
            }
            Err(refusal) => {
                assert_eq!((refusal.status, &out[..]), (400, &b"before"[..]), "{path}");
                Err(refusal.reason)
            }
        };
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn clean_paths_stay() {
        for path in [
            "/",
            "/a",
            "/a/",
            "//",
            "/a//b",
            "/a;x=y/b",
            "/a.b",
            "/a..b",
            "/...",
            "/.a",
            "/a/..b",
            "/..a",
            "/.well-known/x",
            "/%20",
            "/%C3%A9",
            "/%25",
            "/%252e",
            "/a%3Fb",
            "/..;/a",
            "/a:b@c!$&'()*+,=",
            "/~-_.",
            "/a|b",
            "/{x}",
        ] {
            check(path, Ok(path));
        }
    }

    #[test]
    fn escapes_and_dots_become_one_form() {
        for (path, expected) in [
            ("/%61", "/a"),
            ("/%7e%2D%2d%5F", "/~--_"),
            ("/%c3%a9", "/%C3%A9"),
            ("/%3b", "/%3B"),
            ("/.", "/"),
            ("/./", "/"),
            ("/a/.", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/../b", "/b"),
            ("/a/b/../../c", "/c"),
            ("/a/b/..", "/a/"),
            ("/%2e", "/"),
            ("/a/%2E%2e/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a//../b", "/a/b"),
            ("//..", "/"),
            ("/a/..//b", "//b"),
            ("/%2e%2e%2e", "/..."),
            ("/a/%2e%2e;/b", "/a/..;/b"),
        ] {
            check(path, Ok(expected));
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for (path, reason) in [
            ("", "path does not start with a slash"),
            ("a", "path does not start with a slash"),
            ("*", "path does not start with a slash"),
            ("/%2F", "encoded slash in path"),
            ("/a%2fb", "encoded slash in path"),
            ("/%5c", "encoded slash in path"),
            ("/%00", "encoded NUL in path"),
            ("/a\\b", "backslash in path"),
            ("/a b", "byte not allowed in path"),
            ("/a\u{7f}", "byte not allowed in path"),
            ("/a\r\n", "byte not allowed in path"),
            ("/é", "byte not allowed in path"),
            ("/a#b", "byte not allowed in path"),
            ("/a?b", "byte not allowed in path"),
            ("/%", "bad escape in path"),
            ("/%4", "bad escape in path"),
            ("/%4/", "bad escape in path"),
            ("/%zz", "bad escape in path"),
            ("/%+1", "bad escape in path"),
            ("/..", "path climbs above the root"),
            ("/%2e%2e/", "path climbs above the root"),
            ("/a/../..", "path climbs above the root"),
            ("/a/../../b", "path climbs above the root"),
            ("/./..", "path climbs above the root"),
        ] {
            check(path, Err(reason));
        }
    }

    /// Random paths from the pieces that matter. The seed is fixed: a failure is the same every time.
    #[test]
    fn canonical_form_is_final_and_without_dot_segments() {
        const PIECES: [&str; 22] = [
            "/", "/", "/", "/", ".", ".", "%2e", "%2E", "a", "%61", "%c3", ";", "%20", "%25", "2e", "%2f",
            "..", "b", "~", "%7E", "\\", "%",
        ];
        let mut state = 0x5eed_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut changed = 0;
        for _ in 0..200_000 {
            // Rarely a piece that is refused: most paths shall come through.
            let kinds = if next(8) == 0 { PIECES.len() } else { 15 };
            let path: String =
                std::iter::once("/").chain((0..next(12)).map(|_| PIECES[next(kinds)])).collect();
            let mut out = Vec::new();
            let text = match canonical(path.as_bytes(), &mut out) {
                Err(_) => continue,
                Ok(Canonical::Same) => path.as_bytes(),
                Ok(Canonical::Changed) => &out,
            };
            changed += usize::from(text != path.as_bytes());
            assert!(text.starts_with(b"/") && text.len() <= path.len(), "{path}");
            let has_dots = text.split(|&b| b == b'/').any(|s| s == b"." || s == b"..");
            assert!(!has_dots, "{path} became {}", text.escape_ascii());
            let mut again = Vec::new();
            assert_eq!(canonical(text, &mut again), Ok(Canonical::Same), "{path} has two forms");
        }
        assert!(changed > 50_000, "the generator makes paths that need work: {changed}");
    }
}
