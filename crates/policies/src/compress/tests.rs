//! Answers as backends give them, clients as they ask, and every compressor against a decoder that is not ours.

use super::*;
use std::io::Read;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::ResponseHead;
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::problem::{Place, Source};
use tidegate_core::template::Origin;
use tidegate_testkit::Random;

const ALL: [Algorithm; 3] = [Algorithm::Zstd, Algorithm::Brotli, Algorithm::Gzip];

fn node(value: Value) -> Node {
    Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value }
}

fn word(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: false, is_resolved: false }))
}

fn map(entries: &[(&str, Node)]) -> Node {
    let entry = |(key, value): &(&str, Node)| {
        let place = value.place.clone();
        Entry { key: (*key).into(), place, value: value.clone() }
    };
    node(Value::Map(entries.iter().map(entry).collect()))
}

fn built(settings: &Node) -> Option<Box<dyn Policy>> {
    let mut alone = Alone::new("a", &[]);
    let policy = alone.build(|building| build(settings, building)).pop();
    assert_eq!(alone.problems.count(), 0);
    policy
}

/// The head of an answer of that many bytes after the policy, on one line; and whether its body is compressed.
fn shaped(policy: &dyn Policy, accept: &str, status: u16, length: Length, fields: &[&str]) -> (String, bool) {
    shaped_for(policy, &[], accept, status, length, fields)
}

/// The same for a request with these fields.
fn shaped_for(
    policy: &dyn Policy,
    asked: &[(&str, &str)],
    accept: &str,
    status: u16,
    length: Length,
    fields: &[&str],
) -> (String, bool) {
    let client = Client { address: None, listener: "a".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let mut request = RequestHead::default();
    asked.iter().for_each(|(name, value)| request.fields.push(name, value.as_bytes()));
    request.fields.push("Accept-Encoding", accept.as_bytes());
    // As an edit does that stands before: the backend is asked for nothing compressed.
    request.fields.remove_named(b"accept-encoding");
    let mut head = ResponseHead { status, ..ResponseHead::default() };
    for line in fields {
        let (name, value) = line.split_once(": ").unwrap();
        head.fields.push(name, value.as_bytes());
    }
    policy.response(ResponseView { head: &mut head, request: &request, origin, note: 0, length });
    let is_compressed = length != Length::Empty
        && policy
            .filter(ResponseView { head: &mut head, request: &request, origin, note: 0, length })
            .is_some();
    let mut out = Vec::new();
    head.fields.write_lines(&mut out);
    (String::from_utf8(out).unwrap().trim_end().replace("\r\n", " | "), is_compressed)
}

#[test]
fn the_client_gets_what_it_likes_best() {
    for (accept, best) in [
        ("", None),
        ("gzip", Some("gzip")),
        ("x-GZIP", Some("gzip")),
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip, deflate, br", Some("br")),
        ("gzip;q=1.0, br;q=0.9", Some("gzip")),
        ("br;q=0.901,zstd; q=0.9 ,gzip", Some("gzip")),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("*", Some("zstd")),
        ("*;q=0.5, zstd;q=0", Some("br")),
        ("gzip, *;q=0", Some("gzip")),
        ("*;q=0", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", Some("gzip")),
        ("identity;q=0, gzip", Some("gzip")),
        ("identity;q=0", None),
        ("deflate, compress", None),
        ("gzip;q=2", None),
        ("gzip;q=0.1234, br;q=x, zstd;q=", None),
        ("gzip;q=1.001", None),
        ("br;Q=0.5", Some("br")),
        (",,gzip,", Some("gzip")),
        ("gzipped, gz", None),
    ] {
        let accepted = Accepted::read([accept.as_bytes()].into_iter());
        assert_eq!(accepted.best(&ALL).map(Algorithm::coding), best, "{accept}");
    }
    let two_lines = Accepted::read([&b"gzip;q=0.5"[..], b"br"].into_iter());
    assert_eq!(two_lines.best(&ALL), Some(Algorithm::Brotli));
    assert_eq!(two_lines.best(&[Algorithm::Gzip]), Some(Algorithm::Gzip));
    assert_eq!(two_lines.best(&[]), None);
}

const JSON: &str = "content-type: application/json";
const LONG: Length = Length::Exact(1024);

fn check(status: u16, length: Length, fields: &[&str], after: &str, is_compressed: bool) {
    let policy = built(&word("true")).unwrap();
    let seen = shaped(&*policy, "gzip", status, length, fields);
    assert_eq!(seen, (after.replace("JSON", JSON), is_compressed), "{fields:?}");
}

#[test]
fn what_is_compressed_says_so() {
    let told = |fields: &str| format!("{fields} | vary: accept-encoding | content-encoding: gzip");
    for length in [LONG, Length::Streamed] {
        check(200, length, &[JSON], &told(JSON), true);
    }
    for media in
        ["text/html; charset=utf-8", "TEXT/Event-Stream", "image/svg+xml", "application/problem+json ;a=b"]
    {
        let field = format!("content-type: {media}");
        check(404, LONG, &[&field], &told(&field), true);
    }
    let edited = "JSON | vary: origin, accept-encoding | content-encoding: gzip | etag: W/\"a\"";
    let fields = [JSON, "etag: \"a\"", "Accept-Ranges: bytes", "Digest: sha-256=x", "vary: origin"];
    check(200, LONG, &fields, edited, true);
    check(200, LONG, &[JSON, "etag: W/\"a\""], &told("JSON | etag: W/\"a\""), true);
    check(200, LONG, &[JSON, "content-encoding: identity"], &told("JSON"), true);
}

#[test]
fn what_is_not_compressed_is_left_as_it_was() {
    check(200, Length::Exact(1023), &[JSON, "etag: \"a\""], "JSON | etag: \"a\"", false);
    check(200, Length::Exact(0), &[JSON], JSON, false);
    for field in
        ["content-encoding: br", "cache-control: public, No-Transform", "content-range: bytes 0-1023/2048"]
    {
        check(200, LONG, &[JSON, field], &format!("JSON | {field}"), false);
    }
    for field in ["content-type: image/png", "content-type: application/zip", "content-type: text", "x: y"] {
        check(200, LONG, &[field], field, false);
    }
    check(204, Length::Empty, &[], "", false);
}

#[test]
fn what_a_client_might_get_compressed_says_what_it_hangs_on() {
    let range = "content-range: bytes 0-1023/2048";
    check(206, LONG, &[JSON, range], &format!("JSON | {range} | vary: accept-encoding"), false);
    let policy = built(&word("true")).unwrap();
    let plain = shaped(&*policy, "identity", 200, LONG, &[JSON, "etag: \"a\""]);
    assert_eq!(plain, (format!("{JSON} | etag: \"a\" | vary: accept-encoding"), false));
}

#[test]
fn an_answer_that_nothing_has_changed_is_of_the_copy_that_was_asked_with() {
    let policy = built(&word("true")).unwrap();
    let image = "content-type: image/png";
    for (asked, fields, after) in [
        ("W/\"a\"", &["etag: \"a\""][..], "etag: W/\"a\" | vary: accept-encoding"),
        (
            "W/\"a\"",
            &[image, "etag: \"a\""],
            "content-type: image/png | etag: W/\"a\" | vary: accept-encoding",
        ),
        ("\"a\"", &["etag: \"a\""], "etag: \"a\" | vary: accept-encoding"),
        ("*", &["etag: \"a\""], "etag: \"a\" | vary: accept-encoding"),
        ("\"a\"", &[JSON, "etag: \"a\""], "JSON | etag: \"a\" | vary: accept-encoding"),
        ("\"a\"", &[image, "etag: \"a\""], "content-type: image/png | etag: \"a\""),
        ("\"a\"", &["cache-control: no-transform"], "cache-control: no-transform"),
        ("\"a\"", &["content-encoding: br"], "content-encoding: br"),
        ("\"a\"", &[], "vary: accept-encoding"),
    ] {
        let request = [("If-None-Match", asked)];
        let (seen, _) = shaped_for(&*policy, &request, "gzip", 304, Length::Empty, fields);
        assert_eq!(seen, after.replace("JSON", JSON), "{asked} {fields:?}");
    }
}

#[test]
fn settings_say_what_and_how() {
    let list = |words: &[&str]| node(Value::List(words.iter().map(|text| word(text)).collect()));
    let policy = built(&map(&[
        ("min", word("2B")),
        ("types", list(&["text/html", "+json", "font/*"])),
        ("algorithms", list(&["br", "gzip"])),
        ("level", word("small")),
    ]))
    .unwrap();
    let is_compressed = |accept, bytes, media: &str| {
        shaped(&*policy, accept, 200, Length::Exact(bytes), &[&format!("content-type: {media}")]).1
    };
    for (accept, bytes, media, expected) in [
        ("gzip", 2, "text/html", true),
        ("gzip", 1, "text/html", false),
        ("zstd", 2, "text/html", false),
        ("br", 2, "application/problem+json;charset=utf-8", true),
        ("br", 2, "application/json", false),
        ("br", 2, "text/plain", false),
        ("br", 2, "font/ttf", true),
        ("br", 2, "fontx/ttf", false),
    ] {
        assert_eq!(is_compressed(accept, bytes, media), expected, "{accept} {bytes} {media}");
    }
    assert!(built(&word("false")).is_none());
    let mut alone = Alone::new("a", &[]);
    let wrong = map(&[("types", list(&["html"])), ("algorithms", list(&["deflate"])), ("level", word("9"))]);
    assert_eq!(alone.build(|building| build(&wrong, building)).len(), 1, "a stand-in");
    let reasons: Vec<_> = alone.problems.iter().map(|problem| problem.reason.clone()).collect();
    assert_eq!(
        reasons,
        ["`html` is not a media type", "`deflate` is not known here", "`9` is not known here"]
    );
}

/// What a decoder makes of the bytes; `None` if they end too early for it.
fn decoded(algorithm: Algorithm, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match algorithm {
        Algorithm::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).ok()?,
        Algorithm::Zstd => zstd::Decoder::new(bytes).unwrap().read_to_end(&mut out).ok()?,
        Algorithm::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out).ok()?,
    };
    Some(out)
}

/// As much as a decoder can make of the beginning of a body.
fn decoded_so_far(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read + '_> = match algorithm {
        Algorithm::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        Algorithm::Zstd => Box::new(zstd::Decoder::new(bytes).unwrap()),
        Algorithm::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
    };
    let (mut out, mut part) = (Vec::new(), [0; 512]);
    while let Ok(n @ 1..) = reader.read(&mut part) {
        out.extend_from_slice(&part[..n]);
    }
    out
}

/// Half text, half noise.
fn body(random: &mut Random, bytes: usize) -> Vec<u8> {
    let noise = random.bytes(bytes);
    noise
        .iter()
        .enumerate()
        .map(|(at, b)| if at / 64 % 2 == 0 { b"{\"id\": 7}\n"[at % 10] } else { *b })
        .collect()
}

#[test]
fn bodies_in_any_pieces_come_back_whole_and_a_flush_leaves_nothing_behind() {
    let mut random = Random::announced("compress");
    let sizes = [0, 1, 1000, 70_000, 400_000];
    for (algorithm, level) in
        ALL.into_iter().flat_map(|one| Level::ALL.iter().map(move |(level, _)| (one, *level)))
    {
        // Twice with the smallest, so that a compressor that was kept begins anew.
        for bytes in sizes.into_iter().chain([1000, 0]) {
            let body = body(&mut random, bytes);
            let mut filter = encoder::encoder(algorithm, level).unwrap();
            let (mut out, mut given) = (Vec::new(), 0);
            for size in random.pieces(bytes, 12) {
                for part in body[given..given + size].chunks(16 << 10) {
                    filter.push(part, &mut out);
                }
                given += size;
                if random.below(3) == 0 {
                    filter.flush(&mut out);
                    assert!(
                        decoded_so_far(algorithm, &out) == body[..given],
                        "{algorithm:?} {level:?} {given}"
                    );
                }
            }
            filter.finish(&mut out);
            assert!(decoded(algorithm, &out).unwrap() == body, "{algorithm:?} {level:?} {bytes}");
            assert!(
                bytes < 70_000 || out.len() < bytes * 3 / 4,
                "{algorithm:?} {level:?} {} of {bytes}",
                out.len()
            );
        }
    }
}

#[test]
fn no_more_memory_is_held_than_is_set_aside() {
    // On a thread of its own, which has none that are kept yet.
    std::thread::spawn(hold_all_there_is).join().unwrap();
}

fn hold_all_there_is() {
    use encoder::{BROTLI_BYTES, GZIP_BYTES, Memory, ZSTD_BYTES};
    let most = 40 * ZSTD_BYTES;
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(most, 4 * ZSTD_BYTES)));
    for (algorithm, bytes, kept) in [
        (Algorithm::Brotli, BROTLI_BYTES, 0),
        (Algorithm::Zstd, ZSTD_BYTES, 4 * ZSTD_BYTES),
        (Algorithm::Gzip, GZIP_BYTES, 4 * ZSTD_BYTES),
    ] {
        let taken = || -> Vec<_> { (0..).map_while(|_| memory.encoder(algorithm, Level::Fast)).collect() };
        let all = taken();
        assert!(memory.held() <= most && most - memory.held() < bytes, "{algorithm:?}: {}", memory.held());
        drop(all);
        assert_eq!(memory.held(), kept, "what is idle is bounded too, {algorithm:?}");
        assert!(memory.encoder(algorithm, Level::Fast).is_some(), "given back");
    }
}

#[test]
fn answers_beyond_the_memory_pass_as_they_are() {
    let memory: &'static encoder::Memory = Box::leak(Box::new(encoder::Memory::new(0, 0)));
    let is_none = move || ALL.map(|algorithm| memory.encoder(algorithm, Level::Fast).is_none());
    assert_eq!(std::thread::spawn(is_none).join().unwrap(), [true; 3]);
}

#[test]
fn what_zstandard_holds_is_charged() {
    for level in [Level::Fast, Level::Balanced, Level::Small] {
        let held = encoder::zstd_bytes(level, &Random::new(7).bytes(1 << 20));
        assert!(held > 100 << 10 && held <= encoder::ZSTD_BYTES, "{level:?}: {held}");
    }
}
