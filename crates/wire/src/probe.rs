//! One question to a backend outside any request: what it answers to a GET, on a connection of its own that ends with
//! the answer. Strict like the codec it uses. Bounded in bytes; the caller bounds the time.

use crate::http1::response::ResponseParser;
use crate::socket::Socket;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use tidegate_core::head::ResponseHead;
use tidegate_core::limits::{HeadLimits, INTERIM_RESPONSES_MAX, UNREAD_BODY_BYTES_MAX};
use tidegate_core::name::Method;

/// What one read takes: a head of any health endpoint and its body.
const READ_BYTES: usize = 4 << 10;

/// A question that was answered.
pub struct Answer {
    socket: Socket,
    /// The status code.
    pub status: u16,
}

/// Sends a GET and waits for the head of the answer. `host` and `path` are written as they are: checked by whoever
/// took them from an operator.
///
/// Errors: the connection's own, `UnexpectedEof` if it ended before the answer's head, `InvalidData` if what came is
/// no HTTP/1 answer.
pub async fn get(mut socket: Socket, host: &str, path: &str) -> io::Result<Answer> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: tidegate-health\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    let mut left = request.as_bytes();
    while !left.is_empty() {
        let written = poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(left)])).await?;
        left = &left[written..];
    }
    let mut head = ResponseHead::default();
    let mut parser = ResponseParser::default();
    let mut bytes = Vec::new();
    let mut interims = 0;
    loop {
        let parsed = parser.parse(&bytes, Method::Get, &HeadLimits::RESPONSE, &mut head);
        match parsed.map_err(|bad| io::Error::new(ErrorKind::InvalidData, bad.0))? {
            Some(parsed) if !parsed.is_interim => return Ok(Answer { socket, status: head.status }),
            Some(_) if interims == INTERIM_RESPONSES_MAX => return Err(ErrorKind::InvalidData.into()),
            Some(parsed) => {
                interims += 1;
                bytes.drain(..parsed.bytes);
            }
            // The parser refuses a head that is too large before this grows beyond it.
            None if read(&mut socket, &mut bytes).await? == 0 => return Err(ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

impl Answer {
    /// Takes the rest of the answer, up to a bound: a backend that is still writing it does not meet a closed
    /// connection, which many of them log.
    pub async fn finish(mut self) {
        let mut taken = 0;
        while taken < UNREAD_BODY_BYTES_MAX {
            match read(&mut self.socket, &mut Vec::new()).await {
                Ok(bytes) if bytes > 0 => taken += bytes,
                _ => return,
            }
        }
    }
}

/// One read, added to what is there. 0 is the end.
async fn read(socket: &mut Socket, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut room = [0; READ_BYTES];
    let count = poll_fn(|cx| socket.poll_read(cx, &mut room)).await?;
    bytes.extend_from_slice(&room[..count]);
    Ok(count)
}
