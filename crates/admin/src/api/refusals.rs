//! What policies refused of late and why: what clients are not told, found by the id that they were given.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::net::IpAddr;
use tidegate_core::meters::Told;
use utoipa::{IntoParams, ToSchema};

use super::Json;
use crate::problem::Problem;
use crate::{Panel, moment};

/// Most refusals of one answer: more is for the access log.
const SHOWN_MAX: usize = 200;

/// Which refusals are asked for; all that are still known without any of these.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Of the request with this id.
    #[param(example = "1ae2489a776ef0d72e6d178180c130ba")]
    request_id: Option<String>,
    /// Of requests to this route.
    route: Option<String>,
}

/// Refusals.
#[derive(Serialize, ToSchema)]
pub(crate) struct Refusals {
    /// The newest first. Each route keeps its last 64.
    refusals: Vec<Refusal>,
}

/// A refusal.
#[derive(Serialize, ToSchema)]
pub(crate) struct Refusal {
    /// When the request came.
    time: String,
    /// The request's id.
    request_id: String,
    /// Its client's address, or what a trusted proxy before the gateway says of it; none on a Unix socket.
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    client: Option<IpAddr>,
    /// Its method.
    method: String,
    /// Its path as the client asked for it, without the query; of a long one the beginning.
    path: String,
    /// The route that took it.
    route: String,
    /// The policy that refused it.
    policy: &'static str,
    /// Why, in a word of the policy.
    reason: &'static str,
    /// What else is known; may be empty.
    detail: String,
    /// Whether the policy only watched, and the request went on.
    observed: bool,
}

/// Says what policies refused of late, and why.
#[utoipa::path(get, path = "/api/v1/refusals", operation_id = "list_refusals", tag = "routes", params(Wanted),
    responses((status = 200, description = "The last ones.", body = Refusals)))]
pub(crate) async fn list(
    State(panel): State<Panel>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Refusals>, Problem> {
    let Query(wanted) = query.map_err(|_| {
        let problem =
            Problem::new(StatusCode::BAD_REQUEST, "the query has something else than was asked for");
        problem.hint("it takes `request_id` and `route`, as in `/api/v1/refusals?request_id=…`")
    })?;
    let is_wanted = |told: &Told| wanted.request_id.as_deref().is_none_or(|id| *told.request_id == *id);
    let mut found = Vec::new();
    for meters in panel.view.meters().routes() {
        if wanted.route.as_deref().is_none_or(|route| *meters.route == *route) {
            let told = meters.refusals.told().into_iter().filter(is_wanted);
            found.extend(told.map(|told| (told, meters.route.clone())));
        }
    }
    found.sort_by_key(|(told, _)| Reverse(told.at));
    found.truncate(SHOWN_MAX);
    let shown = |(told, route): (Told, std::sync::Arc<str>)| Refusal {
        time: moment::text(told.at),
        request_id: told.request_id.into(),
        client: told.client.map(|client| client.to_canonical()),
        method: told.method.into(),
        path: told.path.into(),
        route: route.to_string(),
        policy: told.refused.policy,
        reason: told.refused.reason,
        detail: told.detail.into(),
        observed: told.refused.is_observed,
    };
    Ok(Json(Refusals { refusals: found.into_iter().map(shown).collect() }))
}
