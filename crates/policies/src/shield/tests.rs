//! Requests and bodies as clients send them, and what is said to them. How many attacks are refused and how little of
//! what is sent in good faith is counted in `tests/shield.rs`.

use super::*;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::NO_FIELDS;
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::policy::Reply;
use tidegate_core::problem::{Place as FilePlace, Source};
use tidegate_core::template::Origin;
use tidegate_core::trusted::{FORWARDING, FieldSet, Trusted};

fn node(value: Value) -> Node {
    Node { place: FilePlace::whole(&Source::new("f.yaml", "/", "")), value }
}

fn word(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: false, is_resolved: false }))
}

fn map(entries: &[(&str, Node)]) -> Node {
    let entry = |(key, value): &(&str, Node)| Entry {
        key: (*key).into(),
        place: value.place.clone(),
        value: value.clone(),
    };
    node(Value::Map(entries.iter().map(entry).collect()))
}

fn built(written: &Node) -> (Option<Box<dyn Policy>>, Vec<String>) {
    let mut alone = Alone::new("a", &[]);
    let policy = alone.build(|building| build(written, building)).pop();
    (policy, alone.problems.iter().map(|problem| problem.reason.clone()).collect())
}

fn shield(written: &Node) -> Box<dyn Policy> {
    let (policy, problems) = built(written);
    assert_eq!(problems, [""; 0]);
    policy.expect("a shield")
}

fn usual() -> Box<dyn Policy> {
    shield(&word("true"))
}

/// What a policy says in the end.
fn last(mut verdict: Verdict<'_>) -> Option<Reply> {
    loop {
        match verdict {
            Verdict::Continue | Verdict::Identified(_) => return None,
            Verdict::Reply(reply) => return Some(*reply),
            Verdict::Wait(future) => {
                let mut future = pin!(future);
                let mut cx = Context::from_waker(Waker::noop());
                verdict = loop {
                    if let Poll::Ready(verdict) = future.as_mut().poll(&mut cx) {
                        break verdict;
                    }
                };
            }
        }
    }
}

/// A request, and what is said to its head and then to its body.
fn asked(policy: &dyn Policy, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Option<Reply> {
    asked_by(None, policy, target, fields, body)
}

/// The same of a request of a trusted peer.
fn asked_by(
    trusted: Option<Trusted>,
    policy: &dyn Policy,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let trusted = trusted.map(Rc::new);
    let client = Client { address: None, listener: "http".into(), is_secure: false, trusted, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let mut head = RequestHead::default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    head.path = head.fields.add_text(path.as_bytes());
    head.query = head.fields.add_text(query.as_bytes());
    head.has_query = !query.is_empty();
    fields.iter().for_each(|(name, value)| {
        let known = Name::of(name.as_bytes());
        match known {
            Name::Other => head.fields.push(name, value.as_bytes()),
            known => head.fields.add(known, value.as_bytes()),
        }
    });
    let said = last(policy.request(RequestView { head: &mut head, origin, note: &mut 0 }));
    if said.is_some() || !policy.wants_body(&head) {
        return said;
    }
    let BodyNeed::Buffer(most) = policy.needs().request else { return None };
    let shown = RequestBody {
        bytes: &body[..body.len().min(most)],
        is_whole: body.len() <= most,
        trailers: &NO_FIELDS,
    };
    last(policy.request_body(RequestView { head: &mut head, origin, note: &mut 0 }, shown))
}

/// The code and the detail of the refusal; nothing when there is none.
fn said(reply: Option<Reply>) -> String {
    reply
        .and_then(|reply| reply.reason)
        .map_or_else(String::new, |reason| format!("{}: {}", reason.code, reason.detail))
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const PARTS: (&str, &str) = ("content-type", "multipart/form-data; boundary=\"xx\"");

/// Target, fields, body, and what is said.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

#[test]
fn it_is_told_where_and_by_what_but_not_the_value() {
    let policy = usual();
    let cases: &[Case<'_>] = &[
        ("/a?id=1'+or+'1'='1", &[], "", "sql: query `id`, fingerprint s&sos"),
        ("/a?id=1%2527%2520or%25201=1--", &[], "", "sql: query `id`, fingerprint s&1c"),
        ("/a?id=%u0027%20or%201=1--", &[], "", "sql: query `id`, fingerprint s&1c"),
        ("/a?1%27+or+1%3d1--=x", &[], "", "sql: query, fingerprint s&1c"),
        ("/a/%3Cscript%3E/b", &[], "", "xss: path"),
        ("/a/1'%20or%201=1--", &[], "", "sql: path, fingerprint s&1c"),
        ("/a", &[("cookie", "a=b; id=1' or 1=1--")], "", "sql: cookie `id`, fingerprint s&1c"),
        ("/a", &[("user-agent", "x' or 1=1--")], "", "sql: header `user-agent`, fingerprint s&1c"),
        ("/a", &[("referer", "http://a/?q=%3Cscript%3E")], "", "xss: header `referer`"),
        ("/a", &[("x-id", "<svg onload=x>")], "", "xss: header `x-id`"),
        ("/a", &[("accept", "1' or 1=1--")], "", ""),
        ("/a", &[FORM], "a=b&c=1'+or+1=1--", "sql: form field `c`, fingerprint s&1c"),
        ("/a", &[JSON], r#"{"a":{"b":["x","1' or 1=1--"]}}"#, "sql: json field `a.b`, fingerprint s&1c"),
        ("/a", &[JSON], r#"{"a":1,"\u003cscript\u003e":2}"#, "xss: json field `\\u003cscript\\u003e`"),
        ("/a", &[JSON], r#"{"a":"\u003cscript>","#, "xss: json field `a`"),
        ("/a", &[JSON], r#"[{"a":"<script"#, "xss: json field `a`"),
        ("/a", &[JSON], "{'a':'<script>'}", "xss: body"),
        ("/a", &[], r#"{"a":"<script>"}"#, "xss: json field `a`"),
        ("/a", &[("content-type", "text/plain")], "<script>", "xss: body"),
        ("/a", &[("content-type", "image/png")], "<script>", ""),
        (
            "/a",
            &[PARTS],
            "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nfine\r\n--xx\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n1' or 1=1--\r\n--xx--\r\n",
            "sql: form part `q`, fingerprint s&1c",
        ),
        (
            "/a",
            &[PARTS],
            "--xx\r\nContent-Disposition: form-data; name=\"q\"; filename=\"a.html\"\r\n\r\n<script>\r\n--xx--\r\n",
            "",
        ),
        ("/a", &[JSON, ("content-type", "text/plain")], "x", "malformed: body, more than one content-type"),
        ("/a", &[JSON], "{\0\"\0a\0\"\0", "malformed: body, not in UTF-8"),
    ];
    for (target, fields, body, expected) in cases {
        assert_eq!(
            said(asked(&*policy, target, fields, body.as_bytes())),
            *expected,
            "{target} {fields:?} {body}"
        );
    }
}

#[test]
fn what_a_trusted_peer_tells_of_its_client_is_looked_at_and_usually_ordinary() {
    let policy = usual();
    let all = || Some(Trusted { from: [].into(), fields: FieldSet::of(&FORWARDING) });
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6, 203.0.113.7:80,[2001:db8::5]:443, unknown"),
        (
            "forwarded",
            "for=192.0.2.60;proto=http; by=203.0.113.43, for=\"[2001:db8:cafe::17]:4711\";host=\"a.example:80\"",
        ),
        ("via", "1.1 edge, 2 cache.example (of another)"),
        ("x-forwarded-host", "shop.example:8443"),
        ("x-forwarded-user", "ana@example.com"),
        ("x-forwarded-prefix", "/shop/v1"),
        ("x-original-url", "/a/b?c=d&e=2"),
        ("x-request-id", "01F8_a.b-C"),
        ("cdn-loop", "one.example; a=b, two"),
    ] {
        assert_eq!(said(asked_by(all(), &*policy, "/a", &[(name, value)], b"")), "", "{name}: {value}");
    }
    for name in FORWARDING.iter().chain(&[Name::Via, Name::CdnLoop]) {
        for value in ["1' or 1=1--", "<script>alert(1)</script>", "a, 1 union select b from c--"] {
            let reply = asked_by(all(), &*policy, "/a", &[(name.text(), value)], b"");
            assert!(said(reply).contains(&format!("header `{}`", name.text())), "{name:?}: {value}");
        }
    }
    let quoted = "for=\"1\" or \"1\"=\"1\"";
    assert_ne!(said(asked_by(all(), &*policy, "/a", &[("forwarded", quoted)], b"")), "");
    assert_ne!(said(asked(&*policy, "/a", &[("cdn-loop", "1' or 1=1--")], b"")), "", "from anybody");
}

#[test]
fn ways_out_of_a_folder_are_found_behind_two_escapes() {
    let policy = usual();
    for target in [
        "/a/%252e%252e/b",
        "/a/..%252f..%252fb",
        "/a/%2e%2e;x=1/b",
        "/a/..;/b",
        "/a/%252e%252e%255cb",
        "/a/%C0%AE%C0%AE/b",
        "/a/%2500.html",
        "/a?file=../../etc/passwd",
        "/a?file=..%5c..%5cboot.ini",
        "/a?file=%2e%2e%2f%2e%2e%2fx",
        "/a?file=../x%00.png",
    ] {
        assert!(said(asked(&*policy, target, &[], b"")).starts_with("path: "), "{target}");
    }
    for target in
        ["/a/b..c/...", "/a/x;v=1", "/100%25/a", "/a?file=../logo.png", "/a?range=1..5", "/a?q=../../+what"]
    {
        assert_eq!(said(asked(&*policy, target, &[], b"")), "", "{target}");
    }
    let off = shield(&map(&[("paths", word("false"))]));
    assert_eq!(said(asked(&*off, "/a/..;/b?file=../../x", &[], b"")), "");
}

#[test]
fn what_is_to_be_skipped_is_and_what_is_off_does_not_look() {
    let list = |name: &str| node(Value::List(vec![word(name)]));
    let skip = map(&[("headers", list("X-Html")), ("query", list("html")), ("fields", list("article.html"))]);
    let policy = shield(&map(&[("skip", skip)]));
    let fields = [("x-html", "<script>"), JSON];
    let body = br#"{"article":[{"html":"<script>"}]}"#;
    assert_eq!(said(asked(&*policy, "/a?html=%3Cscript%3E", &fields, body)), "");
    assert_eq!(said(asked(&*policy, "/a", &[JSON], br#"{"html":"<script>"}"#)), "xss: json field `html`");
    let sql = "/a?id=1'+or+1=1--";
    assert_eq!(said(asked(&*shield(&map(&[("sql", word("false"))])), sql, &[], b"")), "");
    assert_eq!(said(asked(&*shield(&map(&[("xss", word("false"))])), "/a?a=<script>", &[], b"")), "");
    assert_eq!(shield(&map(&[("body", word("0"))])).needs(), Needs::default());
    assert!(built(&word("false")).0.is_none());
    assert!(shield(&word("observe")).is_observing() && !usual().is_observing());
    assert_eq!(built(&word("on")).1, ["`on` is no mode"]);
}

/// The same text in the ways a body may be deflated.
fn deflated(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    use std::io::Write;
    let level = flate2::Compression::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    gzip.write_all(text).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(text).unwrap();
    let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), level);
    bare.write_all(text).unwrap();
    let mut br = Vec::new();
    brotli::CompressorWriter::new(&mut br, 4096, 5, 20).write_all(text).unwrap();
    vec![
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", bare.finish().unwrap()),
        ("br", br),
        ("zstd", zstd::encode_all(text, 3).unwrap()),
    ]
}

#[test]
fn deflated_bodies_are_looked_at_and_bombs_are_not_touched() {
    let policy = usual();
    for (coding, bytes) in deflated(br#"{"a":"1' or 1=1--"}"#) {
        let found = said(asked(&*policy, "/a", &[JSON, ("content-encoding", coding)], &bytes));
        assert_eq!(found, "sql: json field `a`, fingerprint s&1c", "{coding}");
        let twice = deflated(&bytes).swap_remove(0).1;
        let encoding = format!("{coding}, identity, gzip");
        let found = said(asked(&*policy, "/a", &[JSON, ("content-encoding", &encoding)], &twice));
        assert_eq!(found, "sql: json field `a`, fingerprint s&1c", "{encoding}");
        let cut =
            said(asked(&*policy, "/a", &[JSON, ("content-encoding", coding)], &bytes[..bytes.len() - 3]));
        assert!(cut.starts_with("malformed: ") || cut.starts_with("sql: "), "{coding}: {cut}");
    }
    for (coding, bytes) in deflated(&vec![b'0'; 20 << 20]) {
        let reply = asked(&*policy, "/a", &[JSON, ("content-encoding", coding)], &bytes).expect("a refusal");
        assert_eq!((reply.status, &*said(Some(reply))), (413, "bomb: body"), "{coding}");
    }
    let text: Vec<u8> = (0..40_000u32).flat_map(|n| format!("{},", n * 7919 % 10_007).into_bytes()).collect();
    for (coding, bytes) in deflated(&text) {
        assert_eq!(
            said(asked(&*policy, "/a", &[JSON, ("content-encoding", coding)], &bytes)),
            "",
            "{coding}"
        );
    }
    let malformed = "malformed: body, content-encoding";
    for (encoding, expected) in
        [("gzip", malformed), ("gzip, gzip, gzip", malformed), ("rot13", ""), ("identity", "")]
    {
        assert_eq!(said(asked(&*policy, "/a", &[JSON, ("content-encoding", encoding)], b"{}")), expected);
    }
}

#[test]
fn no_encoding_hides_a_body_from_the_look() {
    let policy = usual();
    let coded = |coding: &'static str, body: &[u8]| {
        said(asked(&*policy, "/a", &[FORM, ("content-encoding", coding)], body))
    };
    // Nobody knows it, and so somebody takes the body as it is.
    assert!(coded("rot13", b"q=1' or 1=1--").starts_with("sql"));
    assert_eq!(coded("utf-8", b"q=anna"), "");
    // What stands behind the end of what was deflated.
    let malformed = "malformed: body, content-encoding";
    assert_eq!(coded("deflate", b"\x01\x00\x00\xff\xff&q=1' or 1=1--"), malformed);
    for (coding, mut bytes) in deflated(b"q=anna") {
        assert_eq!(coded(coding, &bytes), "", "{coding}");
        bytes.extend_from_slice(b"&q=1' or 1=1--");
        assert_eq!(coded(coding, &bytes), malformed, "{coding}");
    }
    // Not what it says, and longer than what is looked at.
    let long = [&b"q=1' or 1=1--&x="[..], &[b'x'; 200_000]].concat();
    for coding in ["gzip", "deflate", "br", "zstd"] {
        assert_eq!(coded(coding, &long), malformed, "{coding}");
    }
    // Text that only those see who do not inflate.
    for coding in ["compress", "x-compress"] {
        assert_eq!(coded(coding, b"q=anna"), malformed, "{coding}");
    }
    let gzip = |builder: flate2::GzBuilder| {
        let mut encoder = builder.write(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, b"q=anna").unwrap();
        encoder.finish().unwrap()
    };
    let new = flate2::GzBuilder::new;
    assert_eq!(coded("gzip", &gzip(new().filename("form.txt"))), "");
    for head in [new().filename("&q=1' or 1=1--&"), new().comment("x"), new().extra(*b"x")] {
        assert_eq!(coded("gzip", &gzip(head)), malformed);
    }
    let mut two = gzip(new());
    two.extend(gzip(new().comment("&q=1' or 1=1--")));
    assert_eq!(coded("gzip", &two), malformed);
    let frame = zstd::encode_all(&b"q=anna"[..], 3).unwrap();
    let skipped = [&b"\x50\x2a\x4d\x18\x0e\0\0\0&q=1' or 1=1--"[..], &frame].concat();
    assert_eq!(coded("zstd", &skipped), malformed);
    assert_eq!(coded("zstd", &[&frame[..], &skipped].concat()), malformed);
    // Cut off by what is looked at, and plain text behind it.
    let mut begun = deflated(&vec![b'x'; 1000]).swap_remove(0).1;
    begun.extend(b"&q=1' or 1=1--&x=".iter().chain(&vec![b'x'; 200_000]));
    assert_eq!(coded("gzip", &begun), malformed);
    // Long and what it says: looked at as far as the bound.
    let long: Vec<u8> =
        (0..200_000u32).flat_map(|n| format!("x={}&", n * 7919 % 1_000_003).into_bytes()).collect();
    for (coding, bytes) in deflated(&[&b"q=1' or 1=1--&"[..], &long].concat()) {
        assert!(bytes.len() > 131_072, "{coding} {}", bytes.len());
        assert!(coded(coding, &bytes).starts_with("sql"), "{coding}");
    }
    for (coding, bytes) in deflated(&long) {
        assert_eq!(coded(coding, &bytes), "", "{coding}");
    }
}

#[test]
fn what_is_nearly_json_is_looked_at_as_json_too() {
    let policy = usual();
    for body in [
        r#"{/**/"q":"1\u0027 or 1=1--"}"#,
        r#"{'q':'1\u0027 or 1=1--'}"#,
        r#"{"a":1,}{"q":"1\u0027 or 1=1--"#,
        r#"// a comment
            {"q":"\u003cscript\u003ealert(1)\u003c/script\u003e"}"#,
    ] {
        let told = said(asked(&*policy, "/a", &[JSON], body.as_bytes()));
        assert!(told.starts_with("sql") || told.starts_with("xss"), "{body}: {told}");
    }
    for body in [r#"{/* anna's */"q":"it's"}"#, "{'q':'anna'}", "it's not JSON, but prose", "\\", "\"\\", "'"]
    {
        assert_eq!(said(asked(&*policy, "/a", &[JSON], body.as_bytes())), "", "{body}");
    }
}

#[test]
fn other_characters_than_those_of_ascii_are_refused() {
    let policy = usual();
    let told = |content_type: &'static str, body: &[u8]| {
        said(asked(&*policy, "/a", &[("content-type", content_type)], body))
    };
    let malformed = "malformed: body, not in UTF-8";
    for charset in ["utf-16", "UTF-16LE", "utf-32", "utf-7", "ibm037", "x"] {
        let form = format!("application/x-www-form-urlencoded; charset={charset}").leak();
        let json = format!("application/json;charset=\"{charset}\"").leak();
        assert_eq!(
            (told(form, b"q=a"), told(json, b"{}")),
            (malformed.into(), malformed.into()),
            "{charset}"
        );
    }
    for charset in ["utf-8", "UTF-8", "iso-8859-15", "windows-1251", "Shift_JIS", "us-ascii"] {
        assert_eq!(told(format!("application/json; charset={charset}").leak(), b"{}"), "", "{charset}");
    }
    let two: Vec<u8> = "\u{e4}\u{f6}q=1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(told(FORM.1, &two), malformed);
    assert_eq!(told("text/plain", b"\xff\xfea\0"), malformed);
    assert_eq!(told("text/plain", b"text\0more"), "", "of bytes nobody can say what they are");
    assert_eq!(told("image/png; charset=x", b"\0"), "");
}

#[test]
fn no_step_cuts_an_attack_in_two() {
    let policy = usual();
    let attack = "1 UNION SELECT a,b FROM users-- ";
    for before in (4_096 - attack.len()..=4_096).chain(16_000..16_384) {
        let text = format!("{} {attack} {}", "x".repeat(before), "x".repeat(20_000));
        let json = format!("{{\"a\":\"{}\"}}", text.replace("UNION", "\\u0055NION"));
        let form = format!("a={}", text.replace(' ', "%20"));
        let all = attack.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let escaped = format!("a={}{all}{}", "x".repeat(before), "%20".repeat(5_000));
        let named = format!("{}=1", text.replace(' ', "+"));
        for (content_type, body) in [
            ("text/plain", &text),
            ("application/json", &json),
            (FORM.1, &form),
            (FORM.1, &escaped),
            (FORM.1, &named),
        ] {
            let told = said(asked(&*policy, "/a", &[("content-type", content_type)], body.as_bytes()));
            assert!(told.starts_with("sql"), "{content_type} {before}: {told}");
        }
    }
}

#[test]
fn a_long_body_is_looked_at_up_to_the_bound() {
    let policy = usual();
    for (before, is_seen) in [(10, true), (50_000, true), (131_000, true), (131_072, false)] {
        let body = [&vec![b'x'; before], &b" <script>alert(1)</script>"[..], &[b'x'; 1000]].concat();
        let text = [("content-type", "text/plain")];
        assert_eq!(asked(&*policy, "/a", &text, &body).is_some(), is_seen, "{before}");
        let json = [&b"{\"a\":\""[..], &body, b"\"}"].concat();
        assert_eq!(asked(&*policy, "/a", &[JSON], &json).is_some(), is_seen, "{before}");
    }
}

/// Neither do the readers here nor does libinjection panic, whatever they get. Half of the inputs are made of pieces
/// that mean something to them.
#[test]
fn nothing_makes_it_panic() {
    const PIECES: [&[u8]; 40] = [
        b"'",
        b"\"",
        b"`",
        b"<",
        b">",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"/*",
        b"*/",
        b"/*!",
        b"--",
        b"#",
        b";",
        b"\\",
        b"%",
        b"%27",
        b"%u0027",
        b"\\u00",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\0",
        b"\xff",
        b"\xc0\xa0",
        b"&#x",
        b"&#",
        b"=",
        b" or ",
        b" union select ",
        b"1",
        b"x'",
        b"q'(",
        b"$$",
        b"@@",
        b"<a ",
    ];
    let mut random = tidegate_testkit::Random::announced("shield");
    let policies = [usual(), shield(&map(&[("body", word("64KiB"))]))];
    for round in 0..200_000 {
        let mut body = Vec::new();
        match round % 2 {
            0 => {
                (0..random.below(24)).for_each(|_| body.extend_from_slice(PIECES[random.below(PIECES.len())]))
            }
            _ => {
                let length = random.below(40);
                body = random.bytes(length);
            }
        }
        let kind = [FORM, JSON, PARTS, ("content-type", "text/plain")][round / 2 % 4];
        drop(asked(&*policies[0], "/a", &[kind], &body));
        let coding = ["gzip", "deflate", "br", "zstd"][round / 8 % 4];
        if round % 16 == 1 {
            drop(asked(&*policies[1], "/a", &[kind, ("content-encoding", coding)], &body));
        }
    }
    for piece in PIECES {
        let long = piece.repeat(20_000);
        drop(asked(&*policies[0], "/a", &[("content-type", "text/plain")], &long));
        drop(asked(&*policies[0], "/a", &[JSON], &long));
    }
}
