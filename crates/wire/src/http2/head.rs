//! Heads and trailers between the `http` crate's types and the gateway's own. Pure. A request becomes the lines it
//! would have been in HTTP/1, and each is put to the rules of the HTTP/1 parser: what could be read in two ways there
//! is refused here, before anything else has seen it (RFC 9113 §8.2, §8.3, §10.3).

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use tidegate_core::exchange::AnswerBody;
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead, Span};
use tidegate_core::limits::{HeadLimits, METHOD_BYTES_MAX, TRAILER_FIELDS_MAX};
use tidegate_core::name::{Method, Name};
use tidegate_core::outcome::Refusal;

use crate::http1::chunked::may_trail;
use crate::http1::head::{Facts, Shift, Version, field_of};
use crate::http1::lines::Line;
use crate::http1::target::{Path, is_host, split};
use crate::scratch;

/// What a request's head says of its body.
#[derive(Clone, Copy, Default)]
pub(super) struct Announced {
    pub(super) length: Length,
    pub(super) expects_continue: bool,
}

/// Whether anything follows a head: END_STREAM on it says no.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    Nothing,
    Something,
}

/// Fills a request's head.
pub(super) fn request(
    parts: &Parts,
    follows: Follows,
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Announced, Refusal> {
    head.clear();
    let method = parts.method.as_str().as_bytes();
    head.method = Method::read(method)?;
    if head.method == Method::Connect {
        return Err(Refusal::new(405, "CONNECT is not served here"));
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(Refusal::bad("bad method"));
    }
    head.method_text = head.fields.add_text(method);
    target(parts, limits, head)?;
    if parts.headers.len() > limits.fields_max {
        return Err(Refusal::new(431, "too many fields"));
    }
    let announced = fields(parts, follows, limits, head)?;
    if head.method == Method::Trace && follows == Follows::Something {
        return Err(Refusal::bad("TRACE with a body"));
    }
    Ok(announced)
}

fn target(parts: &Parts, limits: &HeadLimits, head: &mut RequestHead) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str()).as_bytes();
    if head.method_text.len() + 1 + target.len() > limits.line_bytes_max {
        return Err(Refusal::new(414, "request line too long"));
    }
    // The host stands in :authority, and nowhere else (RFC 9113 §8.3.1).
    if !matches!(target, [b'/', ..] | b"*") {
        return Err(Refusal::bad("bad request target"));
    }
    let split = split(target, head.method)?;
    match split.path {
        Path::Meant(path) => head.path = head.fields.add_text(path),
        Path::At(path) => head.read_path(&target[path], limits.path)?,
    }
    if let Some(query) = split.query {
        head.has_query = true;
        head.query = head.fields.add_text(&target[query]);
    }
    Ok(())
}

/// The authority, or Host where a client has translated HTTP/1 (RFC 9113 §8.3.1). Both only if they say the same.
fn host(parts: &Parts, fields: &mut Fields) -> Result<Span, Refusal> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut named = parts.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let host = match (authority, named.next(), named.next()) {
        (_, _, Some(_)) => return Err(Refusal::bad("Host given twice")),
        (Some(host), Some(other), None) if !host.eq_ignore_ascii_case(other) => {
            return Err(Refusal::bad("Host differs from the authority"));
        }
        (Some(host), _, None) | (None, Some(host), None) => host,
        (None, None, None) => return Err(Refusal::bad("Host is missing")),
    };
    match is_host(host) {
        true => Ok(fields.add_text(host)),
        false => Err(Refusal::bad("bad Host")),
    }
}

fn fields(
    parts: &Parts,
    follows: Follows,
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Announced, Refusal> {
    let fields = &mut head.fields;
    head.host = host(parts, fields)?;
    let mut facts = Facts::default();
    let mut announced = Announced::default();
    let mut expects = 0;
    let mut crumbs = 0;
    for (name, value) in &parts.headers {
        let known = Name::of(name.as_str().as_bytes());
        let value = trimmed(value)?;
        if name.as_str().len() + value.len() + 2 > limits.line_bytes_max {
            return Err(Refusal::new(431, "field line too long"));
        }
        match known {
            Name::Host => {}
            Name::Cookie => crumbs += 1,
            Name::Expect if expects > 0 => return Err(Refusal::bad("Expect given twice")),
            Name::Expect if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(Refusal::new(417, "expectation not known"));
            }
            Name::Expect => {
                expects += 1;
                announced.expects_continue = follows == Follows::Something;
            }
            _ => line(name.as_str().as_bytes(), value, fields, &mut facts)?,
        }
    }
    if crumbs > 0 {
        cookie(&parts.headers, limits, fields)?;
    }
    // That the body then has the length that is stated is watched by `h2`, which resets the stream if not.
    announced.length = match (follows, facts.content_length) {
        (Follows::Nothing, None) => Length::Empty,
        (Follows::Nothing, Some(0)) => Length::Exact(0),
        (Follows::Nothing, Some(_)) => return Err(Refusal::bad("the body is shorter than its length")),
        (Follows::Something, Some(bytes)) => Length::Exact(bytes),
        (Follows::Something, None) => Length::Streamed,
    };
    Ok(announced)
}

/// Adds a field by the rules of HTTP/1.
fn line(name: &[u8], value: &[u8], fields: &mut Fields, facts: &mut Facts) -> Result<(), Refusal> {
    let start = fields.text().len();
    let text = fields.text_mut();
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    let end = text.len();
    text.extend_from_slice(b"\r\n");
    let (mut field, value) = field_of(fields.text(), Line { start, end }, Shift::default())?;
    facts.note(&mut field, value, Version::Http11)?;
    fields.add_line(field);
    Ok(())
}

/// Compression may have cut it in crumbs, which HTTP/1 does not know (RFC 9113 §8.2.3).
fn cookie(headers: &HeaderMap, limits: &HeadLimits, fields: &mut Fields) -> Result<(), Refusal> {
    let mut joined = scratch::text();
    for crumb in headers.get_all(header::COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(crumb.as_bytes());
    }
    let is_short = joined.len() + "cookie: ".len() <= limits.line_bytes_max;
    if is_short {
        fields.add(Name::Cookie, &joined);
    }
    scratch::give_back(&mut joined);
    if is_short { Ok(()) } else { Err(Refusal::new(431, "field line too long")) }
}

/// A value, which may not begin or end with white space (RFC 9113 §8.2.1).
fn trimmed(value: &HeaderValue) -> Result<&[u8], Refusal> {
    let bytes = value.as_bytes();
    match bytes {
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => Err(Refusal::bad("white space around a value")),
        _ => Ok(bytes),
    }
}

/// Fills in a request's trailers, by the rules of HTTP/1. Of those that may be there, those go on that the head has
/// announced.
pub(super) fn trailers(map: &HeaderMap, fields: &mut Fields) -> Result<(), Refusal> {
    if map.len() > TRAILER_FIELDS_MAX {
        return Err(Refusal::new(431, "too many trailers"));
    }
    for (name, value) in map {
        let name = name.as_str().as_bytes();
        if !may_trail(Name::of(name), name) {
            return Err(Refusal::bad("field not allowed in trailers"));
        }
        line(name, trimmed(value)?, fields, &mut Facts::default())?;
    }
    Ok(())
}

/// The answer's head. The length is stated where HTTP/1 would state it.
pub(super) fn response(head: &ResponseHead, body: AnswerBody) -> Response<()> {
    let mut response = interim(head);
    let stated = match (head.status, body.length) {
        (204, _) => None,
        (304, _) | (_, Length::Empty) => body.stated_length,
        (_, Length::Exact(bytes)) => Some(bytes),
        (_, Length::Streamed) => None,
    };
    if let Some(bytes) = stated {
        response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    }
    response
}

/// A head without a body.
pub(super) fn interim(head: &ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    // Parsers and configuration let only three digits through.
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = map(&head.fields);
    response
}

/// Fields as HTTP/2 has them. Their text is copied once for all values. Whoever put them there has checked them: one
/// that cannot be a field here is not there.
pub(super) fn map(fields: &Fields) -> HeaderMap {
    let text = Bytes::copy_from_slice(fields.text());
    let mut map = HeaderMap::with_capacity(fields.list().len() + 1);
    for field in fields.list().iter().filter(|field| !field.is_removed) {
        let name = match known(field.name) {
            Some(name) => Ok(name),
            None => HeaderName::from_bytes(fields.name_of(field)),
        };
        let value = text.slice(field.value.start as usize..field.value.end as usize);
        let value = HeaderValue::from_maybe_shared(value);
        debug_assert!(name.is_ok() && value.is_ok(), "a field was checked where it entered");
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

/// The names that most answers have, without a look at their text.
fn known(name: Name) -> Option<HeaderName> {
    Some(match name {
        Name::ContentType => header::CONTENT_TYPE,
        Name::Date => header::DATE,
        Name::Location => header::LOCATION,
        Name::Server => header::SERVER,
        Name::SetCookie => header::SET_COOKIE,
        Name::Via => header::VIA,
        _ => return None,
    })
}
