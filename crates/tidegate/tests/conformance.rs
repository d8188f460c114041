//! Every request of the tables through the real gateway to a raw backend: what the client is answered, what
//! reaches the backend byte for byte, and what becomes of the connection.

#[path = "cases/http11probe.rs"]
mod http11probe;
#[path = "cases/requests/mod.rs"]
mod requests;

use std::time::Duration;

use http11probe::Said;
use requests::{After, Case, Outcome, Reaches};
use tidegate_testkit::backend::{Act, Arrival, OK};
use tidegate_testkit::connection::shown;
use tidegate_testkit::gateway::everything_to;
use tidegate_testkit::{Connection, Gateway, How, Message, RawBackend, Setup, forwarded, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// What the client saw of one case.
struct Seen {
    answers: Vec<Message>,
    after: Option<After>,
}

fn check(group: &str) {
    let cases = requests::group(group);
    let backend = RawBackend::start(|visit| {
        while let Some(request) = visit.request_continued() {
            // OK without its body, for HEAD.
            let bytes = if request.method() == "HEAD" { &OK[..OK.len() - 2] } else { OK };
            visit.connection.send(bytes);
        }
    });
    let gateway = Setup::new(BIN).start(&requests::config(backend.address));
    let seen: Vec<Seen> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| play(&gateway, &requests::tag(number, case.id), case))
        .collect();
    // Once the gateway is gone and every connection to the backend has ended, nothing more can arrive.
    gateway.stop();
    for number in 0..backend.connections() {
        backend.end_of(number);
    }
    let mut arrivals = backend.take_arrivals();

    let mut failures = Vec::new();
    for (number, (case, seen)) in cases.iter().zip(&seen).enumerate() {
        let tag = requests::tag(number, case.id);
        let (ours, others) = arrivals.into_iter().partition(|arrival| bytes_of(arrival).contains(&tag));
        arrivals = others;
        if let Err(reason) = judge(case, &tag, seen, &ours) {
            failures.push(format!("{}: {reason}\n    sent {}", &tag[1..], shown(&case.sent)));
        }
    }
    failures.extend(arrivals.iter().map(|arrival| format!("nobody sent {}", bytes_of(arrival))));
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Sends a case and looks at what comes back, then tries whether the connection serves another request.
fn play(gateway: &Gateway, tag: &str, case: &Case) -> Seen {
    let mut client = gateway.connect().with_patience(Duration::from_secs(3));
    client.send(&case.sent);
    if case.is_finished {
        client.finish();
    }
    let methods = methods_of(&case.sent);
    let count = case.outcomes.iter().map(|outcome| outcome.answers.len()).max().unwrap_or(0);
    let mut answers: Vec<Message> = Vec::new();
    while answers.len() < count {
        let method = methods.get(answers.len()).map_or("GET", String::as_str);
        match client.final_response(method) {
            Ok((_, answer)) => answers.push(answer),
            Err(lost) if lost.partial.is_empty() && lost.how != How::Silent => {
                return Seen { answers, after: Some(After::Closed) };
            }
            Err(_) => return Seen { answers, after: None },
        }
        // A case that may end in several ways ends early when the connection says so.
        let says_close = answers.last().is_some_and(Message::says_close);
        if says_close && client.is_ended_within(Duration::from_secs(3)) {
            return Seen { answers, after: Some(After::Closed) };
        }
    }
    let after = after(&mut client, tag, case, &answers);
    Seen { answers, after }
}

fn after(client: &mut Connection, tag: &str, case: &Case, answers: &[Message]) -> Option<After> {
    let may_close = case.outcomes.iter().any(|o| o.after == After::Closed && fits(o, answers));
    if may_close && client.is_ended_within(Duration::from_secs(3)) {
        return Some(After::Closed);
    }
    client.send(format!("GET {tag}/probe HTTP/1.1\r\nHost: a\r\n\r\n"));
    match client.final_response("GET") {
        Ok((_, answer)) if answer.status() == 200 && answer.body == b"ok" => Some(After::Kept),
        Err(lost) if matches!(lost.how, How::Closed | How::Reset) => Some(After::Closed),
        _ => None,
    }
}

fn fits(outcome: &Outcome, answers: &[Message]) -> bool {
    outcome.answers.len() == answers.len()
        && outcome.answers.iter().zip(answers).all(|(allowed, answer)| allowed.contains(&answer.status()))
}

/// Whether what was seen and what arrived is one of the case's outcomes.
fn judge(case: &Case, tag: &str, seen: &Seen, arrivals: &[Arrival]) -> Result<(), String> {
    seen.answers.iter().try_for_each(judge_answer)?;
    let is_http11 = !case.sent.windows(10).any(|part| part == b"HTTP/1.0\r\n");
    if let Some(last) = seen.answers.last()
        && seen.after == Some(After::Closed)
        && is_http11
        && !case.is_finished
        && !last.says_close()
    {
        return Err(format!("closed without a word after {}", shown(&last.bytes())));
    }
    let reached = reached(arrivals)?;
    let is_met = |outcome: &Outcome| {
        let probe = format!("GET {tag}/probe HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let is_arrived = match &outcome.reaches {
            Reaches::NeverWhole => reached.is_empty(),
            Reaches::Exactly(requests) if outcome.after == After::Kept => {
                reached.split_last().is_some_and(|(last, rest)| *last == probe && rest == requests.as_slice())
            }
            Reaches::Exactly(requests) => {
                reached == *requests && arrivals.iter().all(|arrival| arrival.request.is_ok())
            }
        };
        fits(outcome, &seen.answers) && seen.after == Some(outcome.after) && is_arrived
    };
    if case.outcomes.iter().any(is_met) {
        return Ok(());
    }
    let statuses: Vec<u16> = seen.answers.iter().map(Message::status).collect();
    let arrived: Vec<String> =
        arrivals.iter().map(|arrival| format!("\n      {}", bytes_of(arrival))).collect();
    Err(format!(
        "answered {statuses:?}, then {:?}, and the backend got{}\n    allowed {}",
        seen.after,
        arrived.concat(),
        case.outcomes.iter().map(described).collect::<Vec<_>>().join("\n         or ")
    ))
}

/// What the gateway answers itself is a problem document that names the request.
fn judge_answer(answer: &Message) -> Result<(), String> {
    if answer.value("x-request-id").is_empty() {
        return Err(format!("no x-request-id in {}", shown(&answer.bytes())));
    }
    if answer.status() < 400 {
        return Ok(());
    }
    problem::code(answer).map(drop)
}

/// The whole requests that arrived, without what the gateway adds.
fn reached(arrivals: &[Arrival]) -> Result<Vec<Vec<u8>>, String> {
    let whole = arrivals.iter().filter_map(|arrival| arrival.request.as_ref().ok());
    let stripped = whole.map(|request| {
        forwarded::without_added(request).map_err(|reason| format!("{reason} in {}", shown(&request.bytes())))
    });
    stripped.collect()
}

fn bytes_of(arrival: &Arrival) -> String {
    match &arrival.request {
        Ok(request) => shown(&request.bytes()),
        Err(lost) => format!("in part ({:?}) {}", lost.how, shown(&lost.partial)),
    }
}

fn described(outcome: &Outcome) -> String {
    let reaches = match &outcome.reaches {
        Reaches::NeverWhole => "nothing whole".to_owned(),
        Reaches::Exactly(requests) => {
            format!("{:?}", requests.iter().map(|request| shown(request)).collect::<Vec<_>>())
        }
    };
    format!("{:?}, then {:?}, and {reaches}", outcome.answers, outcome.after)
}

/// The methods of pipelined requests without bodies: what an answer may carry depends on them.
fn methods_of(sent: &[u8]) -> Vec<String> {
    let lines = sent.split(|&b| b == b'\n').filter(|line| line.windows(7).any(|part| part == b" HTTP/1"));
    let first_words = lines.filter_map(|line| line.split(|&b| b == b' ').next());
    first_words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[test]
fn length_against_coding_is_refused_or_exact() {
    check("length-against-coding");
}

#[test]
fn content_length_is_plain_digits_once() {
    check("content-length");
}

#[test]
fn transfer_encoding_is_chunked_or_refused() {
    check("transfer-encoding");
}

#[test]
fn no_byte_around_a_coding_makes_it_ambiguous() {
    check("transfer-encoding-sweep");
}

#[test]
fn lines_end_in_crlf() {
    check("line-ends");
}

#[test]
fn chunk_framing_is_exact() {
    check("chunks");
}

#[test]
fn trailers_cannot_change_a_request() {
    check("trailers");
}

#[test]
fn header_lines_are_well_formed_and_bounded() {
    check("header-syntax");
}

#[test]
fn request_lines_are_well_formed() {
    check("request-line");
}

#[test]
fn host_and_target_name_one_place() {
    check("host-and-target");
}

#[test]
fn backends_see_the_canonical_path() {
    check("paths");
}

#[test]
fn connection_fields_stay_on_their_connection() {
    check("connection");
}

#[test]
fn expectations_are_met_or_refused() {
    check("expect");
}

#[test]
fn upgrades_and_connect_open_no_tunnel_unasked() {
    check("upgrade-and-connect");
}

#[test]
fn pipelined_requests_are_served_in_order() {
    check("pipelines");
}

/// What a probe of others asks (see there), each on a connection of its own: one answer, and no second one to what was hidden
/// in the first request.
#[test]
fn http11probe_finds_nothing() {
    /// Longer than any answer takes; who waits for the rest of a request is silent for good.
    const SILENT: Duration = Duration::from_millis(700);
    let backend = RawBackend::by_request(|request| {
        if request.target() == "/204" {
            return vec![Act::Send(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n".to_vec())];
        }
        let length = if request.method() == "HEAD" { 0 } else { request.body.len() };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        vec![Act::Send([head.as_bytes(), &request.body[..length]].concat())]
    });
    let gateway = Setup::new(BIN).start(&everything_to(&[backend.address], ""));
    let mut wrong = Vec::new();
    for case @ (id, sent, expected) in http11probe::CASES.iter().copied() {
        let patience = if expected == Said::Silence { SILENT } else { Duration::from_secs(5) };
        let mut client = gateway.connect().with_patience(patience);
        client.send(http11probe::sent(case));
        let method = if sent.starts_with(b"HEAD") { "HEAD" } else { "GET" };
        let answer = client.final_response(method).map(|(_, answer)| answer);
        let said = match &answer {
            Ok(answer) => Said::A(answer.status()),
            Err(_) => Said::Silence,
        };
        let is_dated = answer.as_ref().is_ok_and(|answer| answer.value("date").ends_with(" GMT"));
        let is_second = id.contains("SMUGGLED") || id.contains("DESYNC") || id.contains("CLOSE");
        let rest = if is_second { client.rest().partial } else { Vec::new() };
        if said != expected || (said != Said::Silence && !is_dated) || !rest.is_empty() {
            wrong.push(format!("{id}: {said:?}, dated {is_dated}, then {}", shown(&rest)));
        }
    }
    for &(id, sent, expected) in http11probe::SEQUENCES {
        let mut client = gateway.connect().with_patience(Duration::from_secs(5));
        client.send(sent);
        let answers: Vec<Message> = std::iter::from_fn(|| client.final_response("GET").ok())
            .map(|(_, answer)| answer)
            .take(expected.len())
            .collect();
        let statuses: Vec<u16> = answers.iter().map(Message::status).collect();
        let has_length =
            |answer: &Message| answer.status() == 204 && !answer.value("content-length").is_empty();
        let rest = client.with_patience(SILENT).rest().partial;
        if statuses != expected || !rest.is_empty() || answers.iter().any(has_length) {
            wrong.push(format!("{id}: {statuses:?}, then {}", shown(&rest)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), http11probe::CASES.len(), wrong.join("\n"));
    for (id, _) in http11probe::OTHERWISE {
        assert!(http11probe::CASES.iter().any(|case| case.0 == id), "{id}");
    }
    gateway.stop();
}

#[test]
fn every_listed_request_id_has_a_case() {
    let listed: Vec<&str> = include_str!("cases/requests/ids.txt").split_whitespace().collect();
    let ids: Vec<&str> =
        requests::GROUPS.iter().flat_map(|group| requests::group(group)).map(|case| case.id).collect();
    let missing: Vec<_> = listed.iter().filter(|id| !ids.contains(id)).collect();
    assert!(listed.len() > 100 && missing.is_empty(), "no case for {missing:?}");
}

/// Behaviours are tests of their own, in `reuse` and `interim`, each under the id it shows.
#[test]
fn every_listed_behaviour_has_a_test() {
    let tests = concat!(include_str!("reuse.rs"), include_str!("interim.rs"));
    let shown: Vec<&str> = tests.lines().filter_map(|line| line.trim().strip_prefix("/// `")).collect();
    let has_test = |id: &&str| shown.iter().any(|line| line.split('`').any(|part| part == *id));
    let listed = include_str!("cases/behaviours.txt").split_whitespace();
    let missing: Vec<&str> = listed.filter(|id| !has_test(id)).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}
