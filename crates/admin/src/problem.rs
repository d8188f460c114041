//! What a client of the admin listener is told when it cannot have what it asked for: problem details (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidegate_core::problem;
use utoipa::ToSchema;

/// Problem details (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says which kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status code.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// What is wrong with the configuration, where that is the problem; in the order of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Fault>,
}

/// One thing to mend in a configuration.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// The file, as the gateway was told of it.
    file: Option<String>,
    /// The line, from 1.
    line: Option<u32>,
    /// The column in characters, from 1.
    column: Option<u32>,
    /// What is wrong.
    reason: String,
    /// How to mend it.
    hint: Option<String>,
}

impl Problem {
    /// A problem with one request.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Unknown"),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            problems: Vec::new(),
        }
    }

    /// The same with a hint.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }

    /// A configuration that cannot be used.
    pub(crate) fn of_configuration(problems: &problem::Problems) -> Problem {
        let detail = "the configuration cannot be used; what ran before goes on";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        Problem { problems: Fault::list(problems), ..problem }
    }
}

impl Fault {
    /// Problems or warnings of a configuration, in the order of the file.
    pub(crate) fn list(problems: &problem::Problems) -> Vec<Fault> {
        let fault = |problem: &problem::Problem| Fault {
            file: problem.file().map(str::to_owned),
            line: problem.line(),
            column: problem.column(),
            reason: problem.reason.clone(),
            hint: problem.hint.clone(),
        };
        problems.iter().map(fault).collect()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
