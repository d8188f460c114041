//! Whether a text is an attempt at injection, by libinjection: SQL by the fingerprint of its first tokens, script by
//! what a browser would make of it. A text without any byte that either needs is not put to it at all: most are such,
//! and cost one pass. What libinjection takes for SQL in ordinary text is left out, as listed here. Pure.

use super::phrases;
use libinjectionrs::xss::Html5Flags;
use libinjectionrs::{SqliFlags, SqliState, XssDetector};

/// A longer text is looked at in parts of so many bytes: libinjection judges the beginning of what it is given, and an
/// attack may stand anywhere in a long one.
const PART_BYTES: usize = 4 << 10;
/// What each part has in common with the next, so that nothing is cut through: twice what any known payload needs
/// until it is known.
const OVERLAP_BYTES: usize = 256;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// SQL, with libinjection's fingerprint of it.
    Sql([u8; 8]),
    /// Script.
    Xss,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge {
    pub(super) sql: bool,
    pub(super) xss: bool,
}

impl Judge {
    /// The first thing found in a text.
    pub(super) fn find(self, text: &[u8]) -> Option<Finding> {
        if text.len() <= PART_BYTES {
            return self.find_in_part(text);
        }
        let step = PART_BYTES - OVERLAP_BYTES;
        let parts = (0..text.len().saturating_sub(OVERLAP_BYTES)).step_by(step);
        parts.map(|at| &text[at..text.len().min(at + PART_BYTES)]).find_map(|part| self.find_in_part(part))
    }

    fn find_in_part(self, text: &[u8]) -> Option<Finding> {
        let signs = signs(text);
        if self.sql && signs & SQL != 0 {
            let found = sql(text);
            if found.is_some() {
                return found;
            }
        }
        (self.xss && signs & XSS != 0 && is_script(text)).then_some(Finding::Xss)
    }
}

/// A byte without which nothing is SQL: a quote, something between two words, an operator, a comment.
const SQL: u8 = 1;
/// A byte without which nothing is script: a tag's beginning, or an attribute's value.
const XSS: u8 = 2;
/// Part of a comment when it stands there twice.
const DASH: u8 = 4;

static SIGNS: [u8; 256] = {
    let mut signs = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        signs[byte] = match byte as u8 {
            b'<' | b'=' => SQL | XSS,
            b'-' => DASH,
            b'\'' | b'"' | b'`' | b'(' | b')' | b';' | b'#' | b'>' | b'|' | b'&' | b'\\' | b'*' | b'{' => SQL,
            0..=b' ' | 0x7f.. => SQL,
            _ => 0,
        };
        byte += 1;
    }
    signs
};

fn signs(text: &[u8]) -> u8 {
    let signs = text.iter().fold(0, |signs, &byte| signs | SIGNS[usize::from(byte)]);
    match signs & DASH != 0 && text.windows(2).any(|two| two == b"--") {
        true => signs | SQL,
        false => signs,
    }
}

fn sql(text: &[u8]) -> Option<Finding> {
    let mut state = SqliState::new(text, SqliFlags::FLAG_NONE);
    if state.detect() {
        let fingerprint = state.get_fingerprint();
        if !is_ordinary(fingerprint.as_bytes(), text) {
            let mut kept = [0; 8];
            let bytes = fingerprint.as_bytes();
            let length = bytes.len().min(kept.len());
            kept[..length].copy_from_slice(&bytes[..length]);
            return Some(Finding::Sql(kept));
        }
    }
    phrases::find(text).map(|phrase| Finding::Sql(*phrase))
}

/// Whether a text with this fingerprint is an ordinary one as well as SQL, unless more says that it is SQL: numbers or
/// names that `and` or `or` joins (`1 and 2 and 3`, `@alice, @bob and @carol`), and what is said of a function
/// (`sin(x) + cos(y)`).
fn is_ordinary(fingerprint: &[u8], text: &[u8]) -> bool {
    let end = fingerprint.iter().position(|&b| b == 0).unwrap_or(fingerprint.len());
    let has = |signs: &[u8]| text.iter().any(|byte| signs.contains(byte));
    let has_word = |word: &str| {
        text.split(|b| !b.is_ascii_alphanumeric()).any(|one| one.eq_ignore_ascii_case(word.as_bytes()))
    };
    match &fingerprint[..end] {
        b"1&1" | b"v&v" | b"1&v" | b"v&1" | b"n&n" => {
            !has(b"=<>!|&(#;*") && !COMPARING.iter().any(|word| has_word(word))
        }
        b"f(n)o" | b"f(1)o" | b"f(v)o" => !has(b"'\"`#;|&") && !text.windows(2).any(|two| two == b"--"),
        _ => false,
    }
}

/// Words that compare, or wait: what joins such is no list.
const COMPARING: [&str; 9] = ["like", "rlike", "regexp", "in", "between", "is", "xor", "div", "sleep"];

fn is_script(text: &[u8]) -> bool {
    // Inside of a tag without a quote `style=bold` is all it takes: ordinary text. Without a tag of its own more has to
    // be there.
    let is_inside = text.contains(&b'<') || has_deed(text);
    XssDetector::is_xss(text, Html5Flags::DataState)
        || is_inside && XssDetector::is_xss(text, Html5Flags::ValueNoQuote)
        || text.contains(&b'\'') && XssDetector::is_xss(text, Html5Flags::ValueSingleQuote)
        || text.contains(&b'"') && XssDetector::is_xss(text, Html5Flags::ValueDoubleQuote)
        || text.contains(&b'`') && XssDetector::is_xss(text, Html5Flags::ValueBackQuote)
}

/// Whether an attribute in this text could do anything: it handles an event, or leads to script.
fn has_deed(text: &[u8]) -> bool {
    const DEEDS: [&[u8]; 3] = [b"script:", b"data:", b"expression("];
    let has = |deed: &[u8]| text.windows(deed.len()).any(|part| part.eq_ignore_ascii_case(deed));
    let handles = |part: &[u8]| {
        let name = part.trim_ascii_end();
        let start = name.iter().rposition(|b| !b.is_ascii_alphabetic()).map_or(0, |at| at + 1);
        let name = &name[start..];
        name.len() > 3 && name[..2].eq_ignore_ascii_case(b"on")
    };
    let mut parts = text.split(|&b| b == b'=');
    let is_handler = (&mut parts).take(text.iter().filter(|&&b| b == b'=').count()).any(handles);
    is_handler || DEEDS.iter().any(|deed| has(deed))
}
