//! What operators write for paths, hosts and methods: how it is read, and the reasons of what is refused.

use super::*;

#[test]
fn params_are_parts_of_the_path() {
    for (pattern, path, expected) in [
        ("/a/b", "/a/b", &[][..]),
        ("/orders/{id}", "/orders/42", &[("id", "42")]),
        ("/{a}/x/{b-2}/**", "/1/x/%20/3/4", &[("a", "1"), ("b-2", "%20")]),
        ("/{a}/**", "/1", &[("a", "1")]),
        // Paths that do not match: no promise but to be calm.
        ("/{a}/{b}", "/1", &[("a", "1")]),
        ("/{a}", "", &[("a", "")]),
    ] {
        let pattern = PathPattern::parse(pattern).unwrap();
        let params: Vec<(&str, &str)> = pattern
            .params(path.as_bytes())
            .map(|(name, span)| (name, path.get(span.start as usize..span.end as usize).unwrap_or("")))
            .collect();
        assert_eq!(params, expected, "{pattern} {path}");
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        assert!(pattern.names().collect::<Vec<_>>().starts_with(&names));
    }
}

#[test]
fn patterns_are_parsed_or_refused_with_a_reason() {
    for (text, expected) in [
        ("/", Ok("/")),
        ("/**", Ok("/**")),
        ("/a//b/", Ok("/a//b/")),
        ("/{a}/{b_1-c}/**", Ok("/{a}/{b_1-c}/**")),
        ("/%7euser/%c3%a9", Ok("/~user/%C3%A9")),
        ("/é ", Ok("/%C3%A9%20")),
        ("/a|b", Ok("/a|b")),
        ("/a%21%7c%25%7b", Ok("/a!|%25%7B")),
        ("/a;v=1", Err("`a;v=1`: what follows a `;` is no part of what is compared: leave it out")),
        ("/a%3Bv", Err("`a%3Bv`: what follows a `;` is no part of what is compared: leave it out")),
        ("/;", Err("\";\": parameters without a segment in path")),
        ("", Err("a path begins with `/`")),
        ("a", Err("a path begins with `/`")),
        ("**", Err("a path begins with `/`")),
        ("/**/a", Err("`**` can only be the last segment")),
        ("/**/**", Err("`**` can only be the last segment")),
        ("/*", Err("`*`: write `{name}` for one segment, or `**` at the end for any rest")),
        ("/a**", Err("`a**`: write `{name}` for one segment, or `**` at the end for any rest")),
        ("/a{x}", Err("`a{x}`: `{name}` stands for a whole segment")),
        ("/{x", Err("`{x`: `{name}` stands for a whole segment")),
        ("/{}", Err("`{}`: a name is a-z, then a-z, 0-9, `_` or `-`")),
        ("/{X}", Err("`{X}`: a name is a-z, then a-z, 0-9, `_` or `-`")),
        ("/{1a}", Err("`{1a}`: a name is a-z, then a-z, 0-9, `_` or `-`")),
        ("/{a}/{a}", Err("`{a}` stands there twice")),
        ("/a/../b", Err("\"..\": path climbs above the root")),
        ("/a/%2e/b", Err("`%2e` never matches, as it is resolved before routing")),
        ("/a%2fb", Err("\"a%2fb\": encoded slash in path")),
        ("/a%00", Err("\"a%00\": encoded NUL in path")),
        ("/a%4", Err("\"a%4\": bad escape in path")),
        ("/a?b", Err("\"a?b\": byte not allowed in path")),
        ("/a\\b", Err("\"a\\\\b\": backslash in path")),
        ("/a\n", Err("\"a\\n\": byte not allowed in path")),
    ] {
        let parsed = PathPattern::parse(text).map(|pattern| pattern.to_string());
        assert_eq!(parsed.as_deref().map_err(String::as_str), expected, "{text:?}");
    }
}

#[test]
fn hosts_are_parsed_or_refused_with_a_reason() {
    let long = format!("{}.org", "a".repeat(64));
    for (text, expected) in [
        ("localhost", Ok("localhost")),
        ("API.Example.com.", Ok("api.example.com")),
        ("*.Example.com", Ok("*.example.com")),
        ("10.0.0.1", Ok("10.0.0.1")),
        ("my_service.default", Ok("my_service.default")),
        ("[2001:DB8::1]", Ok("[2001:db8::1]")),
        ("*", Err("leave `host` out for any host")),
        ("*.", Err("`*.` is not a host name")),
        ("", Err("`` is not a host name")),
        ("a..b", Err("`a..b` is not a host name")),
        ("a b", Err("`a b` is not a host name")),
        (&long, Err(&*format!("`{long}` is not a host name"))),
        ("a.*.b", Err("`a.*.b`: `*.` can only stand at the beginning")),
        ("*a.b", Err("`*a.b`: `*.` can only stand at the beginning")),
        ("a.b:80", Err("`a.b:80`: a host has no port here; the listener decides that")),
        ("::1", Err("`::1`: a host has no port here; the listener decides that")),
        ("[::g]", Err("`[::g]` is not an IPv6 address in brackets")),
        ("*.[::1]", Err("`*.[::1]` is not an IPv6 address in brackets")),
        ("bücher.example", Err("`bücher.example`: write the name as clients send it, in its `xn--` form")),
    ] {
        let parsed = HostPattern::parse(text).map(|pattern| pattern.to_string());
        assert_eq!(parsed.as_deref().map_err(String::as_str), expected, "{text:?}");
    }
}

#[test]
fn method_names_are_parsed_or_refused_with_a_reason() {
    let mut set = MethodSet::default();
    assert!(set.is_empty());
    for (text, expected) in [
        ("PATCH", Ok(())),
        ("PURGE", Ok(())),
        ("PURGE", Ok(())),
        ("link", Ok(())),
        ("GET", Ok(())),
        ("get", Err("method names are case-sensitive: write `GET`")),
        ("", Err("`` is not a method name")),
        ("GET POST", Err("`GET POST` is not a method name")),
        ("GÉT", Err("`GÉT` is not a method name")),
    ] {
        assert_eq!(set.insert(text), expected.map_err(String::from), "{text}");
    }
    assert_eq!(set.to_string(), "GET, HEAD, PATCH, PURGE, link");
    let has = |text: &str| set.has(Method::of(text.as_bytes()), text.as_bytes());
    assert!(["GET", "HEAD", "PATCH", "PURGE", "link"].into_iter().all(has));
    assert!(!["POST", "LINK", "UNLINK", ""].into_iter().any(has));
}
