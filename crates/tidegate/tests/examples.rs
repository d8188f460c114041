//! The examples of the documentation are files that this program takes.

use std::path::Path;
use std::process::Command;

use tidegate_testkit::process::run;

#[test]
fn every_example_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("read the folder of examples") {
        let name = entry.expect("read an entry").file_name().to_string_lossy().into_owned();
        if !name.ends_with(".yaml") {
            continue; // what an example names
        }
        let ended =
            run(Command::new(env!("CARGO_BIN_EXE_tidegate")).current_dir(&folder).arg("validate").arg(&name));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(ended.stdout.starts_with(&format!("{name}: fine: ")), "{}", ended.stdout);
        if std::fs::read_to_string(folder.join(&name)).expect("read it").contains("\ntests:") {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
            let ended = run(command.current_dir(&folder).args(["test", "-c", &name]));
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
        }
        names.push(name);
    }
    for name in [
        "seven-lines.yaml",
        "split.yaml",
        "respond.yaml",
        "limits.yaml",
        "routes.yaml",
        "failure.yaml",
        "backends.yaml",
        "shaping.yaml",
        "access.yaml",
    ] {
        assert!(names.iter().any(|found| found == name), "{name} is missing");
    }
}
