//! Every answer of the tables from a raw backend through the real gateway: handed on exactly, or refused with
//! 502 and its connection closed, never used again.

#[path = "cases/responses/mod.rs"]
mod responses;

use std::time::Duration;

use responses::{Case, Fate};
use tidegate_testkit::backend::{Act, Arrival, OK};
use tidegate_testkit::connection::shown;
use tidegate_testkit::{Lost, Message, RawBackend, Setup, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn check(group: &str) {
    let cases = responses::group(group);
    // A backend that has said too much is not believed at once again, so each case has one of its own.
    let backends: Vec<RawBackend> = cases.iter().map(|case| backend(case.clone())).collect();
    let (mut services, mut routes) = (String::from("services:\n"), String::from("routes:\n"));
    for (number, (case, backend)) in cases.iter().zip(&backends).enumerate() {
        let (tag, address) = (responses::tag(number, case.id), backend.address);
        services += &format!("  s{number}: {{ backends: [\"{address}\"] }}\n");
        routes += &format!("  - {{ match: \"{tag}/**\", to: s{number} }}\n");
    }
    // One worker has one pool, so that the next request takes the connection of the last if it may.
    let gateway = Setup::new(BIN).workers(1).start(&(services + &routes));
    let mut failures = Vec::new();
    for (number, (case, backend)) in cases.iter().zip(&backends).enumerate() {
        let tag = responses::tag(number, case.id);
        let ask = |path: &str| {
            let mut client = gateway.connect().with_patience(Duration::from_secs(3));
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).final_response("GET")
        };
        let answer = ask(&tag).map(|(_, answer)| answer);
        let probe = ask(&format!("{tag}/probe")).map_or(0, |(_, answer)| answer.status());
        if let Err(reason) = judge(case, answer, probe, backend) {
            failures.push(format!("{}: {reason}\n    backend sent {}", &tag[1..], shown(&case.answer)));
        }
    }
    gateway.stop();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Gives the case's answer, and to what is asked after it a plain one.
fn backend(case: Case) -> RawBackend {
    RawBackend::by_request(move |request| match request.target().ends_with("/probe") {
        false if case.is_finished => vec![Act::Send(case.answer.clone()), Act::Finish],
        false => vec![Act::Send(case.answer.clone())],
        true => vec![Act::Send(OK.to_vec())],
    })
}

fn judge(case: &Case, answer: Result<Message, Lost>, probe: u16, backend: &RawBackend) -> Result<(), String> {
    let arrivals = backend.take_arrivals();
    let [first, second] = &arrivals[..] else {
        return Err(format!("the backend got {} requests instead of two: {arrivals:#?}", arrivals.len()));
    };
    if probe != 200 {
        return Err(format!("the next request is answered with {probe}"));
    }
    let is_reused = first.connection == second.connection;
    let seen = match &answer {
        Ok(answer) => shown(&answer.bytes()),
        Err(lost) => lost.to_string(),
    };
    if !case.fates.iter().any(|fate| is_met(fate, &answer, is_reused)) {
        return Err(format!(
            "the client got {seen}; backend connection reused: {is_reused}; allowed {:?}",
            case.fates
        ));
    }
    if is_reused || has_ended(first, backend) { Ok(()) } else { Err("the connection stays open".into()) }
}

fn has_ended(arrival: &Arrival, backend: &RawBackend) -> bool {
    backend.ended_within(arrival.connection, Duration::from_secs(3)).is_some()
}

fn is_met(fate: &Fate, answer: &Result<Message, Lost>, was_reused: bool) -> bool {
    match (fate, answer) {
        (Fate::Refused | Fate::BrokenOff, Ok(answer)) => !was_reused && is_bad_gateway(answer),
        (Fate::BrokenOff, Err(lost)) => !was_reused && lost.partial.starts_with(b"HTTP/1.1 200 "),
        (Fate::Passed { body, lines, is_reused }, Ok(answer)) => {
            answer.status() == 200
                && answer.body == *body
                && was_reused == *is_reused
                && (lines.is_empty() || answer.head.windows(lines.len()).any(|part| part == lines))
        }
        _ => false,
    }
}

fn is_bad_gateway(answer: &Message) -> bool {
    answer.status() == 502 && problem::code(answer).as_deref() == Ok("backend_error")
}

#[test]
fn status_lines_are_well_formed() {
    check("status-line");
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
fn header_lines_are_well_formed_and_bounded() {
    check("header-syntax");
}

#[test]
fn every_listed_response_id_has_a_case() {
    let listed: Vec<&str> = include_str!("cases/responses/ids.txt").split_whitespace().collect();
    let ids: Vec<&str> =
        responses::GROUPS.iter().flat_map(|group| responses::group(group)).map(|case| case.id).collect();
    let missing: Vec<_> = listed.iter().filter(|id| !ids.contains(id)).collect();
    assert!(listed.len() > 80 && missing.is_empty(), "no case for {missing:?}");
}
