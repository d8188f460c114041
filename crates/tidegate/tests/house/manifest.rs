//! Reads the dependency tables of a Cargo manifest, line by line. Knows only the shapes this project uses;
//! the rule on versions refuses the others.

use crate::tree::numbered;

/// One line that names a dependency.
pub(crate) struct Dependency<'a> {
    /// Where.
    pub(crate) line: usize,
    /// Its name in the manifest.
    pub(crate) name: &'a str,
    /// What it is set to: `workspace = true`, `{ … }` or `"1"`.
    pub(crate) value: &'a str,
    /// Whether only tests, examples and benches see it.
    pub(crate) is_for_tests: bool,
}

/// Every dependency of a manifest, whatever its kind and target.
pub(crate) fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut table = "";
    for (line, raw) in numbered(text) {
        let written = raw.trim();
        if written.starts_with('[') {
            table = written.trim_matches(['[', ']']);
            found.extend(own_table(table).map(|name| Dependency {
                line,
                name,
                value: "",
                is_for_tests: table.contains("dev-dependencies."),
            }));
            continue;
        }
        if !table.ends_with("dependencies") || written.starts_with('#') {
            continue;
        }
        let Some((key, value)) = written.split_once('=') else { continue };
        let (name, is_shared) = match key.trim().strip_suffix(".workspace") {
            Some(name) => (name, true),
            None => (key.trim(), false),
        };
        let value = if is_shared { "workspace = true" } else { value.trim() };
        let is_for_tests = table.ends_with("dev-dependencies");
        found.push(Dependency { line, name: name.trim_matches('"'), value, is_for_tests });
    }
    found
}

/// The name in `[dependencies.name]`.
fn own_table(table: &str) -> Option<&str> {
    let (kind, name) = table.rsplit_once('.')?;
    kind.ends_with("dependencies").then_some(name)
}

/// The room a path in `crates/` belongs to.
pub(crate) fn room_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split('/').next()
}

/// The room whose manifest this is.
pub(crate) fn manifest_room(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml").filter(|room| !room.contains('/'))
}

#[test]
fn every_shape_of_a_dependency_is_seen() {
    let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n# b = \"1\"\nc = { path = \"c\" }\n\
        [target.'cfg(unix)'.dependencies]\nd = \"1\"\n[dev-dependencies]\ne.workspace = true\n[dependencies.f]\nversion = \"1\"\n";
    let found: Vec<String> = dependencies(text)
        .iter()
        .map(|d| format!("{} {} {} {}", d.line, d.name, d.value, d.is_for_tests))
        .collect();
    assert_eq!(
        found,
        [
            "4 a workspace = true false",
            "6 c { path = \"c\" } false",
            "8 d \"1\" false",
            "10 e workspace = true true",
            "11 f  false",
        ]
    );
}
