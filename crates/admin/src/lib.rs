//! The listener for operators. So far: health, readiness and metrics. Control plane: ordinary libraries, its own
//! threads, nothing of it on a worker.

mod view;

pub use view::{NotReloaded, Reloaded, Reloading, Running, View};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tidegate_telemetry::prometheus::{self, Scene};

/// The routes of the admin listener. `/healthz`, `/readyz` and `/metrics` are open: the listener is on loopback
/// unless the configuration says otherwise.
pub fn router(view: Arc<dyn View>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(view)
}

async fn readyz(State(view): State<Arc<dyn View>>) -> impl IntoResponse {
    match view.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics(State(view): State<Arc<dyn View>>) -> impl IntoResponse {
    let snapshot = view.snapshot();
    let page = prometheus::text(&Scene {
        snapshot: &snapshot,
        meters: view.meters(),
        recent: view.recent(),
        version: view.version(),
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}
