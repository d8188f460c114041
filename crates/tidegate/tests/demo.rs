//! `tidegate demo` on the real binary: the story happens, no request fails, the picture fits, and at the end nothing
//! is left, however it ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::process::Process;

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(20);
/// Instances of all services together.
const INSTANCES: usize = 7;

/// The living services of a demo and their ports, from the kernel's list of processes.
fn services_of(demo: u32) -> BTreeMap<u32, u16> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| parent_of(*id) == Some(demo)).filter_map(|id| Some((id, port_of(id)?))).collect()
}

/// The parent of a process that has not ended: one that nobody waited for has.
fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    (fields.next()? != "Z").then_some(())?;
    fields.next()?.parse().ok()
}

fn port_of(process: u32) -> Option<u16> {
    let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).ok()?;
    let words: Vec<&str> = line.split('\0').collect();
    words.contains(&"demo-service").then_some(())?;
    words.iter().skip_while(|word| **word != "--port").nth(1)?.parse().ok()
}

fn await_services(demo: u32) -> BTreeMap<u32, u16> {
    let mut services = BTreeMap::new();
    await_true("every service runs", SOON, || {
        services = services_of(demo);
        services.len() == INSTANCES
    });
    services
}

fn assert_gone(services: &BTreeMap<u32, u16>) {
    for (id, port) in services {
        await_true("the services are gone", SOON, || parent_of(*id).is_none());
        assert!(TcpStream::connect(("127.0.0.1", *port)).is_err(), "{port} is still served");
    }
}

fn kill(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(process as i32).unwrap(), signal).unwrap();
}

fn demo(arguments: &[&str]) -> Process {
    Process::start(Command::new(BIN).arg("demo").args(arguments))
}

fn await_line(demo: &Process, text: &str) {
    await_true(text, SOON, || demo.lines().iter().any(|line| line.contains(text)));
}

/// The address in the text that follows a mark.
fn address_after(said: &str, mark: &str) -> SocketAddr {
    let rest = said.split(mark).nth(1).unwrap_or_else(|| panic!("no {mark:?} in {said}"));
    rest.split([' ', ',', ';', '\n']).next().unwrap().parse().unwrap()
}

#[test]
fn an_instance_dies_and_comes_back_and_no_request_fails() {
    let mut demo = demo(&["--for", "8s"]);
    let services = await_services(demo.id());
    await_line(&demo, "was killed");
    await_line(&demo, "was started again");
    let later = await_services(demo.id());
    let status = demo.await_end(SOON);
    let lines = demo.lines();
    let said = lines.join("\n");
    assert_eq!(status.code(), Some(0), "{said}");

    let order = [
        "requests a second begin",
        "was killed (kill -9)",
        "Tidegate took it out",
        "was started again",
        "sends requests there again",
        "a reload is refused",
        "unknown key `blance`, did you mean `balance`?",
        "a reload is taken in",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|text| {
            lines
                .iter()
                .position(|line| line.contains(text))
                .unwrap_or_else(|| panic!("no {text:?} in {said}"))
        })
        .collect();
    assert!(places.is_sorted(), "{said}");
    let seconds: Vec<&String> = lines.iter().filter(|line| line.contains(" req/s ")).collect();
    assert_eq!(seconds.len(), 8, "{said}");
    assert!(seconds.iter().all(|line| line.contains("   0 failed   ")), "{said}");
    assert!(
        seconds[0].ends_with("7 of 7 instances up") && seconds[7].ends_with("7 of 7 instances up"),
        "{said}"
    );
    assert!(seconds[2..4].iter().all(|line| line.ends_with("6 of 7 instances up")), "{said}");

    let sent = lines.iter().find(|line| line.contains(" requests sent in ")).unwrap();
    let numbers: Vec<u64> =
        sent.replace(',', "").split([' ', ':']).filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(numbers[..], [sent, answered, 0] if sent == answered && sent > 2000), "{sent}");
    for part in ["  before ", "  while it was gone ", "  after "] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(part)).count(), 1, "{said}");
    }

    assert_eq!(services.values().collect::<Vec<_>>().len(), INSTANCES);
    let (mut ports, mut ports_later): (Vec<_>, Vec<_>) =
        (services.values().collect(), later.values().collect());
    ports.sort();
    ports_later.sort();
    assert_eq!(ports, ports_later, "the same ports");
    assert_eq!(services.keys().filter(|id| !later.contains_key(id)).count(), 1, "one new process");
    assert_gone(&services);
    assert_gone(&later);
    for mark in ["tidegate demo on http://", "admin on http://"] {
        assert!(
            TcpStream::connect(address_after(&said, mark).to_string()).is_err(),
            "{mark} is still served"
        );
    }
}

#[test]
fn requests_that_fail_are_counted_and_told() {
    let mut demo = demo(&["--for", "4s"]);
    await_services(demo.id());
    await_line(&demo, " req/s ");
    services_of(demo.id()).keys().for_each(|id| kill(*id, Signal::KILL));
    let status = demo.await_end(SOON);
    let said = demo.lines().join("\n");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("\n  The first that failed: GET /") && !said.contains(" answered, 0 failed"),
        "{said}"
    );
    assert!(said.contains("0 of 7 instances up"), "{said}");
}

#[test]
fn services_do_not_outlive_a_demo_that_is_killed() {
    // Killed, it cannot remove its folder; this one goes with the test.
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = Process::start(Command::new(BIN).arg("demo").env("TMPDIR", temporary.path()));
    let services = await_services(demo.id());
    await_line(&demo, " req/s ");
    demo.kill();
    assert_gone(&services);
}

#[test]
fn a_signal_ends_it_at_any_time_with_a_summary() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut demo = demo(&[]);
        let services = await_services(demo.id());
        await_line(&demo, "requests a second begin");
        demo.signal(signal);
        let status = demo.await_end(SOON);
        let said = demo.lines().join("\n");
        assert_eq!(status.code(), Some(0), "{signal:?}: {said}");
        assert!(said.contains("\nWhat happened\n") && said.contains(" 0 failed."), "{signal:?}: {said}");
        assert_gone(&services);
    }
}

/// A demo on a terminal of its own.
struct OnTerminal {
    child: Child,
    person: File,
    program: File,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    fn start(columns: u16, lines: u16, environment: &[(&str, &str)]) -> OnTerminal {
        let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        tcsetwinsize(&person, Winsize { ws_col: columns, ws_row: lines, ws_xpixel: 0, ws_ypixel: 0 })
            .unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let program = File::options().read(true).write(true).open(name).unwrap();
        let copy = || program.try_clone().unwrap();
        let child = Command::new(BIN)
            .arg("demo")
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .envs(environment.iter().copied())
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .spawn()
            .unwrap();
        let person = File::from(person);
        let seen = Arc::new(Mutex::new(Vec::new()));
        std::thread::spawn({
            let (mut person, seen) = (person.try_clone().unwrap(), seen.clone());
            move || {
                let mut some = [0; 4096];
                // Ends with an error once nobody has the other end any more.
                while let Ok(count @ 1..) = person.read(&mut some) {
                    seen.lock().unwrap().extend_from_slice(&some[..count]);
                }
            }
        });
        OnTerminal { child, person, program, seen }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// The last picture that is whole.
    fn picture(&self) -> Option<String> {
        let seen = self.seen();
        let (whole, _) = seen.rsplit_once("\x1b[J")?;
        whole.rsplit_once("\x1b[H").map(|(_, picture)| picture.to_owned())
    }

    fn await_picture(&self, text: &str) -> String {
        await_true(text, SOON, || self.picture().is_some_and(|picture| picture.contains(text)));
        self.picture().unwrap()
    }

    fn settings(&self) -> (LocalModes, Termios) {
        let settings = tcgetattr(&self.program).unwrap();
        (settings.local_modes, settings)
    }

    fn press(&mut self, key: &[u8]) {
        self.person.write_all(key).unwrap();
    }

    /// Waits for its end, and says how it ended and what was on the terminal after the picture.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut code = None;
        await_true("the demo ends", SOON, || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        await_true("the usual screen is back", SOON, || self.seen().contains("/metrics\r\n"));
        let seen = self.seen();
        let (_, after) = seen.rsplit_once("\x1b[?25h\x1b[?1049l").expect("the usual screen with its cursor");
        (code.unwrap().code(), after.to_owned())
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a picture, a line each, without colours.
fn lines_of(picture: &str) -> Vec<String> {
    let mut text = picture.to_owned();
    for code in ["\x1b[K", "\x1b[32m", "\x1b[31m", "\x1b[0m"] {
        text = text.replace(code, "");
    }
    assert!(!text.contains('\x1b'), "{picture:?}");
    text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn the_picture_fits_its_terminal_and_leaves_it_as_it_was() {
    for (columns, lines, key) in [(80, 24, b"q"), (120, 40, b"\x03")] {
        let mut demo = OnTerminal::start(columns, lines, &[]);
        let before = demo.settings().0;
        let services = await_services(demo.child.id());
        let picture = demo.await_picture(" 0:03");
        assert!(!demo.settings().0.intersects(LocalModes::ECHO | LocalModes::ICANON));
        let drawn = lines_of(&picture);
        let said = drawn.join("\n");
        assert!(
            drawn.len() <= lines.into() && drawn.iter().all(|line| line.chars().count() <= columns.into()),
            "{said}"
        );
        assert!(drawn[0].starts_with(" tidegate demo ") && drawn[0].ends_with(" 0:03, q ends "), "{said}");
        assert!(drawn.iter().any(|line| line.starts_with(" SERVICE   INSTANCE ")), "{said}");
        for port in services.values() {
            let row = drawn.iter().find(|line| line.contains(&format!(" 127.0.0.1:{port} "))).expect(&said);
            assert!(row.contains("  up  "), "{row}");
        }
        let rate = drawn.iter().find(|line| line.starts_with(" req/s ")).expect(&said);
        assert!(
            rate.ends_with("██") && drawn.iter().any(|line| line.ends_with(" answered, 0 failed")),
            "{said}"
        );
        assert_eq!(picture.matches("\x1b[32mup").count(), INSTANCES, "{picture:?}");
        assert_eq!(
            drawn.iter().any(|line| line.ends_with("REQ/S OF THE LAST MINUTE")),
            columns == 120,
            "{said}"
        );

        demo.press(key);
        let (code, after) = demo.end();
        assert_eq!(code, Some(0), "{after}");
        assert!(
            after.contains("What happened") && after.contains(" 0 failed.") && !after.contains('\x1b'),
            "{after:?}"
        );
        assert_eq!(demo.settings().0, before);
        assert_gone(&services);
    }
}

#[test]
fn a_signal_gives_the_terminal_back_and_no_color_is_kept() {
    let mut demo = OnTerminal::start(80, 24, &[("NO_COLOR", "1")]);
    let before = demo.settings().0;
    let picture = demo.await_picture(" 0:01");
    assert!(!picture.replace("\x1b[K", "").contains('\x1b'), "{picture:?}");
    kill(demo.child.id(), Signal::TERM);
    let (code, after) = demo.end();
    assert_eq!(code, Some(0), "{after}");
    assert_eq!(demo.settings().0, before);
}

#[test]
fn misuse_is_refused_with_exactly_these_words() {
    let check = |arguments: &[&str], expected: &str| {
        let output = Command::new(BIN).arg("demo").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said, format!("error: {expected}\n\nFor more information, try '--help'.\n"));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    };
    let invalid = |value: &str, why: &str| format!("invalid value '{value}' for '--for <TIME>': {why}");
    let units = "write a whole number and a unit: `250ms`, `10s`, `5m`, `1h`, `30d`, `1y`";
    check(&["--for", "3999ms"], &invalid("3999ms", "is too short; the least is `4s`"));
    check(&["--for", "30"], &invalid("30", &format!("has no unit; {units}")));
    check(&["--for", "soon"], &invalid("soon", &format!("is not a time; {units}")));
    check(&["now"], "unexpected argument 'now' found\n\nUsage: tidegate demo [OPTIONS]");
}

#[test]
fn help_shows_examples_and_hides_what_is_not_for_people() {
    let check = |arguments: &[&str], shown: &[&str]| {
        let output = Command::new(BIN).args(arguments).arg("--help").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !said.contains("demo-service"), "{said}");
        for text in shown {
            assert!(said.contains(text), "{text:?} is not in {said}");
        }
    };
    check(
        &[],
        &["\n  up ", "\n  demo ", "\nExamples:\n", "\n  tidegate up 3000 3001 ", "\n  tidegate demo "],
    );
    check(
        &["up"],
        &["<BACKEND>...", "--listen <ADDRESS>", "127.0.0.1:8080", "\nExamples:\n  tidegate up 3000 "],
    );
    check(&["demo"], &["--for <TIME>", "--plain", "\nExamples:\n  tidegate demo "]);
}
