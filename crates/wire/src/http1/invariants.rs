//! What must hold for the codec whatever bytes it is fed. Called by the fuzz targets and by the replay of
//! their corpus; not part of the data plane. Each function answers with the first rule that was broken.

use std::fmt::Debug;

use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead};
use tidegate_core::limits::HeadLimits;
use tidegate_core::name::{Method, Name};
use tidegate_core::path::{Canonical, PathRules, canonical};

use super::chunked::{Decoder, Step};
use super::encode::{
    CHUNK_END, Connection, RequestFraming, ResponseFraming, chunk_head, write_request_head,
    write_response_head, write_trailers,
};
use super::request::{ParsedRequest, RequestParser};
use super::response::{BadResponse, ParsedResponse, ResponseParser};
use tidegate_core::outcome::Refusal;

/// Small bounds, so that inputs of a fuzzer's size run into them.
const TIGHT: HeadLimits =
    HeadLimits { line_bytes_max: 48, head_bytes_max: 160, fields_max: 4, path: PathRules::STRICT };
/// Bounds that nothing re-encoded runs into.
const WIDE: HeadLimits = HeadLimits {
    line_bytes_max: 1 << 20,
    head_bytes_max: 1 << 20,
    fields_max: 1 << 10,
    path: PathRules::STRICT,
};
/// Never kept: written anew, or ended at this hop.
const REMOVED: [Name; 11] = [
    Name::Connection,
    Name::ContentLength,
    Name::Http2Settings,
    Name::KeepAlive,
    Name::ProxyAuthenticate,
    Name::ProxyAuthorization,
    Name::ProxyConnection,
    Name::Te,
    Name::Trailer,
    Name::TransferEncoding,
    Name::Upgrade,
];

type Verdict = Result<(), String>;

fn hold(is_true: bool, rule: impl FnOnce() -> String) -> Verdict {
    if is_true { Ok(()) } else { Err(rule()) }
}

fn same<T: PartialEq + Debug>(what: &str, left: T, right: T) -> Verdict {
    hold(left == right, || format!("{what} differ: {left:?} and {right:?}"))
}

/// Request heads: the pieces do not matter; what is kept is clean; what is written parses to the same.
pub fn request(bytes: &[u8]) -> Verdict {
    let whole = parse_request(bytes, bytes.len().max(1), &HeadLimits::REQUEST);
    for piece in [1, 3, 64] {
        whole.is_same_as(&parse_request(bytes, piece, &HeadLimits::REQUEST), piece)?;
    }
    let tight = parse_request(bytes, bytes.len().max(1), &TIGHT);
    tight.is_same_as(&parse_request(bytes, 1, &TIGHT), 1)?;
    match &whole.verdict {
        Ok(Some(parsed)) => request_kept(bytes, parsed, &whole.head),
        _ => Ok(()),
    }
}

struct Seen<V, H> {
    verdict: V,
    head: H,
}

type SeenRequest = Seen<Result<Option<ParsedRequest>, Refusal>, RequestHead>;
type SeenResponse = Seen<Result<Option<ParsedResponse>, BadResponse>, ResponseHead>;

/// Shows the parser ever more of the bytes.
fn parse_request(bytes: &[u8], piece: usize, limits: &HeadLimits) -> SeenRequest {
    let mut parser = RequestParser::default();
    let mut head = RequestHead::default();
    let mut verdict = Ok(None);
    let mut shown = 0;
    while shown < bytes.len() && verdict == Ok(None) {
        shown = (shown + piece).min(bytes.len());
        verdict = parser.parse(&bytes[..shown], limits, &mut head);
    }
    Seen { verdict, head }
}

impl SeenRequest {
    fn is_same_as(&self, other: &SeenRequest, piece: usize) -> Verdict {
        same(&format!("verdicts in pieces of {piece}"), &self.verdict, &other.verdict)?;
        if !matches!(self.verdict, Ok(Some(_))) {
            return Ok(());
        }
        let parts = |h: &RequestHead| (h.method, h.method_text, h.path, h.query, h.has_query, h.host);
        same("heads", parts(&self.head), parts(&other.head))?;
        same_fields(&self.head.fields, &other.head.fields)
    }
}

fn same_fields(left: &Fields, right: &Fields) -> Verdict {
    same("texts", left.text(), right.text())?;
    let parts = |fields: &Fields| -> Vec<_> {
        fields.list().iter().map(|f| (f.line, f.value, f.name_bytes, f.name, f.is_removed)).collect()
    };
    same("fields", parts(left), parts(right))
}

fn request_kept(bytes: &[u8], parsed: &ParsedRequest, head: &RequestHead) -> Verdict {
    hold(bytes[..parsed.bytes].ends_with(b"\r\n\r\n"), || "a head ends with an empty line".into())?;
    fields_are_clean(&head.fields)?;
    let ended = [Name::Host, Name::Expect];
    hold(ended.iter().all(|&n| head.fields.get(n).is_none()), || "Host or Expect is kept".into())?;
    let path = head.path_bytes();
    let is_asterisk = path == b"*" && head.method == Method::Options;
    let is_canonical = canonical(path, PathRules::STRICT, &mut Vec::new()) == Ok(Canonical::Same);
    hold(is_asterisk || is_canonical, || format!("path is not canonical: {}", path.escape_ascii()))?;
    // A method may have a `#`, nothing else may.
    for part in [path, head.query_bytes().unwrap_or_default(), head.host_bytes()] {
        hold(!part.contains(&b'#'), || format!("fragment in {}", part.escape_ascii()))?;
    }
    for part in [head.method_bytes(), path, head.query_bytes().unwrap_or_default(), head.host_bytes()] {
        hold(part.iter().all(u8::is_ascii_graphic), || {
            format!("start line carries {}", part.escape_ascii())
        })?;
    }
    request_again(parsed, head)
}

/// Writes the head as it would go to a backend, and reads it as the backend would.
fn request_again(parsed: &ParsedRequest, head: &RequestHead) -> Verdict {
    let host = if head.host.is_empty() { b"none" } else { head.host_bytes() };
    let upgrade = parsed.upgrade.map(|u| u.of(head.fields.text()));
    let framing =
        RequestFraming { length: parsed.length, upgrade, expects_continue: parsed.expects_continue };
    let mut out = Vec::new();
    write_request_head(&mut out, head, host, framing);
    let again = parse_request(&out, out.len(), &WIDE);
    let Ok(Some(second)) = again.verdict else {
        return Err(format!("written head is {:?}: {}", again.verdict, out.escape_ascii()));
    };
    same("written bytes", second.bytes, out.len())?;
    let is_stated = matches!(head.method, Method::Post | Method::Put | Method::Patch);
    let length = match parsed.length {
        Length::Empty if is_stated => Length::Exact(0),
        length => length,
    };
    same("lengths", second.length, length)?;
    same("expectations", second.expects_continue, parsed.expects_continue)?;
    same("upgrades", second.upgrade.map(|u| u.of(again.head.fields.text())), upgrade)?;
    same("methods", again.head.method_bytes(), head.method_bytes())?;
    same("paths", again.head.path_bytes(), head.path_bytes())?;
    same("queries", again.head.query_bytes(), head.query_bytes())?;
    same("hosts", again.head.host_bytes(), host)?;
    same("kept fields", pairs(&again.head.fields), pairs(&head.fields))
}

fn pairs(fields: &Fields) -> Vec<(&[u8], &[u8])> {
    fields.iter().collect()
}

/// No kept line can end early or be read as more than one; nothing of this hop is kept.
fn fields_are_clean(fields: &Fields) -> Verdict {
    for field in fields.list().iter().filter(|f| !f.is_removed) {
        let line = field.line.of(fields.text());
        let shown = || format!("kept line is not clean: {}", line.escape_ascii());
        hold(line.ends_with(b"\r\n"), shown)?;
        let inner = &line[..line.len() - 2];
        hold(!inner.iter().any(|b| matches!(b, b'\r' | b'\n' | 0 | 0x7f)), shown)?;
        hold(inner.get(usize::from(field.name_bytes)) == Some(&b':'), shown)?;
        let name = fields.name_of(field);
        hold(!name.is_empty() && name.iter().all(|b| b.is_ascii_graphic() && *b != b':'), shown)?;
        hold(Name::of(name) == field.name && !REMOVED.contains(&field.name), shown)?;
        hold(field.value.of(fields.text()) == inner[name.len() + 1..].trim_ascii(), shown)?;
        let plain: Vec<u8> = name.iter().map(|&b| if b == b'_' { b'-' } else { b }).collect();
        hold(plain == name || Name::of(&plain) == Name::Other, shown)?;
    }
    Ok(())
}

/// Response heads, as answers to GET and to HEAD.
pub fn response(bytes: &[u8]) -> Verdict {
    for method in [Method::Get, Method::Head] {
        let whole = parse_response(bytes, bytes.len().max(1), method, &HeadLimits::RESPONSE);
        for piece in [1, 3, 64] {
            whole.is_same_as(&parse_response(bytes, piece, method, &HeadLimits::RESPONSE), piece)?;
        }
        let tight = parse_response(bytes, bytes.len().max(1), method, &TIGHT);
        tight.is_same_as(&parse_response(bytes, 1, method, &TIGHT), 1)?;
        if let Ok(Some(parsed)) = &whole.verdict {
            hold(bytes[..parsed.bytes].ends_with(b"\r\n\r\n"), || "a head ends with an empty line".into())?;
            fields_are_clean(&whole.head.fields)?;
            hold((100..=999).contains(&whole.head.status), || "status is of three digits".into())?;
            response_again(parsed, method, &whole.head)?;
        }
    }
    Ok(())
}

fn parse_response(bytes: &[u8], piece: usize, method: Method, limits: &HeadLimits) -> SeenResponse {
    let mut parser = ResponseParser::default();
    let mut head = ResponseHead::default();
    let mut verdict = Ok(None);
    let mut shown = 0;
    while shown < bytes.len() && verdict == Ok(None) {
        shown = (shown + piece).min(bytes.len());
        verdict = parser.parse(&bytes[..shown], method, limits, &mut head);
    }
    Seen { verdict, head }
}

impl SeenResponse {
    fn is_same_as(&self, other: &SeenResponse, piece: usize) -> Verdict {
        same(&format!("verdicts in pieces of {piece}"), &self.verdict, &other.verdict)?;
        if !matches!(self.verdict, Ok(Some(_))) {
            return Ok(());
        }
        same("heads", (self.head.status, self.head.reason), (other.head.status, other.head.reason))?;
        same_fields(&self.head.fields, &other.head.fields)
    }
}

/// Writes the head as it would go to an HTTP/1.1 client, and reads it as that client would.
fn response_again(parsed: &ParsedResponse, method: Method, head: &ResponseHead) -> Verdict {
    let connection = match parsed.upgrade.map(|u| u.of(head.fields.text())) {
        Some(protocol) => Connection::Upgrade(protocol),
        None if parsed.is_keep_alive => Connection::KeepAlive11,
        None => Connection::Close,
    };
    let (length, stated_length) = (parsed.length, parsed.stated_length);
    let framing = ResponseFraming { length, stated_length, connection, chunked: !parsed.is_close_delimited };
    let mut out = Vec::new();
    write_response_head(&mut out, head, framing);
    let again = parse_response(&out, out.len(), method, &WIDE);
    let Ok(Some(second)) = again.verdict else {
        return Err(format!("written head is {:?}: {}", again.verdict, out.escape_ascii()));
    };
    same("written bytes", second.bytes, out.len())?;
    let facts = |p: &ParsedResponse| {
        (p.length, p.stated_length, p.is_close_delimited, p.is_keep_alive, p.is_interim, p.upgrade.is_some())
    };
    same("facts", facts(&second), facts(parsed))?;
    same("status", again.head.status, head.status)?;
    let reason = head.reason_bytes();
    hold(reason.is_empty() || again.head.reason_bytes() == reason, || "reason is not kept".into())?;
    same("kept fields", pairs(&again.head.fields), pairs(&head.fields))
}

/// Chunked bodies: the pieces do not matter, and what is decoded can be encoded and decoded again.
pub fn chunks(bytes: &[u8]) -> Verdict {
    let whole = decode(bytes, bytes.len().max(1))?;
    for piece in [1, 2, 7] {
        let pieces = decode(bytes, piece)?;
        same(&format!("ends in pieces of {piece}"), &whole.end, &pieces.end)?;
        same("payloads", &whole.payload, &pieces.payload)?;
        if matches!(whole.end, Ok(Some(_))) {
            same_fields(&whole.decoder.trailers, &pieces.decoder.trailers)?;
        }
    }
    if !matches!(whole.end, Ok(Some(_))) {
        return Ok(());
    }
    fields_are_clean(&whole.decoder.trailers)?;
    let mut out = Vec::new();
    for chunk in whole.payload.chunks(5) {
        out.extend_from_slice(chunk_head(chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(CHUNK_END);
    }
    write_trailers(&mut out, &whole.decoder.trailers);
    let again = decode(&out, out.len())?;
    same("ends after encoding", again.end, Ok(Some(out.len())))?;
    same("payloads after encoding", &again.payload, &whole.payload)?;
    same("trailers after encoding", pairs(&again.decoder.trailers), pairs(&whole.decoder.trailers))
}

struct Decoded {
    decoder: Decoder,
    payload: Vec<u8>,
    /// How many bytes the body took, if it ended.
    end: Result<Option<usize>, &'static str>,
}

/// Shows the decoder the bytes in pieces, and takes at most as many payload bytes at once as a piece has.
fn decode(bytes: &[u8], piece: usize) -> Result<Decoded, String> {
    let mut seen = Decoded { decoder: Decoder::default(), payload: Vec::new(), end: Ok(None) };
    let mut used = 0;
    let mut shown = 0;
    loop {
        let buf = &bytes[used..shown];
        match seen.decoder.step(buf) {
            Ok(Step::More) if shown == bytes.len() => break,
            Ok(Step::More) => {
                hold(buf.is_empty(), || "asks for more and leaves bytes".into())?;
                shown = (shown + piece).min(bytes.len());
            }
            Ok(Step::Framing(n)) => {
                hold((1..=buf.len()).contains(&n), || format!("framing of {n} in {}", buf.len()))?;
                used += n;
            }
            Ok(Step::Data(n)) => {
                hold((1..=buf.len()).contains(&n), || format!("data of {n} in {}", buf.len()))?;
                let taken = n.min(piece);
                seen.payload.extend_from_slice(&buf[..taken]);
                seen.decoder.taken(taken);
                used += taken;
            }
            Ok(Step::End(n)) => {
                hold(n <= buf.len() && seen.decoder.is_over(), || format!("end of {n} in {}", buf.len()))?;
                seen.end = Ok(Some(used + n));
                break;
            }
            Err(reason) => {
                seen.end = Err(reason);
                break;
            }
        }
    }
    Ok(seen)
}
