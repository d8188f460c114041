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
pub(super) const OVERLAP_BYTES: usize = 256;

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

/// Whether a text with this fingerprint may as well be ordinary: prose with words of SQL in it has the same tokens
/// (`1 and 2 and 3`; `items, and list (new)`). What is meant as SQL has something more: a comparison, a comment, a
/// quote that it begins with, or a call.
fn is_ordinary(fingerprint: &[u8], text: &[u8]) -> bool {
    let end = fingerprint.iter().position(|&b| b == 0).unwrap_or(fingerprint.len());
    let fingerprint = &fingerprint[..end];
    if matches!(fingerprint, b"f(n)o" | b"f(1)o" | b"f(v)o") {
        return !calls(text); // `sqrt(16) = 4`
    }
    let names = fingerprint.iter().any(|token| matches!(token, b'n' | b'k' | b'U' | b'T'));
    let is_sure = text.iter().any(|byte| matches!(byte, b'=' | b'<' | b'>'))
        || text.windows(2).any(|two| matches!(two, b"--" | b"/*" | b"||" | b"&&" | b"@@"))
        || matches!(text.trim_ascii_start(), [b'\'' | b'"', ..])
            && matches!(fingerprint, [b's', b'o' | b'&', ..])
            && !names
        || fingerprint.starts_with(b"1&") && !names && words(text).any(|word| is_one_of(word, &COMPARING))
        || calls(text);
    !is_sure
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| !b.is_ascii_alphanumeric() && *b != b'_')
}

fn is_one_of(word: &[u8], known: &[&str]) -> bool {
    known.iter().any(|one| word.eq_ignore_ascii_case(one.as_bytes()))
}

/// Whether a function is called that is of use to an attack.
fn calls(text: &[u8]) -> bool {
    let mut before = text.split(|&b| b == b'(');
    let calls = text.iter().filter(|&&b| b == b'(').count();
    (&mut before).take(calls).any(|part| words(part).last().is_some_and(|word| is_one_of(word, &CALLED)))
}

/// Words that compare: what joins such is no list of numbers.
const COMPARING: [&str; 8] = ["like", "rlike", "regexp", "in", "between", "is", "xor", "div"];
/// Functions that wait, tell of the server, or take apart what they tell.
const CALLED: [&str; 37] = [
    "sleep",
    "pg_sleep",
    "benchmark",
    "version",
    "user",
    "user_name",
    "database",
    "current_user",
    "system_user",
    "load_file",
    "extractvalue",
    "updatexml",
    "ascii",
    "ord",
    "mid",
    "substr",
    "substring",
    "char",
    "chr",
    "concat",
    "group_concat",
    "count",
    "convert",
    "cast",
    "md5",
    "sha1",
    "if",
    "exists",
    "make_set",
    "elt",
    "receive_message",
    "get_host_address",
    "sn",
    "json_keys",
    "randomblob",
    "xp_cmdshell",
    "utl_http",
];

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
