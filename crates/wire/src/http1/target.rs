//! The request target in its forms, and the host of a request (RFC 9112 §3.2, RFC 3986 §3.2). Pure. Called
//! by the request parser; `is_host` also by whoever takes a host from elsewhere.

use std::net::Ipv6Addr;
use std::ops::Range;

use memchr::memchr;
use tidegate_core::limits::HOST_BYTES_MAX;
use tidegate_core::name::Method;
use tidegate_core::outcome::Refusal;

use super::bytes::is_target;

/// The parts of a target, as ranges in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Host and port of the absolute form.
    pub(crate) authority: Option<Range<usize>>,
    pub(crate) path: Path,
    pub(crate) query: Option<Range<usize>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// As it stands in the target.
    At(Range<usize>),
    /// Not in the target, but meant by it: `/` or `*`.
    Meant(&'static [u8]),
}

/// Takes a target apart. The path is not canonical yet.
#[inline]
pub(crate) fn split(target: &[u8], method: Method) -> Result<Target, Refusal> {
    if !is_target(target) {
        return Err(Refusal::bad("byte not allowed in the request target"));
    }
    match target {
        [b'/', ..] => {
            let (path, query) = split_query(target, 0);
            Ok(Target { authority: None, path: Path::At(path), query })
        }
        b"*" if method == Method::Options => {
            Ok(Target { authority: None, path: Path::Meant(b"*"), query: None })
        }
        _ => split_absolute(target, method),
    }
}

fn split_query(target: &[u8], start: usize) -> (Range<usize>, Option<Range<usize>>) {
    match memchr(b'?', &target[start..]) {
        Some(mark) => (start..start + mark, Some(start + mark + 1..target.len())),
        None => (start..target.len(), None),
    }
}

fn split_absolute(target: &[u8], method: Method) -> Result<Target, Refusal> {
    let starts_with =
        |s: &[u8]| target.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)).then_some(s.len());
    let Some(start) = starts_with(b"http://").or_else(|| starts_with(b"https://")) else {
        return Err(Refusal::bad("bad request target"));
    };
    let end = target[start..].iter().position(|b| matches!(b, b'/' | b'?'));
    let end = end.map_or(target.len(), |i| start + i);
    if !is_host(&target[start..end]) {
        return Err(Refusal::bad("bad host in the request target"));
    }
    let (path, query) = split_query(target, end);
    let path = match (path.is_empty(), method, &query) {
        (false, ..) => Path::At(path),
        // What the last proxy makes of it (RFC 9112 §3.2.4).
        (true, Method::Options, None) => Path::Meant(b"*"),
        (true, ..) => Path::Meant(b"/"),
    };
    Ok(Target { authority: Some(start..end), path, query })
}

/// Whether this is a host with an optional port that nobody reads in two ways: letters, digits, `-`, `.`, `_`,
/// or an IPv6 address in brackets; then nothing or a port of digits. Stricter than RFC 3986: no escapes, no
/// sub-delimiters, no empty label but a last one, no empty port.
pub fn is_host(bytes: &[u8]) -> bool {
    if let [b'[', rest @ ..] = bytes {
        let Some(end) = memchr(b']', rest) else { return false };
        return is_ipv6(&rest[..end]) && is_port(&rest[end + 1..]);
    }
    let end = memchr(b':', bytes).unwrap_or(bytes.len());
    let (name, port) = bytes.split_at(end);
    is_name(name) && is_port(port)
}

fn is_ipv6(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_name(name: &[u8]) -> bool {
    // Folds without an early end: the compiler makes vector code of them.
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() | (b == b'-') | (b == b'.') | (b == b'_');
    let are_allowed = name.iter().fold(true, |so_far, &b| so_far & is_allowed(b));
    let has_empty_label = name.first() == Some(&b'.') || name.windows(2).any(|pair| pair == b"..");
    are_allowed && !has_empty_label && (1..=HOST_BYTES_MAX).contains(&name.len())
}

/// Nothing, or a colon and a port.
fn is_port(bytes: &[u8]) -> bool {
    let [b':', digits @ ..] = bytes else { return bytes.is_empty() };
    let port = digits.iter().try_fold(0_u32, |port, &digit| {
        digit.is_ascii_digit().then(|| port.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
    });
    (1..=5).contains(&digits.len()) && port.is_some_and(|port| port <= 0xffff)
}
