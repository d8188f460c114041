//! Every dependency version and every lint stands once, in the root manifest; the rooms only say
//! `workspace = true`.

use crate::manifest::{dependencies, manifest_room};
use crate::tree::{Finding, Tree};
use crate::{Check, Sample};

pub(crate) const CHECK: Check = Check { name: "versions and lints once", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        if manifest_room(&file.path).is_none() {
            continue;
        }
        for dependency in dependencies(&file.text) {
            if !dependency.value.contains("workspace = true") {
                let what = format!(
                    "write the version of `{}` in the root manifest and `workspace = true` here, on one line",
                    dependency.name
                );
                findings.push(Finding::new(&file.path, dependency.line, what));
            }
        }
        if !file.text.contains("[lints]\nworkspace = true") {
            findings.push(Finding::new(&file.path, 1, "add `[lints]` with `workspace = true`"));
        }
    }
    findings
}

const SAMPLES: &[Sample] = &[
    Sample {
        files: &[(
            "crates/wire/Cargo.toml",
            "[lints]\nworkspace = true\n[dependencies]\na = \"1\"\nb = { version = \"1\" }\n[dependencies.c]\nversion = \"1\"\n",
        )],
        found: &["crates/wire/Cargo.toml:4", "crates/wire/Cargo.toml:5", "crates/wire/Cargo.toml:6"],
    },
    Sample {
        files: &[("crates/core/Cargo.toml", "[dependencies]\na.workspace = true\n")],
        found: &["crates/core/Cargo.toml:1"],
    },
    Sample {
        files: &[
            ("Cargo.toml", "[workspace.dependencies]\na = \"1\"\n"),
            (
                "crates/wire/Cargo.toml",
                "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"c\"] }\n",
            ),
        ],
        found: &[],
    },
];
