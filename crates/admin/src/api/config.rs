//! The configuration that runs, as it was written.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Json;
use crate::Panel;
use crate::problem::Problem;
use crate::view::Origin;

/// A configuration as it was read.
#[derive(Serialize, ToSchema)]
#[schema(as = Configuration)]
pub(crate) struct Shown {
    /// The number of the snapshot that was made of it.
    snapshot: u64,
    /// The files it was read from.
    files: Vec<String>,
    /// Whether it was read from them as they are, or is what was kept of them.
    origin: Origin,
    /// What stands in them. Secrets are shown as `[secret]`, and what came from `${…}` as it was written.
    #[schema(value_type = Object)]
    config: Box<RawValue>,
}

/// Shows the configuration that runs, without secrets.
#[utoipa::path(get, path = "/api/v1/config", operation_id = "show_configuration", tag = "configuration",
    responses((status = 200, description = "As it was written.", body = Shown)))]
pub(crate) async fn show(State(panel): State<Panel>) -> Result<Json<Shown>, Problem> {
    let running = panel.view.running();
    let written = &running.config.written;
    let config = RawValue::from_string(written.json().to_owned()).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the configuration could not be written as JSON")
    })?;
    Ok(Json(Shown {
        snapshot: running.snapshot.number,
        files: written.files().to_vec(),
        origin: running.origin,
        config,
    }))
}
