//! Texts of the configuration that mention values of the request: `https://{host}{path}`. Read once into parts,
//! so that a request only copies bytes. Used by header values, by answers that stand in the file, by redirects
//! and by rewritten paths.
//!
//! Host and path are the client's own words. Every codec admits to a path nothing but visible ASCII and to a host
//! nothing but letters, digits and `-._:[]`; an address is written here, an id is made here or made of such bytes. What stands for a name of the
//! route's path is decoded, but for what must not come out of its escape: see `fill`. So whatever is filled in, a
//! field value stays one (RFC 9110 §5.5). `{path}` is not escaped for HTML or JSON: it may hold quotes and brackets.

mod fill;
mod words;

#[cfg(test)]
mod tests;

use crate::exchange::Client;
use crate::identity::Identity;
use crate::node::{Node, Value};
use crate::problem::Problems;
use crate::router::{PathName, PathNames};
use crate::secret::Secret;
use crate::settings::{Fault, Setting, Shape, expected};

/// A text with values filled in for each request. Its own text may carry a credential from `${…}`: never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Secret<Vec<Part>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    /// Never empty, and never after another text: a constant is one copy.
    Text(Vec<u8>),
    Value(Variable, Form),
}

/// What may be mentioned.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Variable {
    /// Who was found to ask; empty where nobody was.
    Consumer,
    /// The client's address without its port; empty on a Unix socket.
    ClientIp,
    /// Host and port as the client asked for them; empty when an HTTP/1.0 client did not.
    Host,
    /// The same without the port.
    HostName,
    /// The canonical path.
    Path,
    /// The request's id, as it is logged.
    RequestId,
    /// A part of the path, by the name the route gives it.
    Named(PathName),
}

/// What a text is part of, which decides how the client's words are written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The value of a field.
    Field,
    /// The body of an answer.
    Body,
    /// The path of a URL.
    Path,
    /// The query or the fragment of a URL.
    Query,
}

/// What is known of a request beside its head.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Who asked.
    pub client: &'a Client,
    /// The request's id.
    pub request_id: &'a [u8],
    /// Who was found to ask.
    pub identity: Option<&'a Identity>,
}

impl Template {
    /// Reads the text of a body that no route's path has names for. `{word}` must be a known word; braces around
    /// anything else stand for themselves.
    ///
    /// Errors: a word that is not known, with the one that was probably meant.
    pub fn parse(text: &str) -> Result<Template, Fault> {
        Template::parse_as(text, Form::Body, &PathNames::default())
    }

    /// The same for another use, with the names that stand for parts of the path.
    pub(crate) fn parse_as(text: &str, form: Form, names: &PathNames) -> Result<Template, Fault> {
        let mut parts = Parts::default();
        for piece in words::pieces(text) {
            match piece {
                words::Piece::Text(text) => parts.add_bytes(text.as_bytes()),
                words::Piece::Word(word) => parts.add_value(words::variable(word, names)?, form),
            }
        }
        Ok(parts.into())
    }

    /// Whether it is the empty text.
    pub fn is_empty(&self) -> bool {
        self.parts.reveal().is_empty()
    }

    /// The text, if it mentions nothing.
    pub fn constant(&self) -> Option<&[u8]> {
        match &self.parts.reveal()[..] {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The same between two more texts.
    pub(crate) fn between(&self, before: &str, after: &str) -> Template {
        let mut parts = Parts::default();
        parts.add_bytes(before.as_bytes());
        for part in self.parts.reveal() {
            match part {
                Part::Text(text) => parts.add_bytes(text),
                Part::Value(..) => parts.0.push(part.clone()),
            }
        }
        parts.add_bytes(after.as_bytes());
        parts.into()
    }

    /// As it was written.
    fn text(&self) -> String {
        let mut text = String::new();
        for part in self.parts.reveal() {
            match part {
                Part::Text(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                Part::Value(variable, _) => text.push_str(&format!("{{{}}}", words::word_of(variable))),
            }
        }
        text
    }
}

/// Parts in the making: keeps texts together and empty ones out.
#[derive(Default)]
pub(crate) struct Parts(Vec<Part>);

impl Parts {
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Part::Text(text)) => text.extend_from_slice(bytes),
            _ => self.0.push(Part::Text(bytes.to_vec())),
        }
    }

    pub(crate) fn add_value(&mut self, variable: Variable, form: Form) {
        self.0.push(Part::Value(variable, form));
    }
}

impl From<Parts> for Template {
    fn from(parts: Parts) -> Template {
        Template { parts: Secret::new(parts.0) }
    }
}

pub(crate) use words::{Piece, pieces, variable};

/// Reads a text that may begin with a brace: YAML takes it for a map unless it is quoted.
pub(crate) fn read<T>(
    node: &Node,
    problems: &mut Problems,
    what: &str,
    parse: impl FnOnce(&str, &PathNames) -> Result<T, Fault>,
) -> Option<T> {
    match &node.value {
        Value::Scalar(scalar) => match parse(&scalar.text, node.place.names()) {
            Ok(value) => return Some(value),
            Err(fault) => problems.push(fault.problem(node)),
        },
        Value::Refused => {}
        Value::Map(_) => {
            let hint = "quote a text that begins with a brace, as in `\"{host}\"`";
            problems.push(expected(what, node).hint(hint));
        }
        Value::Null | Value::List(_) => problems.push(expected(what, node)),
    }
    None
}

/// As a setting, a template is the body of an answer.
impl Setting for Template {
    fn read(node: &Node, problems: &mut Problems) -> Template {
        let parse = |text: &str, names: &PathNames| Template::parse_as(text, Form::Body, names);
        read(node, problems, "a text", parse).unwrap_or_default()
    }

    fn stand_in() -> Template {
        Template::default()
    }

    fn shape() -> Shape {
        Shape::Word { what: "a text", pattern: "" }
    }

    fn show(&self) -> String {
        format!("{:?}", self.text())
    }
}
