//! The log follows a change of the configuration: on, elsewhere, off, and not to a place that cannot be written.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::load::Load;
use tidegate_testkit::{Gateway, Setup};

use crate::{BIN, SOON, read};

const ONE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const RESPOND: &str = "routes: [{ match: \"/**\", to: { respond: 200 } }]";

fn count(path: &Path) -> usize {
    match path.exists() {
        true => read(path).len(),
        false => 0,
    }
}

fn load(gateway: &Gateway) -> usize {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let load =
        Load { address: gateway.http, request, rate: 600, time: Duration::from_secs(2), connections: 6 };
    let answers = load.run();
    assert!(answers.iter().all(|answer| matches!(answer.outcome, Ok((200, _)))));
    answers.len()
}

#[test]
fn a_log_is_turned_on_moved_and_turned_off_while_it_runs() {
    let gateway = Setup::new(BIN).start(RESPOND);
    let plain = gateway.configuration();
    let (one, two) = (gateway.folder().join("one.log"), gateway.folder().join("two.log"));
    let logging_to = |name: &str| format!("{plain}telemetry: {{ access_log: {name} }}\n");
    gateway.ask(ONE);
    gateway.reload(&logging_to("one.log"));
    gateway.ask(ONE);
    await_true("the first line", SOON, || count(&one) == 1);
    let asked = std::thread::scope(|scope| {
        let running = scope.spawn(|| load(&gateway));
        await_true("lines come", SOON, || count(&one) > 100);
        gateway.reload(&logging_to("two.log"));
        running.join().expect("the load")
    });
    await_true("every line is in one of the two", SOON, || count(&one) + count(&two) == asked + 1);
    assert!(count(&two) > 0);
    let before = (count(&one), count(&two));
    gateway.reload(&plain);
    gateway.ask(ONE);
    gateway.reload(&logging_to("one.log"));
    gateway.ask(ONE);
    await_true("one more line, and not two", SOON, || count(&one) == before.0 + 1);
    assert_eq!(count(&two), before.1);
    gateway.stop();
}

#[test]
fn a_reload_opens_the_file_anew() {
    let gateway = Setup::new(BIN).start(&format!("telemetry: {{ access_log: a.log }}\n{RESPOND}"));
    let (path, moved) = (gateway.folder().join("a.log"), gateway.folder().join("moved"));
    std::fs::rename(&path, &moved).expect("move the log away");
    gateway.reload(&gateway.configuration());
    gateway.ask(ONE);
    await_true("the line is in a file of the name", SOON, || count(&path) == 1);
    gateway.stop();
}

#[test]
fn a_place_that_cannot_be_written_is_refused_and_the_one_before_kept() {
    let mut gateway = Setup::new(BIN).start(&format!("telemetry: {{ access_log: a.log }}\n{RESPOND}"));
    gateway.announce("the configuration is not taken");
    let text = gateway.configuration();
    std::fs::write(gateway.folder().join("no"), "").expect("make a file where a folder would be");
    gateway.configure(&text.replace("a.log", "no/such/a.log"));
    gateway.process().signal(Signal::HUP);
    await_true("it is refused", SOON, || gateway.reloads().1 == 1);
    let said = gateway.process().lines().join("\n");
    assert!(said.contains("the access log cannot be written to `no/such/a.log`"), "{said}");
    gateway.ask(ONE);
    await_true("the line is where lines were before", SOON, || count(&gateway.folder().join("a.log")) == 1);
    gateway.stop();
}
