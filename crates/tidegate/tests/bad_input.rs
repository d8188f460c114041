//! A configuration that cannot be used ends the program with 2 and says what to do, and never half starts it.
//! The messages are kept in cases/bad_input; TIDEGATE_BLESS=1 writes them anew.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_testkit::ports;
use tidegate_testkit::process::{Ended, run};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/bad_input")
}

fn tidegate(folder: &Path, arguments: &[&str]) -> Ended {
    run(Command::new(BIN).current_dir(folder).args(arguments).env("NO_COLOR", "1"))
}

/// What it said, wherever the cases are.
fn said(ended: Ended, folder: &Path) -> Ended {
    Ended { stderr: ended.stderr.replace(&format!("{}/", folder.display()), ""), ..ended }
}

/// Exit 2, nothing on stdout, and exactly this on stderr.
fn check_refused(ended: &Ended, expected: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert_eq!(ended.stderr.trim_end(), expected.trim_end());
}

#[test]
fn bad_files_are_refused_with_place_reason_and_hint() {
    let folder = cases();
    let entries = std::fs::read_dir(&folder).expect("read the folder of cases");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("read an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let kept = folder.join(name.replace(".yaml", ".txt"));
        let ended = said(tidegate(&folder, &["run", "-c", &name]), &folder);
        if std::env::var_os("TIDEGATE_BLESS").is_some() {
            std::fs::write(&kept, &ended.stderr).expect("keep the message");
        }
        let expected = std::fs::read_to_string(&kept).unwrap_or_default();
        assert!(expected.contains(&format!("{name}:")), "{} says nothing of a place", kept.display());
        check_refused(&ended, &expected);
        check_refused(&said(tidegate(&folder, &["validate", &name]), &folder), &expected);
    }
}

/// A folder of its own with a configuration that listens on these ports and keeps its state there.
fn written(http: u16, admin: u16, state: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("make a folder");
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:{http}\" }}\nadmin: {{ bind: \"127.0.0.1:{admin}\" }}\n\
         state: {{ dir: {state} }}\nroutes: [{{ match: \"/**\", to: {{ respond: {{ status: 200 }} }} }}]\n"
    );
    std::fs::write(folder.path().join("tidegate.yaml"), text).expect("write the configuration");
    folder
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_refused() {
    let folder = tempfile::tempdir().expect("make a folder");
    let missing = tidegate(folder.path(), &["run"]);
    let expected = "tidegate.yaml: there is no such file\n\
                    \x20 hint: `tidegate init` writes a first one; `-c FILE` names another\n";
    check_refused(&missing, expected);
    let not_a_file = tidegate(folder.path(), &["run", "-c", "."]);
    check_refused(
        &not_a_file,
        ".: is a folder\n  hint: name the file in it, as in `-c folder/tidegate.yaml`\n",
    );
}

#[test]
fn a_port_in_use_is_refused_at_its_place() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("take a port");
    let port = taken.local_addr().expect("learn it").port();
    let carets = "^".repeat(format!("\"127.0.0.1:{port}\"").len());

    let folder = written(port, ports::claim(), "state");
    let expected = format!(
        "tidegate.yaml:2:17: `http` cannot listen on 127.0.0.1:{port}: something listens there already\n\
         \x20 2 | listen: {{ http: \"127.0.0.1:{port}\" }}\n\
         \x20   |                 {carets} stop it, or choose another port\n"
    );
    check_refused(&tidegate(folder.path(), &["run"]), &expected);

    let folder = written(ports::claim(), port, "state");
    let expected = format!(
        "tidegate.yaml:3:16: the admin listener cannot listen on 127.0.0.1:{port}: something listens there already\n\
         \x20 3 | admin: {{ bind: \"127.0.0.1:{port}\" }}\n\
         \x20   |                {carets} stop it, or choose another port\n"
    );
    check_refused(&tidegate(folder.path(), &["run"]), &expected);
}

/// Below a file there is no folder, whoever we are: permissions would not stop root.
#[test]
fn a_state_folder_that_cannot_be_written_is_refused() {
    let folder = written(ports::claim(), ports::claim(), "tidegate.yaml/state");
    let ended = tidegate(folder.path(), &["run"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    let says = |text: &str| assert!(ended.stderr.contains(text), "no {text:?} in {}", ended.stderr);
    says("cannot write to the state folder");
    says("tidegate.yaml/state: Not a directory");
    says("hint: set `state: { dir: … }`");
}

/// What is bound before a fault is found is given back: the next start finds nothing in its way.
#[test]
fn a_refused_start_leaves_nothing_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("take a port");
    let http = ports::claim();
    let folder = written(http, taken.local_addr().expect("learn it").port(), "state");
    assert_eq!(tidegate(folder.path(), &["run"]).code, Some(2));
    TcpListener::bind(("127.0.0.1", http)).expect("the listener's port is free");
}

#[test]
fn misuse_of_the_command_line_is_refused_with_help() {
    let folder = tempfile::tempdir().expect("make a folder");
    for arguments in
        [&[][..], &["bogus"], &["run", "--no-such-flag"], &["run", "-c"], &["validate", "a", "b"]]
    {
        let ended = tidegate(folder.path(), arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("--help"), "{arguments:?}: {}", ended.stderr);
    }
}
