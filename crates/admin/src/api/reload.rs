//! Reading the configuration anew.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use super::Json;
use crate::Panel;
use crate::problem::{Fault, Problem};
use crate::view::NotReloaded;

/// Far more than any request here has to say.
const BODY_BYTES_MAX: usize = 1 << 20;
/// For a whole body; it comes with the head from whoever means it.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A configuration that was taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// The number of the snapshot that is in use now.
    snapshot: u64,
    /// What differs from the one before, such as `routes.orders-read`.
    changed: Vec<String>,
    /// What is allowed in it, and may yet not be meant.
    warnings: Vec<Fault>,
}

/// Reads the configuration anew and takes it, whole or not at all. Answers when every worker serves it.
#[utoipa::path(post, path = "/api/v1/reload", operation_id = "reload", tag = "configuration",
    responses(
        (status = 200, description = "It was taken.", body = Taken),
        (status = 400, description = "The request says something, and there is nothing to say.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 1 MiB.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be used: `problems` says why. What ran before goes on.", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "This gateway has no configuration to read anew.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn reload(
    State(panel): State<Panel>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    nothing_said(&headers, body).await?;
    match panel.view.clone().reload().await {
        Ok(reloaded) => {
            let warnings = Fault::list(&reloaded.warnings);
            Ok(Json(Taken { snapshot: reloaded.snapshot, changed: reloaded.changed, warnings }))
        }
        Err(NotReloaded::Problems(problems)) => Err(Problem::of_configuration(&problems)),
        Err(NotReloaded::Impossible(why)) => Err(Problem::new(StatusCode::NOT_IMPLEMENTED, why)),
    }
}

/// Refuses a body that means to say something: it would be ignored, and its sender believe otherwise.
async fn nothing_said(headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case("application/json") {
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a body here is JSON");
            return Err(problem.hint("send no body, or `{}` as `application/json`"));
        }
    }
    let Ok(read) = tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES_MAX)).await else {
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in 10 seconds"));
    };
    let body = read.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB, or broke off")
    })?;
    match body.trim_ascii() {
        b"" | b"{}" => Ok(()),
        _ => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "a reload takes no settings");
            Err(problem.hint("the files are read anew: change them, and send no body"))
        }
    }
}
