//! The listener for operators: who may use it, its pages, the API, and the connections themselves. Control plane:
//! ordinary libraries, its own threads, nothing of it on a worker. The program makes the socket and implements `View`.

mod access;
mod api;
mod lobby;
mod moment;
mod pages;
mod problem;
mod serve;
mod view;

pub use access::Access;
pub use api::explain::Explained;
pub use pages::READY_BY_LAST_GOOD;
pub use serve::{Listener, serve};
pub use view::{NotReloaded, Origin, Reloaded, Reloading, Running, View};

use axum::Router;
use axum::http::{Method, StatusCode};
use problem::Problem;
use std::sync::Arc;

/// What every handler may ask.
#[derive(Clone)]
pub(crate) struct Panel {
    pub(crate) view: Arc<dyn View>,
    pub(crate) access: Arc<Access>,
}

/// Everything the admin listener answers, behind the guard.
pub fn router(view: Arc<dyn View>, access: Arc<Access>) -> Router {
    let panel = Panel { view, access };
    let (routes, _) = api::routes().split_for_parts();
    routes
        .fallback(|| async {
            let problem = Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path");
            problem.hint("`/api/v1/openapi.json` describes what there is")
        })
        .method_not_allowed_fallback(|method: Method| async move {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} has no meaning here"))
        })
        .layer(axum::middleware::from_fn_with_state(panel.clone(), access::guard))
        .with_state(panel)
}

/// The OpenAPI document of the admin listener, as JSON.
pub fn openapi() -> &'static str {
    api::document()
}
