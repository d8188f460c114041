//! Where clients are sent, and that nothing they ask for chooses the host.

use super::*;
use crate::exchange::Client;
use crate::router::PathPattern;

fn request(host: &str, target: &str) -> RequestHead {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut head = RequestHead::default();
    head.host = head.fields.add_text(host.as_bytes());
    head.path = head.fields.add_text(path.as_bytes());
    head.query = head.fields.add_text(query.unwrap_or_default().as_bytes());
    head.has_query = query.is_some();
    head
}

/// Where a route with this path sends a request.
fn sent(pattern: &str, to: &str, host: &str, target: &str) -> Result<String, &'static str> {
    let names = PathPattern::parse(pattern).unwrap().path_names();
    let location = Location::parse(to, &names).unwrap_or_else(|fault| panic!("{to}: {fault:?}"));
    let address = "[2001:db8::1]:9".parse().ok();
    let client = Client { address, listener: "http".into(), is_secure: false, trusted: None, door: None };
    let mut out = b"before".to_vec();
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let written = location.write(&request(host, target), origin, &mut out);
    written.map_err(|refusal| refusal.reason)?;
    Ok(String::from_utf8(out[6..].to_vec()).unwrap())
}

#[test]
fn values_and_the_query_are_filled_in_where_they_belong() {
    for (pattern, to, target, expected) in [
        ("/**", "https://{host}{path}", "/a/b", "https://h.example:81/a/b"),
        ("/**", "https://{host}", "/a", "https://h.example:81"),
        ("/**", "https://{host}?from=a", "/a?b", "https://h.example:81?from=a&b"),
        ("/**", "https://{host}:8443/x", "/a", "https://h.example:8443/x"),
        ("/**", "http://www.{host}/", "/a", "http://www.h.example:81/"),
        ("/**", "http://[::1]:80{path}", "/a", "http://[::1]:80/a"),
        ("/**", "https://n.example", "/a?b=c", "https://n.example?b=c"),
        ("/**", "https://n.example/#x", "/a?b=c", "https://n.example/?b=c#x"),
        ("/**", "https://n.example/?", "/a?b=c", "https://n.example/?b=c"),
        ("/**", "https://n.example/?x&", "/a?b=c", "https://n.example/?x&b=c"),
        ("/**", "https://n.example/?x", "/a", "https://n.example/?x"),
        ("/**", "https://n.example/?x", "/a?", "https://n.example/?x"),
        ("/**", "https://n.example/", "/a?", "https://n.example/?"),
        ("/{x}/**", "/{rest}/{x}", "/a%3F/b/c%20", "/b/c%20/a%3F"),
        ("/{x}/**", "/n?x={x}&r={rest}#{x}", "/a%26&b/c=/d", "/n?x=a%26%26b&r=c%3D/d#a%26%26b"),
        (
            "/**",
            "/{host}/{client_ip}?{request_id}&h={host}",
            "/",
            "/h.example:81/2001:db8::1?7f&h=h.example:81",
        ),
        ("/**", "/a//b{path}", "//c", "/a//b//c"),
    ] {
        assert_eq!(sent(pattern, to, "h.example:81", target).as_deref(), Ok(expected), "{to} for {target}");
    }
    let at = |host: &str, to: &str| sent("/**", to, host, "//evil.example/x");
    assert_eq!(at("[::1]:81", "https://{host}:1{path}").as_deref(), Ok("https://[::1]:1//evil.example/x"));
    assert_eq!(at("[::1]", "https://{host}:1{path}").as_deref(), Ok("https://[::1]:1//evil.example/x"));
    assert_eq!(at("[::1]:81", "/{host}").as_deref(), Ok("/%5B::1%5D:81"));
    let nameless = Err("no host to be redirected to");
    assert_eq!(at("", "https://{host}{path}"), nameless);
    assert_eq!(at("", "https://{host}:1{path}"), nameless);
    assert_eq!(at("", "/{host}{path}").as_deref(), Ok("/evil.example/x"));
}

/// The host a browser would ask: that of the URL, or its own (WHATWG URL §4.4: a backslash counts as a slash there,
/// and of several slashes any number begins an authority).
fn host_of(location: &str, own: &str) -> String {
    let is_slash = |c: char| c == '/' || c == '\\';
    let rest = match location.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) => rest,
        _ if location.starts_with(is_slash) && location[1..].starts_with(is_slash) => location,
        _ => return own.to_owned(),
    };
    let rest = rest.trim_start_matches(is_slash);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name.to_owned(),
        _ => host.to_owned(),
    }
}

/// Texts and requests of the pieces that matter. The seed is fixed: a failure is the same every time.
#[test]
fn nothing_in_a_path_or_a_query_becomes_the_host() {
    const TEXT: [&str; 17] = [
        "https://",
        "http://",
        "n.example",
        "{host}",
        "{path}",
        "{x}",
        "{rest}",
        "/",
        "/",
        "//",
        ":80",
        "?",
        "#",
        "@",
        ".",
        "{client_ip}",
        "a",
    ];
    const ASKED: [&str; 14] =
        ["/", "/", "/", "evil.example", "@", ":", "%40", "%23", "..", "https:", "a", ";", "\"", "%3F"];
    let mut state = 0x5eed_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut taken, mut refused) = (0, 0);
    let pattern = PathPattern::parse("/{x}/**").unwrap();
    let names = pattern.path_names();
    for _ in 0..40_000 {
        let to: String = (0..1 + next(6)).map(|_| TEXT[next(TEXT.len())]).collect();
        if Location::parse(&to, &names).is_err() {
            refused += 1;
            continue;
        }
        taken += 1;
        for _ in 0..8 {
            let rest: String = (0..next(8)).map(|_| ASKED[next(ASKED.len())]).collect();
            let mut path = Vec::new();
            let raw = format!("/e{rest}");
            match crate::path::canonical(raw.as_bytes(), crate::path::PathRules::STRICT, &mut path) {
                Ok(crate::path::Canonical::Same) => path = raw.into_bytes(),
                Ok(_) => {}
                Err(_) => continue,
            }
            let target = format!("{}?//evil.example", String::from_utf8(path).unwrap());
            let sent = sent("/{x}/**", &to, "own.example", &target).unwrap();
            let host = host_of(&sent, "own.example");
            let is_meant = host.ends_with("own.example") || to.contains(&host);
            assert!(is_meant && !host.contains("evil"), "{to} sends {target} to {sent}, which is {host}");
        }
    }
    assert!(taken > 2000 && refused > 2000, "{taken} {refused}");
}
