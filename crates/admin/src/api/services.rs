//! Services and their backends, with what was learnt about them.

use axum::extract::rejection::PathRejection;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::meters::CLASSES;
use tidegate_core::problem::nearest;
use tidegate_core::service::{self, BackendCell};
use tidegate_core::state::State;
use utoipa::ToSchema;

use super::Json;
use crate::Panel;
use crate::moment;
use crate::problem::Problem;

/// All services.
#[derive(Serialize, ToSchema)]
pub(crate) struct Services {
    /// In the order of the configuration.
    services: Vec<Service>,
}

/// A service and how it does.
#[derive(Serialize, ToSchema)]
pub(crate) struct Service {
    /// Its name.
    name: String,
    /// How a backend is chosen for a request.
    balance: String,
    /// How many backends it has.
    backends: usize,
    /// How many of them are not down.
    available: usize,
    /// Whether all its backends that take connections fail their checks. They are given requests all the same.
    panic: bool,
    /// Whether it is closed on purpose: requests for it are answered by the gateway.
    maintenance: bool,
    /// Requests at it now.
    in_flight: u64,
    /// Tries sent to its backends, ever.
    requests: u64,
    /// Tries that failed there.
    failures: u64,
    /// Further tries after a failed one.
    retries: Retries,
}

/// Further tries, by how the request then ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Retries {
    /// With an answer.
    answered: u64,
    /// With a failure.
    failed: u64,
}

/// The backends of a service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Backends {
    /// In the order of the configuration.
    backends: Vec<Backend>,
    /// Whether all of them that take connections fail their checks. They are given requests all the same.
    panic: bool,
}

/// One instance of a service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Backend {
    /// Where it listens.
    #[schema(example = "127.0.0.1:9001")]
    address: String,
    /// What is known of it.
    state: Health,
    /// Why it is down, while it is: `refused`, `timeout`, `unreachable`, `tls`, or `check:` and what was wrong with it.
    #[schema(example = "check: status 503")]
    reason: Option<String>,
    /// Its share of the traffic against its neighbours.
    weight: u32,
    /// Requests sent to it and not yet finished.
    in_flight: u32,
    /// How long it takes to answer, as far as that is measured: by `balance: ewma`.
    latency_ms: Option<f64>,
    /// Tries sent to it, ever.
    requests: u64,
    /// Tries that failed.
    failures: u64,
    /// Its answers by the class of their status: `1xx` to `5xx`.
    #[schema(example = json!({"1xx": 0, "2xx": 1019, "3xx": 0, "4xx": 2, "5xx": 0}))]
    responses: BTreeMap<&'static str, u64>,
    /// Until when it is left out for its failures, if it is.
    #[schema(format = DateTime)]
    ejected_until: Option<String>,
    /// Since when it is in this state.
    #[schema(format = DateTime, example = "2026-11-24T02:00:00Z")]
    since: String,
}

/// What is known of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BackendState)]
pub(crate) enum Health {
    /// It takes requests.
    Up,
    /// It refuses connections, or fails its checks: requests go elsewhere while there is an elsewhere.
    Down,
    /// Nothing yet; it is given requests like one that is up.
    Unknown,
}

/// Lists the services.
#[utoipa::path(get, path = "/api/v1/services", operation_id = "list_services", tag = "services",
    responses((status = 200, description = "All of them.", body = Services)))]
pub(crate) async fn list(extract::State(panel): extract::State<Panel>) -> Json<Services> {
    let running = panel.view.running();
    let services = running.snapshot.services.iter();
    let services = services.map(|service| {
        let set = running.config.services.iter().find(|row| row.name.as_str() == &*service.name);
        let balance = set.map_or("", |row| row.value.balance.name());
        shown(service, balance)
    });
    Json(Services { services: services.collect() })
}

/// Shows the backends of a service.
#[utoipa::path(get, path = "/api/v1/services/{service}/backends", operation_id = "list_backends", tag = "services",
    params(("service" = String, Path, description = "The service's name.")),
    responses(
        (status = 200, description = "All of them.", body = Backends),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn backends(
    extract::State(panel): extract::State<Panel>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Backends>, Problem> {
    // What is no UTF-8 is no name either.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let snapshot = panel.view.snapshot();
    let Some(service) = snapshot.services.iter().find(|service| *service.name == *name) else {
        let problem = Problem::new(StatusCode::NOT_FOUND, "there is no service of this name");
        return Err(match nearest(&name, snapshot.services.iter().map(|service| &*service.name)) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem.hint("`/api/v1/services` lists them"),
        });
    };
    let roster = service.roster.load();
    let backends = roster.backends.iter().map(|backend| {
        let cell = &backend.cell;
        Backend {
            address: backend.label.to_string(),
            state: state(cell),
            reason: cell.down_reason().map(|reason| reason.to_string()),
            weight: backend.weight,
            in_flight: cell.in_flight.load(Relaxed),
            latency_ms: latency_ms(cell),
            requests: cell.requests.load(Relaxed),
            failures: cell.failures.load(Relaxed),
            responses: CLASSES.into_iter().zip(cell.responses()).collect(),
            ejected_until: None, // nothing ejects yet
            since: moment::text(cell.state.since()),
        }
    });
    Ok(Json(Backends { backends: backends.collect(), panic: roster.is_panicking.load(Relaxed) }))
}

fn shown(service: &service::Service, balance: &str) -> Service {
    let roster = service.roster.load();
    let cells = || roster.backends.iter().map(|backend| &backend.cell);
    Service {
        name: service.name.to_string(),
        balance: balance.to_owned(),
        backends: roster.backends.len(),
        available: cells().filter(|cell| !cell.is_down()).count(),
        panic: roster.is_panicking.load(Relaxed),
        maintenance: service.maintenance.is_some(),
        in_flight: service.meters.in_flight.load(Relaxed),
        requests: cells().map(|cell| cell.requests.load(Relaxed)).sum(),
        failures: cells().map(|cell| cell.failures.load(Relaxed)).sum(),
        retries: Retries {
            answered: service.meters.retries_answered.load(Relaxed),
            failed: service.meters.retries_failed.load(Relaxed),
        },
    }
}

fn state(cell: &BackendCell) -> Health {
    match cell.state.get() {
        State::Unknown => Health::Unknown,
        State::Up => Health::Up,
        State::Out | State::Gone => Health::Down,
    }
}

/// In thousandths of a millisecond: finer is noise. Nothing where nothing was measured.
fn latency_ms(cell: &BackendCell) -> Option<f64> {
    match cell.latency_ns.load(Relaxed) {
        0 => None,
        ns => Some((ns as f64 / 1e3).round() / 1e3),
    }
}
