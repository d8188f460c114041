//! `tidegate reload` beside a running gateway: what it finds by the file, what it says, and how it ends.

use std::process::Command;

use tidegate_testkit::ports;
use tidegate_testkit::process::{Ended, Process, run};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// A folder with a file for free ports, which may be run.
struct Place {
    folder: tempfile::TempDir,
    http: u16,
    admin: u16,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            folder: tempfile::tempdir().expect("make a folder"),
            http: ports::claim(),
            admin: ports::claim(),
        };
        place.write("a");
        place
    }

    /// A file with one route of this name.
    fn write(&self, route: &str) {
        let Place { http, admin, .. } = self;
        self.write_text(&format!(
            "version: 1\nlisten: {{ http: \"127.0.0.1:{http}\" }}\nadmin: \"127.0.0.1:{admin}\"\n\
             routes: [{{ name: {route}, match: /, to: {{ respond: 204 }} }}]\n"
        ));
    }

    fn write_text(&self, text: &str) {
        std::fs::write(self.folder.path().join("tidegate.yaml"), text).expect("write the file");
    }

    fn tidegate(&self, arguments: &[&str]) -> Ended {
        run(Command::new(BIN).current_dir(self.folder.path()).args(arguments).env("NO_COLOR", "1"))
    }

    fn start(&self) -> Process {
        let mut gateway = Process::start(Command::new(BIN).current_dir(self.folder.path()).arg("run"));
        gateway.await_ready("ready", || self.tidegate(&["ready"]).code == Some(0));
        gateway
    }
}

#[test]
fn a_reload_says_what_has_changed() {
    let place = Place::new();
    let _gateway = place.start();
    let same = place.tidegate(&["reload"]);
    assert_eq!((same.code, same.stderr.as_str()), (Some(0), ""));
    assert!(same.stdout.ends_with(" is in use; nothing has changed.\n"), "{}", same.stdout);

    place.write("b");
    let ended = place.tidegate(&["reload", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert!(value["snapshot"].as_u64() > Some(1), "{value}");
    let changed = value["changed"].to_string();
    assert!(changed.contains("routes.a") && changed.contains("routes.b"), "{changed}");
}

#[test]
fn what_may_not_be_meant_is_warned_of_wherever_it_is_taken() {
    let place = Place::new();
    let mut gateway = place.start();
    let Place { http, admin, .. } = &place;
    place.write_text(&format!(
        "version: 1\nlisten: {{ http: {{ bind: \"127.0.0.1:{http}\", paths: {{ merge_slashes: false }} }} }}\n\
         admin: \"127.0.0.1:{admin}\"\nservices: {{ a: {{ backends: [\"127.0.0.1:9\"] }} }}\nroutes:\n  \
         - {{ match: /**, to: a }}\n  - {{ match: /admin/**, limit: 5/s per ip, to: a }}\n"
    ));
    let (said, expected) = (place.tidegate(&["reload"]), place.tidegate(&["validate"]));
    let first = |ended: &Ended| ended.stderr.lines().next().map(str::to_owned);
    assert_eq!((said.code, first(&said)), (Some(0), first(&expected)));
    assert!(said.stderr.starts_with("warning: tidegate.yaml:7:5: "), "{said:?}");
    let listed = |arguments: &[&str]| -> serde_json::Value {
        let ended = place.tidegate(arguments);
        serde_json::from_str::<serde_json::Value>(&ended.stdout).expect("JSON")["warnings"].clone()
    };
    let warnings = listed(&["reload", "--json"]);
    let list = warnings.as_array().expect("a list");
    assert_eq!(list.len(), 1, "{warnings}");
    assert_eq!(list[0]["reason"], listed(&["validate", "--json"])[0]["reason"]);
    gateway.await_line("warned", |line| line.starts_with("warning: "));
}

#[test]
fn a_file_that_cannot_be_used_is_told_as_validate_tells_it() {
    let place = Place::new();
    let _gateway = place.start();
    place.write_text("version: 1\nlisten: { http: 8080 }\nrotes: []\n");
    let (said, expected) = (place.tidegate(&["reload"]), place.tidegate(&["validate"]));
    assert_eq!(said, expected);
    assert!(said.code == Some(2) && said.stderr.contains("did you mean `routes`?"), "{said:?}");
}

/// Only the gateway knows that an address is taken, or that a key cannot change while it runs.
#[test]
fn what_only_the_gateway_refuses_is_told_with_its_place() {
    let place = Place::new();
    let _gateway = place.start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("take a port");
    let port = taken.local_addr().expect("learn it").port();
    let Place { http, admin, .. } = &place;
    place.write_text(&format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:{http}\", more: \"127.0.0.1:{port}\" }}\nadmin: \"127.0.0.1:{admin}\"\n"
    ));
    let ended = place.tidegate(&["reload"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    let expected =
        format!(":2:42: `more` cannot listen on 127.0.0.1:{port}: something listens there already\n  hint: ");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}

/// The gateway judges its own file: what is here may be another one, a broken one, or none.
#[test]
fn a_gateway_that_is_named_is_asked_whatever_the_file_here_says() {
    let place = Place::new();
    let _gateway = place.start();
    let admin = format!("127.0.0.1:{}", place.admin);
    let token =
        std::fs::read_to_string(place.folder.path().join("state/admin-token")).expect("read the token");
    let elsewhere = tempfile::tempdir().expect("make a folder");
    let asked = |token: &str| {
        let mut command = Command::new(BIN);
        command.current_dir(elsewhere.path()).args(["reload", "--admin", &admin]);
        run(command.env("TIDEGATE_ADMIN_TOKEN", token).env("NO_COLOR", "1"))
    };
    let fine = asked(token.trim());
    assert_eq!((fine.code, fine.stderr.as_str()), (Some(0), ""));
    assert_eq!(asked("wrong").code, Some(1));
    let none = asked("");
    assert!(
        none.code == Some(1) && none.stderr.starts_with("tidegate.yaml: there is no such file"),
        "{none:?}"
    );

    std::fs::write(
        elsewhere.path().join("tidegate.yaml"),
        format!("rotes: [\nadmin: {{ token: \"{}\" }}\n", token.trim()),
    )
    .expect("write a broken file");
    let lent = asked("");
    assert_eq!((lent.code, lent.stderr.as_str()), (Some(0), ""), "{lent:?}");
    place.write_text("version: 1\nlisten: { http: 8080 }\nrotes: []\n");
    let refused = place.tidegate(&["reload", "--admin", &admin]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("tidegate.yaml:3:1: unknown key `rotes`"), "{}", refused.stderr);
}

#[test]
fn without_a_gateway_or_its_token_the_answer_is_no() {
    let place = Place::new();
    let nobody = place.tidegate(&["reload"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(1), ""));
    assert!(nobody.stderr.starts_with("cannot read the token in "), "{}", nobody.stderr);

    std::fs::create_dir(place.folder.path().join("state")).expect("make the state folder");
    std::fs::write(place.folder.path().join("state/admin-token"), "not-the-one\n").expect("write a token");
    let nobody = place.tidegate(&["reload"]);
    let expected = format!("no gateway answers on http://127.0.0.1:{}: Connection refused", place.admin);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.starts_with(&expected), "{}", nobody.stderr);

    let other = Place::new();
    let _gateway = other.start();
    let wrong = place.tidegate(&["reload", "--admin", &format!("127.0.0.1:{}", other.admin)]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""));
    assert!(
        wrong.stderr.contains("declines with 401")
            && wrong
                .stderr
                .contains("hint: neither `admin.token` of this file nor the token in its state folder"),
        "{}",
        wrong.stderr
    );
    let misuse = place.tidegate(&["reload", "--admin", "here"]);
    assert_eq!(misuse.code, Some(2), "{}", misuse.stderr);
}
