//! What the data plane may not do: panic where a value is missing, read another clock than core's, block
//! its thread. Tests and examples may.

use crate::manifest::room_of;
use crate::rust::{is_test_file, product_code_of};
use crate::tree::{File, Finding, Tree, numbered};
use crate::{Check, Sample};

/// The rooms a request passes through.
const DATA_PLANE: &[&str] = &["core", "wire", "flow", "policies", "upstreams", "cache"];

/// The places that read the system's clocks: one for deadlines, one for dates in messages.
const CLOCKS: [&str; 2] = ["crates/core/src/clock.rs", "crates/core/src/date.rs"];

/// What must not stand in their code, and why.
const REFUSED: &[(&str, &str)] = &[
    (".unwrap()", PANICS),
    (".expect(", PANICS),
    (".unwrap_err()", PANICS),
    (".expect_err(", PANICS),
    ("Instant::now", OTHER_CLOCK),
    ("SystemTime::now", OTHER_CLOCK),
    ("thread::sleep", "blocks every connection of its worker: wait on the runtime's timer"),
    ("unbounded_channel", "every queue has a bound, named in core's limits"),
    ("mpsc::channel()", "every queue has a bound, named in core's limits"),
];
const PANICS: &str = "panics on what a peer sent: return the failure";
const OTHER_CLOCK: &str = "the data plane has one clock, core::clock, and core::date for people";

pub(crate) const CHECK: Check =
    Check { name: "the data plane does not panic or block", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| is_product(tree, file)) {
        for (line, code) in numbered(&product_code_of(&file.text)) {
            let hits = REFUSED.iter().filter(|(pattern, why)| {
                code.contains(pattern) && !(*why == OTHER_CLOCK && CLOCKS.contains(&file.path.as_str()))
            });
            findings.extend(
                hits.map(|(pattern, why)| Finding::new(&file.path, line, format!("`{pattern}` {why}"))),
            );
        }
    }
    findings
}

/// Whether the file is part of the data plane as it ships.
fn is_product(tree: &Tree, file: &File) -> bool {
    room_of(&file.path).is_some_and(|room| DATA_PLANE.contains(&room)) && !is_test_file(tree, &file.path)
}

const SAMPLES: &[Sample] = &[
    Sample {
        files: &[
            (
                "crates/wire/src/a.rs",
                "fn f() {\n    a.unwrap();\n    b.expect(\"b\");\n}\n#[cfg(test)]\nmod tests { fn f() { a.unwrap() } }\n",
            ),
            ("crates/flow/src/b.rs", "fn f() { Instant::now() }\nfn g() { std::thread::sleep(a) }\n"),
            (
                "crates/core/src/c.rs",
                "fn f() { a\n    .unwrap_err() }\nfn g() { unbounded_channel::<u8>() }\n",
            ),
        ],
        found: &[
            "crates/wire/src/a.rs:2",
            "crates/wire/src/a.rs:3",
            "crates/flow/src/b.rs:1",
            "crates/flow/src/b.rs:2",
            "crates/core/src/c.rs:2",
            "crates/core/src/c.rs:3",
        ],
    },
    Sample {
        files: &[
            ("crates/wire/src/lib.rs", "mod a;\n#[cfg(test)]\nmod flood;\nmod b;\n"),
            ("crates/wire/src/flood.rs", "fn f() { a.unwrap() }\n"),
            ("crates/wire/src/b/mod.rs", "fn f() { a.unwrap_or(b.unwrap_or_default()) } // a.unwrap()\n"),
            ("crates/wire/src/b/tests.rs", "fn f() { a.unwrap() }\n"),
            ("crates/wire/tests/corpus.rs", "fn f() { a.unwrap() }\n"),
            ("crates/wire/examples/cost.rs", "fn f() { Instant::now() }\n"),
            ("crates/core/src/clock.rs", "fn f() { Instant::now() }\n"),
            ("crates/tidegate/src/main.rs", "fn f() { a.unwrap() }\n"),
        ],
        found: &[],
    },
    Sample {
        files: &[
            ("crates/wire/src/lib.rs", "mod flood;\n"),
            ("crates/wire/src/flood.rs", "fn f() { a.unwrap() }\n"),
            ("crates/core/src/clock.rs", "fn f() { a.unwrap() }\n"),
        ],
        found: &["crates/wire/src/flood.rs:1", "crates/core/src/clock.rs:1"],
    },
];
