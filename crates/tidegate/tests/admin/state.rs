//! The state folder: its user's alone, and no way to anywhere else.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use rustix::process::Signal;
use tidegate_testkit::ports;
use tidegate_testkit::process::Process;

use crate::BIN;

fn configuration(folder: &std::path::Path) -> u16 {
    let admin = ports::claim();
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:{}\" }}\nadmin: \"127.0.0.1:{admin}\"\nstate: deep/state\n\
         drain: {{ wait: off }}\nservices: {{ a: \"127.0.0.1:1\" }}\nroutes: [{{ match: /**, to: a, quota: 10/day per ip }}]\n",
        ports::claim()
    );
    std::fs::write(folder.join("tidegate.yaml"), text).unwrap();
    admin
}

fn start_and_stop(folder: &std::path::Path, umask: &str, admin: u16) -> Vec<String> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$0\" run"), BIN]).current_dir(folder);
    let mut gateway = Process::start(&mut command);
    gateway.await_ready("ready", || {
        std::net::TcpStream::connect(("127.0.0.1", admin)).is_ok()
            && folder.join("deep/state/last-good.json").is_file()
    });
    gateway.signal(Signal::TERM);
    assert!(gateway.await_end(std::time::Duration::from_secs(10)).success(), "{:#?}", gateway.lines());
    gateway.lines()
}

#[test]
fn it_is_its_users_alone_whatever_the_umask() {
    for umask in ["000", "022", "077", "277"] {
        let folder = tempfile::tempdir().unwrap();
        let admin = configuration(folder.path());
        let lines = start_and_stop(folder.path(), umask, admin);
        let mode =
            |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("deep/state"), 0o700, "umask {umask}");
        for entry in std::fs::read_dir(folder.path().join("deep/state")).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "umask {umask}: {:?}", entry.file_name());
        }
        assert!(lines.iter().all(|line| !line.contains("WARN")), "{lines:#?}");
    }
}

/// Somebody who may write there has put links in the place of what is about to be written.
#[test]
fn links_in_it_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let admin = configuration(folder.path());
    let state = folder.path().join("deep/state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o777)).unwrap();
    let victims = [".writable", "last-good.json.new", "last-good.json", "node"].map(|name| {
        let victim = folder.path().join(format!("victim-{name}"));
        std::fs::write(&victim, "theirs").unwrap();
        symlink(&victim, state.join(name)).unwrap();
        victim
    });
    let lines = start_and_stop(folder.path(), "022", admin);
    for victim in victims {
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "theirs", "{}", victim.display());
    }
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("every user may write to the state folder"),
        "{lines:#?}"
    );
}
