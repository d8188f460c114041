//! One question to the admin listener of a running gateway, and its answer. Called by the commands that talk to one.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tidegate_core::problem::{Problem, quote};
use tidegate_core::units::Bind;

use crate::local;

/// A reload of ten thousand routes takes half a second, and waits for every worker.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Hundred problems with what is to be said of them are some 50 KiB.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// A question.
pub(super) struct Ask<'a> {
    /// The method.
    pub(super) method: &'a str,
    /// The path.
    pub(super) path: &'a str,
    /// What opens the API.
    pub(super) token: Option<&'a str>,
}

/// What the gateway said.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// The body, if it is JSON.
    pub(super) body: Value,
    /// The body as it is.
    pub(super) text: String,
}

/// An admin listener as it is named on the command line.
pub(super) fn address(text: &str) -> Result<Bind, Problem> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Bind::Unix(path.into()));
    }
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    match bare.parse::<SocketAddr>() {
        Ok(address) => Ok(Bind::Inet(address)),
        Err(_) => Err(Problem::new(format!("{} is not an address", quote(text)))
            .hint("write the admin listener's, as in `127.0.0.1:9900` or `unix:/run/admin.sock`")),
    }
}

/// Asks, and waits for the answer.
///
/// Errors: nobody answers there, or nobody who speaks as a gateway does.
pub(super) fn ask(bind: &Bind, ask: Ask<'_>) -> Result<Answer, Problem> {
    let (host, shown) = match bind {
        // An address that stands for all of this machine's is reached by its loopback one.
        Bind::Inet(address) => {
            let url = local::url(*address);
            (url.trim_start_matches("http://").to_owned(), url)
        }
        Bind::Unix(path) => (String::from("localhost"), format!("unix:{}", path.display())),
    };
    let Ask { method, path, token } = ask;
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{token}content-length: 0\r\nconnection: close\r\n\r\n"
    );
    let hint = "start one with `tidegate run`, or say where it is with `--admin ADDRESS`";
    let answer = exchange(bind, &host, &request)
        .map_err(|error| Problem::new(format!("no gateway answers on {shown}: {error}")).hint(hint))?;
    read(&answer).ok_or_else(|| Problem::new(format!("what answers on {shown} is no gateway")).hint(hint))
}

/// Something to speak HTTP over.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn exchange(bind: &Bind, host: &str, request: &str) -> io::Result<Vec<u8>> {
    let mut stream: Box<dyn Stream> = match bind {
        Bind::Inet(_) => {
            let stream = TcpStream::connect(host)?;
            stream.set_read_timeout(Some(ANSWER_TIME))?;
            Box::new(stream)
        }
        Bind::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(ANSWER_TIME))?;
            Box::new(stream)
        }
    };
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

/// An answer of our own admin listener: it closes after it, and its bodies are JSON or a word.
fn read(bytes: &[u8]) -> Option<Answer> {
    let (head, body) = std::str::from_utf8(bytes).ok()?.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: serde_json::from_str(body).unwrap_or(Value::Null), text: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_read_and_what_is_none_is_not() {
        let check =
            |text: &str, expected: Option<Answer>| assert_eq!(read(text.as_bytes()), expected, "{text}");
        let answer = |status, body, text: &str| Some(Answer { status, body, text: text.to_owned() });
        check("HTTP/1.1 200 OK\r\na: b\r\n\r\n{\"a\":1}", answer(200, json!({ "a": 1 }), "{\"a\":1}"));
        check("HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\n", answer(503, Value::Null, "draining\n"));
        for none in
            ["", "HTTP/1.1 200", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 \u{e9}\r\n\r\n"]
        {
            check(none, None);
        }
    }

    #[test]
    fn addresses_are_those_of_listeners() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).ok().map(|bind| bind.to_string()).as_deref(), expected, "{text}");
        };
        check("127.0.0.1:9900", Some("127.0.0.1:9900"));
        check("http://[::1]:9900/", Some("[::1]:9900"));
        check("unix:/run/admin.sock", Some("unix:/run/admin.sock"));
        for none in ["9900", "localhost:9900", "https://127.0.0.1:9900", ""] {
            check(none, None);
        }
    }
}
