//! A tree of configuration in which everything knows where it was written. Scalars keep their text: what
//! they mean is decided by the setting that reads them, so `1.10` is a version to one and a number to
//! another. Made by `config` from YAML or JSON; equality ignores places.

use crate::problem::{Place, quote};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// The forms of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing was written, or `null`.
    Null,
    /// One word, number or text.
    Scalar(Scalar),
    /// Values in order.
    List(Vec<Node>),
    /// Keys in order, each once.
    Map(Vec<Entry>),
    /// Something about it was wrong and has been told: readers pass over it in silence.
    Refused,
}

/// The text of a scalar and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text, without quotes and with `${…}` resolved.
    pub text: Box<str>,
    /// Written in quotes or as a block: never null, a switch or a number.
    pub is_quoted: bool,
    /// Some of it came from `${…}`: never shown.
    pub is_resolved: bool,
}

/// One key of a map and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Box<str>,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Node,
}

/// What a value looks like before a setting gives it a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// `true` or `false`, without quotes.
    Bool,
    /// A JSON number, without quotes.
    Number,
    /// Any other scalar.
    Text,
    /// A list.
    List,
    /// A map.
    Map,
}

impl Kind {
    /// As messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "nothing",
            Kind::Bool => "a switch",
            Kind::Number => "a number",
            Kind::Text => "text",
            Kind::List => "a list",
            Kind::Map => "a map",
        }
    }
}

impl Node {
    /// What it looks like; `Refused` looks like nothing.
    pub fn kind(&self) -> Kind {
        match &self.value {
            Value::Null | Value::Refused => Kind::Null,
            Value::Scalar(scalar) => scalar.kind(),
            Value::List(_) => Kind::List,
            Value::Map(_) => Kind::Map,
        }
    }

    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a list; else itself, as a list of one may be written without its brackets.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(nodes) => nodes,
            _ => std::slice::from_ref(self),
        }
    }

    /// The entry of a key, if it is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| &*entry.key == key)
    }

    /// What was written, if that is one `${…}` and nothing else: it says where a value comes from, and nothing of
    /// the value. One with a default does.
    pub fn reference(&self) -> Option<&str> {
        let written = self.place.text().trim_matches(['"', '\'']);
        let inside = written.strip_prefix("${")?.strip_suffix('}')?;
        let is_reference =
            self.scalar()?.is_resolved && !inside.contains(['{', '}']) && !inside.contains(":-");
        is_reference.then_some(written)
    }

    /// As messages name it: a scalar by its text, or by what was written where it came from `${…}`.
    pub fn quote(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_resolved => {
                format!("the value of {}", quote(self.place.text().trim_matches(['"', '\''])))
            }
            Value::Scalar(scalar) if scalar.text.is_empty() => String::from("an empty text"),
            Value::Scalar(scalar) => quote(&scalar.text),
            _ => self.kind().name().to_owned(),
        }
    }
}

impl Scalar {
    /// Bool, number or text.
    pub fn kind(&self) -> Kind {
        match &*self.text {
            _ if self.is_quoted => Kind::Text,
            "true" | "false" => Kind::Bool,
            text if is_number(text) => Kind::Number,
            _ => Kind::Text,
        }
    }
}

/// The grammar of JSON numbers (RFC 8259 §6).
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let is_whole = digits(whole) && (whole.len() == 1 || !whole.starts_with('0'));
    is_whole && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.key == other.key && self.value == other.value
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Scalar};

    #[test]
    fn plain_scalars_look_like_json_and_quoted_ones_like_text() {
        let cases = [
            ("true", Kind::Bool),
            ("True", Kind::Text),
            ("yes", Kind::Text),
            ("0", Kind::Number),
            ("-12.50e+3", Kind::Number),
            ("1e9", Kind::Number),
            ("007", Kind::Text),
            ("1.", Kind::Text),
            (".5", Kind::Text),
            ("+1", Kind::Text),
            ("1e", Kind::Text),
            ("-", Kind::Text),
            ("", Kind::Text),
            ("10s", Kind::Text),
        ];
        for (text, kind) in cases {
            let plain = Scalar { text: text.into(), is_quoted: false, is_resolved: false };
            assert_eq!(plain.kind(), kind, "{text}");
            assert_eq!(Scalar { is_quoted: true, ..plain }.kind(), Kind::Text, "{text} in quotes");
        }
    }
}
