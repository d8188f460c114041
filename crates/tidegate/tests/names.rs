//! Backends by host name, with a real name server whose answers change: which backends there are, what happens when
//! the DNS fails, and what becomes of connections to addresses that are gone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::name_server::Kind;
use tidegate_testkit::{Gateway, Message, NameServer, RawBackend, Reply, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const NAME: &str = "api.test";
const GET: &str = "GET / HTTP/1.1\r\nHost: client.test\r\n\r\n";

/// A change of a name with a lifetime of a second is seen in one; a loaded machine takes longer.
const SOON: Duration = Duration::from_secs(8);

/// Listeners on these addresses of this machine, all on one port.
fn listeners<const N: usize>(hosts: [u8; N]) -> (u16, [TcpListener; N]) {
    let at = |host, port| TcpListener::bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), port)));
    for _ in 0..100 {
        let first = at(hosts[0], 0).expect("bind a backend");
        let port = first.local_addr().expect("learn the port").port();
        let rest: Result<Vec<_>, _> = hosts[1..].iter().map(|host| at(*host, port)).collect();
        if let Ok(rest) = rest {
            let all: Vec<_> = std::iter::once(first).chain(rest).collect();
            return (port, all.try_into().expect("as many as hosts"));
        }
    }
    panic!("no port is free on all addresses");
}

/// Backends on 127.0.0.1 and 127.0.0.2 that answer everything.
fn two_backends() -> (u16, [RawBackend; 2]) {
    let (port, listeners) = listeners([1, 2]);
    (port, listeners.map(|listener| answering(listener, |_| Duration::ZERO)))
}

/// Answers every request after the pause that it calls for.
fn answering(listener: TcpListener, pause: fn(&Message) -> Duration) -> RawBackend {
    RawBackend::on(listener, move |visit| {
        while let Some(request) = visit.request() {
            visit.play(vec![Act::Pause(pause(&request)), Act::Send(OK.to_vec())]);
        }
    })
}

/// The requests that have come to a backend since this was last asked.
fn requests(backend: &RawBackend) -> Vec<Message> {
    backend.take_arrivals().into_iter().map(|arrival| arrival.request.expect("a whole request")).collect()
}

/// A gateway whose service `origin` has these backends, as YAML, and asks this name server.
fn gateway(server: &NameServer, service: &str) -> Gateway {
    Setup::new(BIN).start(&format!(
        "{}services: {{ origin: {service} }}\nroutes: [{{ match: \"/**\", to: origin }}]",
        resolver(server)
    ))
}

/// Has this name server asked, and not waited for long.
fn resolver(server: &NameServer) -> String {
    format!("resolver: {{ servers: [\"{}\"], timeout: 200ms }}\n", server.address)
}

fn by_name(server: &NameServer, port: u16) -> Gateway {
    gateway(server, &format!("{{ backends: [\"{NAME}:{port}\"], balance: round-robin }}"))
}

/// The addresses of the service's backends, as its metrics show them.
fn backends(gateway: &Gateway) -> Vec<String> {
    let page = String::from_utf8(gateway.admin_get("/metrics").body).expect("a page of text");
    let lines = page.lines().filter_map(|line| line.strip_prefix("tidegate_backend_up{"));
    lines.filter_map(|line| Some(line.split_once("backend=\"")?.1.split_once('"')?.0.to_owned())).collect()
}

fn await_backends(gateway: &Gateway, expected: &[String]) {
    await_true(&format!("the backends are {expected:?}"), SOON, || backends(gateway) == expected);
}

fn count(gateway: &Gateway, text: &str) -> usize {
    gateway.process().lines().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn every_address_of_a_name_is_a_backend_and_the_name_may_be_the_host() {
    let server = NameServer::start();
    let (port, backends_) = two_backends();
    server.set(NAME, Reply::of(&["127.0.0.2", "127.0.0.1", "::1"], 60));
    let service = format!(
        "{{ backends: [{{ url: \"http://API.test:{port}\", weight: 3 }}, \"127.0.0.1:{port}\"], host: backend, \
         balance: round-robin }}"
    );
    let gateway = gateway(&server, &service);
    let expected = [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}"), format!("[::1]:{port}")];
    assert_eq!(backends(&gateway), expected, "known before it was ready, each address once");
    for _ in 0..8 {
        assert_eq!(gateway.ask(GET).status(), 200);
    }
    for backend in &backends_ {
        let requests = requests(backend);
        assert!(!requests.is_empty(), "{} was not asked", backend.address);
        for request in requests {
            assert_eq!(request.value("host"), format!("{NAME}:{port}"));
        }
    }
    gateway.stop();
}

#[test]
fn rosters_follow_the_dns_and_connections_to_addresses_that_went_are_closed() {
    let server = NameServer::start();
    let (port, listeners) = listeners([1, 2]);
    let pause = |request: &Message| match request.target() {
        "/slow" => Duration::from_secs(4),
        _ => Duration::ZERO,
    };
    let [first, second] = listeners.map(|listener| answering(listener, pause));
    server.set(NAME, Reply::of(&["127.0.0.1"], 1));
    let gateway = by_name(&server, port);
    // Two connections to the first backend: one that waits idle, one with a request under way.
    let mut slow = gateway.connect();
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    await_true("the slow request is there", SOON, || first.connections() == 1);
    assert_eq!(gateway.ask(GET).status(), 200);
    assert_eq!(first.connections(), 2);

    server.set(NAME, Reply::of(&["127.0.0.2"], 1));
    await_backends(&gateway, &[format!("127.0.0.2:{port}")]);
    let changed = Instant::now();
    for _ in 0..4 {
        assert_eq!(gateway.ask(GET).status(), 200);
    }
    assert_eq!(requests(&second).len(), 4, "all new requests go to the new address");
    first.end_of(1);
    println!("the idle connection was closed after {:?}", changed.elapsed());
    assert_eq!(first.ended_within(0, Duration::ZERO), None, "the request under way goes on");
    let (_, answer) = slow.final_response("GET").expect("the request under way is answered");
    assert_eq!(answer.status(), 200);
    first.end_of(0);

    server.set(NAME, Reply::of(&["127.0.0.1", "127.0.0.2"], 1));
    await_backends(&gateway, &[format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")]);
    gateway.stop();
}

#[test]
fn addresses_stay_while_the_dns_fails() {
    let server = NameServer::start();
    let (port, _backends) = two_backends();
    let known = Reply::of(&["127.0.0.1", "127.0.0.2"], 1);
    let failures = [
        ("missing.test", Reply::NoSuchName),
        ("broken.test", Reply::Failure),
        ("silent.test", Reply::Silence),
        ("empty.test", Reply::of(&[], 1)),
    ];
    failures.iter().for_each(|(name, _)| server.set(name, known.clone()));
    let [services, routes] = [
        failures
            .iter()
            .map(|(name, _)| format!("  {}: \"{name}:{port}\"\n", short(name)))
            .collect::<String>(),
        failures
            .iter()
            .map(|(name, _)| format!("  - {{ match: \"/{0}\", to: {0} }}\n", short(name)))
            .collect(),
    ];
    let mut gateway =
        Setup::new(BIN).start(&format!("{}services:\n{services}routes:\n{routes}", resolver(&server)));
    gateway.announce("cannot be resolved any more");
    let expected: Vec<_> = (0..8).map(|index| format!("127.0.0.{}:{port}", 1 + index % 2)).collect();
    assert_eq!(backends(&gateway), expected);

    let asked = failures.each_ref().map(|(name, _)| server.count(name, Kind::V4));
    failures.iter().for_each(|(name, reply)| server.set(name, reply.clone()));
    for ((name, _), asked) in failures.iter().zip(asked) {
        await_true(&format!("{name} fails again and again"), SOON, || {
            server.count(name, Kind::V4) > asked + 2
        });
        let get = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", short(name));
        assert_eq!(gateway.ask(get).status(), 200, "{name}");
        let told = format!(
            "WARN a host name of backends cannot be resolved any more, known addresses stay in use name={name} "
        );
        await_true(&told, SOON, || count(&gateway, &told) == 1);
    }
    assert_eq!(backends(&gateway), expected);
    assert_eq!(count(&gateway, "WARN"), failures.len(), "each is told once");
    failures.iter().for_each(|(name, _)| server.set(name, known.clone()));
    for (name, _) in &failures {
        let told = format!("INFO a host name of backends is resolved again name={name} ");
        await_true(&told, 2 * SOON, || count(&gateway, &told) == 1);
    }
    gateway.stop();
}

/// The first label of a name.
fn short(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

#[test]
fn a_name_that_does_not_resolve_yet_keeps_nothing_from_starting() {
    let server = NameServer::start();
    let (port, _backends) = two_backends();
    let mut gateway = by_name(&server, port);
    gateway.announce(
        "WARN a host name of backends cannot be resolved name=api.test services=origin addresses=0",
    );
    let answer = gateway.ask(GET);
    assert_eq!(answer.status(), 503);
    assert!(String::from_utf8_lossy(&answer.body).contains("\"code\":\"no_backend\""), "{answer:?}");
    assert_eq!(backends(&gateway), [""; 0]);
    server.set(NAME, Reply::of(&["127.0.0.1"], 60));
    await_true("it serves", SOON, || gateway.ask(GET).status() == 200);
    assert_eq!(count(&gateway, "WARN"), 1);
    gateway.stop();
}

#[test]
fn a_name_server_that_is_silent_delays_a_start_but_little() {
    let server = NameServer::start();
    server.set("silent.test", Reply::Silence);
    let (port, _backends) = two_backends();
    let begun = Instant::now();
    let mut gateway = Setup::new(BIN).start(&format!(
        "resolver: {{ servers: [\"{}\"], timeout: 10s }}\nservices:\n  origin: \"127.0.0.1:{port}\"\n  \
         other: \"silent.test:80\"\nroutes: [{{ match: \"/**\", to: origin }}]",
        server.address
    ));
    assert!(begun.elapsed() < Duration::from_secs(9), "started after {:?}", begun.elapsed());
    gateway.announce("WARN a host name of backends cannot be resolved name=silent.test");
    assert_eq!(gateway.ask(GET).status(), 200, "the other service is served");
    gateway.stop();
}

#[test]
fn one_kind_of_address_may_fail_while_the_other_changes() {
    let server = NameServer::start();
    let port = listeners([1]).0;
    server.set_kind(NAME, Kind::V4, Reply::of(&["127.0.0.1"], 1));
    server.set_kind(NAME, Kind::V6, Reply::of(&["::1"], 1));
    let gateway = by_name(&server, port);
    await_backends(&gateway, &[format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
    server.set_kind(NAME, Kind::V6, Reply::Failure);
    server.set_kind(NAME, Kind::V4, Reply::of(&["127.0.0.2"], 1));
    await_backends(&gateway, &[format!("127.0.0.2:{port}"), format!("[::1]:{port}")]);
    gateway.stop();
}

#[test]
fn an_answer_too_long_for_udp_is_fetched_by_tcp() {
    let server = NameServer::start();
    let addresses: Vec<_> = (1..=150).map(|number| format!("127.0.1.{number}")).collect();
    server.set(NAME, Reply::of(&addresses.iter().map(String::as_str).collect::<Vec<_>>(), 60));
    let gateway = by_name(&server, 9);
    await_true("all are backends", SOON, || backends(&gateway).len() == 150);
    assert!(server.was_asked_by_tcp());
    gateway.stop();
}

#[test]
fn questions_keep_to_the_lifetime_of_answers() {
    let server = NameServer::start();
    server.set("long.test", Reply::of(&["127.0.0.1"], 3600));
    server.set("short.test", Reply::of(&["127.0.0.1"], 0));
    let gateway = gateway(&server, "{ backends: [\"long.test:9\", \"short.test:10\"] }");
    await_true("the short one is asked again", SOON, || server.count("short.test", Kind::V6) >= 4);
    assert_eq!(server.count("long.test", Kind::V4), 1);
    gateway.stop();
}

#[test]
fn a_reload_keeps_the_addresses_of_names_that_stay_and_looks_up_new_ones_before_it_serves_them() {
    let server = NameServer::start();
    let (port, _backends) = two_backends();
    server.set(NAME, Reply::of(&["127.0.0.1", "127.0.0.2"], 60));
    server.set("new.test", Reply::of(&["127.0.0.2"], 60));
    server.set("gone.test", Reply::of(&["127.0.0.1"], 1));
    let service = format!("{{ backends: [\"{NAME}:{port}\", \"gone.test:9\"] }}");
    let mut gateway = gateway(&server, &service);
    gateway.announce("a host name of backends cannot be resolved");
    let file = gateway.folder().join("tidegate.yaml");
    let text = std::fs::read_to_string(&file).expect("read the configuration");
    // The name server is dead to the name that stays: its addresses must come from what is known.
    server.set(NAME, Reply::Failure);
    let changed =
        text.replace("\"gone.test:9\"", "\"new.test:81\"").replace("origin: {", "origin: { host: backend, ");
    assert_ne!(changed, text);
    std::fs::write(&file, changed).expect("write the configuration");
    gateway.process().signal(Signal::HUP);
    let told = "a configuration is taken";
    await_true(told, SOON, || {
        let is_taken = count(&gateway, told) == 1;
        assert_eq!(gateway.ask(GET).status(), 200, "no request finds the service without its backends");
        is_taken
    });
    let expected = ["127.0.0.1", "127.0.0.2"].map(|ip| format!("{ip}:{port}"));
    assert_eq!(backends(&gateway), [&expected[0], &expected[1], "127.0.0.2:81"]);
    let asked = server.count("gone.test", Kind::V4);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(server.count("gone.test", Kind::V4), asked, "nobody asks for a name that is gone");
    gateway.stop();
}

#[test]
fn validate_asks_no_name_server() {
    let server = NameServer::start();
    let folder = tempfile::tempdir().expect("make a folder");
    let file = folder.path().join("tidegate.yaml");
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\nresolver: \"{}\"\nservices: {{ origin: \"{NAME}:80\" }}\n",
        server.address
    );
    std::fs::write(&file, text).expect("write the file");
    let output = Command::new(BIN).arg("validate").arg(&file).output().expect("run validate");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.count(NAME, Kind::V4), 0);
}
