//! Every source file opens with its purpose: what lives here, said in words that would not fit the file
//! next to it.

use crate::tree::{File, Finding, Tree};
use crate::{Check, Sample};

/// Words that say nothing about what a file is for.
const FILLER: &[&str] = &[
    "a",
    "an",
    "and",
    "code",
    "common",
    "contains",
    "file",
    "files",
    "for",
    "functions",
    "helper",
    "helpers",
    "implementation",
    "in",
    "integration",
    "is",
    "misc",
    "module",
    "of",
    "script",
    "stuff",
    "test",
    "tests",
    "the",
    "this",
    "types",
    "unit",
    "utilities",
    "utility",
    "various",
];

/// Fewest words besides filler. "EWMA module." has one, "A route as the flow runs it." has five.
const WORDS_MIN: usize = 3;

pub(crate) const CHECK: Check = Check { name: "purpose on the first line", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().filter_map(|file| Some(Finding::new(&file.path, 1, complaint(file)?))).collect()
}

fn complaint(file: &File) -> Option<String> {
    let (skipped, marks) = opening(file)?;
    let line = file.text.lines().nth(skipped).unwrap_or_default();
    let Some(purpose) = marks.iter().find_map(|mark| line.strip_prefix(mark)) else {
        return Some(format!("open the file with a `{}` line that says what lives here", marks[0]));
    };
    let words = purpose.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let telling = words.filter(|word| !FILLER.contains(&word.to_lowercase().as_str())).count();
    (telling < WORDS_MIN).then(|| "this opening line would fit any file: say what lives here".into())
}

/// How many lines come before the purpose, and how it begins; nothing for a file that needs none.
fn opening(file: &File) -> Option<(usize, &'static [&'static str])> {
    match file.extension() {
        "rs" => Some((0, &["//! "])),
        _ if file.text.starts_with("#!") => Some((1, &["# ", "\"\"\""])),
        "py" => Some((0, &["\"\"\""])),
        _ => None,
    }
}

const SAMPLES: &[Sample] = &[
    Sample {
        files: &[
            ("a.rs", "fn f() {}\n"),
            ("b.rs", ""),
            ("c.rs", "\n//! Picks the backend that answers soonest.\n"),
            ("d.rs", "//! Tests.\n"),
            ("e.rs", "//! EWMA module.\n"),
            ("f.rs", "//! Unit tests for the router.\n"),
            ("g.rs", "//!\n//! Picks the backend that answers soonest.\n"),
            ("h", "#!/bin/sh\nset -e\n"),
            ("i.py", "import os\n"),
        ],
        found: &["a.rs:1", "b.rs:1", "c.rs:1", "d.rs:1", "e.rs:1", "f.rs:1", "g.rs:1", "h:1", "i.py:1"],
    },
    Sample {
        files: &[
            ("a.rs", "//! Picks the backend that answers soonest.\n"),
            ("b.rs", "//! A route as the flow runs it.\n"),
            ("c", "#!/bin/sh\n# Installs what the tests start.\n"),
            ("d.py", "\"\"\"Processes of one measurement.\"\"\"\n"),
            ("notes.md", "Tests.\n"),
        ],
        found: &[],
    },
];
