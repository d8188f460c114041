//! The same requests through the gateway to real servers: what nginx and HAProxy say they were asked is what
//! was meant to be asked, no more and no less.

#[path = "cases/requests/mod.rs"]
mod requests;

use std::time::Duration;

use requests::{After, Case, Reaches};
use tidegate_testkit::gateway::{ask, await_true};
use tidegate_testkit::peers::{Haproxy, Nginx};
use tidegate_testkit::{Gateway, Message, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// Not compared: a target without a path of its own, and methods that nginx answers with 400 before it knows
/// what it was asked.
const LEFT_OUT: [&str; 3] = ["asterisk-options", "method-lowercase-get", "method-prefix-pipe"];

/// Sends every case through the gateway, then compares the server's log with what was meant.
fn check(address: std::net::SocketAddr, log: impl Fn() -> Vec<String>) {
    let gateway = Setup::new(BIN).start(&requests::config(address));
    let mut failures = Vec::new();
    for group in requests::GROUPS {
        let cases = requests::group(group);
        let before = log().len();
        for (number, case) in cases.iter().enumerate().filter(|(_, case)| !LEFT_OUT.contains(&case.id)) {
            play(&gateway, &requests::tag(number, case.id), case);
        }
        // A request of our own, straight to the server: once it is logged, so is all that came before.
        let end = format!("/end-of-{group}");
        ask(address, format!("GET {end} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let is_end = |line: &String| line.contains(&end);
        await_true("the server's log", Duration::from_secs(5), || log().iter().any(is_end));
        let lines: Vec<String> =
            log()[before..].iter().filter(|line| !is_end(line)).map(|line| asked(line)).collect();
        failures.extend(differences(&cases, lines).into_iter().map(|text| format!("{group}: {text}")));
    }
    gateway.stop();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Sends a case and reads whatever is answered, and asks once more where the connection is always kept. What
/// counts is in the server's log.
fn play(gateway: &Gateway, tag: &str, case: &Case) {
    let mut client = gateway.connect().with_patience(Duration::from_secs(3));
    client.send(&case.sent);
    if case.is_finished {
        client.finish();
    }
    let method = if case.sent.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    let most = case.outcomes.iter().map(|outcome| outcome.answers.len()).max().unwrap_or(0);
    for _ in 0..most {
        match client.final_response(method) {
            Ok((_, answer)) if !answer.says_close() => {}
            _ => return,
        }
    }
    if is_always_kept(case) {
        client.send(format!("GET {tag}/probe HTTP/1.1\r\nHost: a\r\n\r\n"));
        drop(client.final_response("GET"));
    }
}

fn is_always_kept(case: &Case) -> bool {
    case.outcomes.iter().all(|outcome| outcome.after == After::Kept)
}

/// What is wrong with the lines `METHOD target` of the server's log, taken together.
fn differences(cases: &[Case], mut lines: Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let tag = requests::tag(number, case.id);
        let (ours, others) = lines.into_iter().partition(|line| line.contains(&tag));
        lines = others;
        if !meant(case, &tag).contains(&ours) && !LEFT_OUT.contains(&case.id) {
            found.push(format!("{tag}: {ours:?}, meant {:?}", meant(case, &tag)));
        }
    }
    found.extend(lines.into_iter().map(|line| format!("nobody asked for {line:?}")));
    found
}

/// The lists of requests that may have arrived for a case.
fn meant(case: &Case, tag: &str) -> Vec<Vec<String>> {
    let mut lists = Vec::new();
    for outcome in &case.outcomes {
        match &outcome.reaches {
            Reaches::Exactly(requests) => {
                let probe = is_always_kept(case).then(|| format!("GET {tag}/probe"));
                lists.push(requests.iter().map(|bytes| first_line(bytes)).chain(probe).collect());
            }
            // Its head may have gone out before the fault showed, and a server may answer to a head.
            Reaches::NeverWhole => lists.extend([Vec::new(), vec![format!("POST {tag}")]]),
        }
    }
    lists
}

fn first_line(bytes: &[u8]) -> String {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes, |end| &bytes[..end + 4]);
    let message = Message {
        head: head.to_vec(),
        body: Vec::new(),
        wire_body: Vec::new(),
        trailers: Vec::new(),
        framing: tidegate_testkit::Framing::None,
    };
    format!("{} {}", message.method(), message.target())
}

/// `METHOD target` of a line that ends with the status.
fn asked(line: &str) -> String {
    line.rsplit_once(' ').map_or(line, |(asked, _)| asked).to_owned()
}

#[test]
fn nginx_is_asked_exactly_what_was_meant() {
    let nginx = Nginx::answering();
    check(nginx.address, || nginx.requests());
}

#[test]
fn haproxy_is_asked_exactly_what_was_meant() {
    let nginx = Nginx::answering();
    let haproxy = Haproxy::start(nginx.address);
    check(haproxy.address, || haproxy.requests());
}
