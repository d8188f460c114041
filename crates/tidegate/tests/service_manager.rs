//! What the service manager is told, and that what stands in deploy/ can be read by those it is for.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidegate_testkit::RawBackend;
use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::{ask, await_true};
use tidegate_testkit::peers::python;
use tidegate_testkit::ports;
use tidegate_testkit::process::{Process, run};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(10);

/// The first line of the next datagram.
fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 512];
    let count = socket.recv(&mut bytes).expect("the gateway tells something within 10 s");
    let text = std::str::from_utf8(&bytes[..count]).expect("text");
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_service_manager_learns_of_start_reload_and_end() {
    let folder = tempfile::tempdir().expect("make a folder");
    let address = folder.path().join("notify");
    let socket = UnixDatagram::bind(&address).expect("bind the manager's socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("set a time");
    let file = folder.path().join("tidegate.yaml");
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:{}\" }}\nadmin: \"127.0.0.1:{}\"\n",
        ports::claim(),
        ports::claim()
    );
    std::fs::write(&file, &text).expect("write a file");
    let mut command = Command::new(BIN);
    command.current_dir(folder.path()).arg("run").env("NOTIFY_SOCKET", &address);
    let mut gateway = Process::start(&mut command);
    assert_eq!(told(&socket), "READY=1");
    gateway.signal(Signal::HUP);
    assert_eq!([told(&socket), told(&socket)], ["RELOADING=1", "READY=1"]);
    std::fs::write(&file, "version: 2\n").expect("spoil the file");
    gateway.signal(Signal::HUP);
    assert_eq!([told(&socket), told(&socket)], ["RELOADING=1", "READY=1"], "it still serves what it served");
    gateway.signal(Signal::TERM);
    let last = told(&socket);
    assert_eq!(last, "STOPPING=1");
    assert!(gateway.await_end(Duration::from_secs(20)).success());
}

/// The manager listens, and starts the gateway at the first connection; that one and the next are served, by both
/// workers, and a reload keeps the socket.
#[test]
fn sockets_of_a_service_manager_are_served() {
    let folder = tempfile::tempdir().expect("make a folder");
    let (http, unwanted) = (ports::claim(), ports::claim());
    let text = format!(
        "version: 1\nworkers: 2\nlisten: {{ http: \"127.0.0.1:{http}\" }}\nadmin: \"127.0.0.1:{}\"\n\
         drain: {{ wait: off }}\nroutes: [{{ match: /**, to: {{ respond: {{ body: one }} }} }}]\n",
        ports::claim()
    );
    let file = folder.path().join("tidegate.yaml");
    std::fs::write(&file, &text).expect("write a file");
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", &format!("127.0.0.1:{http}"), "-l", &format!("127.0.0.1:{unwanted}")]);
    let gateway = Process::start(command.current_dir(folder.path()).arg(BIN).arg("run"));
    let address = ([127, 0, 0, 1], http).into();
    let said = |text: &str| gateway.lines().iter().any(|line| line.contains(text));
    await_true("the manager listens", SOON, || said("Listening on"));
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(address, get).body, b"one", "what waited for the start");
    await_true("the socket nobody asked for is told of", SOON, || said("no listener has the bind"));
    assert!(std::net::TcpStream::connect(("127.0.0.1", unwanted)).is_err(), "and closed");
    std::fs::write(&file, text.replace("one", "two")).expect("change the file");
    await_true("the changed file is taken", SOON, || ask(address, get).body == b"two");
    for _ in 0..20 {
        assert_eq!(ask(address, get).body, b"two");
    }
}

/// While nobody serves it, the socket of a manager keeps what comes.
#[test]
fn connections_between_two_gateways_wait_for_the_second() {
    let folder = tempfile::tempdir().expect("make a folder");
    let http = ports::claim();
    let text = format!(
        "version: 1\nworkers: 2\nlisten: {{ http: \"127.0.0.1:{http}\" }}\nadmin: \"127.0.0.1:{}\"\n\
         drain: {{ wait: off }}\nroutes: [{{ match: /**, to: {{ respond: 204 }} }}]\n",
        ports::claim()
    );
    std::fs::write(folder.path().join("tidegate.yaml"), text).expect("write a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/socket_owner.py");
    let mut command = Command::new(python());
    command.current_dir(folder.path()).arg("-Bu").arg(script).arg(BIN).arg(http.to_string());
    let ended = run(&mut command);
    assert_eq!(ended.stdout, "first 204\nended 0\nbetween 204\nafter 204\n", "{}", ended.stderr);
}

/// Nobody to tell, or a socket that is not there, changes nothing.
#[test]
fn a_manager_that_is_gone_changes_nothing() {
    let folder = tempfile::tempdir().expect("make a folder");
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:{}\" }}\nadmin: \"127.0.0.1:{}\"\n",
        ports::claim(),
        ports::claim()
    );
    std::fs::write(folder.path().join("tidegate.yaml"), text).expect("write a file");
    let mut command = Command::new(BIN);
    command.current_dir(folder.path()).arg("run").env("NOTIFY_SOCKET", folder.path().join("none"));
    let mut gateway = Process::start(&mut command);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !gateway.lines().iter().any(|line| line.contains("http on")) {
        assert!(Instant::now() < deadline, "{:#?}", gateway.lines());
        std::thread::sleep(Duration::from_millis(5));
    }
    gateway.signal(Signal::TERM);
    assert!(gateway.await_end(Duration::from_secs(20)).success());
}

fn deploy() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

#[test]
fn the_image_is_one_that_its_linter_finds_nothing_wrong_with() {
    let linter = python().with_file_name("hadolint");
    let ended = run(Command::new(linter).arg("--no-color").arg(deploy().join("Dockerfile")));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
}

#[test]
fn the_unit_is_one_that_systemd_can_read() {
    // The program it starts is not installed where tests run: this one stands in.
    let folder = tempfile::tempdir().expect("make a folder");
    let unit = std::fs::read_to_string(deploy().join("tidegate.service")).expect("read the unit");
    assert!(unit.contains("/usr/bin/tidegate"));
    let unit = unit.replace("/usr/bin/tidegate", BIN);
    let path = folder.path().join("tidegate.service");
    std::fs::write(&path, unit).expect("write the unit");
    let ended = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// Serves, reloads, begins new logs, keeps a quota, and drains. What the unit takes away ends the process here, where
/// systemd only refuses it, so that a call nobody has thought of is found.
#[test]
fn everything_a_gateway_does_is_let_through_by_its_unit() {
    let unit = std::fs::read_to_string(deploy().join("tidegate.service")).expect("read the unit");
    assert!(unit.lines().any(|line| line == "SystemCallErrorNumber=EPERM"), "what is missing does not kill");
    let folder = tempfile::tempdir().expect("make a folder");
    let backend = RawBackend::answering(OK);
    let (http, admin) = (ports::claim(), ports::claim());
    let text = |more: &str| {
        format!(
            "version: 1\nworkers: 2\nlisten: {{ http: \"127.0.0.1:{http}\"{more} }}\nadmin: \"127.0.0.1:{admin}\"\n\
             telemetry: {{ access_log: {{ to: ./access.log, rotate: {{ size: 64KiB, keep: 2 }} }} }}\n\
             services: {{ a: {{ backends: [\"localhost:{}\"], health: {{ path: /, every: 200ms }} }} }}\n\
             routes: [{{ match: /**, to: a, quota: 1M/month per ip, timeout: 5s }}]\n",
            backend.address.port()
        )
    };
    let file = folder.path().join("tidegate.yaml");
    std::fs::write(&file, text("")).expect("write a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/confined.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-B").arg(script).arg(deploy().join("tidegate.service")).arg(BIN).arg("run");
    let mut gateway = Process::start(command.current_dir(folder.path()));
    gateway.await_ready("serving", || std::net::TcpStream::connect(("127.0.0.1", admin)).is_ok());
    let address = ([127, 0, 0, 1], http).into();
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(address, get).status(), 200);

    let socket = folder.path().join("more.sock");
    std::fs::write(&file, text(&format!(", more: \"unix:{}\"", socket.display()))).expect("change the file");
    gateway.signal(Signal::HUP);
    await_true("the changed file is taken", SOON, || socket.exists());
    let rotated = folder.path().join("access.log.1");
    await_true("a new log is begun", Duration::from_secs(60), || {
        assert_eq!(ask(address, get).status(), 200, "{:#?}", gateway.lines());
        rotated.exists()
    });
    std::fs::write(&file, text("")).expect("change it back");
    gateway.signal(Signal::HUP);
    await_true("a listener is closed", SOON, || !socket.exists());
    gateway.signal(Signal::TERM);
    assert!(gateway.await_end(Duration::from_secs(20)).success(), "{:#?}", gateway.lines());
}

/// The first file of the packages says where the unit lets the program write.
#[test]
fn the_packaged_configuration_is_valid_and_in_the_package() {
    let file = deploy().join("tidegate.yaml");
    let ended = run(Command::new(BIN).arg("validate").arg(&file));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(std::fs::read_to_string(&file).expect("read it").contains("state: /var/lib/tidegate"));

    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).expect("read the manifest");
    let assets: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("[\"../../")?.split('"').next()).collect();
    assert!(assets.len() >= 5 && assets.contains(&"deploy/tidegate.service"), "{assets:?}");
    for asset in assets {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(asset);
        assert!(path.is_file(), "{asset} is in the package and not there");
    }
}
