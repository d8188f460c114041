//! Heads and trailers between the `http` crate's types and the gateway's own. Pure. What a client may not say is
//! refused here, as HTTP/1's parsers do it; what frames the message is taken out and written anew.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode, Uri};
use tidegate_core::exchange::AnswerBody;
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead, Span};
use tidegate_core::limits::{HOST_BYTES_MAX, HeadLimits, METHOD_BYTES_MAX, TRAILER_FIELDS_MAX};
use tidegate_core::name::{Method, Name};
use tidegate_core::outcome::Refusal;
use tidegate_core::path::{Canonical, canonical};

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
pub(super) fn request(parts: &Parts, follows: Follows, head: &mut RequestHead) -> Result<Announced, Refusal> {
    head.clear();
    let method = parts.method.as_str().as_bytes();
    head.method = Method::of(method);
    if head.method == Method::Connect {
        return Err(Refusal::new(405, "CONNECT is not served here"));
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(Refusal::bad("bad method"));
    }
    head.method_text = head.fields.add_text(method);
    target(&parts.uri, head)?;
    head.host = host(parts, &mut head.fields)?;
    if parts.headers.len() > HeadLimits::REQUEST.fields_max {
        return Err(Refusal::new(431, "too many fields"));
    }
    let mut announced = Announced::default();
    if follows == Follows::Something {
        announced.length = length(&parts.headers)?;
    }
    for (name, value) in &parts.headers {
        let known = Name::of(name.as_str().as_bytes());
        match known {
            Name::Expect if value != "100-continue" => {
                return Err(Refusal::new(417, "expectation not known"));
            }
            Name::Expect => announced.expects_continue = follows == Follows::Something,
            // Written anew, joined below, or meant for this hop alone.
            Name::Host | Name::ContentLength | Name::Cookie | Name::Te | Name::Trailer => {}
            Name::Http2Settings | Name::ProxyAuthenticate | Name::ProxyAuthorization => {}
            _ => head.fields.push(name.as_str(), trimmed(value)?),
        }
    }
    // Compression may have cut it in crumbs, which HTTP/1 does not know (RFC 9113 §8.2.3).
    let crumbs: Vec<&[u8]> = parts.headers.get_all("cookie").iter().map(HeaderValue::as_bytes).collect();
    if !crumbs.is_empty() {
        head.fields.add(Name::Cookie, &crumbs.join(&b"; "[..]));
    }
    Ok(announced)
}

fn target(uri: &Uri, head: &mut RequestHead) -> Result<(), Refusal> {
    let path = uri.path().as_bytes();
    let start = head.fields.text().len();
    if path != b"*" || head.method != Method::Options {
        match canonical(path, head.fields.text_mut())? {
            Canonical::Changed => head.path = Span::new(start, head.fields.text().len()),
            Canonical::Same => head.path = head.fields.add_text(path),
        }
    } else {
        head.path = head.fields.add_text(path);
    }
    if let Some(query) = uri.query() {
        if !query.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refusal::bad("byte not allowed in the request target"));
        }
        head.has_query = true;
        head.query = head.fields.add_text(query.as_bytes());
    }
    Ok(())
}

/// The authority, or Host where a client has translated HTTP/1 (RFC 9113 §8.3.1).
fn host(parts: &Parts, fields: &mut Fields) -> Result<Span, Refusal> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut named = parts.headers.get_all("host").iter().map(HeaderValue::as_bytes);
    let named = (named.next(), named.next());
    let host = match (authority, named) {
        (_, (_, Some(_))) => return Err(Refusal::bad("Host given twice")),
        (Some(host), (Some(other), _)) if !host.eq_ignore_ascii_case(other) => {
            return Err(Refusal::bad("Host differs from the authority"));
        }
        (Some(host), _) | (None, (Some(host), _)) => host,
        (None, (None, _)) => return Err(Refusal::bad("Host is missing")),
    };
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.iter().all(is_allowed) {
        return Err(Refusal::bad("bad Host"));
    }
    Ok(fields.add_text(host))
}

/// What is announced. That the body then has this length is watched by `h2`, which resets the stream if not.
fn length(headers: &HeaderMap) -> Result<Length, Refusal> {
    let Some(stated) = headers.get("content-length") else { return Ok(Length::Streamed) };
    let stated = stated.to_str().ok().and_then(|text| text.parse().ok());
    stated.map(Length::Exact).ok_or(Refusal::bad("bad Content-Length"))
}

/// A value, which may not begin or end with white space (RFC 9113 §8.2.1).
fn trimmed(value: &HeaderValue) -> Result<&[u8], Refusal> {
    let bytes = value.as_bytes();
    if bytes.trim_ascii().len() == bytes.len() {
        Ok(bytes)
    } else {
        Err(Refusal::bad("white space around a value"))
    }
}

/// Fills in a request's trailers, but for those that frame or route the message.
pub(super) fn trailers(map: &HeaderMap, fields: &mut Fields) -> Result<(), Refusal> {
    if map.len() > TRAILER_FIELDS_MAX {
        return Err(Refusal::new(431, "too many trailers"));
    }
    for (name, value) in map {
        if Name::of(name.as_str().as_bytes()) != Name::Other {
            return Err(Refusal::bad("field not allowed in trailers"));
        }
        fields.push(name.as_str(), trimmed(value)?);
    }
    Ok(())
}

/// The answer's head. The length is stated where HTTP/1 would state it.
pub(super) fn response(head: &ResponseHead, body: AnswerBody) -> Response<()> {
    let mut response = interim(head);
    let stated = match body.length {
        Length::Exact(bytes) => Some(bytes),
        Length::Empty => body.stated_length,
        Length::Streamed => None,
    };
    if let Some(bytes) = stated {
        response.headers_mut().insert("content-length", bytes.into());
    }
    response
}

/// A head without a body.
pub(super) fn interim(head: &ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status).expect("a status has three digits");
    *response.headers_mut() = map(&head.fields);
    response
}

/// Fields as HTTP/2 has them. Whoever put them there has checked them, so none can be refused here.
pub(super) fn map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.count());
    for (name, value) in fields.iter() {
        let name = HeaderName::from_bytes(name).expect("a field's name is a token");
        map.append(name, HeaderValue::from_bytes(value).expect("a field's value has no controls"));
    }
    map
}
