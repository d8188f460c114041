//! Answers compressed for real clients: curl decodes what it is given, whatever way the backend sends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tidegate_testkit::backend::Act;
use tidegate_testkit::{Gateway, Message, Random, RawBackend, Setup, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];

fn started(backend: &RawBackend, routes: &str) -> Gateway {
    let setup = Setup::new(BIN).workers(1).protocols("[h1, h2]");
    setup.start(&format!("services: {{ origin: \"{}\" }}\nroutes:\n{routes}", backend.address))
}

/// Text that compresses, with lines of any length.
fn text(random: &mut Random, bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 64);
    while text.len() < bytes {
        text.extend_from_slice(
            format!("{{\"id\":{},\"name\":\"thing\"}}\n", random.below(100_000)).as_bytes(),
        );
    }
    text.truncate(bytes);
    text
}

/// The body in chunks of odd sizes, with trailers.
fn chunked(body: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"7\"\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut rest = body;
    for size in random.pieces(body.len(), 40).into_iter().filter(|size| *size > 0) {
        let (chunk, after) = rest.split_at(size);
        bytes.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = after;
    }
    bytes.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
    bytes
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"7\"\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What curl gets and decodes, asking for this coding.
fn curl(gateway: &Gateway, path: &str, coding: &str) -> (String, Vec<u8>) {
    curl_by("--http1.1", gateway, path, coding)
}

/// The same by a protocol.
fn curl_by(protocol: &str, gateway: &Gateway, path: &str, coding: &str) -> (String, Vec<u8>) {
    let output = Command::new("curl")
        .args([
            protocol,
            "-sS",
            "--max-time",
            "20",
            "--compressed",
            "-H",
            &format!("Accept-Encoding: {coding}"),
        ])
        .args(["-w", "%{stderr}%header{content-encoding} %{size_download}"])
        .arg(format!("http://{}{path}", gateway.http))
        .output()
        .expect("run curl");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{path} {coding}: {said}");
    (said, output.stdout)
}

#[test]
fn bodies_sent_in_any_way_reach_curl_whole_and_smaller() {
    let mut random = Random::announced("compress");
    let seed = random.bits();
    let bodies: Vec<Vec<u8>> =
        [1024, 20_000, 300_000, 3 << 20].iter().map(|bytes| text(&mut random, *bytes)).collect();
    let served = bodies.clone();
    let backend = RawBackend::start(move |visit| {
        let mut random = Random::new(seed ^ visit.number as u64);
        while let Some(request) = visit.request() {
            let (framing, number) = request.target()[1..].split_once('/').expect("two segments");
            let body = &served[number.parse::<usize>().expect("a number")];
            let bytes = if framing == "length" { with_length(body) } else { chunked(body, &mut random) };
            let pieces = random.pieces(bytes.len(), 30);
            visit.connection.send_pieces(&bytes, &pieces);
        }
    });
    let gateway = started(&backend, "  - { match: /**, to: origin, compress: true }\n");
    for coding in CODINGS {
        for framing in ["length", "chunked"] {
            for (number, body) in bodies.iter().enumerate() {
                let path = format!("/{framing}/{number}");
                let (said, got) = curl(&gateway, &path, coding);
                assert!(got == *body, "{coding} {path}: {} of {} bytes", got.len(), body.len());
                let (named, bytes) = said.trim().split_once(' ').expect("two words");
                assert_eq!(named, coding);
                assert!(
                    bytes.parse::<usize>().expect("a number") < body.len() * 2 / 3,
                    "{coding} {path}: {said}"
                );
            }
        }
    }
    for (number, body) in bodies.iter().enumerate() {
        let (_, got) = curl_by("--http2-prior-knowledge", &gateway, &format!("/chunked/{number}"), "br");
        assert!(got == *body, "HTTP/2: {} of {} bytes", got.len(), body.len());
    }
    let connections = backend.connections();
    assert!(connections < 24, "{connections} connections for 28 answers: theirs are used again");
    gateway.stop();
}

/// The gateway's answer to one request on a connection of its own.
fn ask(gateway: &Gateway, request: &str, fields: &str) -> Message {
    gateway.ask(format!("{request} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[test]
fn heads_say_what_became_of_the_body() {
    let body = "abcdefgh".repeat(200);
    let (by_length, head_only) = (with_length(body.as_bytes()), body.len());
    let backend = RawBackend::by_request(move |request| {
        match (request.method(), request.target()) {
        ("HEAD", _) => vec![Act::Send(
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"7\"\r\nAccept-Ranges: bytes\r\nContent-Length: {head_only}\r\n\r\n").into(),
        )],
        (_, "/304") => vec![Act::Send(b"HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\nContent-Length: 1600\r\n\r\n".to_vec())],
        (_, "/206") => vec![Act::Send(
            b"HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nabcd".to_vec(),
        )],
        (_, "/204") => vec![Act::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())],
        _ => vec![Act::Send(by_length.clone())],
    }
    });
    let gateway = started(
        &backend,
        "  - { match: /**, to: origin, compress: { min: 1B } }\n\
         \x20 - { match: /small, to: origin, compress: { min: 2KiB } }\n\
         \x20 - { match: /off, to: origin, compress: false }\n\
         \x20 - { match: /own, to: { respond: { headers: { content-type: text/plain }, body: aaaaaaaaaaaaaaaaaaaa } }, compress: { min: 1B } }\n\
         \x20 - { match: /none, to: origin, body_max: 1B, compress: { min: 1B } }\n",
    );
    const GZIP: &str = "Accept-Encoding: gzip\r\n";
    let seen = |answer: &Message| {
        ["content-encoding", "vary", "etag", "content-length", "accept-ranges", "transfer-encoding"]
            .map(|name| answer.value(name).to_owned())
    };
    let get = ask(&gateway, "GET /a", GZIP);
    assert_eq!(seen(&get), ["gzip", "accept-encoding", "W/\"7\"", "", "", "chunked"]);
    let head = ask(&gateway, "HEAD /a", GZIP);
    assert_eq!(seen(&head)[..5], seen(&get)[..5], "the head of an answer to GET, without its body");
    assert!(head.body.is_empty());
    let plain = ask(&gateway, "GET /a", "");
    assert_eq!(seen(&plain), ["", "accept-encoding", "\"7\"", "1600", "bytes", ""]);
    assert_eq!(plain.body, body.as_bytes());
    for (path, expected) in [
        ("/small", ["", "", "\"7\"", "1600", "bytes", ""]),
        ("/off", ["", "", "\"7\"", "1600", "bytes", ""]),
        // Nobody has asked with the tag of a copy that was compressed.
        ("/304", ["", "accept-encoding", "\"7\"", "1600", "", ""]),
        ("/206", ["", "accept-encoding", "", "4", "", ""]),
        ("/204", ["", "", "", "", "", ""]),
        ("/own", ["gzip", "accept-encoding", "", "", "", "chunked"]),
    ] {
        assert_eq!(seen(&ask(&gateway, &format!("GET {path}"), GZIP)), expected, "{path}");
    }
    assert_eq!(curl(&gateway, "/own", "br").1, b"a".repeat(20), "the gateway's own answers too");
    let refused = ask(&gateway, "POST /none", "Content-Length: 2\r\n");
    assert_eq!((refused.status(), problem::code(&refused).as_deref()), (413, Ok("too_large")));
    gateway.stop();
}

/// The old clients that know no chunks get the bytes until the connection ends.
#[test]
fn a_client_of_http_1_0_is_told_the_end_by_the_end() {
    let body = "abcdefgh".repeat(200);
    let backend = RawBackend::answering(with_length(body.as_bytes()));
    let gateway = started(&backend, "  - { match: /**, to: origin, compress: true }\n");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.response("GET").expect("an answer");
    assert_eq!((answer.value("content-encoding"), answer.value("transfer-encoding")), ("gzip", ""));
    let mut decoder =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    decoder.stdin.take().expect("piped").write_all(&answer.body).expect("write");
    let decoded = decoder.wait_with_output().expect("decode");
    assert_eq!(decoded.stdout, body.as_bytes());
    gateway.stop();
}

#[test]
fn events_arrive_when_they_happen() {
    for coding in CODINGS {
        let (go, going) = mpsc::sync_channel::<()>(1);
        let going = std::sync::Mutex::new(going);
        let backend = RawBackend::start(move |visit| {
            visit.request().expect("a request");
            visit.connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
            for number in 0..3 {
                visit.connection.send(format!("data: {number}\n"));
                // The next only after the client has seen this one.
                let seen = going.lock().expect("one visit").recv_timeout(Duration::from_secs(10));
                assert!(seen.is_ok(), "event {number} did not arrive");
            }
        });
        let gateway = started(&backend, "  - { match: /**, to: origin, compress: true }\n");
        let mut client = Command::new("curl")
            .args(["-sSN", "--max-time", "20", "--compressed", "-H", &format!("Accept-Encoding: {coding}")])
            .arg(format!("http://{}/", gateway.http))
            .stdout(Stdio::piped())
            .spawn()
            .expect("run curl");
        let mut lines = BufReader::new(client.stdout.take().expect("piped"));
        for number in 0..3 {
            let mut line = String::new();
            lines.read_line(&mut line).expect("read");
            assert_eq!(line, format!("data: {number}\n"), "{coding}");
            go.send(()).expect("the backend waits");
        }
        let mut rest = Vec::new();
        lines.read_to_end(&mut rest).expect("read");
        assert!(rest.is_empty() && client.wait().expect("wait").success());
        gateway.stop();
    }
}

/// What the backend breaks off must not look whole.
#[test]
fn half_a_body_does_not_end_well() {
    let backend = RawBackend::by_request(|_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n";
        vec![Act::Send([&head[..], &[b'a'; 3000]].concat()), Act::Finish]
    });
    let gateway = started(&backend, "  - { match: /**, to: origin, compress: true }\n");
    for coding in CODINGS {
        let mut client = gateway.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"));
        let lost = client.response("GET").expect_err("half a body");
        assert!(!lost.partial.ends_with(b"0\r\n\r\n"), "{coding}: {lost}");
    }
    gateway.stop();
}
