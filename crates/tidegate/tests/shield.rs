//! The shield in the gateway as a process: attacks in every place are refused without a word of why and reach no
//! backend; watching, they pass and are counted; what it holds of bodies has a bound.

use std::time::Duration;

use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{Gateway, How, RawBackend, Setup};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

fn gateway(backend: &RawBackend, shield: &str) -> Gateway {
    start(Setup::new(BIN), backend, shield)
}

fn start(setup: Setup, backend: &RawBackend, shield: &str) -> Gateway {
    let address = backend.address;
    setup.start(&format!(
        "services: {{ origin: {{ backends: [\"{address}\"] }} }}\n\
         routes: [{{ name: shop, match: /**, to: origin, shield: {shield} }}]"
    ))
}

fn post(content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// An attack in each place, and the reason it is refused for.
fn attacks() -> Vec<(String, &'static str)> {
    let part = "--xx\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n1' or 1=1--\r\n--xx--\r\n";
    vec![
        (get("/a/1'%20or%201=1--", ""), "sql"),
        (get("/a?id=1'+or+1=1--", ""), "sql"),
        (get("/a?id=1%2527%2520or%25201=1--", ""), "sql"),
        (get("/a?q=%3Cscript%3Ealert(1)%3C/script%3E", ""), "xss"),
        (get("/a/%252e%252e/secret", ""), "path"),
        (get("/a", "Cookie: id=1' or 1=1--\r\n"), "sql"),
        (get("/a", "User-Agent: <script>alert(1)</script>\r\n"), "xss"),
        (get("/a", "Referer: http://a.example/?q=1'+or+1=1--\r\n"), "sql"),
        (get("/a", "X-Search: 1' or 1=1--\r\n"), "sql"),
        (post("application/x-www-form-urlencoded", "a=1&id=1'+or+1=1--"), "sql"),
        (post("application/json", r#"{"user":{"name":"<svg onload=alert(1)>"}}"#), "xss"),
        (post("multipart/form-data; boundary=xx", part), "sql"),
        (post("text/plain", "<script>alert(1)</script>"), "xss"),
    ]
}

#[test]
fn attacks_are_refused_wherever_they_stand_and_nobody_is_told_why() {
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&backend, "true");
    for (request, reason) in attacks() {
        let counted = || gateway.metric("tidegate_refusals_total", &[&format!("reason=\"{reason}\"")]);
        let before = counted();
        let answer = gateway.ask(&request);
        assert_eq!(
            (answer.status(), answer.value("content-type")),
            (403, "application/problem+json"),
            "{request}"
        );
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(body.contains(r#""code":"forbidden""#), "{body}");
        for word in ["sql", "xss", "path", "shield", "fingerprint", "query", "script"] {
            assert!(!body.contains(word), "{request}: {body}");
        }
        assert_eq!(counted(), before + 1.0, "{request}");
    }
    assert!(backend.take_arrivals().is_empty(), "no backend has seen one");
    let good = gateway.ask(post("application/json", r#"{"name":"O'Brien","text":"select a plan"}"#));
    assert_eq!(good.status(), 200);
    assert_eq!(backend.take_arrivals().len(), 1);
    gateway.stop();
}

/// A body of that type in chunks, with this trailer announced and sent.
fn with_trailer(content_type: &str, body: &str, trailer: &str) -> String {
    let name = trailer.split(':').next().unwrap();
    format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\nTrailer: {name}\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n{trailer}\r\n\r\n",
        body.len()
    )
}

#[test]
fn trailers_are_looked_at_or_do_not_go_on() {
    let backend = RawBackend::answering(OK);
    let (watching, refusing) = (gateway(&backend, "observe"), gateway(&backend, "true"));
    let attack = "x-note: 1' or 1=1--";
    let long = "a".repeat(200 << 10);
    for (content_type, body, trailer, status, seen) in [
        ("text/plain", "hello", "x-sum: 1", 200, true),
        ("text/plain", "hello", attack, 403, false),
        ("text/plain", &*long, "x-sum: 1", 200, false),
        ("text/plain", &*long, attack, 200, false),
        ("image/png", "hello", attack, 200, false),
    ] {
        let request = with_trailer(content_type, body, trailer);
        let what = format!("{content_type}, {} bytes, {trailer}", body.len());
        assert_eq!(refusing.ask(&request).status(), status, "{what}");
        let arrivals = backend.take_arrivals();
        assert_eq!(arrivals.len(), usize::from(status == 200), "{what}");
        for arrival in arrivals {
            let request = arrival.request.unwrap();
            assert_eq!(request.body.len(), body.len());
            assert_eq!(!request.trailers.is_empty(), seen, "{what}");
        }
        assert_eq!(watching.ask(&request).status(), 200);
        let request = backend.take_arrivals().remove(0).request.unwrap();
        assert!(!request.trailers.is_empty(), "who only watches takes nothing away: {what}");
    }
    watching.stop();
    refusing.stop();
}

#[test]
fn a_trusted_peer_may_pass_on_what_its_client_made_up() {
    let backend = RawBackend::answering(OK);
    let trusted = "{ from: 127.0.0.1, fields: [x-forwarded-for, x-forwarded-user] }";
    let gateway = start(Setup::new(BIN).trusted(trusted), &backend, "true");
    for (fields, status) in [
        ("X-Forwarded-For: 203.0.113.7, 10.1.2.3\r\nX-Forwarded-User: ana\r\n", 200),
        ("X-Forwarded-For: 1' or 1=1--\r\n", 403),
        ("X-Forwarded-User: <script>alert(1)</script>\r\n", 403),
        ("CDN-Loop: 1' or 1=1--\r\n", 403),
        ("X-Real-IP: 1' or 1=1--\r\n", 200), // dropped
    ] {
        assert_eq!(gateway.ask(get("/a", fields)).status(), status, "{fields}");
    }
    gateway.stop();
}

#[test]
fn watching_it_lets_all_pass_and_counts() {
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&backend, "observe");
    let attacks = attacks();
    for (request, _) in &attacks {
        assert_eq!(gateway.ask(request).status(), 200, "{request}");
    }
    assert_eq!(backend.take_arrivals().len(), attacks.len());
    let counted = gateway.metric("tidegate_refusals_total", &["policy=\"shield\"", "mode=\"observed\""]);
    assert_eq!(counted, attacks.len() as f64);
    gateway.stop();
}

/// A thousand clients of twenty addresses at once, each with a body half sent: what is held of them is bounded, they are answered once the
/// rest has come, and when they go away nothing of it is left.
#[test]
fn a_thousand_uploads_at_once_are_held_within_the_bound() {
    const CLIENTS: usize = 1000;
    const BODY: usize = 120 << 10;
    let backend = RawBackend::answering(OK);
    let gateway = start(Setup::new(BIN).trusted("[127.0.0.1]"), &backend, "true");
    let head = |client: usize| {
        format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.{}\r\nContent-Type: text/plain\r\n\
             Content-Length: {BODY}\r\n\r\n",
            client % 20
        )
    };
    let half = vec![b'x'; BODY / 2];
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = gateway.connect();
            client.send(head(number)).send(&half);
            client
        })
        .collect();
    // Half a body each is 60 MB: some of them have no room beside the others when the other half comes.
    let (mut taken, mut shed) = (0, 0);
    for client in &mut clients {
        let _ = client.try_send(&half);
        let (_, answer) = client.final_response("POST").expect("an answer");
        match answer.status() {
            200 => taken += 1,
            503 => shed += 1,
            other => panic!("answered with {other}"),
        }
    }
    assert!(taken > 0 && taken + shed == CLIENTS, "{taken} taken, {shed} shed");
    drop(clients);
    await_true("all of it is given back", Duration::from_secs(10), || {
        let answer = gateway.ask(format!("{}{}", head(0), "y".repeat(BODY)));
        answer.status() == 200
    });
    gateway.stop();
}

/// How a body is sent whose length nobody states.
fn chunk(bytes: usize) -> String {
    format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes))
}

fn upload(client: &str) -> String {
    format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\nContent-Type: text/plain\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
}

/// One client begins twice the uploads that would fill what the process holds, and goes on with none.
#[test]
fn one_client_with_stalled_uploads_has_its_share_and_others_theirs() {
    const UPLOADS: usize = 1000;
    let backend = RawBackend::answering(OK);
    let gateway = start(Setup::new(BIN).trusted("[127.0.0.1]"), &backend, "true");
    let before = gateway.process().pss_kib();
    let stalled = [upload("192.0.2.1"), chunk((64 << 10) + 1)].concat();
    let mut hostile: Vec<_> = (0..UPLOADS)
        .map(|_| {
            let mut client = gateway.connect();
            // Those beyond the share may be refused while this is sent.
            let _ = client.try_send(stalled.as_bytes());
            client
        })
        .collect();
    let refused =
        || gateway.metric("tidegate_refusals_total", &["policy=\"body_memory\"", "reason=\"client_share\""]);
    await_true("most of them are refused", Duration::from_secs(10), || refused() >= 0.85 * UPLOADS as f64);
    assert!(refused() < 0.95 * UPLOADS as f64, "the share is used");
    let grown = gateway.process().pss_kib().saturating_sub(before);
    // What 1000 connections have had on their way is most of it.
    assert!(grown < 64 << 10, "{grown} KiB");
    let (_, answer) = hostile[UPLOADS - 1].final_response("POST").expect("an answer");
    assert_eq!((answer.status(), answer.value("retry-after")), (429, "1"));
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""code":"limited""#));

    for (client, expected) in [("192.0.2.1", 429), ("192.0.2.2", 200), ("2001:db8::1", 200)] {
        let whole = [upload(client), chunk(120 << 10), "0\r\n\r\n".into()].concat();
        assert_eq!(gateway.ask(whole).status(), expected, "{client}");
    }
    drop(hostile);
    gateway.stop();
}

/// Ten seconds pass before a rate is judged, so this takes a little more.
#[test]
fn a_body_without_a_length_is_not_waited_for_when_it_stalls() {
    let backend = RawBackend::answering(OK);
    let gateway = gateway(&backend, "true");
    let begin = std::time::Instant::now();
    let mut client = gateway.connect().with_patience(Duration::from_millis(500));
    client.send(upload("")).send(chunk(1000));
    let answer = loop {
        client.send(chunk(1));
        match client.response("POST") {
            Err(lost) if lost.how == How::Silent => {
                assert!(begin.elapsed() < Duration::from_secs(25), "still waited for");
            }
            other => break other.expect("an answer"),
        }
    };
    assert_eq!(answer.status(), 408);
    assert!(begin.elapsed() > Duration::from_secs(5), "judged after {:?}", begin.elapsed());
    gateway.stop();
}
