//! What belongs to one connection only: hop-by-hop fields, keeping and closing, Expect, Upgrade and CONNECT
//! (RFC 9110 §7.6, §7.8, §9.3.6, §10.1.1).

use super::{
    After, Case, Outcome, Reaches, carried, case, get, last_passage, passage, post, refusal, refused,
    refused_as,
};

pub(super) fn connection() -> Vec<Case> {
    let stripped = |id, fields: &str, kept: &str| carried(id, get(fields), get(kept));
    let http10 = |fields: &str| format!("GET /ID HTTP/1.0\r\nHost: a\r\n{fields}\r\n");
    let hop_by_hop = "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nX: y\r\n\
                      Trailer: X-Sum\r\nUpgrade: websocket\r\nConnection: X-Own\r\nX-Own: 1\r\nZ: z\r\n";
    vec![
        stripped("conn-nominates-real-ip", "Connection: X-Real-IP\r\nX-Real-IP: 1.2.3.4\r\n", ""),
        stripped(
            "conn-nominates-real-ip",
            "X-A: 1\r\nconnection: keep-alive, x-a ,\r\nX-B: 2\r\n",
            "X-B: 2\r\n",
        ),
        stripped("conn-nominates-host", "Connection: Host\r\n", ""),
        carried(
            "conn-nominates-cl",
            post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"),
            post("content-length: 5\r\n", "hello"),
        ),
        carried(
            "conn-nominates-te",
            post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
            post("transfer-encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
        ),
        case(
            "conn-nominates-auth",
            get("Connection: Authorization\r\nAuthorization: Basic YTpi\r\n"),
            passage(get("")),
        )
        .or(refusal(&[400])),
        case(
            "conn-close-sticky",
            get("Connection: close\r\nConnection: keep-alive\r\n"),
            last_passage(get("")),
        ),
        case("conn-close-sticky", get("Connection: keep-alive, close\r\n"), last_passage(get(""))),
        case("conn-close-sticky", get("Connection: CLOSE\r\n"), last_passage(get(""))),
        stripped("proxy-connection", "Proxy-Connection: close\r\n", ""),
        stripped("keep-alive-params", "Connection: keep-alive\r\nKeep-Alive: timeout=5, max=1\r\n", ""),
        stripped("hop-by-hop-stripped", hop_by_hop, "X: y\r\nZ: z\r\n"),
        case("http10-closes", http10(""), last_passage(get(""))),
        carried("http10-keep-alive", http10("Connection: Keep-Alive\r\n"), get("")),
        case("http10-close", http10("Connection: close, keep-alive\r\n"), last_passage(get(""))),
        carried("post-without-length", post("", ""), post("content-length: 0\r\n", "")),
    ]
}

pub(super) fn expect() -> Vec<Case> {
    let expecting = post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello");
    let http10 = "POST /ID HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    vec![
        // We may hand the expectation on or see to it ourselves.
        case("expect-100-body-sent-early", &expecting, passage(post("content-length: 5\r\n", "hello")))
            .or(passage(post("content-length: 5\r\nexpect: 100-continue\r\n", "hello"))),
        refused_as("expect-unknown", &[417], post("Expect: 200-ok\r\nContent-Length: 5\r\n", "hello")),
        refused_as("expect-unknown", &[417], get("Expect: x\r\n")),
        refused_as(
            "expect-dup",
            &[400, 417],
            post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
        ),
        case("expect-http10", http10, last_passage(post("content-length: 5\r\n", "hello"))),
    ]
}

pub(super) fn upgrade_and_connect() -> Vec<Case> {
    let asking = |token: &str| format!("Connection: Upgrade\r\nUpgrade: {token}\r\n");
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let connect = |id, fields: &str, after: &str| {
        refused_as(
            id,
            &[405],
            format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nX: /ID\r\n{fields}\r\n{after}"),
        )
    };
    // The backend declines with 200, so a body was a body and nothing else was sent.
    let asked = |id, request: &dyn Fn(&str, &str) -> Vec<u8>, token: &str, sent: Vec<u8>| {
        let with = request("connection: upgrade\r\n", &format!("upgrade: {token}\r\n"));
        case(id, sent, passage(request("", ""))).or(passage(with)).or(refusal(&[400]))
    };
    let counted = |first: &str, last: &str| post(format!("{first}content-length: 5\r\n{last}"), "hello");
    let chunked = |first: &str, last: &str| {
        post(format!("{first}transfer-encoding: chunked\r\n{last}"), "5\r\nhello\r\n0\r\n\r\n")
    };
    let plain = |first: &str, last: &str| get(format!("{first}{last}"));
    vec![
        asked("upgrade-with-cl", &counted, "websocket", counted(&asking("websocket"), "")),
        asked("upgrade-with-chunked", &chunked, "websocket", chunked(&asking("websocket"), "")),
        carried("upgrade-h2c", get(h2c), get("")),
        carried("upgrade-h2c", get(asking("H2C")), get("")),
        asked("upgrade-unlisted-token", &plain, "odd/1", get(asking("odd/1"))),
        connect("connect-early-data", "", "\x16\x03\x01early"),
        connect("connect-through-pool", "Connection: keep-alive\r\n", ""),
        connect("connect-with-cl", "Content-Length: 5\r\n", "hello"),
        connect("connect-non-2xx-bytes", "", "GET /ID/early HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]
}

pub(super) fn pipelines() -> Vec<Case> {
    let one = |n: usize| format!("GET /ID/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
    let exactly = |requests: &[String]| {
        Reaches::Exactly(requests.iter().map(|request| request.clone().into_bytes()).collect())
    };
    let sixteen: Vec<String> = (0..16).map(one).collect();
    let in_order = Outcome { answers: vec![&[200]; 16], reaches: exactly(&sixteen), after: After::Kept };
    let up_to_close = [one(1), "GET /ID/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into()];
    let closed =
        Outcome { answers: vec![&[200]; 2], reaches: exactly(&[one(1), one(2)]), after: After::Closed };
    let after_error = [one(1), "GET /ID/bad HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n".into(), one(2)].concat();
    let error = Outcome { answers: vec![&[200], &[400]], reaches: exactly(&[one(1)]), after: After::Closed };
    vec![
        case("pipeline-in-order", sixteen.concat(), in_order),
        case("pipeline-after-close", [up_to_close.concat(), one(3)].concat(), closed),
        case("pipeline-after-error", after_error, error),
        case("fin-after-request", get(""), last_passage(get(""))).finished(),
        refused("request-cut-by-fin", "").cut("GET /ID HTTP/1.1\r\nHost: a\r\n"),
        refused("request-cut-by-fin", "")
            .cut("POST /ID HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello"),
    ]
}

impl Case {
    /// The client is done in the middle of its request: told so or only left, and nothing whole arrives.
    fn cut(mut self, sent: &str) -> Case {
        let closed = |answers| Outcome { answers, reaches: Reaches::NeverWhole, after: After::Closed };
        self.sent = sent.into();
        self.outcomes = vec![closed(vec![&[400]]), closed(Vec::new())];
        self.finished()
    }
}
