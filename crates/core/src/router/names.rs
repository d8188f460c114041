//! Names for parts of a path: what `{name}` and the rest that `**` matched stand for in a request. A place in the
//! file of routes knows which names its route has, so that whoever reads a text there can tell a wrong one.

use crate::head::Span;

/// A name and the part of a path it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathName {
    name: Box<str>,
    part: Part,
}

/// A part of a path, by the number of segments before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Segment(u32),
    Rest(u32),
}

impl PathName {
    pub(super) fn segment(name: &str, before: usize) -> PathName {
        PathName { name: name.into(), part: Part::Segment(before as u32) }
    }

    pub(super) fn rest(name: &str, before: usize) -> PathName {
        PathName { name: name.into(), part: Part::Rest(before as u32) }
    }

    /// The name, without braces.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Where what it stands for is in a path that the route matches, not decoded. A rest begins behind its slash and
    /// may be empty. Of any other path the answer makes no sense, but lies within it.
    pub fn span_in(&self, path: &[u8]) -> Span {
        let (Part::Segment(before) | Part::Rest(before)) = self.part;
        let mut slashes = memchr::memchr_iter(b'/', path).skip(before as usize);
        let start = slashes.next().map_or(path.len(), |slash| slash + 1);
        let end = match self.part {
            Part::Segment(_) => slashes.next().unwrap_or(path.len()),
            Part::Rest(_) => path.len(),
        };
        Span::new(start, end)
    }
}

/// The names of one route's path.
#[derive(Clone, Debug, Default)]
pub struct PathNames {
    list: Vec<PathName>,
    /// The path could not be read, which has been told: any name may be one of its own.
    is_unknown: bool,
    /// The route asks nobody who its clients are.
    is_anonymous: bool,
}

/// Outside of routes there are none.
pub(crate) static NO_NAMES: PathNames =
    PathNames { list: Vec::new(), is_unknown: false, is_anonymous: false };

impl PathNames {
    /// The names of a path that could not be read: every word may be one of them.
    pub fn unknown() -> PathNames {
        PathNames { is_unknown: true, ..PathNames::default() }
    }

    /// The same for a route that asks nobody who its clients are: there is no consumer to mention.
    pub fn anonymous(self) -> PathNames {
        PathNames { is_anonymous: true, ..self }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    /// In the order of the path.
    pub fn iter(&self) -> impl Iterator<Item = &PathName> {
        self.list.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.is_unknown
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Everything that a word stands for.
    pub(crate) fn all(&self, word: &str) -> impl Iterator<Item = PathName> {
        let made_up = self.is_unknown.then(|| PathName::segment(word, 0));
        self.list.iter().filter(move |name| &*name.name == word).cloned().chain(made_up)
    }
}

impl From<Vec<PathName>> for PathNames {
    fn from(list: Vec<PathName>) -> PathNames {
        PathNames { list, is_unknown: false, is_anonymous: false }
    }
}

#[cfg(test)]
mod tests {
    use crate::router::PathPattern;

    #[test]
    fn a_name_stands_for_its_part_of_the_path() {
        for (pattern, path, expected) in [
            ("/a/b", "/a/b", &[][..]),
            ("/orders/{id}", "/orders/42", &[("id", "42")]),
            ("/{a}/x/{b-2}/**", "/1/x/%20/3/4", &[("a", "1"), ("b-2", "%20"), ("rest", "3/4")]),
            ("/{a}/**", "/1", &[("a", "1"), ("rest", "")]),
            ("/{a}/**", "/1/", &[("a", "1"), ("rest", "")]),
            ("/{a}/**", "/1//2", &[("a", "1"), ("rest", "/2")]),
            ("/**", "/", &[("rest", "")]),
            ("/**", "/a/b", &[("rest", "a/b")]),
            ("//{a}", "//1", &[("a", "1")]),
            // Paths that do not match: no promise but to be calm.
            ("/{a}/{b}/**", "/1", &[("a", "1"), ("b", ""), ("rest", "")]),
            ("/{a}/**", "", &[("a", ""), ("rest", "")]),
            ("/{a}", "*", &[("a", "")]),
        ] {
            let names = PathPattern::parse(pattern).unwrap().path_names();
            let spans = names.iter().map(|name| (name.as_str(), name.span_in(path.as_bytes())));
            let parts: Vec<_> =
                spans.map(|(name, span)| (name, &path[span.start as usize..span.end as usize])).collect();
            assert_eq!(parts, expected, "{pattern} {path}");
        }
    }
}
