//! The one form of a path, as tables and by chance.

use super::*;

const KEEP: PathRules = PathRules { merge_slashes: false, encoded_slash: EncodedSlash::Keep };

fn check(path: &str, expected: Result<&str, &str>) {
    check_by(PathRules::STRICT, path, expected);
}

fn check_by(rules: PathRules, path: &str, expected: Result<&str, &str>) {
    let mut out = b"before".to_vec();
    let found = canonical(path.as_bytes(), rules, &mut out);
    let found = match &found {
        Ok(Canonical::Same) => {
            assert_eq!(out, b"before", "{path}");
            Ok(path)
        }
        Ok(Canonical::Changed) => {
            let text = std::str::from_utf8(&out[6..]).unwrap();
            assert_ne!(text, path, "said to be changed and is not");
            Ok(text)
        }
        Err(refusal) => {
            assert_eq!((refusal.status, &out[..]), (400, &b"before"[..]), "{path}");
            Err(refusal.reason)
        }
    };
    assert_eq!(found, expected, "{path}");
}

#[test]
fn clean_paths_stay() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/a;x=y/b",
        "/a;",
        "/a;..;/b;;",
        "/a%3B/b",
        "/...;x",
        "/.a;x",
        "/a.b",
        "/a..b",
        "/...",
        "/.a",
        "/a/..b",
        "/..a",
        "/.well-known/x",
        "/%20",
        "/%C3%A9",
        "/%25",
        "/%252e",
        "/a%3Fb",
        "/a:b@c!$&'()*+,=",
        "/~-_.",
        "/a|b",
        "/{x}",
    ] {
        check(path, Ok(path));
    }
}

#[test]
fn escapes_and_dots_become_one_form() {
    for (path, expected) in [
        ("/%61", "/a"),
        ("/%7e%2D%2d%5F", "/~--_"),
        ("/%c3%a9", "/%C3%A9"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/../b", "/b"),
        ("/a/b/../../c", "/c"),
        ("/a/b/..", "/a/"),
        ("/%2e", "/"),
        ("/a/%2E%2e/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("//", "/"),
        ("///a", "/a"),
        ("/a//", "/a/"),
        ("/a///b", "/a/b"),
        ("/a//../b", "/b"),
        ("/a/b//..", "/a/"),
        ("/a/..//b", "/b"),
        ("/a/.//./b", "/a/b"),
        ("/%2e%2e%2e", "/..."),
        ("//a;x/b", "/a;x/b"),
        ("/a%3b", "/a%3B"),
    ] {
        check(path, Ok(expected));
    }
}

#[test]
fn ambiguous_paths_are_refused() {
    for (path, reason) in [
        ("", "path does not start with a slash"),
        ("a", "path does not start with a slash"),
        ("*", "path does not start with a slash"),
        ("/%2F", "encoded slash in path"),
        ("/a%2fb", "encoded slash in path"),
        ("/%5c", "encoded slash in path"),
        ("/%00", "encoded NUL in path"),
        ("/a\\b", "backslash in path"),
        ("/a b", "byte not allowed in path"),
        ("/a\u{7f}", "byte not allowed in path"),
        ("/a\r\n", "byte not allowed in path"),
        ("/é", "byte not allowed in path"),
        ("/a#b", "byte not allowed in path"),
        ("/a?b", "byte not allowed in path"),
        ("/%", "bad escape in path"),
        ("/%4", "bad escape in path"),
        ("/%4/", "bad escape in path"),
        ("/%zz", "bad escape in path"),
        ("/%+1", "bad escape in path"),
        ("/..", "path climbs above the root"),
        ("/%2e%2e/", "path climbs above the root"),
        ("/a/../..", "path climbs above the root"),
        ("/a/../../b", "path climbs above the root"),
        ("/./..", "path climbs above the root"),
        ("//..", "path climbs above the root"),
        ("/a//../..", "path climbs above the root"),
        ("/;", "parameters without a segment in path"),
        ("/;a=b/c", "parameters without a segment in path"),
        ("/a/;", "parameters without a segment in path"),
        ("/a//;/b", "parameters without a segment in path"),
        ("/.;", "parameters without a segment in path"),
        ("/a/.;x/b", "parameters without a segment in path"),
        ("/a/..;/b", "parameters without a segment in path"),
        ("/a/%2e%2e;/b", "parameters without a segment in path"),
        ("/a/%2E;/b", "parameters without a segment in path"),
        ("/a/..%3bx/b", "parameters without a segment in path"),
        ("/a/.%2e%3B", "parameters without a segment in path"),
        ("/%3B/a", "parameters without a segment in path"),
        ("/a/%3b", "parameters without a segment in path"),
    ] {
        check(path, Err(reason));
    }
}

#[test]
fn a_listener_may_keep_slashes() {
    for (path, expected) in [
        ("/a//b", Ok("/a//b")),
        ("//", Ok("//")),
        ("/a//../b", Ok("/a/b")),
        ("//..", Ok("/")),
        ("/a/..//b", Ok("//b")),
        ("/a%2fb", Ok("/a%2Fb")),
        ("/a%2F%2fb", Ok("/a%2F%2Fb")),
        ("/%2F", Ok("/%2F")),
        ("/a%2Fb;x%2F", Ok("/a%2Fb;x%2F")),
        ("/a%2F..b/...%2F", Ok("/a%2F..b/...%2F")),
        ("/a%2F../b", Err("dot segment beside an encoded slash in path")),
        ("/..%2fb", Err("dot segment beside an encoded slash in path")),
        ("/a%2f%2e%2fb", Err("dot segment beside an encoded slash in path")),
        ("/a%2F..;x", Err("dot segment beside an encoded slash in path")),
        ("/a/.%3Bx%2Fb", Err("parameters without a segment in path")),
        ("/;a", Err("parameters without a segment in path")),
        ("/..;/a", Err("parameters without a segment in path")),
        ("/a%5Cb", Err("encoded slash in path")),
        ("/a%00", Err("encoded NUL in path")),
    ] {
        check_by(KEEP, path, expected);
    }
    let only_slashes = PathRules { merge_slashes: false, ..PathRules::STRICT };
    check_by(only_slashes, "/a%2Fb", Err("encoded slash in path"));
    check_by(PathRules { merge_slashes: true, ..KEEP }, "//a%2F//b", Ok("/a%2F/b"));
}

#[test]
fn the_plain_form_is_what_a_lenient_backend_reads() {
    for (path, forms) in [
        ("/a/b", None),
        ("/a.b/c", None),
        ("/%61", Some(("/a", "/a"))),
        ("/a//b", Some(("/a/b", "/a/b"))),
        ("/.a", Some(("/.a", "/.a"))),
        ("/a;x=y/b;;c", Some(("/a;x=y/b;;c", "/a/b"))),
        ("/a%3bx%2Fy/b", Some(("/a%3Bx%2Fy/b", "/a/b"))),
        ("/a%21%40/b!@", Some(("/a%21%40/b!@", "/a!@/b!@"))),
        ("/%25%32%46", Some(("/%252F", "/%2F"))),
        ("/a%2fb/c", Some(("/a%2Fb/c", "/a\0b/c"))),
        ("/%7Bx%7d", Some(("/%7Bx%7D", "/{x}"))),
    ] {
        let mut text = b"before".to_vec();
        let rules = PathRules { merge_slashes: true, ..KEEP };
        let shown = read(path.as_bytes(), rules, &mut text)
            .unwrap()
            .map(|forms| [forms.path, forms.plain].map(|span| span.of(&text)));
        assert_eq!(shown, forms.map(|(path, plain)| [path.as_bytes(), plain.as_bytes()]), "{path}");
    }
    let mut text = b"before".to_vec();
    for refused in ["", "a", "/a%2Fb", "/..", "/a/b/%zz"] {
        assert!(read(refused.as_bytes(), PathRules::STRICT, &mut text).is_err(), "{refused}");
        assert_eq!(text, b"before");
    }
}

/// Random paths from the pieces that matter. The seed is fixed: a failure is the same every time.
#[test]
fn canonical_form_is_final_and_without_dot_segments() {
    const PIECES: [&str; 22] = [
        "/", "/", "/", "/", ".", ".", "%2e", "%2E", "a", "%61", "%c3", ";", "%20", "%25", "2e", "%2f", "..",
        "b", "~", "%7E", "\\", "%",
    ];
    let mut state = 0x5eed_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut changed = 0;
    for _ in 0..200_000 {
        // Rarely a piece that is refused: most paths shall come through.
        let kinds = if next(8) == 0 { PIECES.len() } else { 15 };
        let path: String = std::iter::once("/").chain((0..next(12)).map(|_| PIECES[next(kinds)])).collect();
        let mut out = Vec::new();
        let rules = [PathRules::STRICT, KEEP][next(2)];
        let text = match canonical(path.as_bytes(), rules, &mut out) {
            Err(_) => continue,
            Ok(Canonical::Same) => path.as_bytes(),
            Ok(Canonical::Changed) => &out,
        };
        changed += usize::from(text != path.as_bytes());
        assert!(text.starts_with(b"/") && text.len() <= path.len(), "{path}");
        let is_dots = |segment: &[u8]| matches!(segment, b"." | b"..");
        assert!(!text.split(|&b| b == b'/').any(is_dots), "{path} became {}", text.escape_ascii());
        let has_empty = text.windows(2).any(|pair| pair == b"//");
        assert!(!has_empty || !rules.merge_slashes, "{path} became {}", text.escape_ascii());
        let mut again = Vec::new();
        assert_eq!(canonical(text, rules, &mut again), Ok(Canonical::Same), "{path} has two forms");
        // As many segments, so that a part found in one is a part of the other.
        let mut forms = text.to_vec();
        let plain = plain(&mut forms, Span::new(0, text.len())).of(&forms);
        let slashes = |path: &[u8]| path.iter().filter(|&&b| b == b'/').count();
        assert_eq!(slashes(plain), slashes(text), "{path}");
    }
    assert!(changed > 50_000, "the generator makes paths that need work: {changed}");
}
