//! Routes, what they ask for, where they lead, and what came by them.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use tidegate_config::{Config, Route, Target};
use tidegate_core::meters::{HistogramSum, Meters};
use tidegate_core::settings::{Setting, Word};
use utoipa::ToSchema;

use super::Json as Answer;
use crate::Panel;

/// All routes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Routes {
    /// In the order of the configuration.
    routes: Vec<Shown>,
    /// Requests that no route took.
    unrouted: Counters,
}

/// A route.
#[derive(Serialize, ToSchema)]
#[schema(as = Route)]
pub(crate) struct Shown {
    /// Its name.
    name: String,
    /// What it asks of a request.
    #[serde(rename = "match")]
    condition: Condition,
    /// Where it leads.
    to: To,
    /// What sends a request to one of several services, if anything but chance does: a header or a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "cookie:variant")]
    steer: Option<String>,
    /// Who gets copies of its requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<Copies>,
    /// The path its backends are asked for, if it is not the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/v2/orders/{id}")]
    rewrite: Option<String>,
    /// From a request's head to its answer's head, all tries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<f64>,
    /// Most bytes of request body.
    body_bytes_max: u64,
    /// Its policies, in the order in which requests meet them.
    policies: Vec<&'static str>,
    /// What came by it; nothing where there are more routes than are counted by name.
    counters: Option<Counters>,
}

/// What a route asks of a request; what is not here does not matter to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Condition {
    /// The host.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// The path.
    path: String,
    /// Any of these methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    /// Header fields with their values; `*` is any, and `…` one that came from `${…}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// Keys of the query with their values; the same.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<String, String>,
    /// Cookies with their values; the same.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    cookies: BTreeMap<String, String>,
    /// The listeners it must come to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listeners: Vec<String>,
}

/// Copies of requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Copies {
    /// The service that gets them.
    service: String,
    /// Of how many requests, from 0 to 1.
    share: f64,
}

/// Where a route leads: to services, or to an answer of the gateway.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct To {
    /// Services, with their shares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) services: Vec<Share>,
    /// The status of the gateway's own answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Where a client is sent to, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://{host}{path}")]
    pub(crate) redirect: Option<String>,
}

/// A service's share of a route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Share {
    /// The service.
    pub(crate) service: String,
    /// Its share against the others.
    pub(crate) weight: u32,
}

/// What came by a route since the process began.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Counters {
    /// Requests.
    requests: u64,
    /// Requests by the status code of their answer.
    statuses: BTreeMap<String, u64>,
    /// Bytes of request bodies.
    bytes_in: u64,
    /// Bytes of answer bodies.
    bytes_out: u64,
    /// The sum of the times from a request's head until its answer was given.
    seconds: f64,
}

/// Lists the routes.
#[utoipa::path(get, path = "/api/v1/routes", operation_id = "list_routes", tag = "routes",
    responses((status = 200, description = "All of them.", body = Routes)))]
pub(crate) async fn list(State(panel): State<Panel>) -> Answer<Routes> {
    let running = panel.view.running();
    let mut counters = counters(panel.view.meters());
    let mut written = as_written(&running.config).into_iter();
    let mut shown = |route: &Route| {
        let written = written.next().unwrap_or_default();
        Shown {
            name: route.name.to_string(),
            condition: condition(route),
            to: To { redirect: written.redirect, ..to(&route.to) },
            steer: route.steer.as_ref().map(Word::show),
            mirror: route.mirror.as_ref().map(|mirror| Copies {
                service: mirror.to.value.to_string(),
                share: f64::from(mirror.share.millionths) / 1e6,
            }),
            rewrite: written.rewrite,
            timeout_seconds: route.timeout.map(|time| time.as_secs_f64()),
            body_bytes_max: route.body_bytes_max,
            policies: route.policies.iter().map(|member| member.name()).collect(),
            counters: counters.remove(&*route.name),
        }
    };
    let routes = running.config.routes.iter().map(&mut shown).collect();
    let unrouted = counters.remove(&*running.snapshot.unrouted.route).unwrap_or_default();
    Answer(Routes { routes, unrouted })
}

/// The texts of a route that may hold what came from `${…}`, as they stand in the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Texts {
    rewrite: Option<String>,
    redirect: Option<String>,
}

/// Those of all routes, in their order.
fn as_written(config: &Config) -> Vec<Texts> {
    #[derive(Deserialize)]
    struct File {
        routes: Option<Box<RawValue>>,
    }
    #[derive(Deserialize)]
    struct Route {
        rewrite: Option<Json>,
        to: Option<Json>,
    }
    // What is written in short stands for the key it is short for.
    let text =
        |value: &Json, key: &str| value.as_str().or_else(|| value.get(key)?.as_str()).map(str::to_owned);
    let file: Option<File> = serde_json::from_str(config.written.json()).ok();
    let routes = file.and_then(|file| file.routes);
    let routes = routes.as_deref().map_or("[]", RawValue::get);
    let routes: Vec<Route> = match routes.starts_with('[') {
        true => serde_json::from_str(routes).unwrap_or_default(),
        false => serde_json::from_str(routes).into_iter().collect(),
    };
    let texts = |route: Route| Texts {
        rewrite: route.rewrite.and_then(|rewrite| text(&rewrite, "path")),
        redirect: route.to.and_then(|to| text(to.get("redirect")?, "to")),
    };
    routes.into_iter().map(texts).collect()
}

fn condition(route: &Route) -> Condition {
    let asked = &route.condition;
    Condition {
        host: asked.host.as_ref().map(|host| host.as_str().to_owned()),
        path: asked.path.as_str().to_owned(),
        methods: asked.methods.iter().map(|method| method.as_str().to_owned()).collect(),
        headers: asked.headers.iter().map(|row| (row.name.as_str().to_owned(), row.value.show())).collect(),
        query: asked.query.iter().map(|row| (row.name.as_str().to_owned(), row.value.show())).collect(),
        cookies: asked.cookies.iter().map(|row| (row.name.as_str().to_owned(), row.value.show())).collect(),
        listeners: route.listeners.iter().map(|name| name.as_str().to_owned()).collect(),
    }
}

fn to(target: &Target) -> To {
    match target {
        Target::Service(name) => {
            To { services: vec![Share { service: name.value.to_string(), weight: 1 }], ..To::default() }
        }
        Target::Split(parts) => {
            let share =
                parts.iter().map(|row| Share { service: row.name.to_string(), weight: row.value.get() });
            To { services: share.collect(), ..To::default() }
        }
        Target::Respond(respond) => To { status: Some(respond.status.get() as u16), ..To::default() },
        Target::Redirect(redirect) => To { status: Some(redirect.status.get()), ..To::default() },
    }
}

/// What was counted, by the name of the route: over its services and all workers.
fn counters(meters: &Meters) -> HashMap<String, Counters> {
    let mut all: HashMap<String, Counters> = HashMap::new();
    for route in meters.routes() {
        let sum = all.entry(route.route.to_string()).or_default();
        let mut times = HistogramSum::default();
        for cells in route.used() {
            for (_, status, count) in cells.counts() {
                sum.requests += count;
                *sum.statuses.entry(format!("{status:03}")).or_default() += count;
            }
            sum.bytes_in += cells.bytes_in.load(Relaxed);
            sum.bytes_out += cells.bytes_out.load(Relaxed);
            cells.duration.add_to(&mut times);
        }
        sum.seconds += times.sum_seconds;
    }
    all
}
