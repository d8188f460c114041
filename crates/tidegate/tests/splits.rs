//! Traffic that is split, steered and copied, as the backends of both sides see it.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use tidegate_testkit::backend::Act;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, Message, RawBackend, Setup, ports};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
const SOON: Duration = Duration::from_secs(10);

/// A backend that answers with this word.
fn saying(word: &'static str) -> RawBackend {
    RawBackend::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{word}", word.len()))
}

fn get(gateway: &Gateway, path: &str, fields: &str) -> String {
    let answer = gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    String::from_utf8(answer.body).expect("text")
}

#[test]
fn a_value_picks_its_side_and_keeps_to_it() {
    let backends = ["old", "new", "next"].map(saying);
    let [old, new, next] = backends.each_ref().map(|backend| backend.address);
    let gateway = Setup::new(BIN).workers(2).start(&format!(
        "services: {{ old: \"{old}\", new: \"{new}\", next: \"{next}\" }}\nroutes:\n\
         \x20 - {{ match: /header, to: {{ old: 50, new: 50, next: 0 }}, steer: \"header:X-Variant\" }}\n\
         \x20 - {{ match: /cookie, to: {{ old: 99, new: 1 }}, steer: \"cookie:variant\" }}\n\
         \x20 - {{ match: /chance, to: {{ old: 50, new: 50, next: 0 }} }}\n\
         \x20 - {{ match: {{ path: /beta, cookies: {{ beta: \"1\" }} }}, to: new }}\n\
         \x20 - {{ match: {{ path: /beta }}, to: old }}\n"
    ));
    for (path, fields, expected) in [
        ("/header", "X-Variant: old\r\n", "old"),
        ("/header", "x-variant: new\r\n", "new"),
        ("/header", "x-variant: next\r\n", "next"),
        ("/cookie", "Cookie: a=b; variant=new\r\n", "new"),
        ("/beta", "Cookie: a=b; beta=1\r\n", "new"),
        ("/beta", "Cookie: a=b\r\nCookie: beta=1\r\n", "new"),
        ("/beta", "Cookie: beta=2\r\n", "old"),
        ("/beta", "", "old"),
    ] {
        assert_eq!(get(&gateway, path, fields), expected, "{path} {fields}");
    }
    let side = |number: usize| get(&gateway, "/header", &format!("x-variant: user-{number}\r\n"));
    let sides: Vec<String> = (0..40).map(side).collect();
    assert_eq!((0..40).map(side).collect::<Vec<_>>(), sides, "on another connection, at another worker");
    let seen = |sides: Vec<String>| sides.into_iter().collect::<HashSet<_>>();
    let both = HashSet::from(["old".to_owned(), "new".to_owned()]);
    assert_eq!(seen(sides), both, "and never where nobody is sent");
    // 2^-60 is the chance that one side gets none.
    assert_eq!(seen((0..60).map(|_| get(&gateway, "/header", "")).collect()), both);
    assert_eq!(seen((0..60).map(|_| get(&gateway, "/chance", "x-variant: old\r\n")).collect()), both);
    gateway.stop();
}

/// The requests that came, once there are so many.
fn arrived(backend: &RawBackend, count: usize) -> Vec<Message> {
    let mut all = Vec::new();
    await_true("the copies arrive", SOON, || {
        all.extend(
            backend.take_arrivals().into_iter().map(|arrival| arrival.request.expect("a whole request")),
        );
        all.len() >= count
    });
    assert_eq!(all.len(), count);
    all
}

fn mirrored(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("tidegate_mirrored_total", &[&format!("result=\"{result}\"")])
}

fn await_mirrored(gateway: &Gateway, result: &str, count: f64) {
    await_true("the copies are counted", SOON, || mirrored(gateway, result) >= count);
    assert_eq!(mirrored(gateway, result), count, "{result}");
}

#[test]
fn another_service_gets_the_same_requests() {
    let (first, second) = (saying("first"), saying("a longer answer that nobody reads"));
    let gateway = Setup::new(BIN).workers(1).start(&format!(
        "services: {{ first: \"{}\", second: \"{}\" }}\nroutes:\n\
         \x20 - match: /a/**\n    to: first\n    mirror: second\n    rewrite: \"/b/{{rest}}\"\n\
         \x20   headers: {{ request: {{ set: {{ x-env: prod }} }} }}\n\
         \x20 - {{ match: /none, to: first, mirror: {{ to: second, share: 0% }} }}\n",
        first.address, second.address
    ));
    let mut client = gateway.connect();
    for request in [
        "GET /a/x?q=1 HTTP/1.1\r\nHost: shop.example\r\nX-Mirrored: 1\r\nA: 1\r\n\r\n",
        "POST /a/y HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello",
        "GET /a/z HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    ] {
        let answer = client.send(request).response("GET").expect("an answer");
        assert_eq!(answer.body, b"first");
    }
    get(&gateway, "/none", "");
    let originals = arrived(&first, 4);
    let mut copies = arrived(&second, 3);
    // One may overtake another.
    copies.sort_by_key(|copy| copy.target().to_owned());
    for (original, copy) in originals.iter().zip(&copies) {
        assert_eq!(
            (copy.method(), copy.target(), &copy.body),
            (original.method(), original.target(), &original.body)
        );
        let lines = |message: &Message| {
            let lines = message.field_lines().map(|line| String::from_utf8_lossy(line).into_owned());
            lines.filter(|line| line != "x-mirrored: 1").collect::<Vec<_>>()
        };
        assert_eq!(lines(copy), lines(original));
        assert_eq!((original.values("x-mirrored").len(), copy.value("x-mirrored")), (0, "1"));
    }
    assert_eq!(copies[0].value("x-env"), "prod");
    await_mirrored(&gateway, "answered", 3.0);
    let requests =
        |service: &str| gateway.metric("tidegate_requests_total", &[&format!("service=\"{service}\"")]);
    assert_eq!((requests("first"), requests("second")), (4.0, 0.0), "a copy is no request of a client");
    gateway.stop();
}

#[test]
fn a_request_in_http_2_is_copied_like_any_other() {
    let (first, second) = (saying("first"), saying("second"));
    let gateway = Setup::new(BIN).workers(1).protocols("[h1, h2]").start(&format!(
        "services: {{ first: \"{}\", second: \"{}\" }}\nroutes:\n  - {{ match: /**, to: first, mirror: second }}\n",
        first.address, second.address
    ));
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "20", "--http2-prior-knowledge", "-d", "hello"])
        .arg(format!("http://{}/x", gateway.http))
        .output()
        .expect("run curl");
    assert_eq!(output.stdout, b"first", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(arrived(&first, 1)[0].body, b"hello");
    assert_eq!(arrived(&second, 1)[0].body, b"hello");
    await_mirrored(&gateway, "answered", 1.0);
    gateway.stop();
}

#[test]
fn clients_do_not_feel_what_becomes_of_copies() {
    // It takes the request and never answers.
    let silent = RawBackend::by_request(|_| vec![Act::AwaitEnd]);
    let first = saying("first");
    let gateway = Setup::new(BIN).workers(1).start(&format!(
        "services: {{ first: \"{}\", silent: \"{}\", gone: \"127.0.0.1:{}\" }}\nroutes:\n\
         \x20 - {{ match: /silent, to: first, mirror: silent }}\n\
         \x20 - {{ match: /gone, to: first, mirror: gone }}\n",
        first.address,
        silent.address,
        ports::claim()
    ));
    for _ in 0..3 {
        assert_eq!(get(&gateway, "/gone", ""), "first");
    }
    await_mirrored(&gateway, "failed", 3.0);
    let large =
        format!("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    let chunked = "POST /gone HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    for request in [large.as_str(), chunked] {
        assert_eq!(gateway.ask(request).body, b"first");
    }
    await_mirrored(&gateway, "skipped", 2.0);

    let begun = Instant::now();
    let mut client = gateway.connect();
    for _ in 0..80 {
        client.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response("GET").expect("an answer").body, b"first");
    }
    assert!(begun.elapsed() < Duration::from_secs(9), "nobody waits for a copy");
    assert_eq!(mirrored(&gateway, "dropped"), 16.0, "64 at a time");
    // Nor does the end of the gateway.
    let begun = Instant::now();
    gateway.stop();
    assert!(begun.elapsed() < Duration::from_secs(8));
}
