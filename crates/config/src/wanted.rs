//! What a route may ask of header fields and of the query: the names, the values, and how a route's default name
//! shows them.

use std::fmt::{self, Debug, Formatter};
use tidegate_core::conditions;
use tidegate_core::cookie;
use tidegate_core::head::is_field_value;
use tidegate_core::header::{NAME_PATTERN, NAME_WHAT, OWN, check_name};
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Problems, quote};
use tidegate_core::settings::{Fault, Setting, Shape, Word, expected};

/// The name of a header field that a route may be chosen by, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldName(String);

impl FieldName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for FieldName {
    const WHAT: &str = NAME_WHAT;
    const PATTERN: &str = NAME_PATTERN;

    fn parse(text: &str) -> Result<FieldName, Fault> {
        check_name(text)?;
        match text.to_ascii_lowercase() {
            name if name == "host" => {
                Err(Fault::new("is a condition of its own").hint("write it as `host`, beside `path`"))
            }
            // Spent by the time a route is looked for.
            name if OWN.contains(&name.as_str()) => {
                Err(Fault::new("is about one connection").hint("no route can be chosen by it"))
            }
            name => Ok(FieldName(name)),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> FieldName {
        FieldName(String::from("x-none"))
    }
}

/// The name of a cookie, with its case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieName(String);

impl CookieName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for CookieName {
    const WHAT: &str = "the name of a cookie";
    const PATTERN: &str = NAME_PATTERN;

    fn parse(text: &str) -> Result<CookieName, Fault> {
        cookie::check_name(text)?;
        Ok(CookieName(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> CookieName {
        CookieName(String::from("none"))
    }
}

/// A key of the query, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryKey(String);

impl QueryKey {
    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for QueryKey {
    const WHAT: &str = "a key of the query";
    const PATTERN: &str = "^.+$";

    fn parse(text: &str) -> Result<QueryKey, Fault> {
        if text.is_empty() {
            return Err(Fault::new("is no key").hint("write what stands before the `=`"));
        }
        check_text(text)?;
        Ok(QueryKey(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> QueryKey {
        QueryKey(String::from("none"))
    }
}

/// What a value must be: this text exactly, or `*` for any. Equality compares texts, shown or not.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// There, whatever it is.
    Any,
    /// This text.
    Exactly {
        /// The text.
        text: String,
        /// It came from `${…}`: never shown.
        is_resolved: bool,
    },
}

impl Debug for Wanted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Wanted {
    /// As names of routes show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Wanted::Any => String::from("*"),
            Wanted::Exactly { is_resolved: true, .. } => String::from("…"),
            Wanted::Exactly { text, .. } => quote(text).trim_matches('`').to_owned(),
        }
    }

    /// The text that is compared.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Wanted::Any => None,
            Wanted::Exactly { text, .. } => Some(text),
        }
    }

    pub(crate) fn compiled(&self) -> conditions::Wanted {
        match self {
            Wanted::Any => conditions::Wanted::Any,
            Wanted::Exactly { text, .. } => conditions::Wanted::exactly(text.as_bytes()),
        }
    }
}

const WHAT: &str = "a value, or `*` for any";

impl Setting for Wanted {
    fn read(node: &Node, problems: &mut Problems) -> Wanted {
        match &node.value {
            Value::Scalar(scalar) if &*scalar.text == "*" => return Wanted::Any,
            Value::Scalar(scalar) => match check_text(&scalar.text) {
                Ok(()) => {
                    return Wanted::Exactly {
                        text: scalar.text.to_string(),
                        is_resolved: scalar.is_resolved,
                    };
                }
                Err(fault) => problems.push(fault.problem(node)),
            },
            Value::Refused => {}
            _ => problems.push(expected(WHAT, node)),
        }
        Wanted::Any
    }

    fn stand_in() -> Wanted {
        Wanted::Any
    }

    fn shape() -> Shape {
        Shape::Word { what: WHAT, pattern: "" }
    }

    fn show(&self) -> String {
        self.shown()
    }
}

/// A text that could be the value of a field, or stand decoded in a query that someone wrote by hand.
fn check_text(text: &str) -> Result<(), Fault> {
    /// A request line or a field line of 8 KiB could hardly carry more.
    const BYTES_MAX: usize = 4096;
    match () {
        () if !is_field_value(text.as_bytes()) => {
            Err(Fault::new("holds a control character").hint("no request could match it"))
        }
        () if text.trim_matches([' ', '\t']) != text => {
            Err(Fault::new("begins or ends with a space").hint("no request could match it"))
        }
        () if text.len() > BYTES_MAX => {
            Err(Fault::new("is too long to be compared").hint("4096 bytes at most"))
        }
        () => Ok(()),
    }
}
