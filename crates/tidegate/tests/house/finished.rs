//! Nothing unfinished lands: no stub macros, no left-over debugging, no test that is switched off.

use crate::rust::code_of;
use crate::tree::{Finding, Tree, numbered};
use crate::{Check, Sample};

const STUB: &str = "write it or leave it out: a stub is a lie about what works";
const DEBUGGING: &str = "left-over debugging";
const SWITCHED_OFF: &str = "a test that does not run proves nothing: mend it, or assert what really happens";

/// What must not stand in code, and why.
const UNFINISHED: &[(&str, &str)] = &[
    ("todo!", STUB),
    ("unimplemented!", STUB),
    ("dbg!", DEBUGGING),
    ("#[ignore]", SWITCHED_OFF),
    ("#[ignore =", SWITCHED_OFF),
    (", ignore)]", SWITCHED_OFF),
    (", ignore =", SWITCHED_OFF),
];

pub(crate) const CHECK: Check = Check { name: "nothing unfinished", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (line, code) in numbered(&code_of(&file.text)) {
            let hits = UNFINISHED.iter().filter(|(pattern, _)| has_word(code, pattern));
            findings.extend(
                hits.map(|(pattern, why)| Finding::new(&file.path, line, format!("`{pattern}`: {why}"))),
            );
        }
    }
    findings
}

/// Whether the pattern stands there and does not merely end a longer word.
fn has_word(code: &str, pattern: &str) -> bool {
    let ends_a_word = |at: usize| code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let is_word = pattern.starts_with(|c: char| c.is_alphabetic());
    code.match_indices(pattern).any(|(at, _)| !is_word || !ends_a_word(at))
}

const SAMPLES: &[Sample] = &[
    Sample {
        files: &[(
            "a.rs",
            "fn f() {\n    todo!()\n}\nfn g() { unimplemented!(\"later\") }\n#[ignore = \"slow\"]\nfn t() { dbg!(1); }\n\
             #[ignore]\n#[cfg_attr(miri, ignore)]\n",
        )],
        found: &["a.rs:2", "a.rs:4", "a.rs:5", "a.rs:6", "a.rs:7", "a.rs:8"],
    },
    Sample {
        files: &[
            (
                "a.rs",
                "// todo! is refused\nfn f() { mastodbg!(\"unimplemented!\") }\nfn ignore(a: u8) { b(a, ignore) }\n",
            ),
            ("b.rs", "/* dbg!(1) */ const A: &str = \"#[ignore]\";\n"),
            ("notes.md", "dbg!(1)\n"),
        ],
        found: &[],
    },
];
