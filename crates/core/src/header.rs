//! Header fields as an operator writes them: names and values that are checked when they are read, and whole
//! lines that are made of both. Used by policies that edit and by answers that stand in the file.

use crate::head::{Field, Fields, RequestHead, Span, is_field_value};
use crate::limits::FIELD_NAME_BYTES_MAX;
use crate::name::Name;
use crate::node::Node;
use crate::problem::Problems;
use crate::router::PathNames;
use crate::settings::{Fault, Setting, Shape, Word};
use crate::template::{Form, Origin, Template, read};

/// Fields that frame a message or belong to one connection (RFC 9110 §7.6.1, RFC 9112 §6): the gateway
/// writes them anew, and an edit would let two readers disagree about where a message ends.
pub const OWN: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The name of a field that may be edited, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName {
    text: Box<str>,
    /// The same, if the gateway knows it.
    known: Name,
}

impl HeaderName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Removes every field of this name.
    pub fn remove_from(&self, fields: &mut Fields) {
        match self.known {
            Name::Other => fields.remove_named(self.text.as_bytes()),
            known => fields.remove(known),
        }
    }

    /// Removes every field that a backend may take for one of this name. CGI and its heirs (RFC 3875 §4.1.18:
    /// PHP, WSGI, Rack) read `X_User` and `X-User` as the same variable, some `X.User` as well. A client could thus
    /// slip in a field that was to be removed, or one beside the value that was set.
    ///
    /// Nor may it come as a trailer, which some backends take for a field: a Trailer line that announces it counts as
    /// not written.
    pub fn remove_alike_from(&self, fields: &mut Fields) {
        fields.forget_announced(|name| is_alike(name, self.text.as_bytes()));
        if self.known != Name::Other {
            // The codec drops what mimics a known name.
            return fields.remove(self.known);
        }
        for index in 0..fields.list().len() {
            if is_alike(fields.name_of(&fields.list()[index]), self.text.as_bytes()) {
                fields.list_mut()[index].is_removed = true;
            }
        }
    }
}

/// Removes every field that a backend may take for one of this name and that is spelled otherwise, and forgets trailers
/// announced by any spelling: whoever is told of the field is told of one.
pub fn remove_mimics(fields: &mut Fields, name: &[u8]) {
    fields.forget_announced(|announced| is_alike(announced, name));
    for index in 0..fields.list().len() {
        let spelled = fields.name_of(&fields.list()[index]);
        if is_alike(spelled, name) && !spelled.eq_ignore_ascii_case(name) {
            fields.list_mut()[index].is_removed = true;
        }
    }
}

/// Whether two names differ in nothing but case and the signs in them: a backend may take one for the other.
pub fn is_alike(a: &[u8], b: &[u8]) -> bool {
    let is_dash = |b: u8| !b.is_ascii_alphanumeric();
    let is_same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (is_dash(*a) && is_dash(*b));
    a.len() == b.len() && a.iter().zip(b).all(is_same)
}

/// What the name of a header is, for messages and the schema.
pub const NAME_WHAT: &str = "the name of a header";
/// The same as a pattern (RFC 9110 §5.6.2).
pub const NAME_PATTERN: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/// Whether a text can be the name of a header; what it may be used for is the caller's to say.
pub fn check_name(text: &str) -> Result<(), Fault> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match !text.is_empty() && text.len() <= FIELD_NAME_BYTES_MAX && text.bytes().all(is_token) {
        true => Ok(()),
        false => {
            Err(Fault::new("is not the name of a header").hint("letters, digits and `-`, without the colon"))
        }
    }
}

impl Word for HeaderName {
    const WHAT: &str = NAME_WHAT;
    const PATTERN: &str = NAME_PATTERN;

    fn parse(text: &str) -> Result<HeaderName, Fault> {
        check_name(text)?;
        // A backend that reads `_` as `-` would take these for the real ones.
        let plain = text.to_ascii_lowercase().replace('_', "-");
        match plain.as_str() {
            "host" => Err(Fault::new("is set by the service").hint("its key `host` says which name is sent")),
            own if OWN.contains(&own) => Err(Fault::new("is written by the gateway itself")
                .hint("it frames the message, and cannot be edited")),
            _ => Ok(HeaderName::new(text)),
        }
    }

    fn show(&self) -> String {
        String::from(&*self.text)
    }

    fn stand_in() -> HeaderName {
        HeaderName::new("x-none")
    }
}

impl HeaderName {
    /// A name known to the program, for defaults: one that `parse` takes.
    pub fn of(text: &str) -> HeaderName {
        debug_assert!(HeaderName::parse(text).is_ok());
        HeaderName::new(text)
    }

    fn new(text: &str) -> HeaderName {
        let text = text.to_ascii_lowercase();
        HeaderName { known: Name::of(text.as_bytes()), text: text.into() }
    }
}

/// The value of a field; it may mention values of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderValue(Template);

impl HeaderValue {
    /// Reads a value outside of any route.
    ///
    /// Errors: what is no value of a field (RFC 9110 §5.5), and what `Template::parse` refuses.
    pub fn parse(text: &str) -> Result<HeaderValue, Fault> {
        HeaderValue::parse_among(text, &PathNames::default())
    }

    fn parse_among(text: &str, names: &PathNames) -> Result<HeaderValue, Fault> {
        /// Half a default line, so that an edited head still passes the next proxy.
        const BYTES_MAX: usize = 4096;
        if !is_field_value(text.as_bytes()) {
            return Err(Fault::new("holds a control character").hint("a header is one line of text"));
        }
        if text.trim_matches([' ', '\t']) != text {
            return Err(Fault::new("begins or ends with a space").hint("no receiver would see it"));
        }
        if text.len() > BYTES_MAX {
            return Err(Fault::new("is too long for a header").hint("4096 bytes at most"));
        }
        Template::parse_as(text, Form::Field, names).map(HeaderValue)
    }
}

impl Setting for HeaderValue {
    fn read(node: &Node, problems: &mut Problems) -> HeaderValue {
        read(node, problems, "the value of a header", HeaderValue::parse_among).unwrap_or_default()
    }

    fn stand_in() -> HeaderValue {
        HeaderValue::default()
    }

    fn shape() -> Shape {
        Shape::Word { what: "the value of a header", pattern: "" }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// A field ready to be put on messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    name: HeaderName,
    /// Name, colon, value and CRLF: a constant one is added by a single copy.
    line: Template,
}

impl HeaderField {
    /// A field of its two halves.
    pub fn new(name: &HeaderName, value: &HeaderValue) -> HeaderField {
        HeaderField { name: name.clone(), line: value.0.between(&format!("{}: ", name.text), "\r\n") }
    }

    /// Its name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Appends it to the fields of an answer to this request.
    pub fn add_to(&self, fields: &mut Fields, request: &RequestHead, origin: Origin<'_>) {
        let start = fields.text().len();
        self.line.write(request, origin, fields.text_mut());
        self.end(fields, start);
    }

    /// Appends it to the request's own fields.
    pub fn add_to_request(&self, request: &mut RequestHead, origin: Origin<'_>) {
        let start = request.fields.text().len();
        self.line.write_to_own(request, origin);
        self.end(&mut request.fields, start);
    }

    /// Lists the line that was written from `start` on.
    fn end(&self, fields: &mut Fields, start: usize) {
        let name_bytes = self.name.text.len();
        let line = Span::new(start, fields.text().len());
        let value = &line.of(fields.text())[name_bytes + 1..];
        debug_assert!(value.ends_with(b"\r\n") && is_field_value(&value[..value.len() - 2]));
        // Where a value that is filled in comes out empty, the space around it is no part of the whole.
        let tail = value.trim_ascii_start();
        let value_start = line.end as usize - tail.len();
        let value = Span::new(value_start, value_start + tail.trim_ascii_end().len());
        fields.add_line(Field {
            line,
            value,
            name_bytes: name_bytes as u16,
            name: self.name.known,
            is_removed: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Client;

    fn name(text: &str) -> HeaderName {
        HeaderName::parse(text).unwrap()
    }

    fn field(name_text: &str, value: &str) -> HeaderField {
        HeaderField::new(&name(name_text), &HeaderValue::parse(value).unwrap())
    }

    #[test]
    fn what_frames_a_message_cannot_be_named_in_any_spelling() {
        for text in ["Host", "content-length", "Transfer_Encoding", "CONTENT_LENGTH", "te", "keep_alive"] {
            assert!(HeaderName::parse(text).is_err(), "{text}");
        }
        for text in ["", "a b", "a:", "é", "a\r\n", &"x".repeat(257)] {
            assert!(HeaderName::parse(text).is_err(), "{text:?}");
        }
        for text in ["x", "X-User", "x_user", "server", "set-cookie", &"x".repeat(256)] {
            assert_eq!(name(text).as_str(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn values_are_one_line_without_space_around() {
        for text in ["a\nb", "a\r", "\0", "\x7f", " a", "a\t", &"x".repeat(4097), "{nobody}"] {
            assert!(HeaderValue::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "a\tb", "é", "{}", &"x".repeat(4096)] {
            assert!(HeaderValue::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn names_alike_are_removed_together_and_no_others() {
        // Known to the gateway and not; removed exactly, and with what looks alike.
        let cases = [
            ("x-user-id", &["X-User-Id", "x-USER-id"][..], &["X_User_Id", "x-user_id", "X.User~Id"][..]),
            ("x_user_id", &["x_user_id"][..], &["X-User-Id"][..]),
            ("cookie", &["Cookie"][..], &[][..]),
        ];
        let others = ["x-user-i", "x-user-idd", "xx-user-id", "xuserid", "cookie2"];
        for (edited, exact, alike) in cases {
            let mut fields = Fields::default();
            for spelled in exact.iter().chain(alike).chain(&others) {
                fields.push(spelled, b"1");
            }
            let kept = |fields: &Fields| -> Vec<String> {
                fields.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
            };
            name(edited).remove_from(&mut fields);
            assert_eq!(kept(&fields), [alike, &others].concat(), "{edited}");
            name(edited).remove_alike_from(&mut fields);
            assert_eq!(kept(&fields), others, "{edited}");
        }
    }

    #[test]
    fn a_field_is_listed_as_the_codec_would() {
        let client =
            Client { address: None, listener: "http".into(), is_secure: false, trusted: None, door: None };
        let origin = Origin { client: &client, request_id: b"7f", identity: None };
        let cases = [
            (field("X-Env", "prod"), "x-env: prod\r\n", "prod"),
            (field("x-env", ""), "x-env: \r\n", ""),
            (field("cookie", "a={request_id}"), "cookie: a=7f\r\n", "a=7f"),
            (field("x-from", "{host}{path}"), "x-from: h/p\r\n", "h/p"),
            (field("x-ip", "{client_ip} is it {client_ip}"), "x-ip:  is it \r\n", "is it"),
        ];
        for (field, line, value) in cases {
            let mut request = RequestHead::default();
            request.host = request.fields.add_text(b"h");
            request.path = request.fields.add_text(b"/p");
            let mut answer = Fields::default();
            answer.push("a", b"b");
            field.add_to(&mut answer, &request, origin);
            field.add_to_request(&mut request, origin);
            for (fields, before) in [(&answer, "a: b\r\n"), (&request.fields, "")] {
                let mut out = Vec::new();
                fields.write_lines(&mut out);
                assert_eq!(String::from_utf8_lossy(&out), format!("{before}{line}"));
                assert_eq!(fields.find(field.name().as_str().as_bytes()), Some(value.as_bytes()));
                let listed = fields.list().last().unwrap();
                assert_eq!(listed.name, Name::of(field.name().as_str().as_bytes()));
            }
        }
    }
}
