//! The schema that is printed for editors takes what the program takes, and marks what it refuses. Read by the
//! validator that other tools are built on.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_testkit::peers::python;
use tidegate_testkit::process::{Ended, run};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn tidegate(folder: &Path, arguments: &[&str]) -> Ended {
    run(Command::new(BIN).current_dir(folder).args(arguments))
}

/// What the schema has to say of each file, in order.
fn said(folder: &Path, files: &[PathBuf]) -> Vec<String> {
    let schema = folder.join("tidegate.schema.json");
    std::fs::write(&schema, tidegate(folder, &["schema"]).stdout).expect("write the schema");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema.py");
    let ended = run(Command::new(python()).arg("-B").arg(script).arg(schema).args(files));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), files.len(), "{lines:#?}");
    lines
}

#[test]
fn the_examples_and_the_first_file_are_fine_by_the_schema() {
    let folder = tempfile::tempdir().expect("make a folder");
    assert_eq!(tidegate(folder.path(), &["init"]).code, Some(0));
    let mut files = vec![folder.path().join("tidegate.yaml")];
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
