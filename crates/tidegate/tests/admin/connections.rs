//! Connections of the admin listener: whoever says nothing, or may not ask, takes no place from an operator.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Connection, Gateway};

use crate::{check_problem, gateway};

const SOON: Duration = Duration::from_secs(10);
/// Of one address, before they are let in.
const WAITING_MAX: usize = 32;
/// Let in.
const PLACES: usize = 256;

/// A request on a connection that stays open.
fn ask(
    connection: &mut Connection,
    gateway: &Gateway,
    path: &str,
    fields: &str,
) -> tidegate_testkit::Message {
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", gateway.admin));
    connection.response("GET").expect("an answer")
}

/// Another address of this machine.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn silent_connections_take_nothing_away() {
    let gateway = gateway();
    let token = gateway.admin_token();
    let mut other = Connection::from(ELSEWHERE, gateway.admin);
    let mut silent: Vec<Connection> = Vec::new();
    let end = Instant::now() + Duration::from_secs(3);
    let mut answered = 0;
    while Instant::now() < end {
        for index in 0..PLACES {
            let mut connection = Connection::to(gateway.admin);
            if index % 2 == 0 {
                connection.send("GET /healthz HTTP/1.1\r\n");
            }
            silent.push(connection);
        }
        assert_eq!(gateway.admin_ask("GET /api/v1/services", &token).status(), 200);
        assert_eq!(gateway.admin_get("/readyz").status(), 200);
        answered += 1;
        // The oldest go first, and as soon as there are too many.
        let kept = silent.len().saturating_sub(2 * WAITING_MAX);
        for connection in silent.drain(..kept) {
            assert!({ connection }.is_ended_within(SOON));
        }
    }
    assert!(answered > 1);
    for connection in &mut silent {
        assert!(connection.is_ended_within(Duration::from_secs(5)), "the last ones have two seconds");
    }
    assert!(other.is_ended_within(SOON), "and so has anybody else");
}

/// A client keeps those it has within its own bound.
#[test]
fn one_address_does_not_push_out_another() {
    let gateway = gateway();
    let start = Instant::now();
    let mut other = Connection::from(ELSEWHERE, gateway.admin);
    let mut silent: Vec<_> = (0..4 * WAITING_MAX).map(|_| Connection::to(gateway.admin)).collect();
    assert!(silent[0].is_ended_within(SOON), "the oldest of who has too many");
    // A slow machine has used up the time.
    if start.elapsed() < Duration::from_millis(1500) {
        assert_eq!(ask(&mut other, &gateway, "/healthz", "").status(), 200);
    }
}

#[test]
fn places_are_for_those_who_may_ask_and_health_needs_none() {
    let gateway = gateway();
    let token = gateway.admin_token();
    let mut inside: Vec<Connection> = Vec::new();
    for _ in 0..PLACES {
        let mut connection = Connection::to(gateway.admin);
        let answer = ask(&mut connection, &gateway, "/api/v1/services", &token);
        assert_eq!((answer.status(), answer.values("connection").len()), (200, 0), "it may ask again");
        inside.push(connection);
    }
    let full = gateway.admin_ask("GET /api/v1/services", &token);
    let problem = check_problem(&full, 503);
    assert_eq!((full.value("connection"), full.value("retry-after")), ("close", "1"), "{problem}");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(gateway.admin_get(path).status(), 200);
    }
    assert_eq!(gateway.admin_get("/metrics").status(), 503);
    assert_eq!(gateway.admin_ask("GET /api/v1/services", "").status(), 401, "who may not ask learns that");
    let mut last = inside.pop().unwrap();
    assert_eq!(ask(&mut last, &gateway, "/api/v1/routes", &token).status(), 200, "who is in stays in");
    drop(last);
    await_true("a place is free again", SOON, || {
        gateway.admin_ask("GET /api/v1/services", &token).status() == 200
    });
    // Between two requests they have ten seconds, and then there is room for all.
    for connection in &mut inside {
        assert!(connection.is_ended_within(Duration::from_secs(20)));
    }
}

/// Whoever is refused, or asked what is open to all, gives the place back with the answer.
#[test]
fn a_connection_that_was_not_let_in_ends_with_its_answer() {
    let mut gateway = gateway();
    gateway.announce(crate::REFUSED);
    for path in ["/healthz", "/readyz", "/api/v1/services", "/enter?code=", "/"] {
        let mut connection = Connection::to(gateway.admin);
        let answer = ask(&mut connection, &gateway, path, "");
        assert_eq!(answer.value("connection"), "close", "{path}");
        assert!(connection.is_ended_within(SOON), "{path}");
    }
    let mut known = Connection::to(gateway.admin);
    let token = gateway.admin_token();
    for path in ["/api/v1/services", "/healthz", "/metrics"] {
        assert_eq!(ask(&mut known, &gateway, path, &token).values("connection").len(), 0, "{path}");
    }
}
