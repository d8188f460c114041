//! The queries of the guide find the staged faults they are for, and nothing else: all faults at once, scraped before and
//! after, and read by Prometheus' own engine.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Connection, Gateway, RawBackend, Setup, ports};

use crate::{BIN, SOON};

const GUIDE: &str = include_str!("../../../../docs/guide/metrics.md");

/// The query after the line that begins so.
fn recipe(begins: &str) -> String {
    let (_, rest) =
        GUIDE.split_once(&format!("\n{begins}")).unwrap_or_else(|| panic!("no recipe `{begins}`"));
    let query = rest.split("```promql\n").nth(1).and_then(|rest| rest.split("```").next());
    query.expect("a query").trim_end().into()
}

fn scrape(gateway: &Gateway) -> Vec<(String, String)> {
    let page = String::from_utf8(gateway.admin_get("/metrics").body).expect("text");
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, value)| (series.into(), value.into()))
        .collect()
}

/// What `promtool test rules` is asked: both scrapes a minute apart, and what each query must give.
fn cases(
    before: &[(String, String)],
    after: &[(String, String)],
    expected: &[(String, Vec<String>)],
) -> String {
    let mut text = String::from("evaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n");
    for (series, value) in after {
        let first = before.iter().find(|(known, _)| known == series).map_or("_", |(_, value)| value.as_str());
        let _ = write!(text, "      - series: '{series}'\n        values: '{first} {value}'\n");
    }
    text += "    promql_expr_test:\n";
    for (query, labels) in expected {
        let indented = query.replace('\n', "\n          ");
        let _ = write!(
            text,
            "      - expr: |\n          {indented}\n        eval_time: 1m\n        exp_samples:\n"
        );
        for labels in labels {
            let _ = write!(text, "          - labels: '{{{labels}}}'\n            value: 1\n");
        }
    }
    text
}

/// A service for each fault, with the backend that has it first.
struct Stage {
    gateway: Gateway,
    /// By service.
    faulty: Vec<(&'static str, String)>,
    _backends: Vec<RawBackend>,
}

const DEAD: &str = "dead";

fn stage() -> Stage {
    let backend = |acts: fn() -> Vec<Act>| RawBackend::by_request(move |_| acts());
    let faults = [
        (
            "failing",
            backend(|| vec![Act::Send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec())]),
            "",
        ),
        ("slow", backend(|| vec![Act::Pause(Duration::from_millis(200)), Act::Send(OK.to_vec())]), ""),
        ("hanging", backend(|| vec![Act::AwaitEnd]), ", retry: 0"),
    ];
    let ill = backend(|| vec![Act::Send(b"HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n".to_vec())]);
    let well = backend(|| vec![Act::Send(OK.to_vec())]);
    let [dead, gone] = [ports::claim(), ports::claim()].map(|port| format!("127.0.0.1:{port}"));
    let mut faulty: Vec<(&str, String)> =
        faults.iter().map(|(name, backend, _)| (*name, backend.address.to_string())).collect();
    faulty.extend([(DEAD, dead), ("ill", ill.address.to_string()), ("gone", gone)]);
    let mut config = String::from("services:\n");
    for (name, address) in &faulty {
        let more = faults.iter().find(|(fault, _, _)| fault == name).map_or("", |(_, _, more)| more);
        let _ = match *name {
            "ill" => writeln!(
                config,
                "  ill: {{ backends: \"{address}\", health: {{ path: /h, every: 100ms, unhealthy: 1 }} }}"
            ),
            "gone" => writeln!(config, "  gone: \"{address}\""),
            _ => writeln!(
                config,
                "  {name}: {{ backends: [\"{address}\", \"{}\"], balance: round-robin{more} }}",
                well.address
            ),
        };
    }
    config += "routes:\n";
    for (name, _) in &faulty {
        let _ = writeln!(config, "  - {{ match: /{name}, to: {name} }}");
    }
    let gateway = Setup::new(BIN).start(&config);
    let backends = faults.into_iter().map(|(_, backend, _)| backend).chain([ill, well]).collect();
    Stage { gateway, faulty, _backends: backends }
}

impl Stage {
    /// Asks all but the one that hangs.
    fn ask(&self) {
        for (name, _) in self.faulty.iter().filter(|(name, _)| *name != "hanging") {
            (0..4).for_each(|_| drop(self.gateway.ask(get(name))));
        }
    }

    fn labels(&self, service: &str) -> String {
        let (_, backend) = self.faulty.iter().find(|(name, _)| *name == service).expect("a service");
        format!("service=\"{service}\", backend=\"{backend}\"")
    }

    /// What each query of the guide must find.
    fn expected(&self) -> Vec<(String, Vec<String>)> {
        let by_backend = |begins: &str, services: &[&str]| {
            let query = format!("group by (service, backend) (\n{}\n)", recipe(begins));
            (query, services.iter().map(|service| self.labels(service)).collect())
        };
        let by_service = |begins: &str, services: &[&str]| {
            let query = format!("group by (service) (\n{}\n)", recipe(begins));
            (query, services.iter().map(|service| format!("service=\"{service}\"")).collect())
        };
        vec![
            by_backend("The backends that are down", &[DEAD, "gone", "ill"]),
            by_service("Services none of whose backends is up", &["gone", "ill"]),
            by_service("Of these the ones whose checks", &["ill"]),
            by_backend("The backends that answer more than", &["failing"]),
            by_backend("The backends that hang", &["hanging"]),
            by_backend("The backends that take more than twice", &["slow"]),
            by_service("Share of failed requests by service", &["failing", "gone"]),
            (
                format!("group by (service, outcome) (\n{}\n)", recipe("And why they failed")),
                // What a backend answers by itself is `ok`.
                vec!["service=\"gone\", outcome=\"connect_failed\"".into()],
            ),
        ]
    }
}

fn get(name: &str) -> String {
    format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn the_queries_of_the_guide_name_the_faults_they_are_for() {
    let stage = stage();
    let gateway = &stage.gateway;
    stage.ask();
    let waiting: Vec<Connection> = (0..2)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(get("hanging"));
            client
        })
        .collect();
    let metric = |name: &str, service: &str| gateway.metric(name, &[&format!("service=\"{service}\"")]);
    await_true("all are found out", SOON, || {
        metric("tidegate_service_panic", "ill") == 1.0
            && metric("tidegate_backend_up", DEAD) == 1.0
            && metric("tidegate_backend_requests_in_flight", "hanging") == 1.0
            && metric("tidegate_backend_responses_total", "hanging") == 1.0
    });
    let before = scrape(gateway);
    stage.ask();
    let after = scrape(gateway);
    let folder = tempfile::tempdir().expect("make a folder");
    let file = folder.path().join("recipes.yaml");
    std::fs::write(&file, cases(&before, &after, &stage.expected())).expect("write the cases");
    let promtool = Command::new("promtool").args(["test", "rules"]).arg(&file).output();
    let ended = promtool.expect("start promtool; `scripts/test-needs` installs what is missing");
    let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(ended.status.success(), "{said}");
    drop(waiting);
    stage.gateway.stop();
}
