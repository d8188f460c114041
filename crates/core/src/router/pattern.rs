//! What a route may say about host and path, parsed once from the operator's text. Matching many patterns
//! at a time is `search`'s; this file knows one pattern, and which parts of a path its names stand for.

use super::names::{PathName, PathNames};
use crate::head::Span;
use crate::path::{self, Canonical, PathRules};
use std::fmt;

/// A route's path: literal segments, `{name}` for one non-empty segment, and `**` at the end for any rest,
/// also none. `/a/**` matches `/a`, `/a/` and `/a/b/c`; `/a/` matches only itself, as an empty segment is a
/// literal like any other; `{name}` does not match the empty segment that `//` or a final `/` makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// Between the slashes, in order; without the `**`.
    segments: Box<[Segment]>,
    has_rest: bool,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text, canonical as request paths are.
    Literal(Literal),
    /// Any one non-empty segment, by this name.
    Param(Box<str>),
}

/// A literal segment: what it is compared with is the plain form of paths, so that however a client spells a segment,
/// and whatever parameters it adds, a backend that reads both as one is protected by the same route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// As a client would write it, with no escape that can be left out: two literals of one plain form have one text.
    text: Box<str>,
    plain: Box<[u8]>,
}

impl Literal {
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }
}

impl PathPattern {
    /// Reads a pattern. Literal text may be written with or without escapes and is brought into the form
    /// of canonical request paths. The error is a reason for the operator, without the place.
    pub fn parse(text: &str) -> Result<PathPattern, String> {
        let Some(inner) = text.strip_prefix('/') else {
            return Err("a path begins with `/`".into());
        };
        let mut segments = Vec::new();
        let mut has_rest = false;
        for part in inner.split('/') {
            if has_rest {
                return Err("`**` can only be the last segment".into());
            }
            match part {
                "**" => has_rest = true,
                _ => segments.push(parse_segment(part)?),
            }
        }
        refuse_twins(&segments)?;
        Ok(PathPattern { segments: segments.into(), has_rest })
    }

    /// The names in `{}`, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Param(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }

    /// Each name with the part of `path` it stands for, not decoded, in order. `path` must be one that this
    /// pattern matches; of any other the answer is shorter or makes no sense.
    pub fn params<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a str, Span)> {
        let mut start = 1;
        let spans = path.get(1..).unwrap_or_default().split(|&byte| byte == b'/').map(move |part| {
            let span = Span::new(start, start + part.len());
            start += part.len() + 1;
            span
        });
        self.segments.iter().zip(spans).filter_map(|(segment, span)| match segment {
            Segment::Param(name) => Some((&**name, span)),
            Segment::Literal(_) => None,
        })
    }

    /// Whether the literals it begins with could be the beginning of a path that the other takes.
    pub fn begins_like(&self, other: &PathPattern) -> bool {
        let literals = self.segments.iter().map_while(|segment| match segment {
            Segment::Literal(literal) => Some(literal),
            Segment::Param(_) => None,
        });
        literals.enumerate().all(|(index, literal)| match other.segments.get(index) {
            Some(Segment::Literal(theirs)) => theirs == literal,
            Some(Segment::Param(_)) => true,
            None => other.has_rest,
        })
    }

    /// Whether a path in its plain form is one it stands for: segment by segment, as a reader of the pattern would.
    pub(super) fn fits(&self, path: &[u8]) -> bool {
        let Some(inner) = path.strip_prefix(b"/") else { return false };
        let mut parts = inner.split(|&byte| byte == b'/');
        let is_begun = self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Literal(literal), Some(part)) => literal.plain() == part,
            (Segment::Param(_), Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        // `/**` has no segments, and of `/` the split gives one empty part.
        is_begun && (self.has_rest || parts.next().is_none())
    }

    /// The names that texts of this route may mention, with the parts they stand for: those in `{}`, and `rest` for
    /// what `**` matches.
    pub fn path_names(&self) -> PathNames {
        let segments = self.segments.iter().enumerate().filter_map(|(index, segment)| match segment {
            Segment::Param(name) => Some(PathName::segment(name, index)),
            Segment::Literal(_) => None,
        });
        let rest = self.has_rest.then(|| PathName::rest("rest", self.segments.len()));
        segments.chain(rest).collect::<Vec<_>>().into()
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it ends in `**`.
    pub fn has_rest(&self) -> bool {
        self.has_rest
    }

    /// How many of its segments are literals.
    pub fn literals(&self) -> usize {
        self.segments.len() - self.names().count()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{}", literal.text)?,
                Segment::Param(name) => write!(f, "/{{{name}}}")?,
            }
        }
        f.write_str(if self.has_rest { "/**" } else { "" })
    }
}

fn parse_segment(part: &str) -> Result<Segment, String> {
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return match is_param_name(name) {
            true => Ok(Segment::Param(name.into())),
            false => Err(format!("`{{{name}}}`: a name is a-z, then a-z, 0-9, `_` or `-`")),
        };
    }
    if part.contains(['{', '}']) {
        return Err(format!("`{part}`: `{{name}}` stands for a whole segment"));
    }
    if part.contains('*') {
        return Err(format!("`{part}`: write `{{name}}` for one segment, or `**` at the end for any rest"));
    }
    literal(part).map(Segment::Literal)
}

fn is_param_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn refuse_twins(segments: &[Segment]) -> Result<(), String> {
    for (index, segment) in segments.iter().enumerate() {
        if let Segment::Param(name) = segment
            && segments[..index].contains(segment)
        {
            return Err(format!("`{{{name}}}` stands there twice"));
        }
    }
    Ok(())
}

/// A literal segment. What could never stand in a request path is refused, but for spaces and letters beyond ASCII,
/// which are written as clients send them: escaped.
fn literal(part: &str) -> Result<Literal, String> {
    let mut path = vec![b'/'];
    for byte in part.bytes() {
        match byte {
            b' ' | 0x80.. => path.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => path.push(byte),
        }
    }
    let mut changed = Vec::new();
    let mut path = match path::canonical(&path, PathRules::STRICT, &mut changed) {
        Ok(Canonical::Same) => path,
        Ok(Canonical::Changed) => changed,
        Err(refusal) => return Err(format!("{part:?}: {}", refusal.reason)),
    };
    if path.len() == 1 && !part.is_empty() {
        return Err(format!("`{part}` never matches, as it is resolved before routing"));
    }
    let has_parameters = path.contains(&b';') || memchr::memmem::find(&path, b"%3B").is_some();
    if has_parameters {
        return Err(format!("`{part}`: what follows a `;` is no part of what is compared: leave it out"));
    }
    let whole = Span::new(0, path.len());
    let plain = path::plain(&mut path, whole).of(&path);
    let plain = plain.get(1..).unwrap_or_default();
    Ok(Literal { text: spelled(plain).into(), plain: plain.into() })
}

/// The shortest text of a segment.
fn spelled(plain: &[u8]) -> String {
    let mut text = String::with_capacity(plain.len());
    for &byte in plain {
        match byte {
            b'!'..=b'~' if !b"%?#\\;{}*".contains(&byte) => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Longest name in the DNS, in text form without the final dot (RFC 1035 §2.3.4).
pub(super) const HOST_BYTES_MAX: usize = 253;

/// A route's host: a name or an address, or `*.` and a name for one or more labels before it. Lower case,
/// no port, no final dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// The host, or what stands behind `*.`.
    name: Box<str>,
    is_wildcard: bool,
}

impl HostPattern {
    /// Reads a pattern; the error is a reason for the operator, without the place.
    pub fn parse(text: &str) -> Result<HostPattern, String> {
        if text == "*" {
            return Err("leave `host` out for any host".into());
        }
        let (name, is_wildcard) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match bracketed {
            Some(address) if is_wildcard || address.parse::<std::net::Ipv6Addr>().is_err() => {
                return Err(format!("`{text}` is not an IPv6 address in brackets"));
            }
            Some(_) => {}
            None => check_name(text, &name)?,
        }
        Ok(HostPattern { name: name.into(), is_wildcard })
    }

    /// Whether a host without port and final dot is one it stands for.
    pub(super) fn fits(&self, host: &[u8]) -> bool {
        let name = self.name.as_bytes();
        match host.len().checked_sub(name.len()).filter(|_| host.len() <= HOST_BYTES_MAX) {
            Some(0) => !self.is_wildcard && host.eq_ignore_ascii_case(name),
            // At least one byte of a label, and the dot.
            Some(before @ 2..) => {
                self.is_wildcard && host[before - 1] == b'.' && host[before..].eq_ignore_ascii_case(name)
            }
            _ => false,
        }
    }

    /// Whether it stands for every host that the other does.
    pub fn takes_all_of(&self, other: &HostPattern) -> bool {
        let name = self.name.as_bytes();
        match other.name.as_bytes().strip_suffix(name) {
            Some([]) => self.is_wildcard == other.is_wildcard,
            Some([.., b'.']) => self.is_wildcard,
            _ => false,
        }
    }

    /// The host, or what stands behind `*.`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.is_wildcard
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_wildcard { "*." } else { "" }, self.name)
    }
}

fn check_name(text: &str, name: &str) -> Result<(), String> {
    if name.contains('*') {
        return Err(format!("`{text}`: `*.` can only stand at the beginning"));
    }
    if name.contains(':') {
        return Err(format!("`{text}`: a host has no port here; the listener decides that"));
    }
    if !name.is_ascii() {
        return Err(format!("`{text}`: write the name as clients send it, in its `xn--` form"));
    }
    // 63: RFC 1035 §2.3.4. `_` is no host name's, but resolvers and clusters use it.
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > HOST_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(format!("`{text}` is not a host name"));
    }
    Ok(())
}
