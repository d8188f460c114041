//! A secret is nowhere to be read: not on a page, not in a message, not in what the process prints.

use std::process::Command;

use tidegate_testkit::Setup;
use tidegate_testkit::process::run;

use crate::{BIN, check_problem, json};

const SECRET: &str = "correct-horse-battery-staple";
const PATHS: [&str; 9] = [
    "/",
    "/metrics",
    "/api/v1/config",
    "/api/v1/services",
    "/api/v1/services/origin/backends",
    "/api/v1/routes",
    "/api/v1/explain?method=GET&url=/",
    "/api/v1/openapi.json",
    "/nothing",
];

#[test]
fn a_secret_is_on_no_page_and_in_no_output() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("admin");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let from_file = format!("${{file:{}}}", file.display());
    for (written, shown) in [(SECRET, "[secret]"), (from_file.as_str(), from_file.as_str())] {
        let routes = "services: { origin: { backends: [\"127.0.0.1:1\"] } }\nroutes: [{ match: /**, to: origin, headers: { request: { set: { x-home: \"${PATH}\" } } } }]";
        let mut gateway = Setup::new(BIN).admin(&format!("token: \"{written}\"")).start(routes);
        gateway.announce(crate::REFUSED);
        let token = format!("Authorization: Bearer {SECRET}\r\n");
        for path in PATHS {
            for fields in [token.as_str(), "", "Authorization: Bearer wrong\r\n"] {
                let answer = gateway.admin_ask(&format!("GET {path}"), fields);
                let text = String::from_utf8_lossy(&answer.bytes()).into_owned();
                assert!(!text.contains(SECRET), "{path}: {text}");
            }
        }
        let config = json(&gateway.admin_ask("GET /api/v1/config", &token));
        assert_eq!(config["config"]["admin"]["token"], shown);
        assert_eq!(config["config"]["routes"][0]["headers"]["request"]["set"]["x-home"], "${PATH}");
        assert_eq!(config["snapshot"], 1);
        let name = config["files"][0].as_str().unwrap();
        assert!(name.ends_with("tidegate.yaml"), "{config}");
        assert!(!gateway.folder().join("state/admin-token").exists(), "none is made beside one that is set");
        check_problem(&gateway.admin_ask("GET /api/v1/config", "Authorization: Bearer none\r\n"), 401);
        let lines = gateway.process().lines();
        assert!(lines.iter().all(|line| !line.contains(SECRET)), "{lines:#?}");
    }
}

#[test]
fn messages_about_a_file_do_not_show_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.yaml");
    for admin in [
        format!("{{ token: {SECRET}, tokn: 1 }}"),
        format!("{{ token: \"{SECRET} and more\" }}"),
        format!("{{ bind: nowhere, token: '{SECRET}' }}"),
        format!("{{ token: [{SECRET}] }}"),
    ] {
        let text = format!("version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\nadmin: {admin}\n");
        std::fs::write(&file, text).unwrap();
        for arguments in [&["run", "-c"][..], &["validate", "-c"]] {
            let ended = run(Command::new(BIN).args(arguments).arg(&file).env("NO_COLOR", "1"));
            let told = format!("{}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code, Some(2), "{told}");
            assert!(!told.contains(SECRET) && told.contains("tidegate.yaml:3:"), "{told}");
        }
    }
}
