//! The rules of routing, one by one, as tables; `property` holds them all against a literal reading.

use super::*;

/// `METHODS host path +other_conditions`: each part but the path may be missing.
fn route(text: &str) -> RouteMatch {
    let mut route = RouteMatch {
        host: None,
        path: PathPattern::parse("/").unwrap(),
        methods: MethodSet::default(),
        other_conditions: 0,
    };
    for part in text.split(' ') {
        if part.starts_with('/') {
            route.path = PathPattern::parse(part).unwrap();
        } else if let Some(count) = part.strip_prefix('+') {
            route.other_conditions = count.parse().unwrap();
        } else if part.contains(['.', ':']) {
            route.host = Some(HostPattern::parse(part).unwrap());
        } else {
            part.split(',').for_each(|method| route.methods.insert(method).unwrap());
        }
    }
    route
}

/// Looks `METHOD host path` up; conditions beside host, path and methods hold for routes whose number is
/// in `holding`. The answer is the route's text, `Allow: …` or `none`.
fn find(routes: &[&str], request: &str, holding: &[usize]) -> String {
    let compiled: Vec<RouteMatch> = routes.iter().map(|text| route(text)).collect();
    let parts: Vec<&str> = request.split(' ').collect();
    let lookup = Lookup {
        host: parts[1].as_bytes(),
        path: parts[2].as_bytes(),
        method: Method::of(parts[0].as_bytes()),
        method_text: parts[0].as_bytes(),
    };
    match Router::new(&compiled).find(lookup, |route| holding.contains(&route)) {
        Found::Route(index) => routes[index].into(),
        Found::MethodNotAllowed(allowed) => format!("Allow: {allowed}"),
        Found::None => "none".into(),
    }
}

fn check(routes: &[&str], cases: &[(&str, &str)]) {
    for (request, expected) in cases {
        assert_eq!(find(routes, request, &[]), *expected, "{request} among {routes:?}");
        let reversed: Vec<&str> = routes.iter().rev().copied().collect();
        assert_eq!(find(&reversed, request, &[]), *expected, "{request} among {reversed:?}");
    }
}

#[test]
fn a_rest_matches_its_root_and_all_below() {
    check(
        &["/a/**"],
        &[
            ("GET h /a", "/a/**"),
            ("GET h /a/", "/a/**"),
            ("GET h /a/b/c", "/a/**"),
            ("GET h /a//b", "/a/**"),
            ("GET h /ab", "none"),
            ("GET h /", "none"),
            ("GET h /b/a", "none"),
        ],
    );
    check(
        &["/**"],
        &[("GET h /", "/**"), ("GET h //", "/**"), ("GET h /x/y", "/**"), ("OPTIONS h *", "none")],
    );
}
