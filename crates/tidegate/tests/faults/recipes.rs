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

#[test]
fn the_queries_of_the_guide_name_the_faults_they_are_for() {
    let backend = |acts: fn() -> Vec<Act>| RawBackend::by_request(move |_| acts());
    let well: [RawBackend; 4] = std::array::from_fn(|_| backend(|| vec![Act::Send(OK.to_vec())]));
    let failing = backend(|| vec![Act::Send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec())]);
    let slow = backend(|| vec![Act::Pause(Duration::from_millis(200)), Act::Send(OK.to_vec())]);
    let hanging = backend(|| vec![Act::AwaitEnd]);
    let ill = backend(|| vec![Act::Send(b"HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n".to_vec())]);
    let [dead, gone] = [ports::claim(), ports::claim()].map(|port| format!("127.0.0.1:{port}"));
    let mut services = String::from("services:\n");
    let pairs = [
        ("failing", failing.address.to_string(), ""),
        ("slow", slow.address.to_string(), ""),
        ("hanging", hanging.address.to_string(), ", retry: 0"),
        ("dead", dead.clone(), ""),
    ];
    for ((name, faulty, more), well) in pairs.iter().zip(&well) {
        let well = well.address;
        let _ = writeln!(
            services,
            "  {name}: {{ backends: [\"{faulty}\", \"{well}\"], balance: round-robin{more} }}"
        );
    }
    let at = ill.address;
    let _ = writeln!(
        services,
        "  ill: {{ backends: \"{at}\", health: {{ path: /h, every: 100ms, unhealthy: 1 }} }}"
    );
    let _ = writeln!(services, "  gone: \"{gone}\"");
    let routes = ["failing", "slow", "hanging", "dead", "ill", "gone"]
        .map(|name| format!("{{ match: /{name}, to: {name} }}"));
    let gateway = Setup::new(BIN).start(&format!("{services}routes: [{}]", routes.join(", ")));
    let get = |name: &str| format!("GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n");
    let ask_all = || {
        for name in ["failing", "slow", "dead", "ill", "gone"] {
            (0..4).for_each(|_| drop(gateway.ask(get(name))));
        }
    };
    let mut waiting: Vec<Connection> = Vec::new();
    let mut hang = || {
        let mut client = gateway.connect();
        client.send(get("hanging"));
        waiting.push(client);
    };
    ask_all();
    (0..2).for_each(|_| hang());
    await_true("all are found out", SOON, || {
        gateway.metric("tidegate_service_panic", &[]) == 1.0
            && gateway.metric("tidegate_backend_up", &["service=\"dead\""]) == 1.0
            && gateway.metric("tidegate_backend_requests_in_flight", &["service=\"hanging\""]) == 1.0
            && gateway.metric("tidegate_backend_responses_total", &["service=\"hanging\""]) == 1.0
    });
    let before = scrape(&gateway);
    ask_all();
    let after = scrape(&gateway);

    let of = |service: &str, backend: &str| format!("service=\"{service}\", backend=\"{backend}\"");
    let named = |service: &str| format!("service=\"{service}\"");
    let by_backend = |begins: &str| format!("group by (service, backend) (\n{}\n)", recipe(begins));
    let by_service = |begins: &str| format!("group by (service) (\n{}\n)", recipe(begins));
    let expected = [
        (
            by_backend("The backends that are down"),
            [("dead", &dead), ("gone", &gone), ("ill", &at.to_string())].map(|(s, b)| of(s, b)).into(),
        ),
        (by_service("Services none of whose backends is up"), ["gone", "ill"].map(named).into()),
        (by_service("Of these the ones whose checks"), vec![named("ill")]),
        (by_backend("The backends that answer more than"), vec![of("failing", &pairs[0].1)]),
        (by_backend("The backends that hang"), vec![of("hanging", &pairs[2].1)]),
        (by_backend("The backends that take more than twice"), vec![of("slow", &pairs[1].1)]),
        (by_service("Share of failed requests by service"), ["failing", "gone"].map(named).into()),
        (
            format!("group by (service, outcome) (\n{}\n)", recipe("And why they failed")),
            // What a backend answers by itself is `ok`.
            vec![named("gone") + ", outcome=\"connect_failed\""],
        ),
    ];
    let folder = tempfile::tempdir().expect("make a folder");
    let file = folder.path().join("recipes.yaml");
    std::fs::write(&file, cases(&before, &after, &expected)).expect("write the cases");
    let promtool = Command::new("promtool").args(["test", "rules"]).arg(&file).output();
    let ended = promtool.expect("start promtool; `scripts/test-needs` installs what is missing");
    let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(ended.status.success(), "{said}");
    gateway.stop();
}
