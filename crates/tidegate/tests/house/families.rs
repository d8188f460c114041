//! A family member is a folder and one line: a folder that is missing from its family's `ALL` list would
//! compile, be tested and never be reachable by a user.

use crate::rust::code_of;
use crate::tree::{Finding, Tree};
use crate::{Check, Sample};
use std::collections::BTreeSet;

/// Where each family's list is, and the folder whose subfolders are its members.
const FAMILIES: &[(&str, &str)] = &[
    ("crates/policies/src/lib.rs", "crates/policies/src/"),
    ("crates/policies/src/auth/mod.rs", "crates/policies/src/auth/"),
    ("crates/upstreams/src/balancers/mod.rs", "crates/upstreams/src/balancers/"),
    ("crates/upstreams/src/sources/mod.rs", "crates/upstreams/src/sources/"),
    ("crates/cache/src/stores/mod.rs", "crates/cache/src/stores/"),
    ("crates/scaler/src/drivers/mod.rs", "crates/scaler/src/drivers/"),
    ("crates/telemetry/src/sinks/mod.rs", "crates/telemetry/src/sinks/"),
];

pub(crate) const CHECK: Check = Check { name: "family members are listed", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (root, folder) in FAMILIES {
        let list = tree.find(root).map(|file| list_of(&file.text)).unwrap_or_default();
        for member in members(tree, folder) {
            let entry = format!("{folder}{member}/mod.rs");
            if !list.contains(member) {
                let what = format!("`{member}` is not in the `ALL` list of {root}");
                findings.push(Finding::new(&entry, 1, what));
            }
            if tree.find(&format!("{folder}{member}/tests.rs")).is_none() {
                findings.push(Finding::new(&entry, 1, format!("`{member}` has no tests.rs")));
            }
        }
    }
    findings
}

fn members<'a>(tree: &'a Tree, folder: &str) -> BTreeSet<&'a str> {
    let inside = tree.files.iter().filter_map(|file| file.path.strip_prefix(folder));
    inside.filter_map(|path| path.split_once('/')).map(|(member, _)| member).collect()
}

/// The modules named as `member::…` in the text's `ALL` list.
fn list_of(text: &str) -> BTreeSet<String> {
    let code = code_of(text);
    let Some((_, rest)) = code.split_once(" ALL:") else { return BTreeSet::new() };
    let Some((_, value)) = rest.split_once('=') else { return BTreeSet::new() };
    let value = value.split(';').next().unwrap_or_default();
    let words = value.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    words.filter_map(|word| word.split_once("::")).map(|(member, _)| member.to_string()).collect()
}

const SAMPLES: &[Sample] = &[
    Sample {
        files: &[
            (
                "crates/policies/src/lib.rs",
                "mod cors;\nmod jwt;\n// cors::KIND\npub const ALL: &[&dyn Kind; 1] = &[&jwt::KIND];\nconst B: u8 = cors::B;\n",
            ),
            ("crates/policies/src/cors/mod.rs", ""),
            ("crates/policies/src/cors/tests.rs", ""),
            ("crates/policies/src/jwt/mod.rs", ""),
        ],
        found: &["crates/policies/src/cors/mod.rs:1", "crates/policies/src/jwt/mod.rs:1"],
    },
    Sample {
        files: &[
            ("crates/upstreams/src/balancers/ewma/mod.rs", ""),
            ("crates/upstreams/src/balancers/ewma/tests.rs", ""),
        ],
        found: &["crates/upstreams/src/balancers/ewma/mod.rs:1"],
    },
    Sample {
        files: &[
            (
                "crates/upstreams/src/balancers/mod.rs",
                "pub mod ewma;\npub const ALL: &[Kind] = &[\n    ewma::KIND,\n];\n",
            ),
            ("crates/upstreams/src/balancers/ewma/mod.rs", ""),
            ("crates/upstreams/src/balancers/ewma/tests.rs", ""),
            ("crates/upstreams/src/balancers/choose.rs", ""),
        ],
        found: &[],
    },
];
