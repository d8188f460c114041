//! The schema for editors and the program agree, on a file with every key and on all that differ from it in one thing:
//! another kind of value, a key more, a key less. The schema is read by ajv, the files are made by the script beside it.

use std::path::Path;
use std::process::Command;

use tidegate_testkit::peers::node_modules;
use tidegate_testkit::process::run;

use crate::families;

/// Why the program refuses what the schema takes. What the schema refuses the program refuses, without exception.
const BEYOND: &[&str] = &[
    // Names, and what stands elsewhere in the file.
    "is not defined",
    "is called",
    "mentions a value that does not exist",
    "there is nothing to steer",
    "does not speak TLS",
    "no backend of the service speaks TLS",
    "nobody finds out",
    "nobody is known",
    "without its `",
    // Other files.
    "there is no such file",
    "cannot be used to trust anybody by",
    // What a text means.
    "is too weak",
    "is not an address",
    "is not the address of a name server",
    "is not a host",
    "is not a place for a log",
    "is not an IP address",
    "is not a method",
    "has no address",
    "has no port",
    "holds a path",
    // The size of a number, and of one in quotes whether it is in range.
    "is out of range",
    "is too small",
    "is not a status code of an answer",
    "is not a version this program reads",
    // One key of several, and lists and maps that may be short, but not empty.
    "the key `url` is missing",
    "there is no listener",
    "there is no certificate",
    "the service has no backends",
    "says nothing of how it finds out who asks",
    "says nothing of who may pass",
    "a listener speaks at least one protocol",
    "no token could be signed",
    "the route takes requests of no listener",
    "the match is empty",
    "no service here has a weight above 0",
    "nobody is asked who the client is",
    "nobody would pass",
    "no origin is allowed",
    "nothing is expected, so this case cannot fail",
];

/// What the program finds wrong with a file.
fn reasons(name: &str, text: &str) -> Vec<String> {
    match tidegate_config::from_text(name, text, Path::new("/nowhere"), &families::ALL) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.reason.clone()).collect(),
    }
}

#[test]
fn schema_and_program_agree_on_every_file_that_differs_in_one_thing() {
    let folder = tempfile::tempdir().expect("make a folder");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let every_key = tests.join("cases/every-key.yaml");
    let text = std::fs::read_to_string(&every_key).expect("read the file");
    let always = reasons("every-key.yaml", &text);
    assert!(always.iter().all(|reason| reason.contains("there is no such file")), "{always:#?}");

    let schema = folder.path().join("tidegate.schema.json");
    std::fs::write(&schema, tidegate_config::schema(&families::ALL)).expect("write the schema");
    let mut ajv = Command::new("node");
    ajv.arg(tests.join("schema.mjs")).arg(node_modules()).arg(schema).arg("--changed");
    let changed = run(ajv.arg(&every_key).arg(folder.path()));
    assert_eq!((changed.code, changed.stderr.as_str()), (Some(0), ""));

    let mut wrong = Vec::new();
    let mut count = 0;
    for (number, line) in changed.stdout.lines().enumerate() {
        let (change, said) = line.split_once('\t').expect("a change and what the schema says");
        let file = folder.path().join(format!("{number}.json"));
        let mut reasons =
            reasons("changed.json", &std::fs::read_to_string(file).expect("read what was changed"));
        reasons.retain(|reason| !always.contains(reason));
        if said != "fine" {
            let is_taken = reasons.is_empty();
            wrong.extend(is_taken.then(|| format!("{change}: the schema alone says: {said}")));
        } else if let Some(alone) = reasons.iter().find(|one| !BEYOND.iter().any(|known| one.contains(known)))
        {
            wrong.push(format!("{change}: the program alone says: {alone}"));
        }
        count = number + 1;
    }
    assert!(count > 2000, "only {count} files");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
