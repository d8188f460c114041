//! Where a redirect sends a client: a URL with values filled in, such as `https://{host}{path}`. Whatever a client
//! asks for, the host is the one the operator wrote or the one the client asked: nothing of a path or a query can
//! become part of it. Called by the flow for routes that redirect.

use crate::head::{RequestHead, is_field_value};
use crate::node::Node;
use crate::outcome::Refusal;
use crate::problem::Problems;
use crate::router::PathNames;
use crate::settings::{Fault, Setting, Shape};
use crate::template::{Form, Origin, Parts, Piece, Template, Variable, pieces, read, variable};

/// An absolute URL, or an absolute path on the host that was asked.
///
/// Invariants: a URL's authority is followed by a slash, `{path}`, a query, a fragment or nothing, and holds no value
/// but the host's. A path begins with a slash, and `write` leaves one of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// All before the fragment.
    url: Template,
    /// With its `#`; browsers keep their own where there is none (RFC 9110 §10.2.2).
    fragment: Template,
    is_path: bool,
    /// The text has a query of its own: the client's is added to it.
    has_query: bool,
    /// It names the host that was asked.
    needs_host: bool,
}

const WHAT: &str = "a URL such as `https://example.com{path}`";

impl Location {
    /// Reads a URL or a path.
    ///
    /// Errors: what is neither, lets the request choose the host, or mentions what is not known.
    pub fn parse(text: &str, names: &PathNames) -> Result<Location, Fault> {
        /// As header values are bounded.
        const BYTES_MAX: usize = 4096;
        if text.len() > BYTES_MAX {
            return Err(Fault::new("is too long for a URL").hint("4096 bytes at most"));
        }
        if text.chars().any(|c| !c.is_ascii_graphic() || "\"<>\\^`|*".contains(c)) {
            return Err(match text.contains('*') {
                true => Fault::new("holds a `*`").hint("what `**` matched is called `{rest}` here"),
                false => Fault::new("holds a character no URL has").hint("write it escaped, as in `%20`"),
            });
        }
        let (before, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
        let mut draft = Draft { parts: Parts::default(), names, needs_host: false };
        let is_path = before.starts_with('/') || pieces(before).next() == Some(Piece::Word("path"));
        let rest = if is_path { local(before)? } else { draft.authority(before)? };
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        draft.add(path, Form::Path)?;
        draft.add(query, Form::Query)?;
        Ok(Location {
            url: draft.parts.into(),
            fragment: Template::parse_as(fragment, Form::Query, names)?,
            is_path,
            has_query: !query.is_empty(),
            needs_host: draft.needs_host,
        })
    }

    /// Appends the URL for a request, with the client's query.
    ///
    /// Errors: 400 when the host is part of it and the client named none: what follows would be taken for the host.
    pub fn write(&self, request: &RequestHead, origin: Origin<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.needs_host && request.host.is_empty() {
            return Err(Refusal::bad("no host to be redirected to"));
        }
        let start = out.len();
        self.url.write(request, origin, out);
        if self.is_path {
            // `//evil.example` is a URL of another host (RFC 3986 §4.2).
            let slashes = out[start..].iter().take_while(|&&b| b == b'/').count();
            out.drain(start..start + slashes.saturating_sub(1));
        }
        match request.query_bytes() {
            Some(query) if !self.has_query => {
                out.push(b'?');
                out.extend_from_slice(query);
            }
            Some(query) if !query.is_empty() => {
                if !out.ends_with(b"?") && !out.ends_with(b"&") {
                    out.push(b'&');
                }
                out.extend_from_slice(query);
            }
            _ => {}
        }
        self.fragment.write(request, origin, out);
        debug_assert!(is_field_value(&out[start..]));
        Ok(())
    }
}

/// Checks an absolute path.
fn local(text: &str) -> Result<&str, Fault> {
    match text.starts_with("//") {
        true => Err(Fault::new("begins with `//`, which is another host's URL")
            .hint("write the whole URL, as in `https://example.com/`, or one `/`")),
        false => Ok(text),
    }
}

/// A location while it is read.
struct Draft<'a> {
    parts: Parts,
    names: &'a PathNames,
    needs_host: bool,
}

impl Draft<'_> {
    /// Reads scheme and authority of a URL; what follows them.
    fn authority<'t>(&mut self, text: &'t str) -> Result<&'t str, Fault> {
        let Some(scheme) = ["http://", "https://"].into_iter().find(|scheme| text.starts_with(scheme)) else {
            return Err(Fault::new("is neither a URL nor a path")
                .hint("write it from `https://` or `http://` on, or a path from `/` on"));
        };
        self.parts.add_bytes(scheme.as_bytes());
        let mut rest = &text[scheme.len()..];
        let mut host = String::new();
        while let Some(piece) = pieces(rest).next() {
            match piece {
                Piece::Word("path") => break,
                Piece::Word("host") if !self.needs_host => {
                    self.needs_host = true;
                    let has_port = rest["{host}".len()..].starts_with(':');
                    let name = if has_port { Variable::HostName } else { Variable::Host };
                    self.parts.add_value(name, Form::Field);
                    host.push_str("host");
                    rest = &rest["{host}".len()..];
                    if !has_port && !at_end_of_authority(rest) {
                        return Err(bad_authority());
                    }
                }
                Piece::Word(word) => {
                    variable(word, self.names)?;
                    return Err(Fault::new("lets the request choose the host").hint(format!(
                        "put a `/` before `{{{word}}}`: of values only `{{host}}` may stand there"
                    )));
                }
                Piece::Text(text) => {
                    let end = text.find(['/', '?']).unwrap_or(text.len());
                    self.parts.add_bytes(&text.as_bytes()[..end]);
                    host.push_str(&text[..end]);
                    rest = &rest[end..];
                    if end < text.len() {
                        break;
                    }
                }
            }
        }
        match is_authority(&host) {
            true => Ok(rest),
            false => Err(bad_authority()),
        }
    }

    fn add(&mut self, text: &str, form: Form) -> Result<(), Fault> {
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => self.parts.add_bytes(text.as_bytes()),
                Piece::Word(word) => self.parts.add_value(variable(word, self.names)?, form),
            }
        }
        Ok(())
    }
}

fn at_end_of_authority(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?']) || pieces(rest).next() == Some(Piece::Word("path"))
}

fn bad_authority() -> Fault {
    Fault::new("has no host a client could be sent to").hint(
        "write a name such as `www.example.com`, or `{host}` for the one that was asked; a port may follow",
    )
}

/// A name or an address, and perhaps a port. No user: `https://example.com@evil.example` reads as the wrong host.
fn is_authority(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_host, port) = match bracketed {
        Some((address, after)) => (address.parse::<std::net::Ipv6Addr>().is_ok(), after),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            let has_label = !name.is_empty() && !name.starts_with('.') && !name.contains("..");
            (has_label && name.bytes().all(is_part), port)
        }
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        });
    is_host && is_port
}

impl Setting for Location {
    fn read(node: &Node, problems: &mut Problems) -> Location {
        read(node, problems, WHAT, Location::parse).unwrap_or_default()
    }

    fn stand_in() -> Location {
        Location::default()
    }

    fn shape() -> Shape {
        Shape::Word { what: WHAT, pattern: "^(https?://|/|\\{path\\})" }
    }

    fn show(&self) -> String {
        self.url.show()
    }
}

#[cfg(test)]
mod tests;
