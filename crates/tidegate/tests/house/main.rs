//! The house rules as a test: reads the project's own files and refuses what the written rules forbid.
//! One file per rule, each with samples that prove the rule can fail. Nothing is built or run from here.

mod families;
mod finished;
mod manifest;
mod plane;
mod purpose;
mod rooms;
mod rust;
mod size;
mod tree;
mod versions;
mod words;

use tree::{Finding, Tree};

/// One rule of the house.
struct Check {
    /// The rule in a few words.
    name: &'static str,
    /// Every place that breaks it.
    find: fn(&Tree) -> Vec<Finding>,
    /// Small trees with what must be found in them; at least one that is refused and one that is not.
    samples: &'static [Sample],
}

/// A tree made up for a self-test.
struct Sample {
    /// Path and text of each file.
    files: &'static [(&'static str, &'static str)],
    /// The places to be found, as `path:line`, in order.
    found: &'static [&'static str],
}

const ALL: &[Check] = &[
    families::CHECK,
    finished::CHECK,
    plane::CHECK,
    purpose::CHECK,
    rooms::CHECK,
    size::CHECK,
    versions::CHECK,
    words::CHECK,
];

#[test]
fn the_house_is_in_order() {
    let tree = Tree::of_project();
    let mut broken = String::new();
    for check in ALL {
        for finding in (check.find)(&tree) {
            broken += &format!("\n{finding}   [{}]", check.name);
        }
    }
    assert!(broken.is_empty(), "the rules of CONTRIBUTING.md are broken:{broken}\n");
}

#[test]
fn every_rule_finds_its_bad_samples_and_nothing_in_its_good_ones() {
    for check in ALL {
        for sample in check.samples {
            let found: Vec<String> =
                (check.find)(&Tree::of(sample.files)).iter().map(Finding::place).collect();
            assert_eq!(found, sample.found, "{}: {:#?}", check.name, sample.files);
        }
        let refused = check.samples.iter().filter(|s| !s.found.is_empty()).count();
        assert!(refused > 0, "{}: no sample shows that it can fail", check.name);
        assert!(refused < check.samples.len(), "{}: no sample shows that it can pass", check.name);
    }
}

#[test]
fn the_whole_project_is_read() {
    let tree = Tree::of_project();
    for path in ["Cargo.toml", "Makefile", "README.md", "crates/core/src/lib.rs", "crates/wire/Cargo.toml"] {
        assert!(tree.find(path).is_some(), "{path} was not read");
    }
    assert!(tree.files.iter().all(|f| !f.path.starts_with("target/")), "build output was read");
}
