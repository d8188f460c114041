//! One declaration per group of settings: `settings!` makes of it the struct, the reader that tells all
//! problems at once, the JSON Schema and the reference text. Every later feature adds its keys by such a
//! declaration next to its own code. The types of fields are in `units` and here; a type of its own is a
//! `Word` when it is written as one scalar, else a `Setting`.
//!
//! ```
//! tidegate_core::settings! {
//!     /// Time bounds towards a backend.
//!     pub struct Timeouts {
//!         /// To open a connection.
//!         pub connect: std::time::Duration = std::time::Duration::from_secs(1),
//!         /// Until the head of the answer, if it is bounded at all.
//!         pub response: Option<std::time::Duration>,
//!     }
//!     short response; // `timeouts: 5s` means `timeouts: { response: 5s }`
//! }
//! ```
//! A field without a default must be written, unless its type has one (`Option`, or a struct whose fields
//! all have one). After its type, `as "key"` gives a field a key that Rust keeps for itself. After the struct,
//! `short field;` names the field a scalar stands for, or a list if the field is one, and `rest field;` gathers the
//! keys a family reads later.

mod containers;
mod reader;
pub mod reference;
pub mod schema;
mod switch;
mod tried;

pub use containers::{Placed, Table, Toggle};
pub use reader::{Reader, Rest};
pub use schema::{Absent, Declaration, FieldShape, Shape};
pub use switch::Switch;

use crate::node::{Kind, Node, Value};
use crate::problem::{Problem, Problems, nearest, quote};
use std::borrow::Cow;

/// A type that can stand in the configuration.
pub trait Setting: Sized {
    /// Whether it is written as a list: then one may stand for a struct whose short form it is.
    const TAKES_LIST: bool = false;

    /// Reads a node, tells what is wrong with it, and then returns a stand-in: a caller that finds problems
    /// at the end uses nothing of what was read.
    fn read(node: &Node, problems: &mut Problems) -> Self;

    /// A harmless value for what could not be read. Never used by anything but further checks.
    fn stand_in() -> Self;

    /// The value of a key that is not there; `None` if it must be.
    fn absent() -> Option<Self> {
        None
    }

    /// What may be written, for the schema and the reference.
    fn shape() -> Shape;

    /// As an operator would write it, for documented defaults. Empty for what has keys of its own.
    fn show(&self) -> String;
}

/// A setting that is written as one scalar.
pub trait Word: Sized {
    /// What it is, with an article and an example: "a time such as `250ms` or `10s`".
    const WHAT: &'static str;
    /// What a written value matches, as a JSON Schema pattern.
    const PATTERN: &'static str;

    /// Reads the text.
    fn parse(text: &str) -> Result<Self, Fault>;

    /// As it is written; `parse` reads it back.
    fn show(&self) -> String;

    /// See `Setting::stand_in`.
    fn stand_in() -> Self;

    /// What may be written.
    fn shape() -> Shape {
        let word = Shape::Word { what: Self::WHAT, pattern: Self::PATTERN };
        // YAML and JSON tell numbers from texts, so a schema has to say where a bare number will do.
        match !Self::PATTERN.is_empty() && Self::parse("1").is_ok() {
            true => {
                let number = Shape::Integer { min: 0, max: u64::MAX };
                Shape::Called(Self::WHAT, Box::new(Shape::Either(vec![word, number])))
            }
            false => word,
        }
    }
}

/// Why a text is not a word. The reason continues "`text` …"; it must not repeat the text, which may be
/// secret. A hint made at run time is dropped for such a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// "is not a time".
    pub reason: Cow<'static, str>,
    /// How to mend it.
    pub hint: Option<Cow<'static, str>>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Fault {
        Fault { reason: reason.into(), hint: None }
    }

    /// The fault of a text that is none of some words.
    pub fn choice(text: &str, words: &[&str]) -> Fault {
        let fault = Fault::new("is not known here");
        match nearest(text, words.iter().copied()) {
            Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
            None => fault.hint(format!("known here: {}", listed(words))),
        }
    }

    /// The same with a hint.
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Fault {
        Fault { hint: Some(hint.into()), ..self }
    }

    /// As a problem with a text that stands in no file.
    pub fn of_text(self, text: &str) -> Problem {
        let problem = Problem::new(format!("{} {}", quote(text), self.reason));
        match self.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// As a problem with a node.
    pub fn problem(self, node: &Node) -> Problem {
        let problem = Problem::at(&node.place, format!("{} {}", node.quote(), self.reason));
        let is_resolved = node.scalar().is_some_and(|scalar| scalar.is_resolved);
        match self.hint {
            Some(Cow::Owned(_)) if is_resolved => problem,
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl<T: Word> Setting for T {
    fn read(node: &Node, problems: &mut Problems) -> T {
        match &node.value {
            Value::Scalar(scalar) => match T::parse(&scalar.text) {
                // To everyone else who reads YAML this is no text; where any text will do, it is taken for one.
                Ok(_) if scalar.kind() == Kind::Bool && !T::PATTERN.is_empty() => {
                    problems.push(expected(T::WHAT, node).hint("put it in quotes if it is meant as a text"));
                }
                Ok(word) => return word,
                Err(fault) => problems.push(fault.problem(node)),
            },
            Value::Refused => {}
            _ => problems.push(expected(T::WHAT, node)),
        }
        T::stand_in()
    }

    fn stand_in() -> T {
        T::stand_in()
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn show(&self) -> String {
        Word::show(self)
    }
}

/// The problem with a node of the wrong kind.
pub fn expected(what: &str, node: &Node) -> Problem {
    let found = node.kind();
    let problem = Problem::at(&node.place, format!("expected {what}, found {}", found.name()));
    match found {
        Kind::Null => problem.hint("write a value, or remove the key to have the default"),
        _ => problem,
    }
}

/// Words for a message.
fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Declares a group of settings. The module says how it is written.
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $doc:literal])+
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])+
                $field_vis:vis $field:ident : $type:ty $(as $key:literal)? $(= $default:expr)?
            ),* $(,)?
        }
        $(short $short:ident;)?
        $(rest $rest:ident;)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($(#[doc = $field_doc])+ $field_vis $field: $type,)*
            $(
                /// Keys that a family reads.
                pub $rest: $crate::settings::Rest,
            )?
        }

        impl $name {
            /// What may be written, with every text and default.
            $vis fn declaration() -> $crate::settings::Declaration {
                $crate::settings::Declaration {
                    name: stringify!($name),
                    doc: concat!($($doc, "\n"),+),
                    short: $crate::settings!(@short $($short)?),
                    fields: vec![$($crate::settings::FieldShape::of::<$type>(
                        $crate::settings!(@key $field $($key)?),
                        concat!($($field_doc, "\n"),+),
                        $crate::settings!(@default $($default)?),
                    )),*],
                    has_rest: $crate::settings!(@has $($rest)?),
                }
            }
        }

        impl $crate::settings::Setting for $name {
            fn read(node: &$crate::node::Node, problems: &mut $crate::problem::Problems) -> Self {
                const KEYS: &[&str] = &[$($crate::settings!(@key $field $($key)?)),*];
                const SHORT: Option<&str> = $crate::settings!(@short $($short)?);
                let mut reader = $crate::settings::Reader::open(node, KEYS, SHORT, problems);
                let read = Self {
                    $($field: reader.field(
                        $crate::settings!(@key $field $($key)?),
                        $crate::settings!(@default $($default)?),
                    ),)*
                    $($rest: reader.rest(),)?
                };
                reader.close();
                read
            }

            fn stand_in() -> Self {
                Self {
                    $($field: <$type as $crate::settings::Setting>::stand_in(),)*
                    $($rest: ::std::default::Default::default(),)?
                }
            }

            fn absent() -> Option<Self> {
                Some(Self {
                    $($field: $crate::settings!(@default $($default)?)
                        .or_else(<$type as $crate::settings::Setting>::absent)?,)*
                    $($rest: ::std::default::Default::default(),)?
                })
            }

            fn shape() -> $crate::settings::Shape {
                $crate::settings::Shape::Struct(Self::declaration())
            }

            fn show(&self) -> String {
                String::new()
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@short) => { None };
    (@short $short:ident) => { Some(stringify!($short)) };
    (@has) => { false };
    (@has $rest:ident) => { true };
    (@default) => { None };
    (@default $default:expr) => { Some($default) };
}

/// Declares a choice between words.
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        $vis:vis enum $name:ident {
            $( $(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal ),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[doc = $variant_doc])+ $variant),+ }

        impl $name {
            /// Every choice with its word.
            $vis const ALL: &[($name, &str)] = &[$(($name::$variant, $word)),+];
        }

        impl $crate::settings::Word for $name {
            const WHAT: &str = $crate::choice!(@what $($word)+);
            const PATTERN: &str = "";

            fn parse(text: &str) -> Result<Self, $crate::settings::Fault> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err($crate::settings::Fault::choice(text, &[$($word),+])),
                }
            }

            fn show(&self) -> String {
                match self { $($name::$variant => $word.to_owned()),+ }
            }

            fn stand_in() -> Self {
                Self::ALL[0].0
            }

            fn shape() -> $crate::settings::Shape {
                $crate::settings::Shape::Choice(vec![$(($word, concat!($($variant_doc, "\n"),+))),+])
            }
        }
    };
    (@what $first:literal $($word:literal)*) => { concat!("one of `", $first, "`", $(", `", $word, "`"),*) };
}

#[cfg(test)]
mod tests;
