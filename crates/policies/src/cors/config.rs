//! What may be written under `cors`, and what only the whole of it can show.

use super::origin::OriginPattern;
use std::time::Duration;
use tidegate_core::header::{NAME_PATTERN, NAME_WHAT, check_name};
use tidegate_core::node::Node;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Word};

settings! {
    /// Pages of other origins that may read answers of the route (Fetch, §3.2). Preflights are answered here, before anybody is asked who they are.
    pub(crate) struct CorsSettings {
        /// Origins as browsers name them: `https://app.example.com`, `https://*.example.com` for one or more labels before it, `*` for all, `null` for pages without one, such as sandboxed frames.
        pub(crate) origins: Vec<OriginPattern>,
        /// Methods that pages may use. Unless set, those that the route takes.
        pub(crate) methods: Vec<MethodWord> = Vec::new(),
        /// Request headers that pages may set. Unless set, those they ask for.
        pub(crate) headers: Vec<NameWord> = Vec::new(),
        /// Response headers that pages may read, beside those every page may.
        pub(crate) expose: Vec<NameWord> = Vec::new(),
        /// Whether pages may send cookies and other credentials. Not with `*`, and not with `null`: any page could.
        pub(crate) credentials: bool = false,
        /// How long a browser may keep the answer to a preflight. Chrome keeps none longer than two hours.
        pub(crate) max_age: Duration = Duration::from_secs(600),
    }
    short origins;
}

impl CorsSettings {
    /// Tells what contradicts itself.
    pub(super) fn check(&self, node: &Node, problems: &mut Problems) {
        let place = node.entry("origins").map_or(&node.place, |entry| &entry.value.place);
        let has_any = self.origins.contains(&OriginPattern::Any);
        if self.origins.is_empty() && node.entry("origins").is_some() {
            let problem = Problem::at(place, "no origin is allowed");
            problems.push(problem.hint("write those that are, or remove `cors`: without it none is"));
        }
        if has_any && self.origins.len() > 1 {
            let problem = Problem::at(place, "`*` allows every origin, so the others say nothing");
            problems.push(problem.hint("write `*` alone, or the others alone"));
        }
        if has_any && self.credentials {
            let problem = Problem::at(
                place,
                "`*` does not go with `credentials`: every page could act for its visitor",
            );
            problems.push(problem.hint("write the origins that may"));
        }
        if self.origins.iter().any(OriginPattern::is_null) && self.credentials {
            let problem = Problem::at(
                place,
                "`null` does not go with `credentials`: a sandboxed frame of any page could act for its visitor",
            );
            problems.push(problem.hint("write the origins that may"));
        }
    }
}

/// A method, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MethodWord(pub(super) Box<str>);

impl Word for MethodWord {
    const WHAT: &str = "a method such as `PUT`";
    const PATTERN: &str = "^[A-Z][A-Z0-9_-]*$";

    fn parse(text: &str) -> Result<MethodWord, Fault> {
        let is_part = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        match text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(is_part) {
            true => Ok(MethodWord(text.into())),
            false => Err(Fault::new("is not a method").hint("methods are capital letters, as in `PUT`")),
        }
    }

    fn show(&self) -> String {
        String::from(&*self.0)
    }

    fn stand_in() -> MethodWord {
        MethodWord("GET".into())
    }
}

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameWord(pub(super) Box<str>);

impl Word for NameWord {
    const WHAT: &str = NAME_WHAT;
    const PATTERN: &str = NAME_PATTERN;

    fn parse(text: &str) -> Result<NameWord, Fault> {
        check_name(text)?;
        Ok(NameWord(text.to_ascii_lowercase().into()))
    }

    fn show(&self) -> String {
        String::from(&*self.0)
    }

    fn stand_in() -> NameWord {
        NameWord("x-none".into())
    }
}
