//! The listener for operators. So far: health, readiness and metrics. Control plane: ordinary libraries, its own
//! threads, nothing of it on a worker.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tidegate_core::meters::Meters;
use tidegate_core::plan::Snapshot;
use tidegate_telemetry::prometheus::{self, Scene};

/// What the admin listener shows, asked at every request.
pub trait View: Send + Sync + 'static {
    /// The snapshot in use.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// The counters.
    fn meters(&self) -> &Meters;
    /// The program's version.
    fn version(&self) -> &str;
    /// Whether it takes new requests: it has a snapshot and is not draining.
    fn is_ready(&self) -> bool;
}

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
    let page =
        prometheus::text(&Scene { snapshot: &snapshot, meters: view.meters(), version: view.version() });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}
