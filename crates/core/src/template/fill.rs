//! Fills a template in for one request. The client's words are copied as they stand in its canonical path, or
//! decoded, or escaped, as the text asks that they become part of. Allocates nothing but what the output needs.

use super::{Form, Origin, Part, Template, Variable};
use crate::head::{RequestHead, Span};
use std::io::Write;

impl Template {
    /// Appends the text for a request.
    pub fn write(&self, request: &RequestHead, origin: Origin<'_>, out: &mut Vec<u8>) {
        self.fill(Places::of(request), origin, Text::Apart(request.fields.text()), out);
    }

    /// Appends it to the text of the request's own head, where the values are copied from.
    pub fn write_to_own(&self, request: &mut RequestHead, origin: Origin<'_>) {
        self.fill(Places::of(request), origin, Text::Own, request.fields.text_mut());
    }

    fn fill(&self, at: Places, origin: Origin<'_>, text: Text<'_>, out: &mut Vec<u8>) {
        for part in self.parts.reveal() {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value(Variable::RequestId, _) => out.extend_from_slice(origin.request_id),
                Part::Value(Variable::Consumer, form) => {
                    // It is what a field may hold; a URL needs more.
                    let name = origin.identity.map_or("", |identity| identity.consumer.as_str());
                    Text::Apart(name.as_bytes()).write(Span::new(0, name.len()), of_host(*form), out);
                }
                Part::Value(Variable::ClientIp, _) => {
                    if let Some(address) = origin.client.address {
                        // An IPv4 client of an IPv6 socket is an IPv4 client. Writing to memory cannot fail.
                        let _ = write!(out, "{}", address.ip().to_canonical());
                    }
                }
                Part::Value(Variable::Host, form) => text.write(at.host, of_host(*form), out),
                Part::Value(Variable::HostName, form) => {
                    let name = Span { end: at.host.end - port_bytes(text.slice(at.host, out)), ..at.host };
                    text.write(name, of_host(*form), out);
                }
                Part::Value(Variable::Path, form) => text.write(at.path, of_path(*form), out),
                Part::Value(Variable::Named(name), form) => {
                    let part = name.span_in(text.slice(at.path, out));
                    let start = at.path.start;
                    text.write(
                        Span { start: start + part.start, end: start + part.end },
                        of_name(*form),
                        out,
                    );
                }
            }
        }
    }
}

/// Where the values of a head stand in its text.
#[derive(Clone, Copy)]
struct Places {
    host: Span,
    path: Span,
}

impl Places {
    fn of(head: &RequestHead) -> Places {
        Places { host: head.host, path: head.path }
    }
}

/// How the client's words are written.
#[derive(Clone, Copy)]
enum Writing {
    /// Byte by byte.
    AsItIs,
    /// Escapes decoded and all else as it is; but what this refuses is written escaped.
    Decoded(fn(u8) -> bool),
    /// As it is, escapes too; but what this refuses is written escaped.
    Shown(fn(u8) -> bool),
    /// Everything that might end a part of a URL escaped; escapes stay.
    Escaped,
    /// Everything that might end a part of a URL escaped, slashes and `%` too: a word that is no part of a path.
    Word,
}

/// A host holds nothing that ends a field or a body's string. In a path or a query it is a word like any other.
fn of_host(form: Form) -> Writing {
    match form {
        Form::Field | Form::Body => Writing::AsItIs,
        Form::Path | Form::Query => Writing::Word,
    }
}

/// A canonical path is a path and holds no control; a query it could end, and a string or markup in a body.
fn of_path(form: Form) -> Writing {
    match form {
        Form::Field | Form::Path => Writing::AsItIs,
        Form::Body => Writing::Shown(ends_no_text),
        Form::Query => Writing::Escaped,
    }
}

/// In a path a part of a path is at home as it stands: no slash, no `?` and no dot segment can come of it. Where it
/// is decoded, no CR, LF or NUL may come out, and in a body nothing that ends a string or begins markup: that would
/// hand the page to whoever made the link.
fn of_name(form: Form) -> Writing {
    match form {
        Form::Field => Writing::Decoded(|byte| !byte.is_ascii_control()),
        Form::Body => Writing::Decoded(ends_no_text),
        Form::Path => Writing::AsItIs,
        Form::Query => Writing::Escaped,
    }
}

/// Whether a byte in a body can neither end a string nor begin markup.
fn ends_no_text(byte: u8) -> bool {
    !byte.is_ascii_control() && !b"\"&'<>\\`".contains(&byte)
}

/// The text that values are copied from.
#[derive(Clone, Copy)]
enum Text<'a> {
    /// Another than is written to.
    Apart(&'a [u8]),
    /// The same.
    Own,
}

impl Text<'_> {
    fn slice<'b>(&'b self, span: Span, out: &'b [u8]) -> &'b [u8] {
        match self {
            Text::Apart(text) => span.of(text),
            Text::Own => span.of(out),
        }
    }

    fn byte(&self, at: usize, out: &[u8]) -> u8 {
        match self {
            Text::Apart(text) => text[at],
            Text::Own => out[at],
        }
    }

    fn write(self, span: Span, writing: Writing, out: &mut Vec<u8>) {
        let (mut at, end) = (span.start as usize, span.end as usize);
        match (writing, self) {
            (Writing::AsItIs, Text::Apart(text)) => out.extend_from_slice(&text[at..end]),
            (Writing::AsItIs, Text::Own) => out.extend_from_within(at..end),
            (Writing::Decoded(is_shown), _) => {
                while at < end {
                    let mut byte = self.byte(at, out);
                    at += 1;
                    // A canonical path has no `%` but before two digits.
                    if byte == b'%' && at + 2 <= end {
                        byte = from_hex(self.byte(at, out)) << 4 | from_hex(self.byte(at + 1, out));
                        at += 2;
                    }
                    push(byte, is_shown(byte), out);
                }
            }
            (Writing::Shown(is_shown), _) => {
                for at in at..end {
                    let byte = self.byte(at, out);
                    push(byte, is_shown(byte), out);
                }
            }
            (Writing::Escaped | Writing::Word, _) => {
                let is_path = matches!(writing, Writing::Escaped);
                for at in at..end {
                    let byte = self.byte(at, out);
                    let is_kept = b"-._~:".contains(&byte) || (is_path && b"%/".contains(&byte));
                    push(byte, byte.is_ascii_alphanumeric() || is_kept, out);
                }
            }
        }
    }
}

fn push(byte: u8, is_shown: bool, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match is_shown {
        true => out.push(byte),
        false => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    }
}

fn from_hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}

/// The length of `:80` at the end of a host that a codec has let pass.
fn port_bytes(host: &[u8]) -> u32 {
    match memchr::memrchr(b':', host) {
        // Within brackets it is part of an address.
        Some(colon) if !host[colon..].contains(&b']') => (host.len() - colon) as u32,
        _ => 0,
    }
}
