//! Paths as operators write them, and what backends are asked for.

use super::*;
use crate::exchange::Client;
use crate::router::PathPattern;

fn rewritten(pattern: &str, text: &str, path: &str, id: &[u8]) -> Result<String, &'static str> {
    let names = PathPattern::parse(pattern).unwrap().path_names();
    let rewrite = Rewrite::parse(text, &names).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    let client =
        Client { address: None, listener: "http".into(), is_secure: false, trusted: None, door: None };
    let mut head = RequestHead::default();
    head.host = head.fields.add_text(b"[::1]:80");
    head.path = head.fields.add_text(path.as_bytes());
    head.path_rules.merge_slashes = !path.contains("//");
    let applied = rewrite.apply(&mut head, Origin { client: &client, request_id: id, identity: None });
    assert_eq!(head.path_bytes(), path.as_bytes(), "all others see the client's");
    match applied {
        Ok(()) => Ok(String::from_utf8(head.path_sent_bytes().to_vec()).unwrap()),
        Err(refusal) => {
            assert_eq!((refusal.status, head.path_sent_bytes()), (400, path.as_bytes()));
            Err(refusal.reason)
        }
    }
}

#[test]
fn what_is_filled_in_stays_in_its_place() {
    let dots = Err("dot segment in the rewritten path");
    for (pattern, text, path, expected) in [
        ("/{x}", "/v2/{x}", "/a", Ok("/v2/a")),
        ("/{x}", "/v2/{x}", "/a%3Fb%23%25", Ok("/v2/a%3Fb%23%25")),
        ("/{x}", "/v2/{x}{x}", "/...", Ok("/v2/......")),
        ("/{x}", "/%7e/%c3%a9/{x}", "/a", Ok("/~/%C3%A9/a")),
        ("/{x}/**", "/{rest}/{x}", "/a/b/c", Ok("/b/c/a")),
        ("/{x}/**", "/{rest}/{x}", "/a", Ok("/a")),
        ("/a/**", "{path}", "/a/b", Ok("/a/b")),
        ("/a/**", "{path}/{rest}", "/a/b", Ok("/a/b/b")),
        ("/a/**", "/{host}/{client_ip}/", "/a", Ok("/%5B::1%5D:80/")),
        ("/a/**", "/{request_id}", "/a", Ok("/..x")),
        ("/a/**", "/b/.{rest}", "/a/c", Ok("/b/.c")),
        ("/a/**", "/b/.{rest}", "/a", dots),
        ("/a/**", "/b/..{rest}", "/a/", dots),
        ("/a/**", "/b/.{rest}/c", "/a/", dots),
        ("/a/**", "/b/{rest};v=1/c", "/a/d;w", Ok("/b/d;w;v=1/c")),
        ("/a/**", "/b/{rest};v=1/c", "/a", Err("parameters without a segment in path")),
        ("/a/**", "/b/.{rest};v=1/c", "/a", Err("parameters without a segment in path")),
        ("/{x}", "/v2/{x}/d", "/a;b=c%3Bd", Ok("/v2/a;b=c%3Bd/d")),
        ("/a/**", "/b//{rest}//c", "/a", Ok("/b/c")),
        ("/a/**", "/b/%2E%61{rest}", "/a/", Ok("/b/.a")),
    ] {
        let found = rewritten(pattern, text, path, b"..x");
        assert_eq!(found.as_deref().map_err(|reason| *reason), expected, "{text} for {path}");
    }
    // A listener that keeps the client's slashes keeps them here.
    assert_eq!(rewritten("/a/**", "/b/{rest}", "/a//c", b""), Ok(String::from("/b//c")));
    // Ids are the gateway's own, but may one day be kept from a trusted peer.
    assert_eq!(rewritten("/a", "/v2/{request_id}/x", "/a", b".."), Err("dot segment in the rewritten path"));
}
