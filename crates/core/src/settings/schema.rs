//! What a setting may look like, as data, and the JSON Schema (draft 2020-12) made of it.

use super::Setting;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The form of a value.
#[derive(Clone, Debug)]
pub enum Shape {
    /// One scalar of a grammar.
    Word {
        /// "a time such as `10s`".
        what: &'static str,
        /// A regular expression, or empty for any text.
        pattern: &'static str,
    },
    /// One scalar that is never shown.
    Secret {
        /// "the token of the admin listener".
        what: &'static str,
    },
    /// Exactly this word.
    Literal(&'static str),
    /// One of these words, each with its text.
    Choice(Vec<(&'static str, &'static str)>),
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Any of these.
    Either(Vec<Shape>),
    /// The same, with its own words for the reference.
    Called(&'static str, Box<Shape>),
    /// Values in order.
    List(Box<Shape>),
    /// Values by name.
    Table {
        /// What a name matches, or empty.
        pattern: &'static str,
        /// The values.
        value: Box<Shape>,
    },
    /// Declared keys.
    Struct(Declaration),
}

/// A declared group of keys.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The Rust name; names the definition in the schema.
    pub name: &'static str,
    /// Its text.
    pub doc: &'static str,
    /// The key a scalar stands for.
    pub short: Option<&'static str>,
    /// Its keys in order.
    pub fields: Vec<FieldShape>,
    /// Whether a family adds keys.
    pub has_rest: bool,
}

/// One declared key.
#[derive(Clone, Debug)]
pub struct FieldShape {
    /// The key.
    pub key: &'static str,
    /// Its text.
    pub doc: &'static str,
    /// Its values.
    pub shape: Shape,
    /// What holds without it.
    pub absent: Absent,
}

/// What holds without a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// An error.
    Refused,
    /// Nothing in particular, or what the keys inside say.
    Nothing,
    /// This value.
    Value(String),
}

impl FieldShape {
    /// The shape of a field with its declared default.
    pub fn of<T: Setting>(key: &'static str, doc: &'static str, default: Option<T>) -> FieldShape {
        let absent = match default.or_else(T::absent) {
            None => Absent::Refused,
            Some(value) => match value.show() {
                shown if shown.is_empty() => Absent::Nothing,
                shown => Absent::Value(shown),
            },
        };
        FieldShape { key, doc, shape: T::shape(), absent }
    }
}

impl Declaration {
    /// What may stand for the whole.
    pub(super) fn short_shape(&self) -> Option<&Shape> {
        self.fields.iter().find(|field| self.short == Some(field.key)).map(|field| &field.shape)
    }

    /// Adds the keys of a family to every struct of the given name that is open for them.
    pub fn extend(&mut self, name: &str, fields: &[FieldShape]) {
        if self.name == name && self.has_rest {
            self.fields.extend_from_slice(fields);
        }
        for field in &mut self.fields {
            field.shape.extend(name, fields);
        }
    }
}

impl Shape {
    fn extend(&mut self, name: &str, fields: &[FieldShape]) {
        match self {
            Shape::List(inner) | Shape::Table { value: inner, .. } | Shape::Called(_, inner) => {
                inner.extend(name, fields);
            }
            Shape::Either(all) => all.iter_mut().for_each(|shape| shape.extend(name, fields)),
            Shape::Struct(declaration) => declaration.extend(name, fields),
            _ => {}
        }
    }
}

impl Shape {
    /// The form of it that is one scalar, if there is one: what may stand for a list of one.
    fn scalar(&self) -> Option<&Shape> {
        match self {
            Shape::Table { .. } => None,
            Shape::Struct(declaration) => declaration.short_shape()?.scalar(),
            Shape::List(inner) | Shape::Called(_, inner) => inner.scalar(),
            _ => Some(self),
        }
    }

    /// Whether it is written as a list.
    pub(super) fn is_list(&self) -> bool {
        match self {
            Shape::List(_) => true,
            Shape::Called(_, inner) => inner.is_list(),
            Shape::Either(all) => all.iter().any(Shape::is_list),
            _ => false,
        }
    }
}

/// The JSON Schema of a file whose top is `root`, as text with two-space indentation.
pub fn schema(root: &Declaration) -> String {
    let mut definitions = BTreeMap::new();
    let body = object(root, &mut definitions);
    let definitions = definitions.into_iter().map(|(name, body)| (name.to_owned(), body)).collect();
    let mut members = vec![
        ("$schema".to_owned(), Json::text("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), Json::text("Tidegate configuration")),
    ];
    let Json::Object(own) = body else { return String::new() };
    members.extend(own);
    members.push(("$defs".to_owned(), Json::Object(definitions)));
    let mut out = String::new();
    Json::Object(members).write(0, &mut out);
    out.push('\n');
    out
}

/// Bodies of the structs met so far, by name; `Null` while one is being made.
type Definitions = BTreeMap<&'static str, Json>;

fn of(shape: &Shape, definitions: &mut Definitions) -> Json {
    // Numbers and switches may come from `${…}`, which is text until it is resolved; and be in quotes.
    let text =
        |pattern: &str| Json::object([("type", Json::text("string")), ("pattern", Json::text(pattern))]);
    match shape {
        Shape::Word { what, pattern: "" } | Shape::Secret { what } => word(what),
        Shape::Word { what, pattern } => {
            let pattern = Json::Text(format!("{pattern}|\\$\\{{"));
            Json::object([
                ("type", Json::text("string")),
                ("description", Json::text(what)),
                ("pattern", pattern),
            ])
        }
        Shape::Literal(word) => Json::object([("const", Json::text(word))]),
        Shape::Choice(words) => Json::object([(
            "oneOf",
            Json::List(
                words
                    .iter()
                    .map(|(word, doc)| {
                        // A word such as `502` or `1.2` is a number to who writes it without quotes.
                        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
                        let meant = match word.parse::<f64>() {
                            Ok(_) if is_number => {
                                ("enum", Json::List(vec![Json::text(word), Json::Number((*word).to_owned())]))
                            }
                            _ => ("const", Json::text(word)),
                        };
                        Json::object([meant, ("description", Json::Text(plain(doc)))])
                    })
                    .chain([text("\\$\\{")])
                    .collect(),
            ),
        )]),
        Shape::Bool => {
            either([Json::object([("type", Json::text("boolean"))]), text("^(true|false)$|\\$\\{")])
        }
        Shape::Integer { min, max } => either([
            Json::object([
                ("type", Json::text("integer")),
                ("minimum", Json::Number(min.to_string())),
                ("maximum", Json::Number(max.to_string())),
            ]),
            text("^[0-9]+$|\\$\\{"),
        ]),
        Shape::Either(all) => either(all.iter().map(|shape| of(shape, definitions)).collect::<Vec<_>>()),
        Shape::Called(_, inner) => of(inner, definitions),
        Shape::List(inner) => {
            let list = Json::object([("type", Json::text("array")), ("items", of(inner, definitions))]);
            match inner.scalar() {
                Some(scalar) => either([list, of(scalar, definitions)]),
                None => list,
            }
        }
        Shape::Table { pattern, value } => {
            let value = of(value, definitions);
            let mut members = vec![("type", Json::text("object")), ("additionalProperties", value)];
            if !pattern.is_empty() {
                members.push(("propertyNames", Json::object([("pattern", Json::text(pattern))])));
            }
            Json::object(members)
        }
        Shape::Struct(declaration) => {
            if !definitions.contains_key(declaration.name) {
                definitions.insert(declaration.name, Json::Null);
                let body = object(declaration, definitions);
                definitions.insert(declaration.name, body);
            }
            Json::object([("$ref", Json::Text(format!("#/$defs/{}", declaration.name)))])
        }
    }
}

fn word(what: &str) -> Json {
    // Scalars keep their text, so `body: 1` is the text "1".
    let types = ["string", "number", "boolean"].map(Json::text).to_vec();
    Json::object([("type", Json::List(types)), ("description", Json::text(what))])
}

fn object(declaration: &Declaration, definitions: &mut Definitions) -> Json {
    let mut properties = Vec::new();
    let mut required = Vec::new();
    let mut short = None;
    for field in &declaration.fields {
        let value = of(&field.shape, definitions);
        if declaration.short == Some(field.key) {
            short = Some(value.clone());
        }
        let mut text = plain(field.doc);
        match &field.absent {
            Absent::Refused => required.push(Json::text(field.key)),
            Absent::Nothing => {}
            Absent::Value(shown) => text.push_str(&format!(" Default: `{shown}`.")),
        }
        let Json::Object(mut members) = value else { continue };
        members.retain(|(name, _)| name != "description");
        members.insert(0, ("description".to_owned(), Json::Text(text)));
        properties.push((field.key.to_owned(), Json::Object(members)));
    }
    let mut members = vec![
        ("type", Json::text("object")),
        ("description", Json::Text(plain(declaration.doc))),
        ("additionalProperties", Json::Bool(false)),
        ("properties", Json::Object(properties)),
    ];
    if !required.is_empty() {
        members.push(("required", Json::List(required)));
    }
    match short {
        Some(short) => either([Json::object(members), short]),
        None => Json::object(members),
    }
}

fn either(all: impl Into<Vec<Json>>) -> Json {
    Json::object([("anyOf", Json::List(all.into()))])
}

/// Doc text on one line.
pub(super) fn plain(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// JSON to be written; the schema is the only JSON made in this crate.
#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    fn object<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
        Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Depth is that of the declarations, not of any input.
    fn write(&self, depth: usize, out: &mut String) {
        let pad = |depth: usize, out: &mut String| {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        };
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(value) => out.push_str(value),
            Json::Text(text) => escape(text, out),
            Json::List(all) => {
                out.push('[');
                for (index, value) in all.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    pad(depth + 1, out);
                    value.write(depth + 1, out);
                }
                pad(depth, out);
                out.push(']');
            }
            Json::Object(all) => {
                out.push('{');
                for (index, (name, value)) in all.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    pad(depth + 1, out);
                    escape(name, out);
                    out.push_str(": ");
                    value.write(depth + 1, out);
                }
                pad(depth, out);
                out.push('}');
            }
        }
    }
}

/// A JSON string (RFC 8259 §7).
fn escape(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => write!(out, "\\u{:04x}", c as u32).unwrap_or_default(),
            c => out.push(c),
        }
    }
    out.push('"');
}
