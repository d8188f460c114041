//! What is not the API: health for load balancers, metrics for Prometheus, the way in for a browser, and the page it
//! comes to.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use std::fmt::Write;
use tidegate_telemetry::prometheus::{self, Scene};

use crate::Panel;
use crate::access::{COOKIE, SESSION_TIME};
use crate::problem::Problem;
use crate::serve::Door;
use crate::view::Origin;

/// Where a one-time link leads.
pub(crate) const ENTER: &str = "/enter";

/// What `/readyz` says of a gateway that serves what was kept, as its files cannot be used.
pub const READY_BY_LAST_GOOD: &str = "ready, by the last good configuration\n";

/// Says that the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()),
    responses((status = 200, description = "It is.", content_type = "text/plain", body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether it takes new requests: it has a configuration and is not draining; and whether that is the last good one.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses(
        (status = 200, description = "It does.", content_type = "text/plain", body = String),
        (status = 503, description = "It is draining.", content_type = "text/plain", body = String),
    ))]
pub(crate) async fn readyz(State(panel): State<Panel>) -> impl IntoResponse {
    match (panel.view.is_ready(), panel.view.running().origin) {
        (true, Origin::LastGood) => (StatusCode::OK, READY_BY_LAST_GOOD),
        (true, _) => (StatusCode::OK, "ready\n"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// The meters in Prometheus text format. Open where only this machine can reach the listener.
#[utoipa::path(get, path = "/metrics", tag = "metrics",
    responses((status = 200, description = "All metrics.", content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(State(panel): State<Panel>) -> impl IntoResponse {
    let view = &panel.view;
    let snapshot = view.snapshot();
    let page = prometheus::text(&Scene {
        snapshot: &snapshot,
        meters: view.meters(),
        recent: view.recent(),
        shelf: view.shelf(),
        version: view.version(),
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}

/// The query of a one-time link.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Code {
    /// The code in the link.
    #[serde(default)]
    code: String,
}

/// Takes the code of the link that is printed at start, once and within five minutes, and gives a cookie for it.
#[utoipa::path(get, path = "/enter", tag = "session", params(Code), security(()),
    responses(
        (status = 303, description = "On to the first page, with the cookie."),
        (status = 401, description = "The code is wrong, late, or was used.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn enter(
    State(panel): State<Panel>,
    door: Option<Extension<Door>>,
    query: Result<Query<Code>, QueryRejection>,
) -> Response {
    let code = query.map(|Query(Code { code })| code).unwrap_or_default();
    let door = door.map_or(Door { client: None, is_local: false }, |Extension(door)| door);
    match panel.access.enter(&code, door, &panel.view.meters().admin) {
        Ok(session) => {
            let age = SESSION_TIME.as_secs();
            let cookie = format!("{COOKIE}={session}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict");
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())])
                .into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// What the page leads to.
const LINKS: [&str; 7] = [
    "/api/v1/services",
    "/api/v1/routes",
    "/api/v1/refusals",
    "/api/v1/certificates",
    "/api/v1/config",
    "/api/v1/openapi.json",
    "/metrics",
];

/// What can be looked at here.
#[utoipa::path(get, path = "/", tag = "session",
    responses((status = 200, description = "A page of links.", content_type = "text/html", body = String)))]
pub(crate) async fn index(State(panel): State<Panel>) -> Html<String> {
    let running = panel.view.running();
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tidegate</title><h1>Tidegate {}</h1>\
         <p>Snapshot {}{}. Routes: {}. Services: {}.</p><ul>",
        panel.view.version(),
        running.snapshot.number,
        if running.origin == Origin::LastGood { ", the last good one: the files cannot be used" } else { "" },
        running.snapshot.plans.len(),
        running.snapshot.services.len(),
    );
    for path in LINKS {
        // Writing to a String cannot fail.
        let _ = write!(page, "<li><a href=\"{path}\">{path}</a></li>");
    }
    page.push_str("</ul></html>\n");
    Html(page)
}
