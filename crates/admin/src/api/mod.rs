//! The API, `/api/v1`: one file per matter, each handler with its own description. From these the document at
//! `/api/v1/openapi.json` is made, so that it says what is there and nothing else.

mod certificates;
mod config;
pub(crate) mod explain;
mod refusals;
mod reload;
mod routes;
mod services;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::OnceLock;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::{Panel, pages};

/// All handlers of the admin listener, with their descriptions.
pub(crate) fn routes() -> OpenApiRouter<Panel> {
    OpenApiRouter::with_openapi(frame())
        .routes(routes!(pages::healthz))
        .routes(routes!(pages::readyz))
        .routes(routes!(pages::metrics))
        .routes(routes!(pages::enter))
        .routes(routes!(pages::index))
        .routes(routes!(config::show))
        .routes(routes!(reload::reload))
        .routes(routes!(services::list))
        .routes(routes!(services::backends))
        .routes(routes!(routes::list))
        .routes(routes!(refusals::list))
        .routes(routes!(certificates::list))
        .routes(routes!(explain::ask))
        .routes(routes!(describe))
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "describe", tag = "api",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = Object)))]
async fn describe() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document())
}

/// The document, made once.
pub(crate) fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document = routes().into_openapi();
        for item in document.paths.paths.values_mut() {
            operations(item).into_iter().flatten().for_each(describe_refusals);
        }
        // Made of our own types, which all have JSON.
        serde_json::to_string(&document).unwrap_or_default()
    })
}

/// What the document says beside its paths.
fn frame() -> OpenApi {
    let info = InfoBuilder::new().title("Tidegate admin API").version("1").description(Some(
        "What runs, why a request goes where it goes, and reload. Errors are problem details (RFC 9457).",
    ));
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = ComponentsBuilder::new()
        .security_scheme("token", token)
        .schema(Problem::name(), Problem::schema())
        .build();
    OpenApiBuilder::new()
        .info(info.build())
        .components(Some(components))
        .security(Some([SecurityRequirement::new("token", [] as [&str; 0])]))
        .build()
}

fn operations(item: &mut PathItem) -> [Option<&mut Operation>; 3] {
    [item.get.as_mut(), item.post.as_mut(), item.delete.as_mut()]
}

/// The guard may refuse every request, whatever it is for: that is said once for all.
fn describe_refusals(operation: &mut Operation) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let refusal = ResponseBuilder::new()
        .description("Refused: no credential or a wrong one (401), too many wrong ones (429), a page of another origin (403), a name the listener does not have (421), and whatever else went wrong.")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(refusal));
}

/// A JSON answer.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            // None of our types can fail to become JSON; a client gets no half of one all the same.
            Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written")
                .into_response(),
        }
    }
}
