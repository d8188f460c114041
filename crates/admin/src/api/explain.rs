//! Why a request goes where it goes. The answer is `tidegate_config::explain`'s; here are only its words.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_config::{Asked, Chosen, Explanation, Leads, Met, Rewritten, Verdict};
use utoipa::{IntoParams, ToSchema};

use super::Json;
use super::routes::{Share, To};
use crate::Panel;
use crate::problem::Problem;

/// A request that is asked about.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // it describes the query, which is read by pairs: `header` may be there several times
pub(crate) struct Question {
    /// Its method.
    #[param(example = "GET")]
    method: String,
    /// Its URL, or its path alone.
    #[param(example = "https://api.example.com/orders/7")]
    url: String,
    /// A header field of it, as often as needed.
    #[param(example = json!(["x-beta: 1"]))]
    header: Option<Vec<String>>,
    /// The listener it comes to; the first of the configuration unless said.
    listener: Option<String>,
}

/// The same, as read.
#[derive(Default)]
struct Pairs {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    listener: String,
}

impl Pairs {
    fn read(pairs: Vec<(String, String)>) -> Result<Pairs, Problem> {
        let hint = "as in `/api/v1/explain?method=GET&url=/orders/7&header=x-beta:1`";
        let refuse = |detail: &str| Err(Problem::new(StatusCode::BAD_REQUEST, detail).hint(hint));
        let mut read = Pairs::default();
        for (key, value) in pairs {
            match key.as_str() {
                "method" => read.method = value,
                "url" => read.url = value,
                "listener" => read.listener = value,
                "header" => match value.split_once(':') {
                    Some((name, value)) => {
                        read.headers.push((name.trim().to_owned(), value.trim().to_owned()))
                    }
                    None => return refuse("a header is a name, `:` and a value"),
                },
                _ => return refuse("the query has `method`, `url`, `header` and `listener`, nothing else"),
            }
        }
        match read.method.is_empty() || read.url.is_empty() {
            true => refuse("the query needs `method` and `url`"),
            false => Ok(read),
        }
    }
}

/// What would become of a request, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct Explained {
    /// The method.
    method: String,
    /// The host, with its port if there is one; empty if it is not known.
    host: String,
    /// The path as the router sees it.
    path: String,
    /// The route that takes it.
    route: Option<String>,
    /// Why it is this route, or why there is none.
    why: String,
    /// Where the route stands.
    place: Option<Place>,
    /// What the names in its path stand for.
    params: BTreeMap<String, String>,
    /// The policies the request meets, in order.
    policies: Vec<String>,
    /// What each of them does, in the same order.
    meets: Vec<Meets>,
    /// The service it reaches, if it can be only one.
    service: Option<String>,
    /// Where the route leads.
    to: Option<To>,
    /// What sends a request to one of several services, if anything but chance does: a header or a cookie.
    #[schema(example = "cookie:variant")]
    steer: Option<String>,
    /// Who gets copies of its requests, and of how many.
    #[schema(example = "catalog-next, 10%")]
    mirror: Option<String>,
    /// Of the services it leads to, those that are closed on purpose.
    closed: Vec<String>,
    /// The path a backend is asked for, if the route rewrites it and it may be shown.
    #[schema(example = "/v2/orders/7")]
    rewritten: Option<String>,
    /// How long the head of an answer may take.
    timeout_seconds: Option<f64>,
    /// Most bytes of request body.
    body_bytes_max: Option<u64>,
    /// The status of the gateway's own answer: that of the route, or 404, 405 or 400.
    status: Option<u16>,
    /// With 405, the methods that would do.
    allow: Option<String>,
    /// Other routes, those that come nearest first.
    candidates: Vec<Candidate>,
}

/// A policy that a request meets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Meets {
    /// The key it is written under.
    policy: &'static str,
    /// What it does; empty where its name says it all.
    does: String,
    /// Whether it only watches: what it would refuse is counted and goes on.
    observes: bool,
}

impl From<Met> for Meets {
    fn from(met: Met) -> Meets {
        Meets { policy: met.name, does: met.does, observes: met.is_observing }
    }
}

/// A place in the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Place {
    /// The file.
    file: String,
    /// The line, from 1.
    line: u32,
    /// The column in characters, from 1.
    column: u32,
}

/// A route that does not take the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Candidate {
    /// Its name.
    route: String,
    /// Everything that speaks against it.
    because: Vec<String>,
}

impl From<Explanation> for Explained {
    fn from(explanation: Explanation) -> Explained {
        let candidates = explanation
            .others
            .iter()
            .map(|other| Candidate { route: other.name.to_string(), because: other.because.clone() });
        let plain = Explained {
            method: explanation.method,
            host: explanation.host,
            path: explanation.path,
            candidates: candidates.collect(),
            route: None,
            why: String::new(),
            place: None,
            params: BTreeMap::new(),
            policies: Vec::new(),
            meets: Vec::new(),
            service: None,
            to: None,
            steer: None,
            mirror: None,
            closed: Vec::new(),
            rewritten: None,
            timeout_seconds: None,
            body_bytes_max: None,
            status: None,
            allow: None,
        };
        match explanation.verdict {
            Verdict::Route(chosen) => plain.by(*chosen),
            Verdict::MethodNotAllowed { allow } => Explained {
                status: Some(405),
                why: "only routes for other methods match".to_owned(),
                allow: Some(allow),
                ..plain
            },
            Verdict::NotFound => Explained { status: Some(404), why: "no route matches".to_owned(), ..plain },
            Verdict::BadRequest { reason } => {
                Explained { status: Some(400), why: reason.to_owned(), ..plain }
            }
        }
    }
}

impl Explained {
    fn by(self, chosen: Chosen) -> Explained {
        let (services, status) = match &chosen.leads {
            Leads::Services(services) => {
                // What is filled in makes a path that nobody is asked for.
                let is_refused = matches!(chosen.rewritten, Some(Rewritten::Refused(_)));
                (services.clone(), is_refused.then_some(400))
            }
            Leads::Answer(status) => (Vec::new(), Some(*status)),
        };
        let possible: Vec<&str> =
            services.iter().filter(|(_, weight)| *weight > 0).map(|(name, _)| &**name).collect();
        let service = match possible[..] {
            [only] => Some(only.to_owned()),
            _ => None,
        };
        let share = |(name, weight): (std::sync::Arc<str>, u32)| Share { service: name.to_string(), weight };
        Explained {
            route: Some(chosen.name.to_string()),
            why: chosen.why,
            place: Some(Place {
                file: chosen.place.source.name.clone(),
                line: chosen.place.line,
                column: chosen.place.column,
            }),
            params: chosen.params.into_iter().collect(),
            policies: chosen.policies.iter().map(|met| met.name.to_owned()).collect(),
            meets: chosen.policies.into_iter().map(Meets::from).collect(),
            service,
            to: Some(To { services: services.into_iter().map(share).collect(), status, ..To::default() }),
            steer: chosen.steer,
            mirror: chosen.mirror,
            timeout_seconds: chosen.timeout.map(|time| time.as_secs_f64()),
            body_bytes_max: Some(chosen.body_bytes_max),
            rewritten: match chosen.rewritten {
                Some(Rewritten::To(path)) => Some(path),
                Some(Rewritten::Hidden) => Some(String::from("…")),
                Some(Rewritten::Refused(_)) | None => None,
            },
            closed: chosen.closed.iter().map(|name| name.to_string()).collect(),
            status,
            ..self
        }
    }
}

/// Says which route would take a request and why, and what the nearest others lack.
#[utoipa::path(get, path = "/api/v1/explain", operation_id = "explain", tag = "routes", params(Question),
    responses(
        (status = 200, description = "What would become of it.", body = Explained),
        (status = 400, description = "What was asked is no request.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn ask(
    State(panel): State<Panel>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Explained>, Problem> {
    let pairs = Pairs::read(query.map(|Query(pairs)| pairs).unwrap_or_default())?;
    let running = panel.view.running();
    let asked =
        Asked { method: &pairs.method, url: &pairs.url, headers: &pairs.headers, listener: &pairs.listener };
    match tidegate_config::explain(&running.config, &running.snapshot, asked) {
        Ok(explanation) => Ok(Json(explanation.into())),
        Err(said) => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, said.reason);
            Err(match said.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            })
        }
    }
}
