//! Every endpoint of httpbin through the gateway equals httpbin itself: status, end-to-end fields, body.

use std::net::SocketAddr;

use tidegate_testkit::connection::shown;
use tidegate_testkit::gateway::ask;
use tidegate_testkit::peers::Httpbin;
use tidegate_testkit::{Gateway, Message};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

/// Fields that belong to one connection or one moment, and the one that the gateway adds.
const NOT_COMPARED: [&str; 6] =
    ["connection", "keep-alive", "transfer-encoding", "content-length", "date", "x-request-id"];

/// How an answer is compared.
#[derive(Clone, Copy)]
enum Compared {
    /// Status, fields and body.
    Whole,
    /// Status, fields but for these, and the length of the body: the rest is different every time.
    Shape(&'static [&'static str]),
}
use Compared::{Shape, Whole};

struct Request {
    method: &'static str,
    target: String,
    fields: &'static str,
    body: &'static str,
    compared: Compared,
}

fn get(target: &str) -> Request {
    Request { method: "GET", target: target.into(), fields: "", body: "", compared: Whole }
}

impl Request {
    fn by(self, method: &'static str) -> Request {
        Request { method, ..self }
    }

    fn with(self, fields: &'static str) -> Request {
        Request { fields, ..self }
    }

    fn sending(self, fields: &'static str, body: &'static str) -> Request {
        Request { fields, body, ..self }
    }

    fn changing(self, fields: &'static [&'static str]) -> Request {
        Request { compared: Shape(fields), ..self }
    }

    fn bytes(&self) -> String {
        self.bytes_with("")
    }

    /// The request as the gateway hands it on: httpbin shows this field in its answers.
    fn bytes_handed_on(&self) -> String {
        self.bytes_with("X-Forwarded-Host: httpbin.test\r\n")
    }

    fn bytes_with(&self, more: &str) -> String {
        // A POST without a length gets one from the gateway, so it has one here.
        let length = match (self.body.len(), self.method) {
            (0, "GET" | "HEAD" | "OPTIONS" | "DELETE") => String::new(),
            (bytes, _) => format!("Content-Length: {bytes}\r\n"),
        };
        let (method, target, fields, body) = (self.method, &self.target, self.fields, self.body);
        format!("{method} {target} HTTP/1.1\r\nHost: httpbin.test\r\n{fields}{more}{length}\r\n{body}")
    }
}

/// Asks both, and says what differs.
fn differences(direct: SocketAddr, gateway: SocketAddr, request: &Request) -> Option<String> {
    let expected = ask(direct, request.bytes_handed_on().as_bytes());
    let seen = ask(gateway, request.bytes().as_bytes());
    let (left_out, is_body_equal) = match request.compared {
        Whole => (&[][..], seen.body == expected.body),
        Shape(fields) => (fields, seen.body == expected.body || seen.body.len() == expected.body.len()),
    };
    let is_dated = !seen.value("date").is_empty();
    let is_equal = seen.status() == expected.status()
        && compared_fields(&seen, left_out) == compared_fields(&expected, left_out)
        && is_body_equal
        && is_dated;
    let both = || format!("{}\n  direct  {}\n  gateway {}", request.target, whole(&expected), whole(&seen));
    (!is_equal).then(both)
}

fn whole(message: &Message) -> String {
    shown(&[&message.head[..], &message.body[..]].concat())
}

/// The end-to-end fields, names in lower case: those of one name in their order.
fn compared_fields(message: &Message, left_out: &[&str]) -> Vec<(String, String)> {
    let fields = message.field_lines().filter_map(tidegate_testkit::message::split_field);
    let mut fields: Vec<(String, String)> = fields
        .map(|(name, value)| {
            (String::from_utf8_lossy(name).to_lowercase(), String::from_utf8_lossy(value).into_owned())
        })
        .filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()) && !left_out.contains(&name.as_str()))
        .collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

fn check(requests: Vec<Request>) {
    let httpbin = Httpbin::start();
    let gateway = Gateway::before(BIN, &[httpbin.address]);
    let found: Vec<String> =
        requests.iter().filter_map(|request| differences(httpbin.address, gateway.http, request)).collect();
    gateway.stop();
    assert!(found.is_empty(), "{} of {} differ:\n{}", found.len(), requests.len(), found.join("\n"));
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const MULTIPART: &str = "Content-Type: multipart/form-data; boundary=b\r\n";
const PARTS: &str =
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n";

#[test]
fn methods_and_what_they_carry_arrive_unchanged() {
    let mut requests = vec![
        get("/get?a=1&b=%20x&a=2"),
        get("/get").by("HEAD"),
        get("/get").by("POST"),
        get("/get").by("OPTIONS"),
        get("/post").sending(FORM, "a=1&b=2"),
        get("/post").by("POST").sending(JSON, r#"{"a": [1, 2, {"b": null}]}"#),
        get("/post").by("POST").sending(MULTIPART, PARTS),
        get("/headers").with("X-One: 1\r\nx-two:2\r\nAccept-Language: de\r\nX-One: 3\r\n"),
        get("/ip"),
        get("/user-agent").with("User-Agent: test/1.0 (x; y)\r\n"),
        get("/forms/post"),
        get("/cookies").with("Cookie: a=1; b=\"2\"\r\n"),
        get("/cookies/set?a=1&b=2"),
        get("/cookies/set/a/1"),
        get("/cookies/delete?a"),
    ];
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let target = format!("/{}", method.to_lowercase());
        requests.push(get(&target).by(method).sending(FORM, "a=1&b=%2F&b=3"));
        requests.push(get(&target).by(method));
    }
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        requests.push(get("/anything/a/b?c=d").by(method).sending(FORM, "e=f"));
        requests.push(get("/anything").by(method));
    }
    check(requests);
}

#[test]
fn status_codes_redirects_and_refusals_arrive_unchanged() {
    let codes =
        [200, 201, 202, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404];
    let more =
        [405, 406, 407, 409, 410, 412, 415, 418, 422, 428, 429, 431, 451, 500, 501, 502, 503, 504, 599];
    let mut requests: Vec<Request> =
        codes.iter().chain(&more).map(|code| get(&format!("/status/{code}"))).collect();
    requests.extend([
        get("/status/404").by("POST"),
        get("/status/404").by("HEAD"),
        get("/status/banana"),
        get("/redirect/3"),
        get("/relative-redirect/2"),
        get("/absolute-redirect/2"),
        get("/redirect-to?url=http%3A%2F%2Fexample.com%2F&status_code=307"),
        get("/redirect-to?url=/get").by("POST"),
        get("/basic-auth/user/secret"),
        get("/basic-auth/user/secret").with("Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"),
        get("/hidden-basic-auth/user/secret"),
        get("/bearer"),
        get("/bearer").with("Authorization: Bearer abc\r\n"),
        get("/digest-auth/auth/user/secret").changing(&["www-authenticate", "set-cookie"]),
        get("/robots.txt"),
        get("/deny"),
        get("/no/such/page"),
    ]);
    check(requests);
}

#[test]
fn bodies_of_every_kind_arrive_unchanged() {
    let ranged = "Range: bytes=10-99\r\n";
    check(vec![
        // Its head holds the time.
        get("/gzip").changing(&[]),
        get("/deflate"),
        get("/brotli"),
        get("/stream/5"),
        get("/bytes/0?seed=1"),
        get("/bytes/100000?seed=1"),
        get("/bytes/1000?seed=2").by("HEAD"),
        get("/stream-bytes/100000?seed=3&chunk_size=777"),
        get("/stream-bytes/10?seed=3&chunk_size=1"),
        get("/range/1024"),
        get("/range/1024").with(ranged),
        get("/range/1024?chunk_size=7").with("Range: bytes=1000-\r\n"),
        get("/range/1024").with("Range: bytes=-5\r\n"),
        get("/range/1024").with("Range: bytes=2000-3000\r\n"),
        get("/image"),
        get("/image").with("Accept: image/webp\r\n"),
        get("/image/png"),
        get("/image/jpeg"),
        get("/image/webp"),
        get("/image/svg"),
        get("/encoding/utf8"),
        get("/html"),
        get("/xml"),
        get("/json"),
        get("/links/5/2"),
        get("/links/5"),
        get("/base64/SFRUUEJJTiBpcyBhd2Vzb21l"),
        get("/base64/%25%25"),
        get("/drip?duration=0.3&numbytes=6&delay=0"),
        get("/drip?duration=0.1&numbytes=2&code=500"),
        get("/delay/1"),
        get("/uuid").changing(&[]),
        get("/bytes/100").changing(&[]),
        get("/stream-bytes/100").changing(&[]),
    ]);
}

#[test]
fn caching_and_conditional_answers_arrive_unchanged() {
    check(vec![
        get("/cache").changing(&["etag", "last-modified"]),
        get("/cache").with("If-Modified-Since: Mon, 23 Nov 2026 00:00:00 GMT\r\n"),
        get("/cache").with("If-None-Match: \"x\"\r\n"),
        get("/cache/60"),
        get("/etag/abc"),
        get("/etag/abc").with("If-None-Match: \"abc\"\r\n"),
        get("/etag/abc").with("If-None-Match: W/\"abc\", \"d\"\r\n"),
        get("/etag/abc").with("If-Match: \"d\"\r\n"),
        get("/etag/abc").by("HEAD"),
        get("/response-headers?X-A=1&x-b=%20two&Server=odd&X-A=3"),
        get("/response-headers?Content-Type=text/plain%3B%20charset%3Dx&Vary=a&Vary=b").by("POST"),
        get("/response-headers?Set-Cookie=a%3D1&Set-Cookie=b%3D2"),
    ]);
}

/// Several requests on one connection to the gateway, while httpbin's answers have lengths of every kind.
#[test]
fn one_connection_carries_many_answers() {
    let httpbin = Httpbin::start();
    let gateway = Gateway::before(BIN, &[httpbin.address]);
    let mut client = gateway.connect();
    let requests = [
        get("/get?a=1"),
        get("/stream-bytes/5000?seed=1&chunk_size=100"),
        get("/status/204"),
        get("/post").by("POST").sending(FORM, "a=1"),
        get("/image/png").by("HEAD"),
        get("/bytes/70000?seed=9"),
    ];
    for request in requests.iter().cycle().take(60) {
        client.send(request.bytes());
        let (_, seen) =
            client.final_response(request.method).unwrap_or_else(|lost| panic!("{}: {lost}", request.target));
        let expected = ask(httpbin.address, request.bytes_handed_on().as_bytes());
        assert_eq!(seen.status(), expected.status(), "{}", request.target);
        assert!(seen.body == expected.body, "{}: {}", request.target, whole(&seen));
    }
    gateway.stop();
}
