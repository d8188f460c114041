//! The meters in Prometheus text format 0.0.4; docs/guide/metrics.md tells what each is for. Labels come from the configuration, methods and status codes only,
//! so the number of lines is bounded by what is configured.

mod backends;
mod counts;
mod process;

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::document::Fetches;
use tidegate_core::meters::{BOUNDS_SECONDS, HistogramSum, Lag, Meters, PRIORITIES, Refused};
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::Snapshot;
use tidegate_core::shelf::Shelf;

use crate::recent::Recent;

/// What `text` shows beside the meters.
pub struct Scene<'a> {
    /// The snapshot in use.
    pub snapshot: &'a Snapshot,
    /// The counters.
    pub meters: &'a Meters,
    /// How long requests took of late.
    pub recent: &'a Recent,
    /// What outlives configurations.
    pub shelf: &'a Shelf,
    /// The program's version.
    pub version: &'a str,
}

/// All metrics.
pub fn text(scene: &Scene<'_>) -> String {
    let mut out = Page(String::with_capacity(16 << 10));
    requests(scene, &mut out);
    refusals(scene, &mut out);
    mirrored(scene, &mut out);
    counts::page(scene.shelf, &mut out);
    listeners(scene, &mut out);
    services(scene, &mut out);
    backends::page(&scene.snapshot.services, &mut out);
    own(scene, &mut out);
    process::page(&mut out);
    documents(scene, &mut out);
    admin(scene, &mut out);
    out.0
}

/// Documents at URLs: sets of keys.
fn documents(scene: &Scene<'_>, out: &mut Page) {
    let mut documents = scene.shelf.documents.all();
    documents.sort_by(|one, other| one.url().cmp(other.url()));
    let name = "tidegate_document_fetches_total";
    out.family(name, "counter", "Fetches of documents at URLs, by what came of them.");
    for document in &documents {
        let Fetches { good, flawed, failed, .. } = &document.fetches;
        for (result, count) in [("good", good), ("flawed", flawed), ("failed", failed)] {
            out.line(name, &[("url", document.url()), ("result", result)], count.load(Relaxed));
        }
    }
    let name = "tidegate_document_fetched_seconds";
    out.family(name, "gauge", "When a document was last fetched, in seconds since 1970; 0 for never.");
    for document in &documents {
        out.line(name, &[("url", document.url())], document.fetches.last_s.load(Relaxed));
    }
}

fn requests(scene: &Scene<'_>, out: &mut Page) {
    let mut routes = scene.meters.routes();
    routes.retain(|meters| meters.used().next().is_some());
    out.family("tidegate_requests_total", "counter", "Requests by route, service, method and status code.");
    for meters in &routes {
        let mut sums: std::collections::BTreeMap<(&str, u16), u64> = Default::default();
        for (method, status, count) in meters.used().flat_map(|cells| cells.counts()) {
            *sums.entry((method.label(), status)).or_default() += count;
        }
        for ((method, status), count) in sums {
            let code = format!("{status:03}");
            let labels = [
                ("route", &*meters.route),
                ("service", &*meters.service),
                ("method", method),
                ("code", &code),
            ];
            out.line("tidegate_requests_total", &labels, count);
        }
    }
    let name = "tidegate_outcomes_total";
    out.family(
        name,
        "counter",
        "Requests by route, service and how they ended, in the words of the access log.",
    );
    for meters in &routes {
        let mut sums: std::collections::BTreeMap<usize, u64> = Default::default();
        for (outcome, count) in meters.used().flat_map(|cells| cells.outcomes()) {
            *sums.entry(outcome as usize).or_default() += count;
        }
        for (outcome, count) in sums {
            let outcome = Outcome::ALL[outcome].code();
            out.line(
                name,
                &[("route", &meters.route), ("service", &meters.service), ("outcome", outcome)],
                count,
            );
        }
    }
    let name = "tidegate_request_duration_seconds";
    out.family(name, "histogram", "From a request's head until its answer was given, in seconds.");
    for meters in &routes {
        let mut sum = HistogramSum::default();
        meters.used().for_each(|cells| cells.duration.add_to(&mut sum));
        out.histogram(name, &[("route", &meters.route), ("service", &meters.service)], &sum);
    }
    for (name, help, pick) in [
        ("tidegate_request_bytes_total", "Bytes of request bodies from clients.", true),
        ("tidegate_response_bytes_total", "Bytes of answer bodies to clients.", false),
    ] {
        out.family(name, "counter", help);
        for meters in &routes {
            let bytes = meters
                .used()
                .map(|cells| if pick { &cells.bytes_in } else { &cells.bytes_out }.load(Relaxed))
                .sum::<u64>();
            out.line(name, &[("route", &meters.route), ("service", &meters.service)], bytes);
        }
    }
}

/// What policies have refused, and of that what limits have.
fn refusals(scene: &Scene<'_>, out: &mut Page) {
    let name = "tidegate_refusals_total";
    let help = "Requests refused by a policy, by its reason; `observed`: it only watched, and they went on.";
    let routes: Vec<_> =
        scene.meters.routes().into_iter().map(|route| (route.refusals.all(), route)).collect();
    out.family(name, "counter", help);
    for (refused, meters) in &routes {
        for (what, count) in refused {
            let mode = if what.is_observed { "observed" } else { "refused" };
            let labels =
                [("route", &*meters.route), ("policy", what.policy), ("reason", what.reason), ("mode", mode)];
            out.line(name, &labels, *count);
        }
    }
    let name = "tidegate_limited_total";
    out.family(name, "counter", "Requests refused because somebody had used up a limit.");
    for (refused, meters) in &routes {
        let is_limit =
            |what: &Refused| !what.is_observed && matches!(what.reason, "rate" | "quota" | "concurrency");
        for (what, count) in refused.iter().filter(|(what, _)| is_limit(what)) {
            out.line(name, &[("route", &meters.route), ("reason", what.reason)], *count);
        }
    }
}

/// What became of copies of requests.
fn mirrored(scene: &Scene<'_>, out: &mut Page) {
    let name = "tidegate_mirrored_total";
    out.family(name, "counter", "Requests that were to be copied to another service, by what became of it.");
    for meters in scene.meters.routes() {
        let counts = meters.mirrored.all();
        if counts.iter().all(|(_, count)| *count == 0) {
            continue;
        }
        for (result, count) in counts {
            out.line(name, &[("route", &meters.route), ("result", result)], count);
        }
    }
}

fn listeners(scene: &Scene<'_>, out: &mut Page) {
    let listeners = scene.meters.listeners();
    out.family("tidegate_connections", "gauge", "Client connections open now.");
    for (name, meters) in &listeners {
        out.line("tidegate_connections", &[("listener", name)], meters.connections.load(Relaxed));
    }
    out.family("tidegate_accepted_total", "counter", "Client connections accepted, by worker.");
    for (name, meters) in &listeners {
        for (worker, count) in meters.accepted() {
            out.line(
                "tidegate_accepted_total",
                &[("listener", name), ("worker", &worker.to_string())],
                count,
            );
        }
    }
    let name = "tidegate_tls_handshakes_total";
    out.family(name, "counter", "TLS handshakes with clients, by how they ended.");
    for (listener, meters) in &listeners {
        let results = [
            ("full", &meters.handshakes_full),
            ("resumed", &meters.handshakes_resumed),
            ("failed", &meters.handshakes_failed),
        ];
        for (result, count) in results.map(|(result, cell)| (result, cell.load(Relaxed))) {
            out.line(name, &[("listener", listener), ("result", result)], count);
        }
    }
    let name = "tidegate_certificate_expiry_seconds";
    out.family(name, "gauge", "When a certificate ends, in seconds since 1970.");
    for (certificate, not_after) in scene.meters.certificates() {
        out.line(name, &[("name", &certificate)], not_after);
    }
    out.family("tidegate_connections_refused_total", "counter", "Client connections turned away at a limit.");
    for (name, meters) in &listeners {
        out.line("tidegate_connections_refused_total", &[("listener", name)], meters.refused.load(Relaxed));
    }
}

fn services(scene: &Scene<'_>, out: &mut Page) {
    let services = &scene.snapshot.services;
    out.family("tidegate_requests_in_flight", "gauge", "Requests at the backends of a service now.");
    for service in services {
        out.line(
            "tidegate_requests_in_flight",
            &[("service", &service.name)],
            service.meters.in_flight.load(Relaxed),
        );
    }
    let name = "tidegate_service_maintenance";
    out.family(name, "gauge", "1 while the service is closed on purpose.");
    for service in services {
        out.line(name, &[("service", &service.name)], u64::from(service.maintenance.is_some()));
    }
    out.family(
        "tidegate_retries_total",
        "counter",
        "Further tries by how the request then ended; `budget`: not made.",
    );
    for service in services {
        let meters = &service.meters;
        for (result, count) in [
            ("answered", &meters.retries_answered),
            ("failed", &meters.retries_failed),
            ("budget", &meters.retries_over_budget),
        ] {
            out.line(
                "tidegate_retries_total",
                &[("service", &service.name), ("result", result)],
                count.load(Relaxed),
            );
        }
    }
    out.family("tidegate_shed_total", "counter", "Requests turned away for want of a place, by priority.");
    for service in services {
        for (priority, count) in PRIORITIES.into_iter().zip(&service.meters.shed) {
            let labels = [("service", &*service.name), ("priority", priority)];
            out.line("tidegate_shed_total", &labels, count.load(Relaxed));
        }
    }
    let name = "tidegate_request_duration_recent_seconds";
    out.family(name, "summary", "Durations of requests in the last ten seconds, by quantile.");
    for (service, durations) in scene.recent.services() {
        for (quantile, q) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)] {
            if let Some(duration) = durations.quantile(q) {
                let labels = [("service", &*service), ("quantile", quantile)];
                out.line(name, &labels, duration.as_secs_f64());
            }
        }
    }
}

fn own(scene: &Scene<'_>, out: &mut Page) {
    let meters = scene.meters;
    out.family("tidegate_config_reloads_total", "counter", "Configurations given while running.");
    for (result, count) in [("ok", &meters.reloads_ok), ("failed", &meters.reloads_failed)] {
        out.line("tidegate_config_reloads_total", &[("result", result)], count.load(Relaxed));
    }
    let is_ok = u64::from(meters.last_reload_ok.load(Relaxed));
    out.single("tidegate_config_last_reload_success", "gauge", "1 if the last one is in use.", is_ok);
    let is_kept = u64::from(meters.is_last_good.load(Relaxed));
    let help = "1 while the last good configuration is served, as the files could not be used at the start.";
    out.single("tidegate_config_last_good", "gauge", help, is_kept);
    let alive = meters.snapshots_alive();
    out.single("tidegate_snapshots_alive", "gauge", "Configurations that requests still use.", alive);
    let lag = meters.lag.used().map(Lag::greatest).max().unwrap_or_default().as_secs_f64();
    out.single("tidegate_worker_lag_seconds", "gauge", "How late the latest worker's loop was of late.", lag);
    let dropped = meters.log().dropped();
    out.single(
        "tidegate_log_dropped_total",
        "counter",
        "Lines of the access log that were dropped.",
        dropped,
    );
    out.family("tidegate_build_info", "gauge", "The program that runs; always 1.");
    out.line("tidegate_build_info", &[("version", scene.version)], 1);
}

fn admin(scene: &Scene<'_>, out: &mut Page) {
    let name = "tidegate_admin_refused_total";
    out.family(name, "counter", "Requests that the admin listener refused, by why.");
    let meters = &scene.meters.admin;
    for (reason, count) in [
        ("no_credential", &meters.no_credential),
        ("wrong_credential", &meters.wrong_credential),
        ("throttled", &meters.throttled),
        ("wrong_host", &meters.wrong_host),
        ("cross_origin", &meters.cross_origin),
    ] {
        out.line(name, &[("reason", reason)], count.load(Relaxed));
    }
}

struct Page(String);

// Writing to a String cannot fail.
impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.line(name, &[], value);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], sum: &HistogramSum) {
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, count) in BOUNDS_SECONDS.iter().zip(&sum.buckets) {
            below += count;
            let bound = bound.to_string();
            let all: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.line(&bucket, &all, below);
        }
        let all: Vec<_> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        self.line(&bucket, &all, sum.count());
        self.line(&format!("{name}_sum"), labels, sum.sum_seconds);
        self.line(&format!("{name}_count"), labels, sum.count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tidegate_core::name::Method;
    use tidegate_core::router::Router;

    #[test]
    fn requests_are_added_up_over_workers_and_labels_are_escaped() {
        let meters = Meters::new(2);
        let route = meters.route(&Arc::from("a \"b\" \\c"), &Arc::from("api"));
        route.of(0).count(Method::Get, 200, Outcome::Ok);
        route.of(1).count(Method::Get, 200, Outcome::Ok);
        route.of(1).count(Method::Post, 502, Outcome::ConnectFailed);
        route.of(1).duration.record(Duration::from_millis(3));
        let snapshot = Snapshot {
            number: 1,
            router: Arc::new(Router::new(&[])),
            plans: Box::default(),
            services: Box::default(),
            unrouted: meters.route(&Arc::from("none"), &Arc::from("none")),
            log: None,
            alive: meters.snapshot(),
            resolver: Default::default(),
        };
        let recent = Recent::default();
        meters.service(&"api".into()).latency.of(0).record(Duration::from_millis(3));
        recent.fold(&meters);
        let shelf = Shelf::default();
        let scene =
            Scene { snapshot: &snapshot, meters: &meters, recent: &recent, shelf: &shelf, version: "1.2.3" };
        let page = text(&scene);
        let labels = r#"route="a \"b\" \\c",service="api""#;
        for line in [
            format!(r#"tidegate_requests_total{{{labels},method="GET",code="200"}} 2"#),
            format!(r#"tidegate_requests_total{{{labels},method="POST",code="502"}} 1"#),
            format!(r#"tidegate_outcomes_total{{{labels},outcome="ok"}} 2"#),
            format!(r#"tidegate_outcomes_total{{{labels},outcome="connect_failed"}} 1"#),
            format!(r#"tidegate_request_duration_seconds_bucket{{{labels},le="0.0025"}} 0"#),
            format!(r#"tidegate_request_duration_seconds_bucket{{{labels},le="0.005"}} 1"#),
            format!(r#"tidegate_request_duration_seconds_count{{{labels}}} 1"#),
            "tidegate_snapshots_alive 1".to_owned(),
            "tidegate_config_last_reload_success 1".to_owned(),
            r#"tidegate_config_reloads_total{result="failed"} 0"#.to_owned(),
            "tidegate_log_dropped_total 0".to_owned(),
            r#"tidegate_build_info{version="1.2.3"} 1"#.to_owned(),
        ] {
            assert!(page.lines().any(|there| there == line), "{line} is missing in\n{page}");
        }
        assert!(!page.contains("route=\"none\""), "what was never used is not shown");
    }
}
