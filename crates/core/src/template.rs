//! Texts of the configuration that mention values of the request: `https://{host}{path}`. Read once into parts,
//! so that a request only copies bytes. Used by header values and by answers that stand in the file.
//!
//! Host and path are the client's own words. Every codec admits to a path nothing but visible ASCII and to a host
//! nothing but letters, digits and `-._:[]`; an address and an id are made here. So whatever is filled in, a field
//! value stays one (RFC 9110 §5.5). Nothing is escaped for HTML or JSON: a path may hold quotes and brackets.

use crate::exchange::Client;
use crate::head::{RequestHead, Span};
use crate::node::{Node, Value};
use crate::problem::{Problems, nearest};
use crate::secret::Secret;
use crate::settings::{Fault, Setting, Shape, expected};
use std::io::Write;

/// A text with values filled in for each request. Its own text may carry a credential from `${…}`: never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Secret<Vec<Part>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    /// Never empty, and never after another text: a constant is one copy.
    Text(Vec<u8>),
    Value(Variable),
}

/// What may be mentioned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variable {
    /// The client's address without its port; empty on a Unix socket.
    ClientIp,
    /// Host and port as the client asked for them; empty when an HTTP/1.0 client did not.
    Host,
    /// The canonical path.
    Path,
    /// The request's id, as it is logged.
    RequestId,
}

/// Every word that may stand in braces, in the order messages list them.
const VARIABLES: [(&str, Variable); 4] = [
    ("client_ip", Variable::ClientIp),
    ("host", Variable::Host),
    ("path", Variable::Path),
    ("request_id", Variable::RequestId),
];

/// What is known of a request beside its head.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Who asked.
    pub client: &'a Client,
    /// The request's id.
    pub request_id: &'a [u8],
}

impl Template {
    /// Reads a text. `{word}` must be a known word; braces around anything else stand for themselves.
    ///
    /// Errors: a word that is not known, with the one that was probably meant.
    pub fn parse(text: &str) -> Result<Template, Fault> {
        let mut parts = Parts::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            parts.add_text(before);
            rest = match leading_word(after) {
                Some((word, tail)) => {
                    parts.0.push(Part::Value(variable(word)?));
                    tail
                }
                None => {
                    parts.add_text("{");
                    after
                }
            };
        }
        parts.add_text(rest);
        Ok(Template { parts: Secret::new(parts.0) })
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

    /// Appends the text for a request.
    pub fn write(&self, request: &RequestHead, origin: Origin<'_>, out: &mut Vec<u8>) {
        let text = request.fields.text();
        self.fill(Places::of(request), origin, out, |out, span| out.extend_from_slice(span.of(text)));
    }

    /// Appends it to the text of the request's own head, where the values are copied from.
    pub fn write_to_own(&self, request: &mut RequestHead, origin: Origin<'_>) {
        let at = Places::of(request);
        let out = request.fields.text_mut();
        self.fill(at, origin, out, |out, span| {
            out.extend_from_within(span.start as usize..span.end as usize);
        });
    }

    /// The same between two more texts.
    pub(crate) fn between(&self, before: &str, after: &str) -> Template {
        let mut parts = Parts::default();
        parts.add_text(before);
        for part in self.parts.reveal() {
            match part {
                Part::Text(text) => parts.add_bytes(text),
                Part::Value(_) => parts.0.push(part.clone()),
            }
        }
        parts.add_text(after);
        Template { parts: Secret::new(parts.0) }
    }

    fn fill(&self, at: Places, origin: Origin<'_>, out: &mut Vec<u8>, copy: impl Fn(&mut Vec<u8>, Span)) {
        for part in self.parts.reveal() {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value(Variable::Host) => copy(out, at.host),
                Part::Value(Variable::Path) => copy(out, at.path),
                Part::Value(Variable::RequestId) => out.extend_from_slice(origin.request_id),
                Part::Value(Variable::ClientIp) => {
                    if let Some(address) = origin.client.address {
                        // An IPv4 client of an IPv6 socket is an IPv4 client. Writing to memory cannot fail.
                        let _ = write!(out, "{}", address.ip().to_canonical());
                    }
                }
            }
        }
    }

    /// As it was written.
    fn text(&self) -> String {
        let mut text = String::new();
        for part in self.parts.reveal() {
            match part {
                Part::Text(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                Part::Value(variable) => {
                    let word = VARIABLES.iter().find(|(_, known)| known == variable);
                    text.push_str(&word.map(|(word, _)| format!("{{{word}}}")).unwrap_or_default());
                }
            }
        }
        text
    }
}

/// Where the values of a head stand in its text.
struct Places {
    host: Span,
    path: Span,
}

impl Places {
    fn of(head: &RequestHead) -> Places {
        Places { host: head.host, path: head.path }
    }
}

/// Parts in the making: keeps texts together and empty ones out.
#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn add_text(&mut self, text: &str) {
        self.add_bytes(text.as_bytes());
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Part::Text(text)) => text.extend_from_slice(bytes),
            _ => self.0.push(Part::Text(bytes.to_vec())),
        }
    }
}

/// The word a text begins with, if a brace ends it, and what follows. Upper case and `-` make a word too, so that
/// `{Host}` is told to be wrong rather than sent as it stands.
fn leading_word(text: &str) -> Option<(&str, &str)> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let length = text.bytes().take_while(|&b| is_part(b)).count();
    let (word, tail) = text.split_at(length);
    let tail = tail.strip_prefix('}')?;
    word.starts_with(|c: char| c.is_ascii_alphabetic()).then_some((word, tail))
}

fn variable(word: &str) -> Result<Variable, Fault> {
    if let Some((_, variable)) = VARIABLES.iter().find(|(known, _)| *known == word) {
        return Ok(*variable);
    }
    let fault = Fault::new("mentions a value that does not exist");
    Err(match nearest(word, VARIABLES.map(|(known, _)| known)) {
        Some(meant) => fault.hint(format!("did you mean `{{{meant}}}`?")),
        None => {
            let known = VARIABLES.map(|(known, _)| format!("`{{{known}}}`")).join(", ");
            fault.hint(format!("`{{{word}}}` is none of {known}"))
        }
    })
}

/// Reads a text that may begin with a brace: YAML takes it for a map unless it is quoted.
pub(crate) fn read<T>(
    node: &Node,
    problems: &mut Problems,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, Fault>,
) -> Option<T> {
    match &node.value {
        Value::Scalar(scalar) => match parse(&scalar.text) {
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

impl Setting for Template {
    fn read(node: &Node, problems: &mut Problems) -> Template {
        read(node, problems, "a text", Template::parse).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn request(host: &str, path: &str) -> RequestHead {
        let mut head = RequestHead::default();
        head.host = head.fields.add_text(host.as_bytes());
        head.path = head.fields.add_text(path.as_bytes());
        head
    }

    fn client(address: Option<&str>) -> Client {
        let address = address.map(|text| text.parse::<SocketAddr>().unwrap());
        Client { address, listener: "http".into(), is_secure: false }
    }

    /// Both ways of writing must say the same.
    fn filled(template: &Template, mut request: RequestHead, client: &Client) -> String {
        let origin = Origin { client, request_id: b"7f" };
        let mut apart = b"before ".to_vec();
        template.write(&request, origin, &mut apart);
        let start = request.fields.text().len();
        template.write_to_own(&mut request, origin);
        assert_eq!(request.fields.text()[start..], apart[7..]);
        String::from_utf8(apart[7..].to_vec()).unwrap()
    }

    #[test]
    fn known_words_are_filled_in_and_all_other_braces_stay() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("{host}", "a.example:80"),
            ("https://{host}{path}", "https://a.example:80/b/c"),
            ("{path}?{request_id}", "/b/c?7f"),
            ("for {client_ip};", "for 10.0.0.9;"),
            ("{path}{path}", "/b/c/b/c"),
            ("{", "{"),
            ("}", "}"),
            ("{}", "{}"),
            ("{ host }", "{ host }"),
            ("{host", "{host"),
            ("host}", "host}"),
            ("{{host}}", "{a.example:80}"),
            ("{{{path}", "{{/b/c"),
            ("{x {host}", "{x a.example:80"),
            (r#"{"of":"{path}","n":{"a":[{}]}}"#, r#"{"of":"/b/c","n":{"a":[{}]}}"#),
            ("p{color:red}", "p{color:red}"),
            ("{1}{_a}{-}", "{1}{_a}{-}"),
            ("{é}", "{é}"),
        ];
        for (text, expected) in cases {
            let template = Template::parse(text).unwrap();
            let client = client(Some("10.0.0.9:1234"));
            assert_eq!(filled(&template, request("a.example:80", "/b/c"), &client), expected, "{text}");
            assert_eq!(template.text(), text);
            assert_eq!(template.is_empty(), text.is_empty());
            let is_constant = text == expected;
            assert_eq!(template.constant(), is_constant.then_some(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_value_that_is_not_there_is_empty() {
        let template = Template::parse("<{host}|{client_ip}>").unwrap();
        assert_eq!(filled(&template, request("", "/"), &client(None)), "<|>");
        let mapped = client(Some("[::ffff:10.0.0.1]:5"));
        assert_eq!(filled(&template, request("h", "/"), &mapped), "<h|10.0.0.1>");
        let v6 = client(Some("[2001:db8::1]:5"));
        assert_eq!(filled(&template, request("h", "/"), &v6), "<h|2001:db8::1>");
    }

    #[test]
    fn unknown_words_are_refused_with_the_one_that_was_meant() {
        let listed = "`{nothing}` is none of `{client_ip}`, `{host}`, `{path}`, `{request_id}`";
        let cases = [
            ("a {hots} b", "did you mean `{host}`?"),
            ("{Host}", "did you mean `{host}`?"),
            ("{client-ip}", "did you mean `{client_ip}`?"),
            ("{host}{requestid}", "did you mean `{request_id}`?"),
            ("{{nothing}", listed),
        ];
        for (text, hint) in cases {
            let fault = Template::parse(text).unwrap_err();
            assert_eq!(fault.hint.as_deref(), Some(hint), "{text}");
        }
    }

    #[test]
    fn texts_around_it_join_its_own() {
        let around = |text: &str| Template::parse(text).unwrap().between("x: ", "\r\n");
        assert_eq!(around("prod").constant(), Some(&b"x: prod\r\n"[..]));
        assert_eq!(around("").constant(), Some(&b"x: \r\n"[..]));
        let head = request("h", "/p");
        assert_eq!(filled(&around("{host}"), head.clone(), &client(None)), "x: h\r\n");
        assert_eq!(filled(&around("a{path}b"), head, &client(None)), "x: a/pb\r\n");
    }

    #[test]
    fn its_text_is_not_printed() {
        let template = Template::parse("hunter2 {host}").unwrap();
        assert!(!format!("{template:?}").contains("hunter2"));
    }
}
