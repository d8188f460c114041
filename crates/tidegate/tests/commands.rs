//! The commands that serve nothing, as a shell or a script sees them: results on stdout, faults on stderr, exit codes.

use std::path::Path;
use std::process::{Command, Stdio};

use tidegate_testkit::authority::{Authority, Kind};
use tidegate_testkit::ports;
use tidegate_testkit::process::{Ended, Process, run};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn tidegate(folder: &Path, arguments: &[&str]) -> Ended {
    run(Command::new(BIN).current_dir(folder).args(arguments))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("make a folder")
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_first_file_is_valid_and_answers() {
    let folder = folder();
    let ended = tidegate(folder.path(), &["init"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.starts_with("Wrote tidegate.yaml.\n"), "{}", ended.stdout);
    let valid = tidegate(folder.path(), &["validate"]);
    assert_eq!((valid.code, valid.stderr.as_str()), (Some(0), ""));

    let path = folder.path().join("tidegate.yaml");
    let written = std::fs::read_to_string(&path).expect("read what init wrote");
    let (http, admin) = (ports::claim(), ports::claim());
    let elsewhere = written.replace("127.0.0.1:8080\"", &format!("127.0.0.1:{http}\""))
        + &format!("\nadmin: \"127.0.0.1:{admin}\"\n");
    std::fs::write(&path, elsewhere).expect("move it to free ports");
    let mut gateway = Process::start(Command::new(BIN).current_dir(folder.path()).arg("run"));
    gateway.await_ready("answering", || {
        let mut client = Command::new("curl");
        client.args(["-s", &format!("http://127.0.0.1:{http}/hello")]).stderr(Stdio::null());
        client.output().is_ok_and(|output| output.stdout == b"hello from tidegate\n")
    });
}

#[test]
fn init_never_writes_over_a_file_unless_told_to() {
    let folder = folder();
    let path = folder.path().join("tidegate.yaml");
    std::fs::write(&path, "mine").expect("write a file");
    let kept = tidegate(folder.path(), &["init"]);
    let expected = "tidegate.yaml is there already, and was left as it is\n  \
                    hint: name another file, or replace this one with `--force`\n";
    assert_eq!((kept.code, kept.stdout.as_str(), kept.stderr.as_str()), (Some(2), "", expected));
    assert_eq!(std::fs::read_to_string(&path).expect("read it"), "mine");

    assert_eq!(tidegate(folder.path(), &["init", "--force"]).code, Some(0));
    assert_eq!(tidegate(folder.path(), &["validate"]).code, Some(0));
    let other = tidegate(folder.path(), &["init", "other.yaml", "--json"]);
    assert_eq!((other.code, json(&other.stdout)["file"].as_str()), (Some(0), Some("other.yaml")));
}

#[test]
fn init_says_where_it_cannot_write() {
    let folder = folder();
    let cases = [
        (
            "no/such/tidegate.yaml",
            "the folder of no/such/tidegate.yaml is not there\n  hint: make the folder",
        ),
        (".", ". is there already"),
    ];
    for (name, expected) in cases {
        let ended = tidegate(folder.path(), &["init", name]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.starts_with(expected), "{}", ended.stderr);
    }
    let ended = tidegate(folder.path(), &["init", ".", "--force"]);
    assert!(ended.stderr.starts_with(". is a folder\n  hint: name a file in it"), "{}", ended.stderr);
}

/// The error that the interface promises, as text and as JSON. The column is that of the key, in characters.
#[test]
fn validate_tells_problems_as_text_and_as_json() {
    let folder = folder();
    let text = "version: 1\nlisten: { http: \"127.0.0.1:8080\" }\nservices:\n  \
                orders: { backends: [\"127.0.0.1:9001\"], blance: ewma }\n";
    std::fs::write(folder.path().join("tidegate.yaml"), text).expect("write a file");
    let ended = tidegate(folder.path(), &["validate"]);
    let expected = "tidegate.yaml:4:43: unknown key `blance`\n  \
                    4 |   orders: { backends: [\"127.0.0.1:9001\"], blance: ewma }\n    \
                    |                                           ^^^^^^ did you mean `balance`?\n";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", expected));

    let ended = tidegate(folder.path(), &["validate", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    let problem = serde_json::json!({
        "file": "tidegate.yaml", "line": 4, "column": 43,
        "reason": "unknown key `blance`", "hint": "did you mean `balance`?",
    });
    assert_eq!(json(&ended.stdout), serde_json::json!({ "problems": [problem] }));

    let missing = tidegate(folder.path(), &["validate", "none.yaml", "--json"]);
    let problem = &json(&missing.stdout)["problems"][0];
    assert_eq!((missing.code, problem["file"].as_str()), (Some(2), Some("none.yaml")));
    assert!(problem["line"].is_null() && problem["column"].is_null(), "{problem}");
}

#[test]
fn validate_counts_what_is_fine() {
    let folder = folder();
    let text = "version: 1\nlisten: { http: \"127.0.0.1:8080\" }\nservices: { a: \"127.0.0.1:1\" }\n\
                routes:\n  - { match: /a, to: a }\n  - { match: /b, to: a }\n";
    std::fs::write(folder.path().join("my.yaml"), text).expect("write a file");
    for arguments in [&["validate", "my.yaml"][..], &["validate", "-c", "my.yaml"]] {
        let ended = tidegate(folder.path(), arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "my.yaml: fine: 1 service, 2 routes\n"),
            "{}",
            ended.stderr
        );
    }
    let ended = tidegate(folder.path(), &["validate", "my.yaml", "--json"]);
    let expected = serde_json::json!({ "problems": [], "warnings": [], "services": 1, "routes": 2 });
    assert_eq!((ended.code, json(&ended.stdout)), (Some(0), expected));
}

/// What is allowed, and may not be meant: told, and no reason to refuse the file.
#[test]
fn validate_warns_of_guards_that_can_be_got_past() {
    let folder = folder();
    let text = "version: 1\nlisten: { http: { bind: \"127.0.0.1:8080\", paths: { encoded_slash: keep } } }\n\
                services: { a: \"127.0.0.1:1\" }\nroutes:\n  \
                - { match: /admin/**, to: a, allow: { ips: [127.0.0.1] }, shield: true }\n  - { match: /**, to: a }\n";
    std::fs::write(folder.path().join("tidegate.yaml"), text).expect("write a file");
    let reason = "the listener `http` lets `%2F` through: a path that a backend may take for one of this route can come \
                  by `/**`, without `shield` and `allow`";
    let hint = "write the same keys there too, or leave `paths` of the listener as it is by default";
    let ended = tidegate(folder.path(), &["validate"]);
    let expected = format!(
        "warning: tidegate.yaml:5:5: {reason}\n  \
         5 |   - {{ match: /admin/**, to: a, allow: {{ ips: [127.0.0.1] }}, shield: true }}\n    \
         |     ^ {hint}\n"
    );
    let fine = "tidegate.yaml: fine: 1 service, 2 routes\n";
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), fine, expected.as_str())
    );
    let ended = tidegate(folder.path(), &["validate", "--json"]);
    let warning = serde_json::json!({ "file": "tidegate.yaml", "line": 5, "column": 5, "reason": reason, "hint": hint });
    let expected = serde_json::json!({ "problems": [], "warnings": [warning], "services": 1, "routes": 2 });
    assert_eq!((ended.code, json(&ended.stdout), ended.stderr.as_str()), (Some(0), expected, ""));
}

#[test]
fn the_version_is_told_to_people_and_to_scripts() {
    let folder = folder();
    let version = env!("CARGO_PKG_VERSION");
    let plain = tidegate(folder.path(), &["version"]);
    assert_eq!((plain.code, plain.stdout), (Some(0), format!("tidegate {version}\n")));
    let ended = tidegate(folder.path(), &["version", "--json"]);
    assert_eq!(json(&ended.stdout)["version"].as_str(), Some(version));
}

#[test]
fn help_is_a_command_too() {
    let folder = folder();
    for (asked, same) in [(&["help"][..], &["--help"][..]), (&["help", "run"], &["run", "--help"])] {
        let (help, expected) = (tidegate(folder.path(), asked), tidegate(folder.path(), same));
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{asked:?}");
        assert!(help.stdout.contains("Example") && help.stdout == expected.stdout, "{}", help.stdout);
    }
}

#[test]
fn completions_offer_what_help_shows_and_nothing_else() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tidegate(folder.path(), &["completions", shell]).stdout;
        assert!(script.contains("validate") && script.contains("config"), "{shell}: {script}");
        assert!(!script.contains("demo-service") && !script.contains("demo__service"), "{shell}");
    }
}

#[test]
fn completions_are_scripts_that_their_shell_can_read() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = tidegate(folder.path(), &["completions", shell]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(ended.stdout.contains("validate"), "{shell}: {}", ended.stdout);
    }
    std::fs::write(folder.path().join("script"), tidegate(folder.path(), &["completions", "bash"]).stdout)
        .expect("keep the script");
    let asked = "source ./script; COMP_WORDS=(tidegate val); COMP_CWORD=1; _tidegate tidegate val tidegate; \
                 echo \"${COMPREPLY[@]}\"";
    let ended = run(Command::new("bash").current_dir(folder.path()).args(["-c", asked]));
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "validate"), "{}", ended.stderr);
}

/// As in `tidegate schema | head -1`: whoever leaves early has what they wanted.
#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let script = format!("set -o pipefail; {BIN} schema | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}");
    let ended = run(Command::new("bash").args(["-c", &script]));
    assert_eq!((ended.stdout.trim(), ended.stderr.as_str()), ("0", ""));
}

#[test]
fn a_gateway_is_asked_whether_it_is_ready() {
    let folder = folder();
    let (http, admin) = (ports::claim(), ports::claim());
    let text =
        format!("version: 1\nlisten: {{ http: \"127.0.0.1:{http}\" }}\nadmin: \"127.0.0.1:{admin}\"\n");
    std::fs::write(folder.path().join("tidegate.yaml"), text).expect("write a file");
    let nobody = tidegate(folder.path(), &["ready"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(1), ""));
    let expected = format!("no gateway answers on http://127.0.0.1:{admin}: ");
    assert!(nobody.stderr.starts_with(&expected) && nobody.stderr.contains("--admin"), "{}", nobody.stderr);

    let mut gateway = Process::start(Command::new(BIN).current_dir(folder.path()).arg("run"));
    gateway.await_ready("ready", || tidegate(folder.path(), &["ready"]).code == Some(0));
    let by_address = tidegate(Path::new("/"), &["ready", "--json", "--admin", &format!("127.0.0.1:{admin}")]);
    assert_eq!((by_address.code, json(&by_address.stdout)["ready"].as_bool()), (Some(0), Some(true)));
    let misuse = tidegate(folder.path(), &["ready", "--admin", "9900"]);
    assert_eq!((misuse.code, misuse.stdout.as_str()), (Some(2), ""));
}

/// An orchestrator that restarts whoever is not ready would make an outage of a slip of the pen.
#[test]
fn what_is_wrong_with_the_file_does_not_make_a_gateway_unready() {
    let folder = folder();
    let authority = Authority::new();
    let old = authority.pair_of("old", &["old.example"], Kind::P256, 2020);
    let (http, admin) = (ports::claim(), ports::claim());
    let text = format!(
        "version: 1\nlisten:\n  https: {{ bind: \"127.0.0.1:{http}\", tls: {{ certificates: [{}] }} }}\nadmin: \"127.0.0.1:{admin}\"\n",
        old.entry()
    );
    let file = folder.path().join("tidegate.yaml");
    std::fs::write(&file, &text).expect("write a file");
    let mut gateway = Process::start(Command::new(BIN).current_dir(folder.path()).arg("run"));
    let ready = || tidegate(folder.path(), &["ready"]);
    gateway.await_ready("ready, though its certificate has expired", || ready().code == Some(0));
    let other = format!("127.0.0.1:{}", ports::claim());
    for wrong in [
        text.replace("listen:", "lisen:"),
        text.replace("listen:", "listen: ["),
        "\"".to_owned(),
        text.replace(&format!("127.0.0.1:{admin}"), &other),
        text.replace(&format!("127.0.0.1:{admin}"), "nowhere"),
        text.replace(&format!("127.0.0.1:{admin}"), "${NO_SUCH_VARIABLE_OF_OURS}"),
    ] {
        std::fs::write(&file, &wrong).expect("spoil the file");
        let ended = ready();
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), "ready\n", ""),
            "{wrong}"
        );
    }
    std::fs::remove_file(&file).expect("remove the file");
    assert_eq!(ready().code, Some(0), "even without it");
    gateway.kill();
    let nobody = ready();
    let expected = format!("no gateway answers on http://127.0.0.1:{admin}: ");
    assert!(nobody.code == Some(1) && nobody.stderr.starts_with(&expected), "{nobody:?}");
    let elsewhere = tempfile::tempdir().expect("make a folder");
    let unknown = tidegate(elsewhere.path(), &["ready"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""));
    assert!(unknown.stderr.starts_with("tidegate.yaml: there is no such file"), "{}", unknown.stderr);
}

/// `script` runs a command on a terminal of its own.
#[test]
fn colour_is_for_terminals_and_not_for_those_who_decline_it() {
    let folder = folder();
    std::fs::write(
        folder.path().join("tidegate.yaml"),
        "version: 1\nlisten: { http: \"127.0.0.1:8080\" }\nrotes: []\n",
    )
    .expect("write a file");
    let on_terminal = |no_colour: &str| {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{BIN} validate"), "/dev/null"]).env("NO_COLOR", no_colour);
        run(command.current_dir(folder.path()))
    };
    let coloured = on_terminal("");
    assert_eq!(coloured.code, Some(2));
    let expected = "\u{1b}[1;31m^^^^^\u{1b}[0m \u{1b}[36mdid you mean `routes`?\u{1b}[0m";
    assert!(coloured.stdout.contains(expected), "{:?}", coloured.stdout);
    let plain = on_terminal("1");
    assert!(
        plain.stdout.contains("^^^^^ did you mean `routes`?") && !plain.stdout.contains('\u{1b}'),
        "{plain:?}"
    );
    let piped = run(Command::new(BIN).arg("validate").current_dir(folder.path()).env("NO_COLOR", ""));
    assert!(piped.stderr.contains("did you mean") && !piped.stderr.contains('\u{1b}'), "{piped:?}");
}
