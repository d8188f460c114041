//! `tidegate up` on the real binary: it carries requests, what it says is true, and what cannot be served is refused
//! with a reason.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::Signal;
use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::{ask, await_true};
use tidegate_testkit::process::Process;
use tidegate_testkit::{RawBackend, ports};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(10);
const GET: &[u8] = b"GET /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A running `up`.
struct Up {
    process: Process,
    listens: SocketAddr,
    state: tempfile::TempDir,
}

impl Up {
    /// Starts it and waits until it has said everything.
    fn start(backends: &[&str]) -> Up {
        let state = tempfile::tempdir().unwrap();
        Up::start_in(backends, state, |_, _| {})
    }

    fn start_in(backends: &[&str], state: tempfile::TempDir, more: impl Fn(&mut Command, &Path)) -> Up {
        let listens = SocketAddr::from(([127, 0, 0, 1], ports::claim()));
        let mut command = Command::new(BIN);
        command.arg("up").args(backends).args(["--listen", &listens.to_string()]);
        command.env("XDG_STATE_HOME", state.path());
        more(&mut command, state.path());
        let mut up = Up { process: Process::start(&mut command), listens, state };
        // By connecting: to bind the port for a look could be what keeps the gateway from it.
        up.process.await_ready("started", || TcpStream::connect(listens).is_ok());
        await_true("the whole greeting", SOON, || up.said().contains("to: app"));
        up
    }

    fn said(&self) -> String {
        self.process.lines().join("\n")
    }

    fn status(&self) -> u16 {
        ask(self.listens, GET).status()
    }

    /// The address it says its admin listener has.
    fn admin(&self) -> SocketAddr {
        let said = self.said();
        let rest = said.split("Admin on http://").nth(1).expect("it says where admin is");
        let address: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
        address.trim_end_matches('.').parse().expect("an address")
    }

    fn stop(mut self) {
        self.process.signal(Signal::INT);
        let status = self.process.await_end(SOON);
        assert!(status.success(), "{status}: {}", self.said());
    }
}

#[test]
fn requests_reach_every_backend_and_the_greeting_is_true() {
    let (one, two) = (RawBackend::answering(OK), RawBackend::answering(OK));
    let up = Up::start(&[&one.address.to_string(), &two.address.to_string()]);
    let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
    let is_shared = || {
        assert_eq!(up.status(), 200);
        of_one.extend(one.take_arrivals());
        of_two.extend(two.take_arrivals());
        !of_one.is_empty() && !of_two.is_empty()
    };
    await_true("both backends are asked", SOON, is_shared);
    let arrival = of_one.remove(0).request.unwrap();
    assert_eq!((arrival.method(), arrival.target()), ("GET", "/path"));

    let said = up.said();
    let first =
        format!("http://{} passes requests on to\n  {}\n  {}\n", up.listens, one.address, two.address);
    assert!(said.contains(&first) && said.contains(&format!("\n  curl http://{}/\n", up.listens)), "{said}");
    assert!(
        said.contains(&format!("\nState in {}.\n", up.state.path().join("tidegate").display())),
        "{said}"
    );
    assert!(up.state.path().join("tidegate").is_dir());
    let ready = ask(up.admin(), b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(ready.status(), 200);
    up.stop();
}

#[test]
fn the_file_it_prints_is_one_that_run_takes() {
    let backend = RawBackend::answering(OK);
    let up = Up::start(&[&backend.address.to_string()]);
    let said = up.said();
    let (_, file) = said.split_once("for `tidegate run`\n").expect("it prints a file");
    let file: String = file.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap())).collect();
    let path = up.state.path().join("tidegate.yaml");
    std::fs::write(&path, file).unwrap();
    let validated = Command::new(BIN).arg("validate").arg(&path).output().unwrap();
    assert!(validated.status.success(), "{validated:?}");
    assert!(String::from_utf8_lossy(&validated.stdout).contains("1 service, 1 route"), "{validated:?}");
    up.stop();
}

#[test]
fn backends_are_written_in_several_ways() {
    let backend = RawBackend::answering(OK);
    let port = backend.address.port();
    let ways = [
        format!("{port}"),
        format!(":{port}"),
        format!("localhost:{port}"),
        format!("http://127.0.0.1:{port}/"),
    ];
    for way in ways {
        let up = Up::start(&[&way]);
        assert_eq!(up.status(), 200, "{way}");
        assert!(up.said().contains(&format!("passes requests on to\n  127.0.0.1:{port}\n")), "{way}");
        up.stop();
    }
}

/// Two of three are not there: one further try after a refusal could meet the other.
#[test]
fn a_backend_that_is_not_there_yet_is_told_and_gets_nothing_until_it_is() {
    let backend = RawBackend::answering(OK);
    let (late, never) = (ports::claim(), ports::claim());
    let up = Up::start(&[&late.to_string(), &never.to_string(), &backend.address.to_string()]);
    let said = up.said();
    for port in [late, never] {
        assert!(said.contains(&format!("\n  127.0.0.1:{port}   (nothing listens there yet)\n")), "{said}");
    }
    assert!(said.contains(&format!("\n  {}\n", backend.address)), "no remark: {said}");
    assert!((0..20).all(|_| up.status() == 200));
    let late = RawBackend::on(TcpListener::bind(("127.0.0.1", late)).unwrap(), |visit| {
        while visit.request().is_some() {
            visit.connection.send(OK);
        }
    });
    await_true("the late one gets requests", SOON, || up.status() == 200 && !late.take_arrivals().is_empty());
    up.stop();
}

#[test]
fn a_taken_admin_port_is_told_and_another_is_used() {
    let mut holder = None;
    let is_held = || {
        holder = holder.take().or_else(|| TcpListener::bind("127.0.0.1:9900").ok());
        holder.is_some()
    };
    // Other gateways of this machine may have it for a while.
    await_true("the usual admin port is ours", Duration::from_secs(60), is_held);
    let up = Up::start(&["1"]);
    assert!(
        up.said().contains(&format!("Admin on http://{}, as 9900 is taken.\n", up.admin())),
        "{}",
        up.said()
    );
    assert_ne!(up.admin().port(), 9900);
    let ready = ask(up.admin(), b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(ready.status(), 200);
    up.stop();
}

#[test]
fn without_a_folder_of_the_user_state_goes_with_the_process() {
    let temporary = tempfile::tempdir().unwrap();
    let up = Up::start_in(&["1"], tempfile::tempdir().unwrap(), |command, _| {
        command.env("XDG_STATE_HOME", "/proc").env("HOME", "/proc").env("TMPDIR", temporary.path());
    });
    let said = up.said();
    let line = said.lines().find_map(|line| line.strip_prefix("State in ")).unwrap();
    let folder = Path::new(line.strip_suffix(", which goes when this ends.").expect("it is told"));
    assert!(folder.starts_with(temporary.path()) && folder.is_dir(), "{line}");
    up.stop();
    assert!(!folder.exists());
}

fn refused(arguments: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    Command::new(BIN).args(arguments).env("XDG_STATE_HOME", state.path()).output().unwrap()
}

#[test]
fn what_cannot_be_served_is_refused_with_exactly_these_words() {
    let check = |arguments: &[&str], expected: &str| {
        let output = refused(arguments);
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "{arguments:?}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    };
    check(&["up", "app"], "`app` has no port\n  hint: write a port after it: `app:8080`\n");
    check(
        &["up", "3000", ":3000"],
        "`127.0.0.1:3000` is a backend of this service already\n  \
         hint: give it a larger `weight` to send it more\n",
    );
    check(&["up", "99999"], "`127.0.0.1:99999` has a port above 65535\n");
    check(
        &["up", "3000", "--listen", "here"],
        "`here` is not an address\n  hint: write an IP address and a port: `127.0.0.1:8080`, `[::1]:8080`\n",
    );
    check(
        &["up", "3000", ":4000", "--listen", "3000"],
        "`127.0.0.1:3000` is where the gateway itself listens\n  \
         hint: name another backend, or another address to listen on with `--listen`\n",
    );
    check(
        &["up", "${HOME}"],
        "`${HOME}` is neither an address nor a host name\n  \
         hint: write one of them and a port: `10.0.0.1:8080`, `api.internal:8080`\n",
    );
    check(
        &["up"],
        "error: the following required arguments were not provided:\n  <BACKEND>...\n\n\
         Usage: tidegate up <BACKEND>...\n\nFor more information, try '--help'.\n",
    );
}

#[test]
fn a_port_in_use_is_refused_and_its_owner_keeps_it() {
    let owner = RawBackend::answering(OK);
    let port = owner.address.port().to_string();
    let output = refused(&["up", "1", "--listen", &port]);
    let expected = format!(
        "`http` cannot listen on 127.0.0.1:{port}: something listens there already\n  \
         hint: stop it, or choose another port\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(ask(owner.address, GET).status(), 200);
}
