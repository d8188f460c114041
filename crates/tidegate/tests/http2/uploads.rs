//! Answers that are given before a large upload has ended: the client gets them whole, whichever program it is, and
//! what it still sends is read away for a while.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidegate_testkit::authority::Authority;
use tidegate_testkit::backend::{Act, OK};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::process::{Ended, Process, run};
use tidegate_testkit::{Gateway, RawBackend, Setup};

use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, Outcome, Peer, Said, block, frame};

/// More than every window and buffer on the way.
const UPLOAD_BYTES: usize = 8 << 20;
/// Paths and what is answered on them before the upload has ended.
const ANSWERS: [(&str, u16); 7] = [
    ("/auth", 401),
    ("/missing", 404),
    ("/small", 413),
    ("/moved", 307),
    ("/fixed", 200),
    ("/closed", 410),
    ("/origin", 403),
];

/// A gateway that answers so, in plain text and over TLS; `/page` is a page of the backend.
struct Site {
    gateway: Gateway,
    authority: Authority,
    upload: PathBuf,
    /// What a page says it got, in its last request.
    said: Arc<Mutex<String>>,
    _backend: RawBackend,
}

impl Site {
    fn start() -> Site {
        let said = Arc::new(Mutex::new(String::new()));
        let noted = said.clone();
        let backend = RawBackend::start(move |visit| {
            let Ok(request) = visit.connection.request_head() else { return };
            if request.target() == "/page" {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    PAGE.len()
                );
                visit.connection.send([head.as_bytes(), PAGE.as_bytes()].concat());
            } else if let Some(said) = request.target().strip_prefix("/said/") {
                visit.connection.send(OK);
                *noted.lock().expect("lock") = said.to_owned();
            } else if request.target() == "/origin" {
                visit.connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
            }
            visit.play(vec![Act::AwaitEnd]);
        });
        let authority = Authority::new();
        let pair = authority.pair("site", &["localhost"]);
        let keys = authority.folder().join("keys.yaml");
        let hash = "0".repeat(64);
        std::fs::write(&keys, format!("keys: [{{ id: a, consumer: web, hash: \"sha256:{hash}\" }}]"))
            .expect("write the keys");
        let setup = Setup::new(env!("CARGO_BIN_EXE_tidegate")).workers(1).protocols("[h1, h2]");
        let setup = setup.listener_with(
            "https",
            &format!("protocols: [h1, h2], tls: {{ certificates: [{}] }}", pair.entry()),
        );
        let gateway = setup.start(&format!(
            "services: {{ origin: {{ backends: [\"{}\"] }} }}\n\
             auth: {{ keys: {{ api_key: {{ file: \"{}\" }} }} }}\n\
             routes:\n\
             \x20 - {{ match: /auth, to: origin, auth: keys }}\n\
             \x20 - {{ match: /small, to: origin, body_max: 1KiB }}\n\
             \x20 - {{ match: /moved, to: {{ redirect: {{ to: /fixed, status: 307 }} }} }}\n\
             \x20 - {{ match: /fixed, to: {{ respond: {{ body: ok }} }} }}\n\
             \x20 - {{ match: /closed, to: {{ respond: {{ status: 410, body: gone }} }} }}\n\
             \x20 - {{ match: /origin, to: origin, body_max: 1GiB }}\n\
             \x20 - {{ match: /said/**, to: origin }}\n\
             \x20 - {{ match: /page, to: origin }}",
            backend.address,
            keys.display()
        ));
        let upload = gateway.folder().join("upload");
        std::fs::write(&upload, vec![b'x'; UPLOAD_BYTES]).expect("write a file");
        Site { gateway, authority, upload, said, _backend: backend }
    }

    /// Where it is found, in plain text and over TLS.
    fn places(&self) -> [String; 2] {
        let https = self.gateway.listener("https");
        [format!("http://{}", self.gateway.http), format!("https://localhost:{}", https.port())]
    }
}

fn start(program: &str, arguments: &[&str]) -> Ended {
    run(Command::new(program).args(arguments))
}

#[test]
fn curl_gets_every_answer() {
    /// Twenty tries in all, of which none may fail.
    const TRIES: usize = 2;
    let site = Site::start();
    let (ca, data) = (site.authority.ca().display().to_string(), format!("@{}", site.upload.display()));
    let mut failed = Vec::new();
    for place in site.places() {
        let version = if place.starts_with("https") { "--http2" } else { "--http2-prior-knowledge" };
        for (path, expected) in ANSWERS {
            for sent in [&["--data-binary", &data, "-H", "Expect:"][..], &["-T", &data[1..]]] {
                for _ in 0..TRIES {
                    let common = ["-sS", version, "--cacert", &ca, "-m", "8", "-o", "/dev/null"];
                    let told = ["-w", "%{http_version} %{http_code}"];
                    let url = format!("{place}{path}");
                    let ended = start("curl", &[&common[..], &told, sent, &[&url]].concat());
                    if (ended.code, &ended.stdout) != (Some(0), &format!("2 {expected}")) {
                        failed.push(format!("{url} {}: {ended:?}", sent[0]));
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    site.gateway.stop();
}

#[test]
fn nghttp_gets_every_answer() {
    let site = Site::start();
    let data = site.upload.display().to_string();
    for place in site.places() {
        for (path, expected) in ANSWERS {
            let ended = start("nghttp", &["-nv", "-t", "8", "-d", &data, &format!("{place}{path}")]);
            let said = &ended.stdout;
            let is_whole =
                said.contains(&format!(":status: {expected}")) && !said.contains("some requests were not");
            assert!(ended.code == Some(0) && is_whole, "{place}{path}: {ended:?}");
        }
    }
    site.gateway.stop();
}

#[test]
fn node_gets_every_answer() {
    /// Uploads to each path on one connection, one after the other, and prints the statuses and how the streams ended.
    const SCRIPT: &str = r#"
const http2 = require("node:http2"), fs = require("node:fs");
const [place, ca, upload, ...paths] = process.argv.slice(1);
const session = http2.connect(place, { ca: fs.readFileSync(ca) });
session.on("error", (error) => { console.log("session", error.code); process.exit(1); });
const ask = (path) => new Promise((done) => {
  const stream = session.request({ ":method": "POST", ":path": path });
  let status = 0, bytes = 0;
  stream.on("response", (head) => { status = head[":status"]; });
  stream.on("data", (data) => { bytes += data.length; });
  stream.on("end", () => done(status + (bytes > 0 ? "" : " without a body")));
  stream.on("error", (error) => done(status + " " + error.code));
  fs.createReadStream(upload).pipe(stream);
});
(async () => {
  const said = [];
  for (const path of paths) said.push(await ask(path));
  console.log(said.join(","));
  session.destroy();
})();
"#;
    let site = Site::start();
    let (ca, data) = (site.authority.ca().display().to_string(), site.upload.display().to_string());
    for place in site.places() {
        let paths = ANSWERS.map(|(path, _)| path);
        let ended = start("node", &[&["-e", SCRIPT, &place, &ca, &data][..], &paths].concat());
        assert_eq!(ended.stdout, "401,404,413,307 without a body,200,410,403\n", "{place}: {ended:?}");
    }
    site.gateway.stop();
}

/// Uploads to each path, and tells what it gets.
const PAGE: &str = r#"<!doctype html><title>uploads</title><body><script>
(async () => {
  const said = [];
  for (const path of ["/auth", "/missing", "/small", "/fixed", "/closed", "/origin"]) {
    try {
      const answer = await fetch(path, { method: "POST", body: new Blob([new Uint8Array(8 << 20)]) });
      await answer.text();
      const entry = performance.getEntriesByName(answer.url).at(-1);
      said.push(answer.status + "-" + (entry ? entry.nextHopProtocol : "?"));
    } catch (error) {
      said.push(error.name);
    }
  }
  await fetch("/said/" + said.join(","));
})();
</script>"#;

#[test]
fn chromium_gets_every_answer() {
    let site = Site::start();
    let [_, place] = site.places();
    let profile = format!("--user-data-dir={}", site.gateway.folder().join("profile").display());
    let mut browser = Process::start(Command::new("chromium").args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--ignore-certificate-errors",
        "--remote-debugging-port=0",
        &profile,
        &format!("{place}/page"),
    ]));
    let said = || site.said.lock().expect("lock").clone();
    await_true("the page has tried all", Duration::from_secs(30), || !said().is_empty());
    assert_eq!(said(), "401-h2,404-h2,413-h2,200-h2,410-h2,403-h2");
    browser.kill();
    site.gateway.stop();
}

/// A frame's worth of an upload.
const PIECE: [u8; 16 << 10] = [b'x'; 16 << 10];

/// Begins an upload of unstated length.
fn upload(peer: &mut Peer, path: &str, more: &[(&str, &str)]) -> u32 {
    let stream = peer.stream();
    let head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)];
    peer.send(&frame(HEADERS, END_HEADERS, stream, &block(&[&head[..], more].concat())));
    stream
}

#[test]
fn what_comes_behind_the_answer_is_taken_for_a_while_and_then_the_stream_is_reset() {
    let site = Site::start();
    let mut peer = Peer::to(site.gateway.http);
    let stream = upload(&mut peer, "/auth", &[]);
    assert_eq!(peer.outcome(stream).0, Outcome::Status(401));
    // Far more than its window: it is opened again and again.
    let begun = Instant::now();
    let mut sent = 0;
    while sent < UPLOAD_BYTES {
        while sent + PIECE.len() > peer.window(stream).min(peer.window(0)) {
            let said = peer.next_within(Duration::from_millis(1));
            assert_eq!(said, Said::Nothing, "after {sent} bytes");
            assert!(begun.elapsed() < Duration::from_secs(10), "no window after {sent} bytes");
        }
        peer.send(&frame(DATA, 0, stream, &PIECE));
        sent += PIECE.len();
    }
    peer.send(&frame(DATA, END_STREAM, stream, b""));
    assert_eq!(peer.ask("/fixed"), Outcome::Status(200), "it has ended by itself, without a reset");

    // Who is silent is told to stop, and the connection goes on.
    let stream = upload(&mut peer, "/auth", &[]);
    assert_eq!(peer.outcome(stream).0, Outcome::Status(401));
    let begun = Instant::now();
    assert_eq!(peer.next(), Said::Reset(stream, NO_ERROR));
    assert!(begun.elapsed() > Duration::from_secs(1), "after a while, not at once");
    // Who waits for 100 (Continue) sends nothing, and is told at once.
    let stream = upload(&mut peer, "/fixed", &[("expect", "100-continue")]);
    assert_eq!(peer.outcome(stream).0, Outcome::Status(200));
    let begun = Instant::now();
    assert_eq!(peer.next(), Said::Reset(stream, NO_ERROR));
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(peer.ask("/fixed"), Outcome::Status(200));
    site.gateway.stop();
}
