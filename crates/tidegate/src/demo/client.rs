//! A small HTTP/1.1 client over one kept connection, for the load: GET, answers with a Content-Length, one at a
//! time. Not the gateway's codec, so that the load would notice what that gets wrong.

use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Heads here are some 300 bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Bodies here are below 1 KiB.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Room for one read.
const READ_BYTES: usize = 4096;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// The whole body.
    pub(super) body: Vec<u8>,
    /// Whether the connection takes another request.
    pub(super) is_kept: bool,
}

/// A connection without a request under way. After an error it is of no use.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub(super) async fn to(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, host: address.to_string(), buffer: Vec::new() })
    }

    /// Asks for a path, with further lines of the head, and reads the whole answer.
    pub(super) async fn get(&mut self, path: &str, lines: &str) -> io::Result<Answer> {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: tidegate-demo\r\n{lines}\r\n", self.host);
        self.stream.write_all(request.as_bytes()).await?;
        let head_bytes = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(unreadable("a head without end"));
            }
            self.read().await?;
        };
        let head = Head::parse(&self.buffer[..head_bytes])?;
        while self.buffer.len() < head_bytes + head.body_bytes {
            self.read().await?;
        }
        let body = self.buffer[head_bytes..head_bytes + head.body_bytes].to_vec();
        self.buffer.drain(..head_bytes + head.body_bytes);
        // Bytes nobody asked for would be taken for the next answer.
        let is_kept = !head.closes && self.buffer.is_empty();
        Ok(Answer { status: head.status, body, is_kept })
    }

    async fn read(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended before the answer did",
            )),
            _ => Ok(()),
        }
    }
}

/// What matters of a head.
struct Head {
    status: u16,
    body_bytes: usize,
    closes: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Head> {
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable("a head that is not text"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(':'));
        let (mut length, mut closes) = (None, false);
        for (name, value) in fields {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok().filter(|bytes| *bytes <= BODY_BYTES_MAX);
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.to_ascii_lowercase().split(',').any(|option| option.trim() == "close");
            }
        }
        match (status, length) {
            (Some(status), Some(body_bytes)) => Ok(Head { status, body_bytes, closes }),
            (None, _) => Err(unreadable("no status")),
            (_, None) => Err(unreadable("no usable Content-Length")),
        }
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an answer with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_testkit::{Act, RawBackend};

    fn get(backend: &RawBackend, count: usize) -> Vec<io::Result<Answer>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = Connection::to(backend.address).await.unwrap();
            let mut answers = Vec::new();
            for number in 0..count {
                answers.push(connection.get(&format!("/{number}"), "").await);
            }
            answers
        })
    }

    fn first(response: &'static str) -> io::Result<Answer> {
        let backend = RawBackend::by_request(move |_| vec![Act::Send(response.into()), Act::Close]);
        get(&backend, 1).remove(0)
    }

    #[test]
    fn requests_follow_each_other_on_one_connection() {
        let backend = RawBackend::by_request(|request| {
            let body = request.target().to_owned();
            let head = format!("HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH:  {}\r\n\r\n", body.len());
            // In three pieces: the head is cut, and so is the body.
            let bytes = format!("{head}{body}").into_bytes();
            let (one, rest) = bytes.split_at(10);
            let (two, three) = rest.split_at(rest.len() - 1);
            let pause = Act::Pause(std::time::Duration::from_millis(5));
            [one, two, three].iter().flat_map(|part| [Act::Send(part.to_vec()), pause.clone()]).collect()
        });
        let bodies: Vec<_> = get(&backend, 3).into_iter().map(|answer| answer.unwrap().body).collect();
        assert_eq!(bodies, [b"/0", b"/1", b"/2"]);
        assert_eq!(backend.connections(), 1);
        assert!(backend.take_arrivals().iter().all(|arrival| arrival.request.is_ok()));
    }

    #[test]
    fn a_connection_that_cannot_go_on_is_not_kept() {
        let check = |response: &'static str, expected: bool| {
            assert_eq!(first(response).unwrap().is_kept, expected, "{response:?}");
        };
        check("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", true);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\nok", false);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", false);
    }

    #[test]
    fn answers_that_are_none_are_failures() {
        let check = |response: &'static str, expected: &str| {
            let error = first(response).unwrap_err().to_string();
            assert!(error.contains(expected), "{response:?}: {error}");
        };
        check("", "ended before the answer");
        check("HTTP/1.1 200 OK\r\nContent-Le", "ended before the answer");
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "ended before the answer");
        check("HTTP/1.1 200 OK\r\n\r\n", "no usable Content-Length");
        check("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "no usable Content-Length");
        check("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "no status");
        check("HTTP/1.1 €00 OK\r\nContent-Length: 0\r\n\r\n", "no status");
    }
}
