//! What an operator is told: a place in a file, a reason, a hint. All problems of a configuration are
//! gathered in one `Problems`, so that nobody mends them one run at a time. Text for people is written
//! here: `{}` without colour, `{:#}` with it, for terminals. The admin API and `--json` read the fields.

mod ink;
mod nearest;
mod place;
mod window;

pub use nearest::nearest;
pub use place::{Place, Source};

use ink::Ink;
use std::fmt::{self, Display, Formatter, Write};
use window::{is_unprintable, show_line};

/// More than anyone mends at once; the rest is counted. Bounds what a hostile file can make us keep.
const PROBLEMS_MAX: usize = 100;
/// Longest piece of the operator's own text repeated in a reason.
const QUOTE_CHARS_MAX: usize = 60;

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
        ink::write(f, Ink::Reason, &self.reason)?;
        match (&self.place, &self.hint) {
            (Some(place), hint) if place.line != 0 => show_line(f, place, hint.as_deref()),
            (_, Some(hint)) => {
                f.write_str("\n  ")?;
                ink::write(f, Ink::Hint, &format_args!("hint: {hint}"))
            }
            (_, None) => Ok(()),
        }
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
            f.write_str(gap)?;
            problem.fmt(f)?;
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

#[cfg(test)]
mod tests;
