//! SIGTERM: what is under way is finished, what waits for nothing is closed, and then the process ends well.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::process::{Process, run};
use tidegate_testkit::{Gateway, RawBackend};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
/// A tenth of the time that requests under way are given: whoever waits for nothing must not take it.
const AT_ONCE: Duration = Duration::from_secs(3);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn connections_without_a_request_do_not_hold_the_end_up() {
    let backend = RawBackend::answering(OK);
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut unused = gateway.connect();
    let mut used = gateway.connect();
    used.send(get("/"));
    assert_eq!(used.response("GET").unwrap().status(), 200);
    let start = Instant::now();
    gateway.begin_stop();
    assert!(used.is_ended_within(AT_ONCE), "a connection between requests");
    assert!(unused.is_ended_within(AT_ONCE), "a connection that has never sent anything");
    gateway.await_stop(AT_ONCE);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

/// It will hand the sockets to another program some day; until then whoever sends it loses nothing.
#[test]
fn a_signal_to_hand_over_is_refused_and_never_the_end() {
    let backend = RawBackend::answering(OK);
    let mut gateway = Gateway::before(BIN, &[backend.address]);
    gateway.announce("SIGUSR2 is for handing over");
    let is_told = |times| {
        let lines = gateway.process().lines();
        lines.iter().filter(|line| line.contains(" WARN SIGUSR2 ")).count() == times
    };
    for times in 1..=2 {
        gateway.process().signal(Signal::USR2);
        await_true("it is told of", AT_ONCE, || is_told(times));
    }
    assert_eq!(gateway.ask(get("/")).status(), 200);
    gateway.begin_stop();
    gateway.process().signal(Signal::USR2);
    gateway.await_stop(AT_ONCE);
}

/// The name of a socket goes with who listens on it, and one that a process has left behind is taken over.
#[test]
fn unix_sockets_go_with_the_gateway_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let sockets = ["admin.sock", "http.sock"].map(|name| folder.path().join(name));
    let text = "version: 1\nlisten: { http: \"unix:http.sock\" }\nadmin: \"unix:admin.sock\"\n\
                state: state\ndrain: { wait: off }\n";
    std::fs::write(folder.path().join("tidegate.yaml"), text).unwrap();
    let command = |name: &str| {
        let mut command = Command::new(BIN);
        command.current_dir(folder.path()).arg(name);
        command
    };
    let start = || {
        let mut gateway = Process::start(&mut command("run"));
        gateway.await_ready("ready", || run(&mut command("ready")).code == Some(0));
        gateway
    };
    let mut gateway = start();
    let second = run(&mut command("run"));
    assert!(
        second.code == Some(2) && second.stderr.contains("something listens there already"),
        "{second:?}"
    );
    assert!(run(&mut command("ready")).code == Some(0), "who listens is not disturbed");
    gateway.signal(Signal::TERM);
    assert!(gateway.await_end(AT_ONCE).success());
    assert_eq!(sockets.each_ref().map(|path| path.exists()), [false, false], "a clean end");
    let mut gateway = start();
    gateway.kill();
    assert_eq!(sockets.each_ref().map(|path| path.exists()), [true, true], "left behind");
    let mut gateway = start();
    // Another process has taken the name: it is not ours to remove.
    std::fs::remove_file(&sockets[0]).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&sockets[0]).unwrap();
    gateway.signal(Signal::TERM);
    assert!(gateway.await_end(AT_ONCE).success());
    assert_eq!(sockets.each_ref().map(|path| path.exists()), [true, false]);
}

#[test]
fn requests_under_way_are_answered_and_no_others_taken() {
    let backend = RawBackend::by_request(|request| match request.target() {
        "/slow" => vec![Act::Pause(Duration::from_millis(700)), Act::Send(OK.to_vec())],
        _ => vec![Act::Send(OK.to_vec())],
    });
    let gateway = Gateway::before(BIN, &[backend.address]);
    let mut client = gateway.connect();
    client.send(get("/slow"));
    await_true("the backend is asked", AT_ONCE, || !backend.take_arrivals().is_empty());
    let address = gateway.http;
    gateway.begin_stop();
    await_true("nobody listens any more", AT_ONCE, || TcpStream::connect(address).is_err());
    client.send(get("/behind"));
    let answer = client.response("GET").expect("the answer to what was under way");
    assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"ok"[..]));
    assert!(client.is_ended_within(AT_ONCE), "nothing more is served");
    gateway.await_stop(AT_ONCE);
}
