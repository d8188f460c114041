//! One canonical path, made once before routing and seen alike by router, policies, cache and backend.
//! Pure. Called by every codec, and by whoever rewrites a path.
//!
//! Escapes of unreserved characters are decoded, other escapes get upper-case digits, empty segments are merged, dot
//! segments are resolved (RFC 3986 §6.2.2). What backends are known to read in two ways is refused, not repaired:
//! `%2F`, `%5C`, `%00`, a raw backslash, controls, climbing above the root, and parameters without a name before them
//! (`/;x`, `/.;x`, `/..;x`), which servlet containers cut off before they resolve dots. An escape of `;` counts as
//! one: who decodes a path and passes it on makes it one.
//!
//! The rest of the parameters (`/a;x=y/b`) stays and is sent on. Routes do not see it: their literals are compared with
//! the plain form, `plain`.

use crate::head::Span;
use crate::outcome::Refusal;

/// How paths are read; a listener may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathRules {
    /// Whether `//` is `/`.
    pub merge_slashes: bool,
    /// What becomes of `%2F`.
    pub encoded_slash: EncodedSlash,
}

/// What becomes of an escaped slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodedSlash {
    /// 400: some backends take it for a slash.
    Refuse,
    /// It is part of its segment.
    Keep,
}

impl PathRules {
    /// What a listener has by default: nothing that backends read in two ways is let through.
    pub const STRICT: PathRules = PathRules { merge_slashes: true, encoded_slash: EncodedSlash::Refuse };
}

impl Default for PathRules {
    fn default() -> PathRules {
        PathRules::STRICT
    }
}

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
pub fn canonical(path: &[u8], rules: PathRules, out: &mut Vec<u8>) -> Result<Canonical, Refusal> {
    if path.first() != Some(&b'/') {
        return Err(Refusal::bad("path does not start with a slash"));
    }
    if !needs_work(path) {
        return Ok(Canonical::Same);
    }
    let base = out.len();
    out.extend_from_slice(path);
    let resolved = resolve(&mut out[base..], rules);
    out.truncate(base + resolved.unwrap_or(0));
    if resolved? == path.len() && &out[base..] == path {
        out.truncate(base);
        return Ok(Canonical::Same);
    }
    Ok(Canonical::Changed)
}

/// Where the forms of a path stand in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// The canonical form.
    pub path: Span,
    /// What the literals of routes are compared with; the same place where it is the same.
    pub plain: Span,
}

/// Reads a path into the text of a head. `None` when it is canonical and plain as it stands: nothing was written, and it
/// is both. That costs one pass over its bytes.
///
/// Errors: those of `canonical`; the text is left as it was.
pub fn read(path: &[u8], rules: PathRules, text: &mut Vec<u8>) -> Result<Option<Forms>, Refusal> {
    if path.first() == Some(&b'/') && !needs_work(path) {
        return Ok(None);
    }
    let start = text.len();
    if canonical(path, rules, text)? == Canonical::Same {
        text.extend_from_slice(path);
    }
    let path = Span::new(start, text.len());
    Ok(Some(Forms { path, plain: plain(text, path) }))
}

/// Appends the plain form of a canonical path that stands in the text, and says where it is; the path's own place if
/// it has no other. Plain is the resource that the most lenient backend makes of the path: every escape is decoded, and
/// of each segment there is only what stands before its `;`. It has as many segments as the path. An escaped slash,
/// where it is kept, becomes NUL, which no literal has.
pub fn plain(text: &mut Vec<u8>, path: Span) -> Span {
    if memchr::memchr2(b'%', b';', path.of(text)).is_none() {
        return path;
    }
    let start = text.len();
    let mut is_parameter = false;
    let mut at = path.start as usize;
    while at < path.end as usize {
        let (byte, bytes) = match text[at] {
            // A canonical path has two digits behind every `%`.
            b'%' => match decoded(text, at) {
                Some(b'/') => (0, 3),
                Some(byte) => (byte, 3),
                None => (b'%', 1),
            },
            byte => (byte, 1),
        };
        is_parameter = match byte {
            b'/' => false,
            b';' => true,
            _ => is_parameter,
        };
        if !is_parameter {
            text.push(byte);
        }
        at += bytes;
    }
    Span::new(start, text.len())
}

/// Whether a path may be other than canonical or plain: one pass, no branch per byte. A false alarm costs time only.
#[inline]
pub fn needs_work(path: &[u8]) -> bool {
    let mut found = 0;
    let mut before = 0;
    for &byte in path {
        let class = CLASS[byte as usize];
        found |= (class & WORK) | (class & before & AFTER_SLASH);
        // Dots and slashes matter only after a slash, which lends the next byte the bit.
        before = if byte == b'/' { AFTER_SLASH } else { 0 };
    }
    found != 0
}

/// The byte cannot stand in a canonical path without a closer look.
const WORK: u8 = 1;
/// Nor can this one, after a slash.
const AFTER_SLASH: u8 = 2;

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
    class[b';' as usize] = WORK;
    class[b'\\' as usize] = WORK;
    class[b'?' as usize] = WORK;
    class[b'#' as usize] = WORK;
    class[b'.' as usize] = AFTER_SLASH;
    class[b'/' as usize] = AFTER_SLASH;
    class
};

/// Brings a path that begins with `/` into canonical form where it stands, and says how long it is then: never longer.
/// Each segment is looked at once it is decoded, so that `%2e%2E` is the dot segment it means, and once those before it
/// are settled, so that `//..` climbs as `/..` does.
///
/// Errors: those of `canonical`; the bytes are then of no use.
pub(crate) fn resolve(path: &mut [u8], rules: PathRules) -> Result<usize, Refusal> {
    // Where the next byte is read, and where it is written: never behind.
    let (mut at, mut end) = (0, 0);
    while at < path.len() {
        let slash = end;
        path[slash] = b'/';
        (at, end) = decode_segment(path, at + 1, slash + 1, rules)?;
        let is_last = at == path.len();
        let parent = match &path[slash + 1..end] {
            b"" if rules.merge_slashes && !is_last => slash,
            b"." => slash,
            b".." => {
                let parent = path[..slash].iter().rposition(|&b| b == b'/');
                parent.ok_or(Refusal::bad("path climbs above the root"))?
            }
            segment => {
                check_segment(segment, rules)?;
                continue;
            }
        };
        end = parent;
        if is_last {
            path[end] = b'/';
            end += 1;
        }
    }
    Ok(end)
}

/// Refuses a canonical segment that is another one without its parameters, or with its escaped slashes decoded.
fn check_segment(segment: &[u8], rules: PathRules) -> Result<(), Refusal> {
    let name = name_of(segment);
    if name.len() < segment.len() && matches!(name, b"" | b"." | b"..") {
        return Err(Refusal::bad("parameters without a segment in path"));
    }
    if rules.encoded_slash == EncodedSlash::Refuse {
        return Ok(());
    }
    let mut rest = segment;
    while let Some(slash) = memchr::memmem::find(rest, b"%2F") {
        let (before, behind) = (name_of(&rest[..slash]), &rest[slash + 3..]);
        rest = behind;
        let next = name_of(&rest[..memchr::memmem::find(rest, b"%2F").unwrap_or(rest.len())]);
        if [before, next].iter().any(|part| matches!(*part, b"." | b"..")) {
            return Err(Refusal::bad("dot segment beside an encoded slash in path"));
        }
    }
    Ok(())
}

/// What stands before the parameters of a canonical segment.
fn name_of(segment: &[u8]) -> &[u8] {
    let is_end = |at: &usize| segment[*at] == b';' || segment[*at..].starts_with(b"%3B");
    let end = memchr::memchr2_iter(b';', b'%', segment).find(is_end);
    &segment[..end.unwrap_or(segment.len())]
}

/// Decodes the segment at `at` as far as the canonical form is, and writes it to `end`. Where the next slash stands, and
/// where the segment ends.
fn decode_segment(
    path: &mut [u8],
    mut at: usize,
    mut end: usize,
    rules: PathRules,
) -> Result<(usize, usize), Refusal> {
    while let Some(&byte) = path.get(at) {
        match byte {
            b'/' => break,
            b'%' => {
                match escape(path, at, rules)? {
                    Escape::Byte(byte) => path[end] = byte,
                    Escape::Kept(escape) => {
                        path[end..end + 3].copy_from_slice(&escape);
                        end += 2;
                    }
                }
                at += 2;
            }
            b'\\' => return Err(Refusal::bad("backslash in path")),
            b'?' | b'#' | 0..=0x20 | 0x7f.. => return Err(Refusal::bad("byte not allowed in path")),
            _ => path[end] = byte,
        }
        (at, end) = (at + 1, end + 1);
    }
    Ok((at, end))
}

/// What the canonical form has for an escape.
enum Escape {
    Byte(u8),
    Kept([u8; 3]),
}

fn escape(path: &[u8], at: usize, rules: PathRules) -> Result<Escape, Refusal> {
    match decoded(path, at).ok_or(Refusal::bad("bad escape in path"))? {
        b'/' if rules.encoded_slash == EncodedSlash::Keep => Ok(Escape::Kept(*b"%2F")),
        b'/' | b'\\' => Err(Refusal::bad("encoded slash in path")),
        0 => Err(Refusal::bad("encoded NUL in path")),
        byte if is_unreserved(byte) => Ok(Escape::Byte(byte)),
        _ => Ok(Escape::Kept([b'%', path[at + 1].to_ascii_uppercase(), path[at + 2].to_ascii_uppercase()])),
    }
}

/// The byte that the escape at this place stands for, if it is one.
fn decoded(path: &[u8], at: usize) -> Option<u8> {
    let digit = |i: usize| path.get(i).and_then(|&b| (b as char).to_digit(16));
    Some((digit(at + 1)? << 4 | digit(at + 2)?) as u8)
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests;
