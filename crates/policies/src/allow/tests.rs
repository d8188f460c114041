//! What may be listed, and what is told of lists that let nobody pass. Who passes is tested through the gateway.

use super::*;
use tidegate_core::building::Alone;
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::problem::{Place, Source};

fn node(value: Value) -> Node {
    Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value }
}

fn text(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: true, is_resolved: false }))
}

/// Keys and what is listed under each.
type Lists<'a> = &'a [(&'a str, &'a [&'a str])];

/// What is told of these lists, beside these keys; else what the policy says of itself.
fn check(keys: &[&'static str], lists: Lists<'_>) -> Result<String, Vec<String>> {
    let list = |all: &[&str]| node(Value::List(all.iter().map(|one| text(one)).collect()));
    let entry = |(key, all): &(&str, &[&str])| Entry {
        key: (*key).into(),
        place: node(Value::Null).place,
        value: list(all),
    };
    let written = node(Value::Map(lists.iter().map(entry).collect()));
    let mut alone = Alone::new("a", keys);
    let built = alone.build(|building| build(&written, building)).pop();
    let told: Vec<String> = alone.problems.iter().map(|problem| problem.reason.clone()).collect();
    match built {
        Some(policy) if told.is_empty() => Ok(policy.describe()),
        _ => Err(told),
    }
}

#[test]
fn it_says_who_passes() {
    let all: Lists<'_> = &[
        ("consumers", &["web", "a b"]),
        ("scopes", &["orders:read"]),
        ("ips", &["10.0.0.0/8", "::1"]),
        ("methods", &["GET", "PURGE"]),
    ];
    let line = "lets pass consumer web or a b, and scope orders:read, and address 10.0.0.0/8 or ::1, and method GET or PURGE";
    assert_eq!(check(&["auth", "allow"], all), Ok(line.into()));
    assert_eq!(check(&["allow"], &[("methods", &["GET"])]), Ok("lets pass method GET".into()));
}

#[test]
fn what_would_let_nobody_pass_is_told() {
    let cases: [(Lists<'_>, &str); 9] = [
        (&[], "says nothing of who may pass"),
        (&[("methods", &[])], "nobody would pass"),
        (&[("ips", &[])], "nobody would pass"),
        (&[("consumers", &["web"])], "`consumers` needs to know who asks, and nobody finds out"),
        (&[("scopes", &["a"])], "`scopes` needs to know who asks, and nobody finds out"),
        (&[("methods", &["get"])], "`get` is not a method"),
        (&[("methods", &["A B"])], "`A B` is not a method"),
        (
            &[("ips", &["10.0.0.1/8"])],
            "`10.0.0.1/8` is an address within a network, with the network's prefix",
        ),
        (
            &[("methods", &["GET"]), ("scopes", &["a b"])],
            "`scopes` needs to know who asks, and nobody finds out",
        ),
    ];
    for (lists, reason) in cases {
        let told = check(&["allow"], lists).unwrap_err();
        assert_eq!(told.first().map(String::as_str), Some(reason), "{lists:?}");
    }
    let told = check(&["auth"], &[("consumers", &[" a"]), ("scopes", &["a\"b"])]).unwrap_err();
    assert_eq!(told, ["` a` is not the name of a consumer", "`a\"b` is not a scope"]);
}
