//! Edits as operators write them, applied to heads as codecs fill them.

use super::*;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead};
use tidegate_core::identity::{Consumer, Identity};
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::problem::{Place, Source};
use tidegate_core::template::Origin;

/// What is written: names to remove, names and values to set.
type Written<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

const NOTHING: Written<'static> = (&[], &[]);

fn node(value: Value) -> Node {
    Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value }
}

fn text(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: true, is_resolved: false }))
}

fn map(entries: &[(&str, Node)]) -> Node {
    let entry = |(key, value): &(&str, Node)| {
        let place = value.place.clone();
        Entry { key: (*key).into(), place, value: value.clone() }
    };
    node(Value::Map(entries.iter().map(entry).collect()))
}

fn edits((remove, set): Written<'_>) -> Node {
    let set: Vec<_> = set.iter().map(|(name, value)| (*name, text(value))).collect();
    let remove = remove.iter().map(|name| text(name)).collect();
    map(&[("set", map(&set)), ("remove", node(Value::List(remove)))])
}

fn built(request: Written<'_>, response: Written<'_>) -> (Option<Box<dyn Policy>>, Vec<String>) {
    let mut alone = Alone::new("a", &[]);
    let written = map(&[("request", edits(request)), ("response", edits(response))]);
    let policy = alone.build(|building| build(&written, building)).pop();
    (policy, alone.problems.iter().map(|problem| problem.reason.clone()).collect())
}

/// The fields as they go out, on one line.
fn lines(fields: &Fields) -> String {
    let mut out = Vec::new();
    fields.write_lines(&mut out);
    String::from_utf8(out).unwrap().replace("\r\n", " | ")
}

fn filled(fields: &mut Fields, lines: &[(&str, &str)]) {
    lines.iter().for_each(|(name, value)| fields.push(name, value.as_bytes()));
}

/// Applies the same edits to a request and to an answer with these fields; what comes of each.
fn check(written: Written<'_>, before: &[(&str, &str)], request_after: &str, answer_after: &str) {
    let (policy, problems) = built(written, written);
    assert_eq!(problems, [""; 0]);
    let policy = policy.unwrap();
    let client = Client {
        address: "10.0.0.9:5".parse().ok(),
        listener: "http".into(),
        is_secure: false,
        trusted: None,
        door: None,
    };
    let consumer = Consumer::new("web").unwrap();
    let identity = Identity { consumer, scopes: Box::default(), by: "keys".into() };
    let origin = Origin { client: &client, request_id: b"7f", identity: Some(&identity) };
    let mut request = RequestHead::default();
    request.host = request.fields.add_text(b"a.example:80");
    request.path = request.fields.add_text(b"/orders/7");
    filled(&mut request.fields, before);
    assert!(matches!(
        policy.request(RequestView { head: &mut request, origin, note: &mut 0 }),
        Verdict::Continue
    ));
    assert_eq!(lines(&request.fields), request_after);
    let mut answer = ResponseHead::default();
    filled(&mut answer.fields, before);
    policy.response(ResponseView {
        head: &mut answer,
        request: &request,
        origin,
        note: 0,
        length: Length::Empty,
    });
    assert_eq!(lines(&answer.fields), answer_after);
}

fn check_both(written: Written<'_>, before: &[(&str, &str)], after: &str) {
    check(written, before, after, after);
}

#[test]
fn fields_are_removed_then_set_and_all_others_keep_their_order() {
    let before = [("B", "1"), ("X-Env", "dev"), ("Cookie", "c"), ("A", "2"), ("x-ENV", "test"), ("B", "3")];
    check_both((&["cookie"], &[]), &before, "B: 1 | X-Env: dev | A: 2 | x-ENV: test | B: 3 | ");
    check_both((&[], &[("x-env", "prod")]), &before, "B: 1 | Cookie: c | A: 2 | B: 3 | x-env: prod | ");
    check_both((&["b", "X-Gone"], &[("z", "9"), ("Y", "8")]), &before[..2], "X-Env: dev | z: 9 | y: 8 | ");
    check_both((&["x-env"], &[("x-env", "prod")]), &before[1..2], "x-env: prod | ");
    check_both((&["a"], &[]), &[], "");
    check_both((&[], &[("empty", "")]), &[], "empty:  | ");
}

#[test]
fn values_may_mention_the_request() {
    check_both((&[], &[("x-of", "{host}{path}")]), &[], "x-of: a.example:80/orders/7 | ");
    check_both(
        (&[], &[("x-ip", "{client_ip}"), ("x-id", "<{request_id}>")]),
        &[],
        "x-ip: 10.0.0.9 | x-id: <7f> | ",
    );
    check_both((&[], &[("x-who", "<{consumer}>")]), &[], "x-who: <web> | ");
    check_both((&[], &[("x-json", r#"{"a":{}}"#)]), &[], r#"x-json: {"a":{}} | "#);
}

#[test]
fn a_client_cannot_pass_an_edit_by_another_spelling() {
    let before = [("X_User", "admin"), ("x-user_", "kept"), ("X-User", "me")];
    check((&[], &[("x-user", "{client_ip}")]), &before, "x-user_: kept | x-user: 10.0.0.9 | ", {
        "X_User: admin | x-user_: kept | x-user: 10.0.0.9 | "
    });
    check((&["x-user"], &[]), &before, "x-user_: kept | ", "X_User: admin | x-user_: kept | ");
    check((&["x_user"], &[]), &before, "x-user_: kept | ", "x-user_: kept | X-User: me | ");
}

#[test]
fn what_is_wrong_is_told_and_what_asks_for_nothing_is_not_run() {
    let reasons = |written| built(written, NOTHING).1;
    assert_eq!(reasons((&["Host"], &[])), ["`Host` is set by the service"]);
    let own = ["`Content_Length` is written by the gateway itself"];
    assert_eq!(reasons((&[], &[("Content_Length", "5")])), own);
    let unknown = ["`{nobody}` mentions a value that does not exist"];
    assert_eq!(reasons((&[], &[("x-a", "{nobody}")])), unknown);
    assert_eq!(reasons((&[], &[("x-a", "1"), ("X-A", "2")])), ["`X-A` is there twice"]);
    let (policy, problems) = built(NOTHING, NOTHING);
    assert!(policy.is_none() && problems.is_empty());
    assert!(built(NOTHING, (&["server"], &[])).0.is_some());
}
