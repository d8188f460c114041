//! What a lookup costs, counted in nodes entered and places probed, so that no machine and no neighbour
//! changes the result.

use super::tree::{Case, NONE, hash};
use super::*;

fn route(path: &str, method: &str, other_conditions: usize) -> RouteMatch {
    let mut methods = MethodSet::default();
    if !method.is_empty() {
        methods.insert(method).unwrap();
    }
    RouteMatch { host: None, path: PathPattern::parse(path).unwrap(), methods, other_conditions }
}

fn find(router: &Router, path: &str) -> (Found, usize) {
    let lookup =
        Lookup { host: b"api.example.com", path: path.as_bytes(), method: Method::Get, method_text: b"GET" };
    router.find_counted(lookup, |_| false)
}

fn steps(router: &Router, path: &str) -> usize {
    find(router, path).1
}

/// A table of so many routes as an API has them: collections, items, and things below items.
fn api(count: usize) -> Router {
    let shapes =
        ["/v1/c{i}", "/v1/c{i}/{id}", "/v1/c{i}/{id}/parts", "/v1/c{i}/{id}/parts/{part}", "/s{i}/**"];
    let routes = (0..count).map(|i| {
        let path = shapes[i % shapes.len()].replace("{i}", &(i / shapes.len()).to_string());
        route(&path, ["GET", ""][i % 2], 0)
    });
    Router::new(&routes.collect::<Vec<_>>())
}

#[test]
fn ten_thousand_routes_take_as_many_steps_as_ten() {
    let (few, many) = (api(10), api(10_000));
    for path in
        ["/v1/c1", "/v1/c1/7", "/v1/c1/7/parts", "/v1/c1/7/parts/8", "/s1/a/b/c", "/none", "/v1/none/x"]
    {
        assert_eq!(steps(&few, path), steps(&many, path), "{path}");
    }
    assert_eq!(steps(&many, "/v1/c1999/7/parts/8"), 6, "the root and one node per segment");
}

#[test]
fn a_long_path_costs_no_more_than_the_patterns_go_deep() {
    let router = api(1000);
    assert!(steps(&router, &format!("/s1{}", "/a".repeat(4000))) <= 3);
    assert!(steps(&router, &"/v1".repeat(2000)) <= 8);
}

/// Every mix of a literal and a name over so many segments: 2^depth routes, all of which match `/a/a/…`.
fn overlapping(depth: usize, method: &str, other_conditions: usize) -> Vec<RouteMatch> {
    let path = |mix: usize| -> String {
        (0..depth).map(|at| if mix >> at & 1 == 0 { "/a".into() } else { format!("/{{p{at}}}") }).collect()
    };
    (0..1 << depth).map(|mix| route(&path(mix), method, other_conditions)).collect()
}

#[test]
fn overlapping_patterns_are_cut_off_once_a_better_one_is_found() {
    const DEPTH: usize = 12;
    let router = Router::new(&overlapping(DEPTH, "", 0));
    let path = "/a".repeat(DEPTH);
    assert_eq!(steps(&router, &path), 1 + DEPTH, "the best is found first, and nothing else is entered");
    // Here each `b` needs a name, and subtrees with more literals than that look better until they are seen.
    let path = "/a/b".repeat(DEPTH / 2);
    assert!(steps(&router, &path) <= 100, "of 8191 nodes: {}", steps(&router, &path));
}

#[test]
fn overlapping_patterns_for_other_methods_are_not_entered() {
    const DEPTH: usize = 10;
    let mut routes = overlapping(DEPTH, "POST", 0);
    routes.push(route("/**", "GET", 0));
    let router = Router::new(&routes);
    assert_eq!(steps(&router, &"/a".repeat(DEPTH)), 1);
}

#[test]
fn the_worst_case_is_bounded_by_the_patterns() {
    // Nothing can be cut off: all match and no other condition holds, twice, as there is no other route.
    const DEPTH: usize = 10;
    let router = Router::new(&overlapping(DEPTH, "", 1));
    let nodes = (1 << (DEPTH + 1)) - 1;
    assert_eq!(steps(&router, &"/a".repeat(DEPTH)), 2 * nodes);
    assert!(steps(&router, &"/a".repeat(100)) <= 2 * nodes);
}

#[test]
fn the_table_of_edges_has_no_long_runs() {
    for names in [
        (|i| format!("/c{i}")) as fn(usize) -> String,
        |i| format!("/orders-{i:08}"),
        |i| format!("/{}", "a".repeat(1 + i % 200)) + &format!("/{i}"),
        |i| format!("/{:x}", i * 65_536),
    ] {
        let routes: Vec<RouteMatch> = (0..10_000).map(|i| route(&names(i), "", 0)).collect();
        let tree = Router::new(&routes).tree;
        let mut moved = Vec::new();
        for (place, edge) in tree.edges.iter().enumerate().filter(|(_, edge)| edge.child != NONE) {
            let node = tree.node(edge.child);
            let text = &tree.text[node.text_start as usize..][..node.text_bytes as usize];
            let home = hash(node.parent, text, Case::Counts) as usize;
            moved.push(place.wrapping_sub(home) & (tree.edges.len() - 1));
        }
        let mean = moved.iter().sum::<usize>() as f64 / moved.len() as f64;
        // At most half full and well mixed: 0.5 and about 20 are to be expected (Knuth, vol. 3, 6.4).
        assert!(mean < 0.7, "{}: {mean} places past the first on average", names(7));
        assert!(moved.iter().all(|&moved| moved < 60), "{}: {:?}", names(7), moved.iter().max());
    }
}

#[test]
fn texts_with_one_hash_are_told_apart() {
    // Of so many texts about ten pairs have one tag (half of a hash, 32 bits); a table of two edges has but
    // two first places for the other half.
    let mut seen = std::collections::HashMap::new();
    let mut pairs = 0;
    for text in (0..300_000).map(|i| format!("t{i}")) {
        let tag = super::tree::tag(hash(super::tree::ANY_HOST, text.as_bytes(), Case::Counts));
        if let Some(twin) = seen.insert(tag, text.clone()) {
            pairs += 1;
            let router = Router::new(&[route(&format!("/{twin}"), "", 0)]);
            assert_eq!(find(&router, &format!("/{twin}")).0, Found::Route(0));
            assert_eq!(find(&router, &format!("/{text}")).0, Found::None, "{twin}");
        }
    }
    assert!(pairs > 0);
    // The hash of hosts knows no case, and takes a few other bytes for one another.
    let mut host = route("/", "", 0);
    host.host = Some(HostPattern::parse("my_api.org").unwrap());
    let router = Router::new(&[host]);
    for (host, expected) in [("MY_API.org", Found::Route(0)), ("my\x7fapi.org", Found::None)] {
        let lookup = Lookup { host: host.as_bytes(), path: b"/", method: Method::Get, method_text: b"GET" };
        assert_eq!(router.find(lookup, |_| true), expected, "{host:?}");
    }
}
