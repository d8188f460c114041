//! Which routes are said to be passed by where a listener lets more through than by default.

use super::*;
use crate::{Families, from_text};
use std::path::Path;
use tidegate_core::building::Building;
use tidegate_core::node::Node;
use tidegate_core::policy::{Kind, Phase, RequestView, ResponseView, Verdict};
use tidegate_core::settings::Shape;

struct Idle;

impl Policy for Idle {
    fn phase(&self) -> Phase {
        Phase::Access
    }

    fn request<'a>(&'a self, _: RequestView<'a>) -> Verdict<'a> {
        Verdict::Continue
    }

    fn response(&self, _: ResponseView<'_>) {}
}

fn build(_: &Node, _: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    vec![Box::new(Idle)]
}

const fn kind(name: &'static str) -> Kind {
    Kind { name, doc: "", shape: || Shape::Word { what: "a word", pattern: "" }, build }
}

const POLICIES: &[Kind] = &[kind("allow"), kind("limit"), kind("shield"), kind("headers")];

/// The warnings about these routes of a listener that has these `paths`, each by line and the route it names.
fn warned(paths: &str, routes: &str) -> Vec<String> {
    let balancers = &[tidegate_core::balance::Kind {
        name: "nobody",
        doc: "",
        build: tidegate_core::balance::Build::Plain(|| Box::new(crate::members::Nobody)),
    }];
    let text = format!(
        "version: 1\nlisten: {{ open: {{ bind: \"127.0.0.1:0\", paths: {{ {paths} }} }}, strict: \"127.0.0.1:0\" }}\n\
         services: {{ a: {{ backends: [\"127.0.0.1:1\"] }} }}\nroutes:\n{routes}"
    );
    let config = from_text("f", &text, Path::new("/"), &Families::new(POLICIES, balancers))
        .unwrap_or_else(|problems| panic!("{problems}"));
    config.warnings.iter().map(|warning| format!("{}: {}", warning.line().unwrap(), warning.reason)).collect()
}

const SLASHES: &str = "merge_slashes: false";
const ESCAPED: &str = "encoded_slash: keep";

#[test]
fn guards_that_can_be_got_past_are_warned_of() {
    let routes = |guards: &str, other: &str| {
        format!("  - {{ match: /admin/**, to: a{guards} }}\n  - {{ match: \"{other}\", to: a }}\n")
    };
    let limit = ", limit: 1";
    for (paths, guards, other, is_warned) in [
        ("", limit, "/**", false),
        ("merge_slashes: true, encoded_slash: refuse", limit, "/**", false),
        (SLASHES, limit, "/**", true),
        (SLASHES, ", headers: 1", "/**", false),
        (SLASHES, ", allow: 1", "/{x}/**", true),
        (SLASHES, ", shield: 1", "/a/**", false),
        // `//` makes a path longer, and `{x}` is never empty.
        (SLASHES, limit, "/{x}", false),
        (ESCAPED, limit, "/{x}", true),
        (ESCAPED, limit, "/**", true),
        (ESCAPED, limit, "/a/{x}", false),
        (ESCAPED, limit, "/", false),
        // More specific, not less.
        (ESCAPED, limit, "/admin/{x}/**", false),
    ] {
        let warned = warned(paths, &routes(guards, other));
        assert_eq!(!warned.is_empty(), is_warned, "{paths} {guards} {other}: {warned:?}");
    }
    assert_eq!(
        warned(&format!("{SLASHES}, {ESCAPED}"), &routes(", limit: 1, allow: 2, headers: 3", "/{x}/**")),
        [
            "5: the listener `open` lets `//` and `%2F` through: a path that a backend may take for one of this route can \
          come by `/{x}/**`, without `limit` and `allow`"
        ]
    );
}

#[test]
fn a_route_that_is_guarded_alike_or_never_met_is_no_way_past() {
    let guarded = "  - { match: /a/b/**, to: a, limit: 1, allow: 1 }\n";
    for (other, is_warned) in [
        ("{ match: /**, to: a, limit: 1, allow: 1 }", false),
        ("{ match: /**, to: a, limit: 2, allow: 1 }", true),
        ("{ match: /a/**, to: a, limit: 1 }", true),
        ("{ match: /**, to: { respond: 404 } }", false),
        ("{ match: /**, to: { redirect: /x } }", false),
        ("{ match: /**, to: { a: 1 } }", true),
        ("{ match: /**, to: a, listeners: [strict] }", false),
        ("{ match: /**, to: a, listeners: [open] }", true),
        ("{ match: { path: /a/b/**, methods: [GET] }, to: a }", false),
    ] {
        let warned = warned(SLASHES, &format!("{guarded}  - {other}\n"));
        assert_eq!(!warned.is_empty(), is_warned, "{other}: {warned:?}");
    }
    for (host, other, is_warned) in [
        ("a.example", "a.example", true),
        ("a.example", "b.example", false),
        ("a.example", "*.example", true),
        ("*.a.example", "*.example", true),
        ("*.example", "a.example", false),
        ("xa.example", "*.a.example", false),
    ] {
        let route = |host: &str, path: &str, keys: &str| {
            format!("  - {{ match: {{ host: \"{host}\", path: {path} }}, to: a{keys} }}\n")
        };
        let warned = warned(SLASHES, &(route(host, "/a/**", ", limit: 1") + &route(other, "/**", "")));
        assert_eq!(!warned.is_empty(), is_warned, "{host} {other}: {warned:?}");
    }
}
