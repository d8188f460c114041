//! The rules of routing, one by one, as tables; `property` holds them against a literal reading, and
//! `work` counts what they cost.

use super::*;
use crate::head::Span;
use crate::path;

/// `METHODS host path +other_conditions`: each part but the path may be missing; hosts have a dot or a colon.
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

/// Looks `METHOD host path` up. Conditions beside host, path and methods hold for the routes in `holding`.
/// The answer is the route's text, `Allow: …` or `none`.
fn find(routes: &[&str], request: &str, holding: &[&str]) -> String {
    let compiled: Vec<RouteMatch> = routes.iter().map(|text| route(text)).collect();
    let parts: Vec<&str> = request.split(' ').collect();
    let mut path = parts[2].as_bytes().to_vec();
    let whole = Span::new(0, path.len());
    let plain = path::plain(&mut path, whole);
    let lookup = Lookup {
        host: parts[1].as_bytes(),
        path: plain.of(&path),
        method: Method::of(parts[0].as_bytes()),
        method_text: parts[0].as_bytes(),
    };
    match Router::new(&compiled).find(lookup, |index| holding.contains(&routes[index])) {
        Found::Route(index) => routes[index].into(),
        Found::MethodNotAllowed(allowed) => format!("Allow: {allowed}"),
        Found::None => "none".into(),
    }
}

/// Cases whose outcome does not depend on the order of the routes.
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
    check(&["/{x}/**"], &[("GET h /a", "/{x}/**"), ("GET h /a/b", "/{x}/**"), ("GET h /", "none")]);
}

#[test]
fn a_literal_path_matches_itself_alone() {
    check(
        &["/", "/a", "/a/", "/a/b"],
        &[
            ("GET h /", "/"),
            ("GET h /a", "/a"),
            ("GET h /a/", "/a/"),
            ("GET h /a/b", "/a/b"),
            ("GET h /a/b/", "none"),
            ("GET h //", "none"),
            ("GET h /A", "none"),
            ("GET h a", "none"),
        ],
    );
    // However the operator spells it.
    check(&["/café", "/%7eme"], &[("GET h /caf%C3%A9", "/café"), ("GET h /~me", "/%7eme")]);
}

#[test]
fn a_literal_matches_whatever_a_backend_reads_as_it() {
    check(
        &["/a/**", "/a/b!/{x}", "/{x}/c", "/**", "/b%7B%2A/d"],
        &[
            ("GET h /a;v=1", "/a/**"),
            ("GET h /a;/e", "/a/**"),
            ("GET h /a%3Bv=1/e", "/a/**"),
            ("GET h /a/b%21/c;", "/a/b!/{x}"),
            ("GET h /a;x/b!;y/c", "/a/b!/{x}"),
            ("GET h /%25/c;x", "/{x}/c"),
            ("GET h /b;x/d%3B", "/**"),
            ("GET h /b%7B*;/d", "/b%7B%2A/d"),
            ("GET h /b{%2A/d", "/b%7B%2A/d"),
            // An escaped slash is part of its segment where a listener keeps it, and no literal has one.
            ("GET h /a%2Fb", "/**"),
            ("GET h /a/b%21%2F/c", "/a/**"),
        ],
    );
    check(&["/a%252Fb", "/{x}"], &[("GET h /a%252Fb", "/a%252Fb"), ("GET h /a%2Fb", "/{x}")]);
}

#[test]
fn trace_is_for_routes_that_name_it() {
    let any = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";
    check(
        &["/a", "TRACE,PURGE /b", "/b", "POST /c", "PUT,LOCK /d", "/d/**"],
        &[
            ("TRACE h /a", &format!("Allow: {any}")),
            ("PURGE h /a", "/a"),
            ("TRACE h /b", "TRACE,PURGE /b"),
            ("GET h /b", "/b"),
            ("TRACE h /c", "Allow: POST"),
            ("TRACE h /d", &format!("Allow: {any}, LOCK")),
            ("TRACE h /none", "none"),
        ],
    );
}

#[test]
fn a_name_matches_one_segment_that_is_not_empty() {
    check(
        &["/a/{x}"],
        &[
            ("GET h /a/b", "/a/{x}"),
            ("GET h /a/%20", "/a/{x}"),
            ("GET h /a", "none"),
            ("GET h /a/", "none"),
            ("GET h /a/b/", "none"),
            ("GET h /a/b/c", "none"),
        ],
    );
    check(&["/a/{x}/b"], &[("GET h /a/1/b", "/a/{x}/b"), ("GET h /a//b", "none")]);
}

#[test]
fn the_most_specific_path_wins() {
    check(
        &["/**", "/a/**", "/a/{x}", "/a/b", "/{x}/b", "/a/{x}/**", "/a/b/**", "/{x}/{y}"],
        &[
            ("GET h /a/b", "/a/b"),
            ("GET h /a/c", "/a/{x}"),
            ("GET h /c/b", "/{x}/b"),
            ("GET h /c/d", "/{x}/{y}"),
            ("GET h /a", "/a/**"),
            ("GET h /a/", "/a/**"),
            ("GET h /a/b/c", "/a/b/**"),
            ("GET h /a/c/d", "/a/{x}/**"),
            ("GET h /c/d/e", "/**"),
        ],
    );
    // More literals win, even from behind a `**`: two against one.
    check(&["/a/b/**", "/a/{x}/{y}"], &[("GET h /a/b/c", "/a/b/**"), ("GET h /a/c/b", "/a/{x}/{y}")]);
    // As many literals: more names win, and then no `**`.
    check(&["/a/{x}/**", "/a/**"], &[("GET h /a/b", "/a/{x}/**"), ("GET h /a", "/a/**")]);
    check(&["/a/{x}", "/a/{x}/**"], &[("GET h /a/b", "/a/{x}"), ("GET h /a/b/c", "/a/{x}/**")]);
    // A literal that leads nowhere does not hide a name that does.
    check(&["/a/b/c", "/{x}/b/d", "/a/{x}/e"], &[("GET h /a/b/d", "/{x}/b/d"), ("GET h /a/b/e", "/a/{x}/e")]);
}

#[test]
fn the_host_comes_before_the_path() {
    check(
        &["/a/b", "*.x.org /a/**", "*.y.x.org /**", "z.y.x.org /**", "x.org /a/b", "[::1] /a"],
        &[
            ("GET z.y.x.org /a/b", "z.y.x.org /**"),
            ("GET q.y.x.org /a/b", "*.y.x.org /**"),
            ("GET p.q.y.x.org /a/b", "*.y.x.org /**"),
            ("GET y.x.org /a/b", "*.x.org /a/**"),
            ("GET q.x.org /a/b", "*.x.org /a/**"),
            ("GET x.org /a/b", "x.org /a/b"),
            ("GET org /a/b", "/a/b"),
            ("GET ax.org /a/b", "/a/b"),
            ("GET .x.org /a/b", "/a/b"),
            // Nothing for this path at the host: on to the next best.
            ("GET x.org /a", "none"),
            ("GET q.x.org /b", "none"),
            ("GET  /a/b", "/a/b"),
            // A port, the case and a final dot do not matter.
            ("GET Z.y.X.ORG:8443 /", "z.y.x.org /**"),
            ("GET x.org. /a/b", "x.org /a/b"),
            ("GET x.org.:80 /a/b", "x.org /a/b"),
            ("GET [::1] /a", "[::1] /a"),
            ("GET [::1]:8080 /a", "[::1] /a"),
        ],
    );
}

#[test]
fn a_host_falls_back_when_its_routes_do_not_fit() {
    check(
        &["GET a.x.org /**", "POST *.x.org /b", "/b", "/c"],
        &[
            ("GET a.x.org /b", "GET a.x.org /**"),
            ("POST a.x.org /b", "POST *.x.org /b"),
            ("PUT a.x.org /b", "/b"),
            ("PUT a.x.org /c", "/c"),
            ("PUT a.x.org /d", "Allow: GET, HEAD"),
        ],
    );
}

#[test]
fn a_very_long_host_is_no_host() {
    let long = format!("GET {}x.org /a", "a.".repeat(4000));
    check(&["*.x.org /a", "/a"], &[(&long, "/a")]);
}

#[test]
fn methods() {
    check(
        &["GET /a", "POST,PURGE /a", "DELETE /{x}", "/b"],
        &[
            ("GET h /a", "GET /a"),
            ("HEAD h /a", "GET /a"),
            ("POST h /a", "POST,PURGE /a"),
            ("PURGE h /a", "POST,PURGE /a"),
            ("DELETE h /a", "DELETE /{x}"),
            ("PUT h /a", "Allow: GET, HEAD, POST, DELETE, PURGE"),
            ("LINK h /a", "Allow: GET, HEAD, POST, DELETE, PURGE"),
            ("get h /a", "Allow: GET, HEAD, POST, DELETE, PURGE"),
            ("GET h /c", "Allow: DELETE"),
            ("GET h /c/d", "none"),
            ("LINK h /b", "/b"),
        ],
    );
    // HEAD does not include GET.
    check(&["HEAD /a"], &[("GET h /a", "Allow: HEAD"), ("HEAD h /a", "HEAD /a")]);
}

#[test]
fn a_method_that_does_not_fit_leaves_the_less_specific_route() {
    check(
        &["POST /orders/new", "/orders/{id}", "GET /**"],
        &[
            ("POST h /orders/new", "POST /orders/new"),
            ("GET h /orders/new", "/orders/{id}"),
            ("GET h /orders", "GET /**"),
            ("POST h /orders", "Allow: GET, HEAD"),
        ],
    );
}

#[test]
fn more_conditions_win_and_then_the_file() {
    let routes = ["/a", "+1 /a", "GET /a", "GET +1 /a", "+3 /a"];
    let all = &routes[..];
    for (request, holding, expected) in [
        ("GET h /a", all, "+3 /a"),
        ("GET h /a", &["GET +1 /a", "+1 /a"], "GET +1 /a"),
        // A list of methods is one condition: as many as another one, and it stands later.
        ("GET h /a", &["+1 /a"], "+1 /a"),
        ("POST h /a", &["GET +1 /a"], "/a"),
        ("GET h /a", &[], "GET /a"),
    ] {
        assert_eq!(find(&routes, request, holding), expected, "{request}, {holding:?}");
    }
    // Conditions count only between equal paths, and conditions that do not hold let nobody in.
    assert_eq!(find(&["+9 /{x}", "/a"], "GET h /a", &["+9 /{x}"]), "/a");
    assert_eq!(find(&["+1 /a"], "GET h /a", &[]), "none");
    assert_eq!(find(&["POST +1 /a"], "GET h /a", &[]), "none");
    assert_eq!(find(&["POST +1 /a"], "GET h /a", &["POST +1 /a"]), "Allow: POST");
    // Equal in everything: the first of the file.
    assert_eq!(find(&["/{x}/b", "/a/{y}"], "GET h /a/b", &[]), "/{x}/b");
    assert_eq!(find(&["/a/{y}", "/{x}/b"], "GET h /a/b", &[]), "/a/{y}");
}

#[test]
fn other_conditions_are_asked_about_only_where_all_else_fits() {
    let routes = ["x.org +1 /a", "POST +1 /a", "+1 /b", "+2 /a", "/a", "+1 /**"].map(route);
    let lookup = Lookup { host: b"y.org", path: b"/a", method: Method::Get, method_text: b"GET" };
    let asked = std::cell::RefCell::new(Vec::new());
    let found = Router::new(&routes).find(lookup, |route| {
        asked.borrow_mut().push(route);
        false
    });
    assert_eq!((found, asked.take()), (Found::Route(4), vec![3]));
}

#[test]
fn no_routes_match_nothing() {
    check(&[], &[("GET h /", "none"), ("GET  *", "none")]);
}
