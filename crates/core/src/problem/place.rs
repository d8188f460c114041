//! Texts and places in them.

use crate::router::{NO_NAMES, PathNames};
use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A text that nodes come from: a file, or what stands in for one.
pub struct Source {
    /// What messages call it: the path as the operator wrote it.
    pub name: String,
    /// Where relative paths inside it start.
    pub folder: PathBuf,
    text: String,
    line_starts: Vec<usize>,
    /// What no message may show, as offsets of bytes. Few: one for each secret that is written in the file itself.
    concealed: Mutex<Vec<Range<usize>>>,
}

impl Source {
    /// A source and the index of its lines.
    pub fn new(name: impl Into<String>, folder: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Source> {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        let concealed = Mutex::default();
        Arc::new(Source { name: name.into(), folder: folder.into(), text, line_starts, concealed })
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A line by its number, from 1, without its end; empty past the last.
    pub fn line(&self, number: u32) -> &str {
        let start = self.line_start(number);
        let end = self.line_starts.get(number as usize).map_or(self.text.len(), |next| next - 1);
        self.text[start..end].trim_end_matches('\r')
    }

    /// A line as messages may show it: what is concealed has become stars, a byte each, so that all else stands where
    /// it stood.
    pub(super) fn shown_line(&self, number: u32) -> Cow<'_, str> {
        let (line, start) = (self.line(number), self.line_start(number));
        let concealed = self.concealed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut here = concealed.iter().filter(|range| range.start < start + line.len() && range.end > start);
        let Some(first) = here.next() else { return Cow::Borrowed(line) };
        let ranges: Vec<&Range<usize>> = std::iter::once(first).chain(here).collect();
        let mut shown = String::with_capacity(line.len());
        for (at, c) in line.char_indices() {
            match ranges.iter().any(|range| range.contains(&(start + at))) {
                true => shown.extend(std::iter::repeat_n('*', c.len_utf8())),
                false => shown.push(c),
            }
        }
        Cow::Owned(shown)
    }

    pub(super) fn line_start(&self, number: u32) -> usize {
        self.line_starts.get((number as usize).wrapping_sub(1)).copied().unwrap_or(self.text.len())
    }
}

impl Debug for Source {
    /// The name alone: the text may be 10 MiB, and is nobody's business in a log.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Where something stands in a source. Lines and columns count from 1, columns and length in characters.
/// Invariant: `start` is the byte offset of that line and column, so that nothing here walks a long line.
#[derive(Clone)]
pub struct Place {
    /// The text it is in.
    pub source: Arc<Source>,
    /// The line; 0 means the source as a whole.
    pub line: u32,
    /// The column of its first character.
    pub column: u32,
    /// Its length on that line.
    pub length: u32,
    pub(super) start: u32,
    /// What a text there may mention of its route's path.
    names: Option<Arc<PathNames>>,
}

impl Place {
    /// `length` characters from a line and column on, which is at byte `start`.
    pub fn new(source: &Arc<Source>, (line, column, start): (u32, u32, usize), length: u32) -> Place {
        // A wrong offset must not break a message: it is brought back into the text and to a character.
        let mut start = start.min(source.text.len());
        while !source.text.is_char_boundary(start) {
            start -= 1;
        }
        Place { source: source.clone(), line, column, length, start: start as u32, names: None }
    }

    /// The source as a whole, for what has no line: a file that is missing, empty or too long.
    pub fn whole(source: &Arc<Source>) -> Place {
        Place { source: source.clone(), line: 0, column: 0, length: 0, start: 0, names: None }
    }

    /// `length` characters of a line, from a byte of it on.
    pub fn on_line(source: &Arc<Source>, line: u32, from: usize, length: u32) -> Place {
        let text = source.line(line);
        let column = text.char_indices().take_while(|&(at, _)| at < from).count() as u32 + 1;
        Place::new(source, (line, column, source.line_start(line) + from), length)
    }

    /// The same place with another length.
    pub fn with_length(&self, length: u32) -> Place {
        Place { length, ..self.clone() }
    }

    /// The names that a text at this place may mention, beside those that are known everywhere.
    pub fn names(&self) -> &PathNames {
        self.names.as_deref().unwrap_or(&NO_NAMES)
    }

    /// Puts the place in the reach of these names.
    pub fn set_names(&mut self, names: &Arc<PathNames>) {
        self.names = Some(names.clone());
    }

    /// What is written there, to the end of its line at most.
    pub fn text(&self) -> &str {
        let rest = &self.source.text[self.start as usize..];
        let ends = |&(count, (_, c)): &(usize, (usize, char))| count == self.length as usize || c == '\n';
        let end = rest.char_indices().enumerate().find(ends).map_or(rest.len(), |(_, (at, _))| at);
        &rest[..end]
    }

    /// Keeps what is written there out of every message about this source. For secrets.
    pub fn conceal(&self) {
        let start = self.start as usize;
        let range = start..start + self.text().len();
        let mut concealed = self.source.concealed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !concealed.contains(&range) {
            concealed.push(range);
        }
    }

    /// The part of this place where `needle` stands first; itself where it does not.
    pub fn of(&self, needle: &str) -> Place {
        let written = self.text();
        let Some(at) = written.find(needle).filter(|_| !needle.is_empty()) else { return self.clone() };
        Place {
            column: self.column + chars(&written[..at]),
            length: chars(needle),
            start: self.start + at as u32,
            ..self.clone()
        }
    }

    /// As a message at another place names it: by its line where both are in one file.
    pub fn seen_from(&self, other: &Place) -> String {
        match self.source.name == other.source.name {
            true => format!("line {}", self.line),
            false => self.to_string(),
        }
    }

    /// What places are sorted by.
    pub(super) fn order(&self) -> (&str, u32, u32) {
        (&self.source.name, self.line, self.column)
    }
}

impl Debug for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source.name),
            line => write!(f, "{}:{line}:{}", self.source.name, self.column),
        }
    }
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
