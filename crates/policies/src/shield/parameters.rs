//! The parameters of a field such as `multipart/form-data; boundary="x"` (RFC 9110 §5.6.6). Strict where readers differ:
//! a text that two of them could take apart in two ways is told to be so, not guessed at. Pure.

use std::borrow::Cow;

/// A text that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The value of a parameter, without its quotes; none where it is not there. Unreadable are parameters twice, quotes
/// without an end, and quotes inside of a value that has none around it: to some readers they hide a `;`.
pub(super) fn parameter<'t>(text: &'t [u8], name: &[u8]) -> Result<Option<Cow<'t, [u8]>>, Unreadable> {
    let start = text.iter().position(|&b| b == b';').unwrap_or(text.len());
    let (first, mut rest) = text.split_at(start);
    if first.iter().any(|b| matches!(b, b'"' | b'\'')) {
        return Err(Unreadable);
    }
    let mut found = None;
    while let [first, after @ ..] = rest {
        if matches!(first, b';' | b' ' | b'\t') {
            rest = after;
            continue;
        }
        let equals = rest.iter().position(|&b| b == b'=').ok_or(Unreadable)?;
        let key = rest[..equals].trim_ascii_end();
        if !key.iter().all(|&b| is_name(b)) {
            return Err(Unreadable);
        }
        let (value, behind) = value(rest[equals + 1..].trim_ascii_start())?;
        rest = behind;
        if key.eq_ignore_ascii_case(name) && found.replace(value).is_some() {
            return Err(Unreadable);
        }
    }
    Ok(found)
}

/// Of a parameter's name: what names have, not all that RFC 9110 §5.6.2 allows.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*')
}

/// The value that begins here, and what stands behind it: nothing or a semicolon.
fn value(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Unreadable> {
    let [b'"', quoted @ ..] = text else {
        let (value, behind) = text.split_at(text.iter().position(|&b| b == b';').unwrap_or(text.len()));
        let value = value.trim_ascii_end();
        // To some a single quote is one as well, in pairs it hides nothing from them.
        let singles = value.iter().filter(|&&b| b == b'\'').count();
        if value.contains(&b'"') || singles % 2 == 1 || singles > 0 && value.contains(&b'\\') {
            return Err(Unreadable);
        }
        let inner = value.strip_prefix(b"'").and_then(|value| value.strip_suffix(b"'"));
        return Ok((Cow::Borrowed(inner.unwrap_or(value)), behind));
    };
    let mut end = 0;
    let mut has_escape = false;
    loop {
        match quoted.get(end).ok_or(Unreadable)? {
            b'"' => break,
            b'\\' => {
                has_escape = true;
                end += 2;
            }
            _ => end += 1,
        }
    }
    let behind = quoted[end + 1..].trim_ascii_start();
    if !matches!(behind, [] | [b';', ..]) {
        return Err(Unreadable);
    }
    let value = match has_escape {
        true => Cow::Owned(unescaped(&quoted[..end])),
        false => Cow::Borrowed(&quoted[..end]),
    };
    Ok((value, behind))
}

/// What a quoted text stands for (RFC 9110 §5.6.4).
fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        out.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_read_as_all_readers_do_or_not_at_all() {
        let cases: &[(&str, Result<Option<&str>, Unreadable>)] = &[
            ("form-data", Ok(None)),
            ("form-data; name=a", Ok(Some("a"))),
            ("form-data; NAME = a ;", Ok(Some("a"))),
            ("form-data; name=\"a\"", Ok(Some("a"))),
            ("form-data; name='a'", Ok(Some("a"))),
            ("form-data; x=name; name=\"a;b\"; y=2", Ok(Some("a;b"))),
            ("form-data; x=\"; name=b\"; name=a", Ok(Some("a"))),
            ("form-data; name=\"a\\\"; x=\\\\\"", Ok(Some("a\"; x=\\"))),
            ("form-data; filename=\"name=b\"", Ok(None)),
            ("form-data; name*=utf-8''b", Ok(None)),
            ("form-data; name*=b; name=a", Ok(Some("a"))),
            ("form-data; name=a; name=b", Err(Unreadable)),
            ("form-data; name=\"a", Err(Unreadable)),
            ("form-data; name=\"a\"b", Err(Unreadable)),
            ("form-data; name=a\"b\"", Err(Unreadable)),
            ("form-data; x='a; name=b'", Err(Unreadable)),
            ("form-data'; name=b; '", Err(Unreadable)),
            ("form-data; name", Err(Unreadable)),
            ("form-data; a b=c", Err(Unreadable)),
        ];
        for (text, expected) in cases {
            let found = parameter(text.as_bytes(), b"name");
            let found = found.map(|value| value.map(|value| String::from_utf8_lossy(&value).into_owned()));
            assert_eq!(found, expected.map(|value| value.map(str::to_owned)), "{text}");
        }
    }
}
