//! One canonical path: what the backend receives is what router and policies decided on. Escapes of
//! unreserved characters are decoded, others upper-cased, empty segments merged, dot segments resolved; what readers
//! understand differently is refused.

use super::{After, Case, Outcome, Reaches, carried, case, refused};

pub(super) fn paths() -> Vec<Case> {
    let path = |id, sent: &str, reaches: &str| {
        let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        carried(id, request(sent), request(reaches))
    };
    let same = |id, target: &str| path(id, target, target);
    let bad = |id, target: &str| refused(id, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    vec![
        path("path-unreserved-decoded", "/ID/%61%5A%30%2D%5F%7E", "/ID/aZ0-_~"),
        path("path-unreserved-decoded", "/ID/a%2Eb", "/ID/a.b"),
        path("path-escapes-upper-cased", "/ID/%c3%a9%3f%25%20", "/ID/%C3%A9%3F%25%20"),
        path("path-dots-resolved", "/ID/./a", "/ID/a"),
        path("path-dots-resolved", "/ID/a/../b", "/ID/b"),
        path("path-dots-resolved", "/ID/a/..", "/ID/"),
        path("path-dots-resolved", "/ID/a/.", "/ID/a/"),
        path("path-dots-resolved", "/ID/b//../a", "/ID/a"),
        path("path-dots-resolved", "/x/y/../../ID", "/ID"),
        path("path-encoded-dots-resolved", "/ID/a/%2e%2E/b", "/ID/b"),
        path("path-encoded-dots-resolved", "/ID/%2e/a", "/ID/a"),
        path("path-encoded-dots-resolved", "/ID/a/.%2e/b", "/ID/b"),
        same("path-not-decoded-twice", "/ID/%2561%252E"),
        same("path-many-dots-kept", "/ID/.../.a/..b/a.."),
        path("path-empty-segments-merged", "/ID//a//", "/ID/a/"),
        path("path-empty-segments-merged", "//ID///a", "/ID/a"),
        same("path-parameters-kept", "/ID/a;p=1/...;/b;"),
        bad("path-parameters-alone", "/;/ID"),
        bad("path-parameters-alone", "/ID/;a=b"),
        bad("path-parameters-alone", "/ID/%3Ba=b"),
        bad("path-parameters-alone", "/a/..;/ID"),
        bad("path-parameters-alone", "/a/%2E.;x/ID"),
        bad("path-parameters-alone", "/a/.%3b/ID"),
        same("path-sub-delims-kept", "/ID/!$&'()*+,=:@"),
        same("path-query-kept", "/ID?a=%2f%61&b=/../c?d"),
        same("path-query-kept", "/ID?"),
        path("path-query-kept", "/ID/%61?%61", "/ID/a?%61"),
        bad("path-encoded-slash", "/ID/%2Fa"),
        bad("path-encoded-slash", "/ID/a%2fb"),
        bad("path-encoded-backslash", "/ID/%5Ca"),
        bad("path-encoded-backslash", "/ID/..%5c"),
        bad("path-encoded-nul", "/ID/a%00"),
        bad("path-backslash", "/ID\\a"),
        bad("path-bad-escape", "/ID/%"),
        bad("path-bad-escape", "/ID/%4"),
        bad("path-bad-escape", "/ID/%zz"),
        bad("path-bad-escape", "/ID/%u0061"),
        bad("path-climbs", "/../ID"),
        bad("path-climbs", "/%2e%2e/ID"),
        bad("path-climbs", "/a/../../ID"),
        routed("path-routed-canonical", "/x/../respond/ID"),
        routed("path-routed-canonical", "/%72espond/./ID"),
        routed("path-routed-canonical", "//respond//ID"),
        routed("path-routed-canonical", "/respond;a=b/ID"),
        routed("path-routed-canonical", "/respond%3Ba/ID"),
    ]
}

/// The router sees the canonical path: this one has a route with an answer of its own.
fn routed(id: &'static str, target: &str) -> Case {
    let outcome =
        Outcome { answers: vec![&[200]], reaches: Reaches::Exactly(Vec::new()), after: After::Kept };
    case(id, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), outcome)
}
