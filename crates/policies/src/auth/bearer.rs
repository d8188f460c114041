//! The credential of `Authorization: Bearer` (RFC 6750 §2.1) in a request.

use tidegate_core::head::RequestHead;
use tidegate_core::name::Name;

/// What a request shows.
pub(super) enum Shown<'a> {
    /// No token.
    Nothing,
    /// Something that is none: several fields, of which two readers would take two, or what no token can be.
    Malformed,
    /// A token.
    Token(&'a str),
}

/// Looks for the token.
pub(super) fn token(request: &RequestHead) -> Shown<'_> {
    match credentials(request, "bearer") {
        Shown::Token(token) if !token.is_empty() && token.bytes().all(is_part) => Shown::Token(token),
        Shown::Token(_) => Shown::Malformed,
        other => other,
    }
}

/// What stands after the name of a scheme, whatever its case (RFC 9110 §11.1). Of any other scheme there is nothing.
pub(super) fn credentials<'a>(request: &'a RequestHead, scheme: &str) -> Shown<'a> {
    let mut all = request.fields.all(Name::Authorization);
    let Some(value) = all.next() else { return Shown::Nothing };
    if all.next().is_some() {
        return Shown::Malformed;
    }
    let Some((name, rest)) = value.split_at_checked(scheme.len()) else { return Shown::Nothing };
    if !name.eq_ignore_ascii_case(scheme.as_bytes()) {
        return Shown::Nothing;
    }
    match (rest.first(), std::str::from_utf8(rest.trim_ascii())) {
        (None, _) => Shown::Malformed,
        (Some(b' '), Ok(credentials)) => Shown::Token(credentials),
        (Some(b' '), Err(_)) => Shown::Malformed,
        // A longer word: another scheme.
        (Some(_), _) => Shown::Nothing,
    }
}

/// `token68` of RFC 9110 §11.2.
fn is_part(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b)
}
