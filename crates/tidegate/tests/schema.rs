//! The schema that is printed for editors takes what the program takes, and marks what it refuses. Read by ajv, which
//! editors are built on, and by a second validator.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tidegate_testkit::peers::{node_modules, python};
use tidegate_testkit::process::{Ended, run};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn tidegate(folder: &Path, arguments: &[&str]) -> Ended {
    run(Command::new(BIN).current_dir(folder).args(arguments))
}

/// The path of a script beside this file.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The schema, written to the folder.
fn schema(folder: &Path) -> PathBuf {
    let schema = folder.join("tidegate.schema.json");
    std::fs::write(&schema, tidegate(folder, &["schema"]).stdout).expect("write the schema");
    schema
}

/// The lines a validator prints.
fn lines(command: &mut Command) -> Vec<String> {
    let ended = run(command);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    ended.stdout.lines().map(str::to_owned).collect()
}

/// What the schema has to say of each file, in order: `fine`, or what is not. Two validators agree on which.
fn said(folder: &Path, files: &[PathBuf]) -> Vec<String> {
    let schema = schema(folder);
    let by_ajv =
        lines(Command::new("node").arg(script("schema.mjs")).arg(node_modules()).arg(&schema).args(files));
    let by_other = lines(Command::new(python()).arg("-B").arg(script("schema.py")).arg(schema).args(files));
    assert_eq!((by_ajv.len(), by_other.len()), (files.len(), files.len()), "{by_ajv:#?} {by_other:#?}");
    for ((ajv, other), file) in by_ajv.iter().zip(&by_other).zip(files) {
        // Two readers of YAML need not agree on what is none.
        let is_read = ![ajv, other].iter().any(|said| said.starts_with("no YAML"));
        assert!(!is_read || (ajv == "fine") == (other == "fine"), "{}: {ajv}, {other}", file.display());
    }
    by_ajv
}

#[test]
fn the_examples_and_the_first_file_are_fine_by_the_schema() {
    let folder = tempfile::tempdir().expect("make a folder");
    assert_eq!(tidegate(folder.path(), &["init"]).code, Some(0));
    let mut files = vec![folder.path().join("tidegate.yaml"), script("cases/every-key.yaml")];
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    for entry in std::fs::read_dir(examples).expect("read the folder of examples") {
        let path = entry.expect("read an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    for (said, file) in said(folder.path(), &files).iter().zip(&files) {
        assert_eq!(said, "fine", "{}", file.display());
    }
    assert!(files.len() >= 5, "{files:?}");
}

/// Every block of YAML in a page, with the number of its first line.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut is_inside = false;
    for (number, line) in page.lines().enumerate() {
        match line {
            "```yaml" => {
                is_inside = true;
                blocks.push((number + 2, String::new()));
            }
            _ if line.starts_with("```") => is_inside = false,
            _ if is_inside => blocks.last_mut().expect("one has begun").1 += &format!("{line}\n"),
            _ => {}
        }
    }
    blocks
}

/// A file that a block of a page is part of; none where it is no part of a configuration.
fn whole(block: &str) -> Option<String> {
    let line = block.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
    let key = line.trim_start_matches([' ', '-', '{']).split(':').next()?;
    let route = "routes:\n  - match: /\n    to: { respond: 204 }\n";
    let indented = || block.lines().map(|line| format!("    {line}\n")).collect::<String>();
    Some(match (key, line.trim_start().starts_with('-')) {
        ("version", _) => block.to_owned(),
        ("listen", _) => format!("version: 1\n{block}"),
        ("include" | "admin" | "state" | "drain" | "telemetry" | "resolver", _)
        | ("services" | "auth" | "routes" | "tests", _) => format!("{WHOLE}{block}"),
        ("match", true) => format!("{WHOLE}routes:\n{block}"),
        ("match", false) => format!("{WHOLE}routes:\n  - to: {{ respond: 204 }}\n{}", indented()),
        ("to", _) if line.starts_with(' ') => format!("{WHOLE}routes:\n  - match: /\n{block}"),
        ("to", _) => format!("{WHOLE}routes:\n  - match: /**\n{}", indented()),
        ("retry", _) => format!("{WHOLE}services:\n  a:\n    backends: [\"10.0.0.1:80\"]\n{block}"),
        ("keys", _) => return None, // a file of keys
        _ => format!("{WHOLE}{route}{}", indented()),
    })
}

/// What is wrong with a block because the rest of its file is missing.
const ELSEWHERE: &[&str] = &[
    "there is no such file",
    "matches no file",
    "is not defined under",
    "is called",
    "needs to know who asks",
    "nobody is known",
];

#[test]
fn what_the_pages_show_is_taken_by_the_program_and_fine_by_the_schema() {
    let folder = tempfile::tempdir().expect("make a folder");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![docs.join("README.md")];
    for entry in std::fs::read_dir(docs.join("docs/guide")).expect("read the folder of pages") {
        pages.push(entry.expect("read an entry").path());
    }
    let mut files = Vec::new();
    for page in pages {
        let name = page.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&page).expect("read a page");
        for (line, block) in blocks(&text) {
            let Some(whole) = whole(&block) else { continue };
            let file = folder.path().join(format!("{name}-{line}.yaml"));
            std::fs::write(&file, whole).expect("write a file");
            files.push(file);
        }
    }
    assert!(files.len() > 30, "{files:?}");
    for (said, file) in said(folder.path(), &files).iter().zip(&files) {
        assert_eq!(said, "fine", "{}", file.display());
        let ended = tidegate(folder.path(), &["validate", "--json", &file.to_string_lossy()]);
        let said: Value = serde_json::from_str(&ended.stdout).expect("the program prints JSON");
        for problem in said["problems"].as_array().expect("a list of problems") {
            let reason = problem["reason"].as_str().expect("a reason");
            assert!(ELSEWHERE.iter().any(|known| reason.contains(known)), "{}: {problem}", file.display());
        }
    }
}

const WHOLE: &str = "version: 1\nlisten: { http: \"127.0.0.1:8080\" }\n";

/// What the schema cannot see (names that are defined nowhere, what is there twice) is not among these.
const WRONG: &[&str] = &[
    "listen: { http: \"127.0.0.1:8080\" }",
    "version: 2\nlisten: { http: \"127.0.0.1:8080\" }",
    "version: 1",
    "version: 1\nlisten: { Http: \"127.0.0.1:8080\" }",
    "version: 1\nlisten: { http: { bin: \"127.0.0.1:8080\" } }",
    "version: 1\nlisten: { http: { bind: \"127.0.0.1:8080\", limits: { line: 8kb } } }",
    "version: 1\nlisten: { http: { bind: \"127.0.0.1:8080\", limits: { fields: 100000 } } }",
    "+workers: many",
    "+service: {}",
    "+services: { a: { backends: [\"10.0.0.1:80\"], blance: ewma } }",
    "+services: { a: { backends: [\"10.0.0.1:80\"], balance: fastest } }",
    "+services: { a: { backends: [\"10.0.0.1:80\"], timeouts: { connect: 5 } } }",
    "+services: { a: { backends: [\"10.0.0.1:80\"], retry: { attempts: 11 } } }",
    "+services: { a: { backends: [\"10.0.0.1:80\"], retry: { on: [sometimes] } } }",
    "+services: { a: {} }",
    "+services: []",
    "+routes: { match: /a }",
    "+routes: [{ match: /a }]",
    "+routes: [{ to: { respond: 204 } }]",
    "+routes: [{ match: a, to: { respond: 204 } }]",
    "+routes: [{ match: { path: /a, methods: [get] }, to: { respond: 204 } }]",
    "+routes: [{ match: /a, to: { respond: { status: 99 } } }]",
    "+routes: [{ match: /a, to: { respond: 204 }, timeout: soon }]",
    "+routes: [{ match: /a, to: { respond: 204 }, body_max: -1 }]",
    "+routes: [{ match: /a, to: { respond: 204 }, headers: { request: { sets: {} } } }]",
    "+routes: [{ match: { path: /a, headers: { \"x a\": b } }, to: { respond: 204 } }]",
    "+routes: [{ match: { path: /a, query: { \"\": b } }, to: { respond: 204 } }]",
    "+routes: [{ match: /a, to: { redirect: example.com } }]",
    "+routes: [{ match: /a, to: { redirect: { to: /b, status: 200 } } }]",
    "+routes: [{ match: /a, to: { redirect: { status: 301 } } }]",
    "+services: { a: \"10.0.0.1:80\" }\nroutes: [{ match: /a, to: a, rewrite: b }]",
    "+services: { a: \"10.0.0.1:80\" }\nroutes: [{ match: /a, to: a, rewrite: { strip: /b } }]",
    "+services: { a: \"10.0.0.1:80\" }\nroutes: [{ match: /a, to: a, listeners: { http: true } }]",
    "+tests: [{ request: GET /a }]",
    "+tests: [{ request: GET a, expect: { status: 200 } }]",
];

#[test]
fn what_is_wrong_is_marked_by_the_schema_and_refused_by_the_program() {
    let folder = tempfile::tempdir().expect("make a folder");
    let mut files = Vec::new();
    for (number, text) in WRONG.iter().enumerate() {
        let text = match text.strip_prefix('+') {
            Some(more) => format!("{WHOLE}{more}\n"),
            None => format!("{text}\n"),
        };
        let file = folder.path().join(format!("{number}.yaml"));
        std::fs::write(&file, text).expect("write a file");
        files.push(file);
    }
    let said = said(folder.path(), &files);
    for ((said, file), text) in said.iter().zip(&files).zip(WRONG) {
        assert_ne!(said, "fine", "the schema takes {text}");
        let name = file.to_string_lossy();
        assert_eq!(tidegate(folder.path(), &["validate", &name]).code, Some(2), "the program takes {text}");
    }
}

/// The goldens of the reader and of the program: of each the schema marks something, or the program takes it, or what is
/// wrong with it is beyond a schema.
#[test]
fn every_golden_mistake_of_its_kind_is_marked_by_the_schema() {
    let folder = tempfile::tempdir().expect("make a folder");
    let mut files = Vec::new();
    for kept in [script("cases/bad_input"), script("../../config/tests/golden")] {
        for entry in std::fs::read_dir(kept).expect("read the folder of goldens") {
            files.push(entry.expect("read an entry").path());
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() > 60, "{} files", files.len());
    let mut unmarked = Vec::new();
    for (said, file) in said(folder.path(), &files).iter().zip(&files) {
        let is_taken = tidegate(folder.path(), &["validate", &file.to_string_lossy()]).code == Some(0);
        let name = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
        match (said.as_str(), is_taken) {
            ("fine", true) => {}
            ("fine", false) => unmarked.push(name),
            (_, true) => panic!("{name}: the program takes it, and the schema says: {said}"),
            (_, false) => {}
        }
    }
    assert_eq!(unmarked, BEYOND);
}

/// Goldens in which every mistake is about more than one value, or about the inside of one.
const BEYOND: &[&str] = &[
    "access-log-places",
    "access-log-rotated-output",
    "addresses",
    "anchors-and-tags",
    "interpolation",
    "names-of-routes",
    "no-listener",
    "path-names",
    "same-requests",
    "there-twice",
    "undefined-names",
    "undefined-name",
];
