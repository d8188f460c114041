//! Programs that people use as clients of HTTP/2.

use std::process::Command;

use tidegate_testkit::backend::OK;
use tidegate_testkit::peers::python;
use tidegate_testkit::process::{Ended, run};
use tidegate_testkit::{Act, Gateway, RawBackend};

/// Answers with what it was sent, or with `ok`.
fn echo() -> RawBackend {
    RawBackend::by_request(|request| match request.body.len() {
        0 => vec![Act::Send(OK.to_vec())],
        length => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            vec![Act::Send([head.as_bytes(), &request.body].concat())]
        }
    })
}

fn start(gateway: &Gateway, program: &str, arguments: &[&str], path: &str) -> Ended {
    let url = format!("http://{}{path}", gateway.http);
    let ended = run(Command::new(program).args(arguments).arg(url));
    assert_eq!(ended.code, Some(0), "{program} {arguments:?}: {ended:?}");
    ended
}

#[test]
fn curl_asks_and_uploads() {
    let backend = echo();
    let gateway = crate::gateway(&backend, "{}");
    let common = ["-sS", "--http2-prior-knowledge", "-m", "10"];
    let ask = [&common[..], &["-w", " %{http_version} %{http_code}"]].concat();
    assert_eq!(start(&gateway, "curl", &ask, "/a").stdout, "ok 2 200");
    let file = gateway.folder().join("upload");
    std::fs::write(&file, "0123456789".repeat(100_000)).expect("write a file");
    let data = format!("@{}", file.display());
    let back = gateway.folder().join("back");
    let back_name = back.display().to_string();
    let sent = ["--data-binary", &data, "-H", "Expect: 100-continue", "-o", &back_name];
    start(&gateway, "curl", &[&common[..], &sent].concat(), "/b");
    assert!(std::fs::read(back).expect("the answer") == std::fs::read(file).expect("what was sent"));
    let head = [&common[..], &["-I"]].concat();
    assert!(start(&gateway, "curl", &head, "/c").stdout.starts_with("HTTP/2 200"));
    gateway.stop();
}

#[test]
fn h2load_loses_none_of_its_requests() {
    let backend = echo();
    let gateway = crate::gateway(&backend, "{ requests: 100000 }");
    let ended = start(&gateway, "h2load", &["-n", "20000", "-c", "8", "-m", "10"], "/a");
    assert!(ended.stdout.contains("20000 succeeded, 0 failed, 0 errored"), "{}", ended.stdout);
    gateway.stop();
}

#[test]
fn nghttp_reads_and_sends() {
    let backend = echo();
    let gateway = crate::gateway(&backend, "{}");
    let file = gateway.folder().join("upload");
    std::fs::write(&file, "0123456789".repeat(30_000)).expect("write a file");
    let ended = start(&gateway, "nghttp", &["-nv", "-m", "5", "-d", &file.display().to_string()], "/a");
    assert_eq!(ended.stdout.matches(":status: 200").count(), 5, "{}", ended.stdout);
    gateway.stop();
}

#[test]
fn httpx_asks_side_by_side_on_one_connection() {
    /// Prints what it gets of twenty requests at once, and of one that sends a body piece by piece.
    const SCRIPT: &str = r#"
import asyncio, sys, httpx

async def main(url):
    async with httpx.AsyncClient(http1=False, http2=True, timeout=10) as client:
        answers = await asyncio.gather(*(client.get(url, headers={"cookie": "a=1"}) for _ in range(20)))
        print({(answer.http_version, answer.status_code, answer.text) for answer in answers})
        async def pieces():
            for _ in range(100):
                yield b"x" * 5000
        answer = await client.post(url, content=pieces())
        print(answer.status_code, len(answer.content))

asyncio.run(main(sys.argv[1]))
"#;
    let backend = echo();
    let gateway = crate::gateway(&backend, "{}");
    let python = python();
    let ended = start(&gateway, &python.display().to_string(), &["-c", SCRIPT], "/a");
    assert_eq!(ended.stdout, "{('HTTP/2', 200, 'ok')}\n200 500000\n");
    gateway.stop();
}
