//! Colour for the parts of a message, written only when the formatter was asked for it with `{:#}`. Whether there
//! is a terminal is for the caller to know.

use std::fmt::{Display, Formatter, Result};

/// A part of a message that colour sets apart.
#[derive(Clone, Copy)]
pub(super) enum Ink {
    /// What is wrong.
    Reason,
    /// The marks under what was written.
    Caret,
    /// How to mend it.
    Hint,
}

impl Ink {
    /// The sequence that begins it (ECMA-48 §8.3.117): of the eight colours every terminal has, those that can be
    /// read on black and on white.
    fn begin(self) -> &'static str {
        match self {
            Ink::Reason => "\x1b[1m",
            Ink::Caret => "\x1b[1;31m",
            Ink::Hint => "\x1b[36m",
        }
    }
}

/// Writes a part, in its colour if that was asked for.
pub(super) fn write(f: &mut Formatter<'_>, ink: Ink, text: &dyn Display) -> Result {
    match f.alternate() {
        true => write!(f, "{}{text}\x1b[0m", ink.begin()),
        false => write!(f, "{text}"),
    }
}
