//! No source file is longer than a reader can hold: past 600 lines it is two files.

use crate::tree::{File, Finding, Tree};
use crate::{Check, Sample};

/// 600: four times the normal file. A longer one has always turned out to hold a second idea.
const LINES_MAX: usize = 600;

pub(crate) const CHECK: Check = Check { name: "file size", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    let long = |file: &&File| is_source(file) && file.text.lines().count() > LINES_MAX;
    let what = format!("more than {LINES_MAX} lines: this file holds a second idea, give it its own");
    tree.files.iter().filter(long).map(|file| Finding::new(&file.path, LINES_MAX + 1, what.clone())).collect()
}

/// Whether a program is written in it; documents and data may be as long as they have to be.
fn is_source(file: &File) -> bool {
    const SOURCE: [&str; 6] = ["rs", "py", "sh", "ts", "svelte", "css"];
    SOURCE.contains(&file.extension()) || file.name() == "Makefile" || file.text.starts_with("#!")
}

/// One line more than is allowed.
const TOO_LONG: &str = match std::str::from_utf8(&[b'\n'; LINES_MAX + 1]) {
    Ok(text) => text,
    Err(_) => "", // never, and then the self-test fails
};

const SAMPLES: &[Sample] = &[
    Sample { files: &[("a.rs", TOO_LONG)], found: &["a.rs:601"] },
    Sample { files: &[("a.rs", TOO_LONG.split_at(LINES_MAX).0), ("list.txt", TOO_LONG)], found: &[] },
];
