//! What an operator is told: a place in a file, a reason, a hint. All problems of a configuration are
//! gathered in one `Problems`, so that nobody mends them one run at a time. Text for people is written
//! here, without colour; the admin API and `--json` read the fields.

use std::fmt::{self, Debug, Display, Formatter, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// More than anyone mends at once; the rest is counted. Bounds what a hostile file can make us keep.
const PROBLEMS_MAX: usize = 100;
/// Columns of a source line shown around the caret: fits a terminal of 110 with the margin.
const WINDOW_COLUMNS: usize = 100;
/// Longest piece of the operator's own text repeated in a reason.
const QUOTE_CHARS_MAX: usize = 60;

/// A text that nodes come from: a file, or what stands in for one.
pub struct Source {
    /// What messages call it: the path as the operator wrote it.
    pub name: String,
    /// Where relative paths inside it start.
    pub folder: PathBuf,
    text: String,
    line_starts: Vec<usize>,
}

impl Source {
    /// A source and the index of its lines.
    pub fn new(name: impl Into<String>, folder: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Source> {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Arc::new(Source { name: name.into(), folder: folder.into(), text, line_starts })
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

    fn line_start(&self, number: u32) -> usize {
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
    start: u32,
}

impl Place {
    /// `length` characters from a line and column on, which is at byte `start`.
    pub fn new(source: &Arc<Source>, (line, column, start): (u32, u32, usize), length: u32) -> Place {
        // A wrong offset must not break a message: it is brought back into the text and to a character.
        let mut start = start.min(source.text.len());
        while !source.text.is_char_boundary(start) {
            start -= 1;
        }
        Place { source: source.clone(), line, column, length, start: start as u32 }
    }

    /// The source as a whole, for what has no line: a file that is missing, empty or too long.
    pub fn whole(source: &Arc<Source>) -> Place {
        Place { source: source.clone(), line: 0, column: 0, length: 0, start: 0 }
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

    /// What is written there, to the end of its line at most.
    pub fn text(&self) -> &str {
        let rest = &self.source.text[self.start as usize..];
        let ends = |&(count, (_, c)): &(usize, (usize, char))| count == self.length as usize || c == '\n';
        let end = rest.char_indices().enumerate().find(ends).map_or(rest.len(), |(_, (at, _))| at);
        &rest[..end]
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

    fn order(&self) -> (&str, u32, u32) {
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

/// One thing an operator has to mend.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Where, if it is in a file.
    pub place: Option<Place>,
    /// What is wrong, as a phrase without a final dot.
    pub reason: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(place: &Place, reason: impl Into<String>) -> Problem {
        Problem { place: Some(place.clone()), reason: reason.into(), hint: None }
    }

    /// A problem that no line of a file is to blame for.
    pub fn new(reason: impl Into<String>) -> Problem {
        Problem { place: None, reason: reason.into(), hint: None }
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The name of the file.
    pub fn file(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.source.name.as_str())
    }

    /// The line, from 1, if there is one.
    pub fn line(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.line).filter(|&line| line != 0)
    }

    /// The column in characters, from 1, if there is a line.
    pub fn column(&self) -> Option<u32> {
        self.line().and(self.place.as_ref()).map(|place| place.column)
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.reason)?;
        match (&self.place, &self.hint) {
            (Some(place), hint) if place.line != 0 => show_line(f, place, hint.as_deref()),
            (_, Some(hint)) => write!(f, "\n  hint: {hint}"),
            (_, None) => Ok(()),
        }
    }
}

/// The source line with its number, and below it the carets and the hint.
fn show_line(f: &mut Formatter<'_>, place: &Place, hint: Option<&str>) -> fmt::Result {
    let shown = window(place);
    let number = place.line.to_string();
    writeln!(f, "\n  {number} | {}", shown.text)?;
    write!(f, "  {:1$} | {2:3$}{4:^<5$}", "", number.len(), "", shown.indent, "", shown.carets)?;
    match hint {
        Some(hint) => write!(f, " {hint}"),
        None => Ok(()),
    }
}

/// A source line as a terminal shows it, with the columns before the carets and those under them.
struct Window {
    text: String,
    indent: usize,
    carets: usize,
}

/// Cuts a line to what fits around the caret. Tabs become four spaces and control characters a dot, so
/// that carets stand where they should and a file cannot send commands to a terminal.
fn window(place: &Place) -> Window {
    let line = place.source.line(place.line);
    let start = (place.start as usize).saturating_sub(place.source.line_start(place.line)).min(line.len());
    let (before, after) = line.split_at(start);
    let mut shown = Window { text: String::new(), indent: 0, carets: 0 };
    // The whole line up to the carets if it fits, else the third of the window before them.
    let needed: usize = after.chars().take((place.length as usize).clamp(1, WINDOW_COLUMNS)).map(width).sum();
    let room = WINDOW_COLUMNS.saturating_sub(needed).max(WINDOW_COLUMNS / 3);
    let before = match fitting(before, room) {
        kept if kept.len() == before.len() => kept,
        _ => {
            shown.text.push('…');
            shown.indent = 1;
            fitting(before, WINDOW_COLUMNS / 3)
        }
    };
    for c in before.chars() {
        shown.indent += width(c);
        shown.push(c);
    }
    let mut used = shown.indent;
    for (index, c) in after.chars().enumerate() {
        used += width(c);
        if used > WINDOW_COLUMNS {
            shown.text.push('…');
            break;
        }
        shown.push(c);
        if index < place.length as usize {
            shown.carets += width(c);
        }
    }
    shown.carets = shown.carets.max(1);
    shown
}

impl Window {
    fn push(&mut self, c: char) {
        match c {
            '\t' => self.text.push_str("    "),
            c if is_unprintable(c) => self.text.push('·'),
            c => self.text.push(c),
        }
    }
}

/// The end of a text that fits into so many columns.
fn fitting(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let cut = text.char_indices().rev().find(|&(_, c)| {
        used += width(c);
        used > columns
    });
    &text[cut.map_or(0, |(at, c)| at + c.len_utf8())..]
}

/// Controls, and the marks that turn the direction of text: both make a terminal show what is not there.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Columns a terminal gives a character: East Asian wide forms and emoji two, combining marks none
/// (Unicode Standard Annex 11, to the block; a caret one off in a rare script does no harm).
fn width(c: char) -> usize {
    match c as u32 {
        0x09 => 4,
        0x300..=0x36f | 0x200b..=0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfeff => 0,
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// All problems found, in the order they were found until they are sorted.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Adds one; past the bound it is only counted.
    pub fn push(&mut self, problem: Problem) {
        match self.list.len() {
            PROBLEMS_MAX.. => self.left_out += 1,
            _ => self.list.push(problem),
        }
    }

    /// How many there are, with those that were only counted.
    pub fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// Adds one that takes work to make, such as the search for a name that was meant.
    pub fn push_with(&mut self, make: impl FnOnce() -> Problem) {
        match self.list.len() {
            PROBLEMS_MAX.. => self.left_out += 1,
            _ => self.list.push(make()),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those that were kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// The same in the order of the file, those without a place first.
    pub fn sorted(mut self) -> Problems {
        self.list.sort_by(|a, b| match (&a.place, &b.place) {
            (Some(a), Some(b)) => a.order().cmp(&b.order()),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
        self
    }

    /// `value` if nothing was found wrong, else the problems in the order of the file.
    pub fn unless_any<T>(self, value: T) -> Result<T, Problems> {
        match self.is_empty() {
            true => Ok(value),
            false => Err(self.sorted()),
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems { list: vec![problem], left_out: 0 }
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for Problems {}

/// The operator's own text between backticks: controls replaced, long text cut.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("`");
    for (index, c) in text.chars().enumerate() {
        match c {
            _ if index == QUOTE_CHARS_MAX => {
                quoted.push('…');
                break;
            }
            '\n' | '\r' | '\t' => write!(quoted, "{}", c.escape_default()).unwrap_or_default(),
            c if is_unprintable(c) => quoted.push('·'),
            c => quoted.push(c),
        }
    }
    quoted.push('`');
    quoted
}

/// The known word an unknown one was probably meant to be: few edits away for its length.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// No name of ours is longer, and the work grows with the square.
    const LENGTH_MAX: usize = 64;
    let word: Vec<char> = word.chars().take(LENGTH_MAX + 1).map(|c| c.to_ascii_lowercase()).collect();
    if word.len() > LENGTH_MAX {
        return None;
    }
    // One edit in a short word, one more for every three characters: `lsiten`, `conections`.
    let allowed = (word.len() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let letters: Vec<char> = candidate.chars().map(|c| c.to_ascii_lowercase()).collect();
        if letters.len() > LENGTH_MAX || letters.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let edits = edits(&word, &letters);
        // A word of two letters is one edit from half the alphabet: something must be left of it.
        if edits <= allowed
            && edits < letters.len().min(word.len())
            && best.is_none_or(|(least, _)| edits < least)
        {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
