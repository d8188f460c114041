//! The source line under a message: cut to what fits a terminal, with carets where they should stand.

use super::Place;
use super::ink::{self, Ink};
use std::fmt::{self, Formatter};

/// Columns of a source line shown around the caret: fits a terminal of 110 with the margin.
const WINDOW_COLUMNS: usize = 100;

/// The source line with its number, and below it the carets and the hint.
pub(super) fn show_line(f: &mut Formatter<'_>, place: &Place, hint: Option<&str>) -> fmt::Result {
    let shown = window(place);
    let number = place.line.to_string();
    writeln!(f, "\n  {number} | {}", shown.text)?;
    write!(f, "  {:1$} | {2:3$}", "", number.len(), "", shown.indent)?;
    ink::write(f, Ink::Caret, &format_args!("{:^<1$}", "", shown.carets))?;
    match hint {
        Some(hint) => {
            f.write_str(" ")?;
            ink::write(f, Ink::Hint, &hint)
        }
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
    let line = place.source.shown_line(place.line);
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
pub(super) fn is_unprintable(c: char) -> bool {
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
