//! Writes that a page of somebody else makes a browser send are refused. The cookie is SameSite=Strict besides, and
//! there is no CORS on this listener: no page elsewhere can read anything.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};

use crate::problem::Problem;

/// Lets reads pass, and writes that no browser sent, or one on a page of this listener.
pub(super) fn check(request: &Request) -> Result<(), Problem> {
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    match is_write && !is_own(request.headers()) {
        false => Ok(()),
        true => {
            let problem = Problem::new(StatusCode::FORBIDDEN, "this was sent by a page of another origin");
            Err(problem.hint("a browser may write here only from a page of the admin listener itself"))
        }
    }
}

/// Browsers say where a request comes from: `Sec-Fetch-Site` (Fetch Metadata) and `Origin` (RFC 6454). Others send
/// neither.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // `none` is a person's own doing, such as a bookmark.
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match (text(header::ORIGIN.as_str()), text(header::HOST.as_str())) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let asked = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            asked.is_some_and(|asked| asked.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn writes_of_other_pages_are_refused() {
        let check = |method: &str, headers: &[(&str, &str)], expected: bool| {
            let mut request = Request::builder().method(method).uri("/").header("host", "127.0.0.1:9900");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(super::check(&request).is_ok(), expected, "{method} {headers:?}");
        };
        check("POST", &[], true);
        check("POST", &[("origin", "http://127.0.0.1:9900")], true);
        check("POST", &[("origin", "http://127.0.0.1:9900"), ("sec-fetch-site", "same-origin")], true);
        check("POST", &[("sec-fetch-site", "none")], true);
        check("POST", &[("origin", "http://evil.org")], false);
        check("POST", &[("origin", "http://127.0.0.1:9901")], false);
        check("POST", &[("origin", "null")], false);
        check("POST", &[("origin", "127.0.0.1:9900")], false);
        check("POST", &[("sec-fetch-site", "cross-site")], false);
        check("POST", &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9900")], false);
        check("DELETE", &[("origin", "http://evil.org")], false);
        check("GET", &[("origin", "http://evil.org"), ("sec-fetch-site", "cross-site")], true);
    }
}
