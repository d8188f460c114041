//! What may be written under `shield`.

use tidegate_core::node::Node;
use tidegate_core::problem::Problems;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Setting, Shape};
use tidegate_core::units::Bytes;

settings! {
    /// Refusal of requests that carry an attempt at injection. `true` is all of it as by default, `observe` counts what would be refused and lets it pass.
    pub(crate) struct ShieldSettings {
        /// `true` refuses, `observe` only counts, `false` does nothing.
        pub(crate) mode: Mode = Mode::Refuse,
        /// How much of a body is looked at; it is waited for and held in memory. `0` looks at none.
        pub(crate) body: Bytes<0, { 1 << 20 }> = Bytes::new(128 << 10),
        /// Whether SQL in a value is refused.
        pub(crate) sql: bool = true,
        /// Whether script in a value is refused.
        pub(crate) xss: bool = true,
        /// Whether ways out of a folder are refused.
        pub(crate) paths: bool = true,
        /// What is not looked at: values in which such text is meant, as in an editor's.
        pub(crate) skip: Skip,
    }
    short mode;
}

settings! {
    /// Names of what is not looked at.
    pub(crate) struct Skip {
        /// Header fields.
        pub(crate) headers: Vec<String> = Vec::new(),
        /// Parameters of the query.
        pub(crate) query: Vec<String> = Vec::new(),
        /// Fields of bodies: of forms by name, of JSON by their way, as `article.html`. Lists on that way have no part in it.
        pub(crate) fields: Vec<String> = Vec::new(),
    }
}

/// What becomes of a request with a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is refused.
    Refuse,
    /// It is counted.
    Observe,
    /// Nobody looks.
    Off,
}

impl Setting for Mode {
    fn read(node: &Node, problems: &mut Problems) -> Mode {
        match node.scalar().map(|scalar| &*scalar.text) {
            Some("observe") => Mode::Observe,
            Some("true") => Mode::Refuse,
            Some("false") => Mode::Off,
            _ => {
                problems
                    .push(Fault::new("is no mode").hint("write `true`, `observe` or `false`").problem(node));
                Mode::Off
            }
        }
    }

    fn stand_in() -> Mode {
        Mode::Off
    }

    fn shape() -> Shape {
        Shape::Either(vec![Shape::Bool, Shape::Literal("observe")])
    }

    fn show(&self) -> String {
        match self {
            Mode::Refuse => String::from("true"),
            Mode::Observe => String::from("observe"),
            Mode::Off => String::from("false"),
        }
    }
}
