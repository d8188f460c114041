//! The path a backend is asked for instead of the client's: `/v2/orders/{id}`. The query is kept. Called by the flow
//! once policies have seen the request; router, policies and logs keep the client's path.

use crate::head::{RequestHead, Span};
use crate::node::Node;
use crate::outcome::Refusal;
use crate::path::{self, Canonical, PathRules};
use crate::problem::Problems;
use crate::router::PathNames;
use crate::settings::{Fault, Setting, Shape};
use crate::template::{Form, Origin, Piece, Template, pieces, read};

/// A path with values filled in for each request. Invariant: begins with a slash, and its own text is canonical.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    path: Template,
    /// Some of it came from `${…}`.
    is_hidden: bool,
}

const WHAT: &str = "a path such as `/v2/orders/{id}`";

impl Rewrite {
    /// Reads a path. It may mention what any template may, and the names of the route's own path.
    ///
    /// Errors: what is no path, has a query or dot segments, or mentions what is not known.
    pub fn parse(text: &str, names: &PathNames) -> Result<Rewrite, Fault> {
        /// As long as the path of a match may be.
        const BYTES_MAX: usize = 4096;
        let fault = |reason: &'static str, hint: &'static str| Err(Fault::new(reason).hint(hint));
        let is_whole = pieces(text).next() == Some(Piece::Word("path"));
        if !text.starts_with('/') && !is_whole {
            return fault("is not a path", "a path begins with `/`, as in `/v2/orders/{id}`");
        }
        if text.len() > BYTES_MAX {
            return fault("is too long for a path", "4096 bytes at most");
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || "?#\\*".contains(*c)) {
            return match c {
                '?' => fault("holds a query", "the client's query is kept: leave `?` and what follows out"),
                '#' => fault("holds a `#`", "no backend is ever sent one"),
                '*' => fault("holds a `*`", "what `**` matched is called `{rest}` here"),
                _ => fault("holds a character no path has", "write it escaped, as in `%20`"),
            };
        }
        if has_dot_segment(text.to_ascii_lowercase().replace("%2e", ".").as_bytes()) {
            return fault("has a dot segment", "write the path it leads to");
        }
        // Braces are no matter to canonical paths, so that words stay words.
        let mut canonical = Vec::new();
        let slashed = if is_whole { format!("/{text}") } else { text.to_owned() };
        match path::canonical(slashed.as_bytes(), PathRules::STRICT, &mut canonical) {
            Ok(Canonical::Same) => canonical = slashed.into_bytes(),
            Ok(Canonical::Changed) => {}
            Err(refusal) => {
                return Err(Fault::new("is not a path a backend can be asked for").hint(refusal.reason));
            }
        }
        let canonical = String::from_utf8_lossy(&canonical[usize::from(is_whole)..]);
        let path = Template::parse_as(&canonical, Form::Path, names)?;
        Ok(Rewrite { path, is_hidden: false })
    }

    /// Whether some of it came from `${…}`: then what it makes of a path is not shown either.
    pub fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// Writes the path into the request's head, from where a backend is sent it.
    ///
    /// Slashes that come together where nothing is filled in are one, unless the client's own may be several.
    ///
    /// Errors: 400 when what was filled in makes a dot segment of the operator's text, leaves parameters without a
    /// segment or adds a slash: the backend would see another path than anyone before it.
    pub fn apply(&self, request: &mut RequestHead, origin: Origin<'_>) -> Result<(), Refusal> {
        let start = request.fields.text().len();
        self.path.write_to_own(request, origin);
        let rules = request.path_rules;
        let text = request.fields.text_mut();
        if path::needs_work(&text[start..]) {
            if has_dot_segment(&text[start..]) {
                return Err(Refusal::bad("dot segment in the rewritten path"));
            }
            let bytes = path::resolve(&mut text[start..], rules)?;
            text.truncate(start + bytes);
        }
        request.rewritten = Span::new(start, text.len());
        Ok(())
    }
}

fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|&b| b == b'/').any(|segment| matches!(segment, b"." | b".."))
}

impl Setting for Rewrite {
    fn read(node: &Node, problems: &mut Problems) -> Rewrite {
        let rewrite = read(node, problems, WHAT, Rewrite::parse).unwrap_or_default();
        Rewrite { is_hidden: node.scalar().is_some_and(|scalar| scalar.is_resolved), ..rewrite }
    }

    fn stand_in() -> Rewrite {
        Rewrite::default()
    }

    fn shape() -> Shape {
        Shape::Word { what: WHAT, pattern: "^(/|\\{path\\})" }
    }

    fn show(&self) -> String {
        self.path.show()
    }
}

#[cfg(test)]
mod tests;
