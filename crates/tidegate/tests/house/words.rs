//! Words that do not belong in the project: notes to oneself, one machine's folders, numbers of a tracker.
//! A text of the project says the thing itself.

use crate::tree::{Finding, Tree};
use crate::{Check, Sample};

/// Whole words, spelled in two halves so that this file may name them.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Folders of one machine. A path in a text is relative, or below a folder every machine has.
const FOLDERS: &[&str] =
    &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Texts that were not written for this project.
const NOT_OURS: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock", "LICENSE"];

pub(crate) const CHECK: Check = Check { name: "words that do not belong", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !NOT_OURS.contains(&file.path.as_str())) {
        for (line, text) in file.lines() {
            findings.extend(complaints(text).map(|what| Finding::new(&file.path, line, what)));
        }
    }
    findings
}

fn complaints(text: &str) -> impl Iterator<Item = String> {
    let notes = NOTES.iter().filter(|note| words(text).any(|word| word == **note));
    let notes = notes.map(|note| format!("`{note}`: do it, or say plainly what does not hold"));
    let folders = FOLDERS.iter().filter(|folder| names_folder(text, folder));
    let folders = folders.map(|folder| format!("`{folder}` is a folder of one machine"));
    let numbers = text.split([' ', '(']).filter(|word| is_tracker_number(word));
    let numbers = numbers.map(|number| format!("`{number}`: trackers move, say the reason itself"));
    notes.chain(folders).chain(numbers)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether an absolute path into the folder begins somewhere: a slash after a word is inside a longer path.
fn names_folder(text: &str, folder: &str) -> bool {
    let starts_here =
        |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || ".-_}*~".contains(c));
    text.match_indices(folder).any(|(at, _)| starts_here(at))
}

/// `#` and one to five digits. Six are a colour.
fn is_tracker_number(word: &str) -> bool {
    let Some(rest) = word.strip_prefix('#') else { return false };
    let digits = rest.chars().take_while(char::is_ascii_digit).count();
    let ends = !rest[digits..].starts_with(|c: char| c.is_alphanumeric());
    (1..=5).contains(&digits) && ends
}

const SAMPLES: &[Sample] = &[
    Sample {
        files: &[(
            "a.rs",
            concat!(
                "// TO",
                "DO: later\n// x FIX",
                "ME\n\n/* XX",
                "X */\n// see #",
                "12\nlet a = \"/ho",
                "me/me/x\";\n"
            ),
        )],
        found: &["a.rs:1", "a.rs:2", "a.rs:4", "a.rs:5", "a.rs:6"],
    },
    Sample {
        files: &[("notes.md", concat!("as in (#", "7), built in /wo", "rk/main\n"))],
        found: &["notes.md:1", "notes.md:1"],
    },
    Sample {
        files: &[
            (
                "a.rs",
                "const TODOS: u8 = 1; // XXXX, colour #123456, `#[test]`, https://example.com/home/page, r#\"1\"#\n",
            ),
            ("notes.md", "# 1. Heading\nunix:/run/tidegate.sock, /tmp/x\n"),
            ("LICENSE", concat!("TO", "DO\n")),
        ],
        found: &[],
    },
];
