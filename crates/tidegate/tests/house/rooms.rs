//! Who may use whom. The table is the drawing of the house (ARCHITECTURE.md); a change here is a change
//! of the drawing and needs its reason in docs/decisions.

use crate::manifest::{dependencies, manifest_room};
use crate::tree::{Finding, Tree};
use crate::{Check, Sample};

/// Each room and the rooms it may use. `tidegate` may use all: it puts the house together.
const ROOMS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("wire", &["core"]),
    ("policies", &["core"]),
    ("upstreams", &["core"]),
    ("cache", &["core"]),
    ("scaler", &["core"]),
    ("telemetry", &["core"]),
    ("store", &["core"]),
    ("config", &["core"]),
    ("flow", &["core", "wire", "cache", "upstreams"]),
    ("admin", &["core", "config", "telemetry", "store"]),
    ("portal", &["core", "config", "telemetry", "store"]),
    ("testkit", &["core", "wire"]),
];

/// Crates from outside that belong to one matter, and the rooms in charge of it. Tests may use any of them.
const KEPT: &[(&str, &[&str], &str)] = &[
    ("axum", &["admin", "portal", "tidegate"], "the data plane has its own HTTP"),
    ("clap", &["tidegate"], "the command line lives in the program"),
    ("h2", &["wire", "testkit"], "only wire turns bytes into messages"),
    ("hickory-resolver", &["tidegate"], "names are looked up by the control plane, never on a worker"),
    ("mimalloc", &["tidegate"], "the program chooses the allocator"),
    ("rustls", &["wire", "testkit"], "only wire touches TLS"),
    ("saphyr-parser", &["config"], "only config knows the file format"),
    ("socket2", &["wire", "testkit"], "only wire touches sockets"),
];

/// Crates that do I/O; core must not have them.
const IO: &[&str] = &["libc", "rustix", "tokio"];

pub(crate) const CHECK: Check = Check { name: "who may use whom", find, samples: SAMPLES };

fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let Some(room) = manifest_room(&file.path) else { continue };
        if allowed(room).is_none() {
            findings.push(Finding::new(&file.path, 1, format!("room `{room}` is not on the drawing")));
            continue;
        }
        for dependency in dependencies(&file.text) {
            let what = match dependency.name.strip_prefix("tidegate-") {
                Some("testkit") if dependency.is_for_tests => None,
                Some(used) => refuse_room(room, used),
                None if dependency.is_for_tests => None,
                None => refuse_crate(room, dependency.name),
            };
            findings.extend(what.map(|what| Finding::new(&file.path, dependency.line, what)));
        }
    }
    findings
}

/// The rooms that `room` may use; `None` for one that is not on the drawing.
fn allowed(room: &str) -> Option<&'static [&'static str]> {
    if room == "tidegate" {
        return Some(&[]);
    }
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, uses)| *uses)
}

fn refuse_room(room: &str, used: &str) -> Option<String> {
    if used == "testkit" {
        return Some("testkit is for tests: name it under [dev-dependencies]".into());
    }
    if room == "tidegate" || allowed(room).is_some_and(|uses| uses.contains(&used)) {
        return None;
    }
    Some(format!("`{room}` may not use `{used}`: a word both need belongs to core"))
}

fn refuse_crate(room: &str, name: &str) -> Option<String> {
    if room == "core" && IO.contains(&name) {
        return Some(format!("core does no I/O, so it cannot use `{name}`"));
    }
    let (_, rooms, why) = KEPT.iter().find(|(kept, _, _)| *kept == name)?;
    (!rooms.contains(&room)).then(|| format!("`{name}` is kept to {}: {why}", rooms.join(", ")))
}

const SAMPLES: &[Sample] = &[
    Sample {
        files: &[
            (
                "crates/flow/Cargo.toml",
                "[dependencies]\ntidegate-core.workspace = true\ntidegate-policies.workspace = true\n",
            ),
            (
                "crates/core/Cargo.toml",
                "[dependencies]\ntidegate-wire.workspace = true\ntokio.workspace = true\n",
            ),
        ],
        found: &["crates/flow/Cargo.toml:3", "crates/core/Cargo.toml:2", "crates/core/Cargo.toml:3"],
    },
    Sample {
        files: &[
            (
                "crates/wire/Cargo.toml",
                "[dependencies]\ntidegate-testkit.workspace = true\naxum = { workspace = true }\n",
            ),
            ("crates/attic/Cargo.toml", "[dependencies]\ntidegate-core.workspace = true\n"),
            ("crates/policies/Cargo.toml", "[dev-dependencies]\ntidegate-upstreams.workspace = true\n"),
        ],
        found: &[
            "crates/wire/Cargo.toml:2",
            "crates/wire/Cargo.toml:3",
            "crates/attic/Cargo.toml:1",
            "crates/policies/Cargo.toml:2",
        ],
    },
    Sample {
        files: &[
            (
                "crates/flow/Cargo.toml",
                "[dependencies]\ntidegate-wire.workspace = true\ntokio.workspace = true\n",
            ),
            (
                "crates/core/Cargo.toml",
                "[dependencies]\nbytes.workspace = true\n[dev-dependencies]\ntidegate-testkit.workspace = true\n",
            ),
            (
                "crates/tidegate/Cargo.toml",
                "[dependencies]\ntidegate-policies.workspace = true\nclap.workspace = true\n[dev-dependencies]\nh2.workspace = true\n",
            ),
        ],
        found: &[],
    },
];
