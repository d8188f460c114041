//! Writes heads and chunk framing. Kept lines go out verbatim, in runs; all that frames the message or belongs
//! to the connection is written anew from what was decided. Called by both sides of the wire.

use tidegate_core::head::{Fields, Length, RequestHead, ResponseHead};
use tidegate_core::name::Method;
use tidegate_core::status::reason;

/// Ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Follows the bytes of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// How a request is framed on the wire.
#[derive(Clone, Copy, Debug)]
pub struct RequestFraming<'a> {
    /// The body; `Streamed` is sent chunked.
    pub length: Length,
    /// The protocol to change to.
    pub upgrade: Option<&'a [u8]>,
    /// Whether the body waits for `100 Continue`.
    pub expects_continue: bool,
}

/// How a response is framed on the wire.
#[derive(Clone, Copy, Debug)]
pub struct ResponseFraming<'a> {
    /// The body. `Empty` writes no framing: for HEAD, 1xx, 204 and 304; an empty body to GET is `Exact(0)`.
    pub length: Length,
    /// The Content-Length of a body that is not sent (HEAD, 304).
    pub stated_length: Option<u64>,
    /// What becomes of the connection.
    pub connection: Connection<'a>,
    /// Whether a `Streamed` body is sent chunked; else it lasts until the connection closes.
    pub chunked: bool,
}

/// What a response says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection<'a> {
    /// It goes on, as is usual in HTTP/1.1: nothing is written.
    KeepAlive11,
    /// It goes on, which an HTTP/1.0 client must be told.
    KeepAlive10,
    /// It closes after this response.
    Close,
    /// It changes to this protocol.
    Upgrade(&'a [u8]),
}

/// Appends a request head, always HTTP/1.1, Host first. `host` may be another than the client's.
pub fn write_request_head(out: &mut Vec<u8>, head: &RequestHead, host: &[u8], framing: RequestFraming<'_>) {
    out.extend_from_slice(head.method_bytes());
    out.push(b' ');
    out.extend_from_slice(head.path_sent_bytes());
    if let Some(query) = head.query_bytes() {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(host);
    out.extend_from_slice(b"\r\n");
    head.fields.write_lines(out);
    match framing.length {
        Length::Exact(bytes) => write_content_length(out, bytes),
        Length::Streamed => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // Methods that are meant to have a body say so when it is empty (RFC 9110 §8.6).
        Length::Empty if matches!(head.method, Method::Post | Method::Put | Method::Patch) => {
            write_content_length(out, 0);
        }
        Length::Empty => {}
    }
    if let Some(protocol) = framing.upgrade {
        write_upgrade(out, protocol);
    }
    if framing.expects_continue {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a response head, always HTTP/1.1, with the reason it came with or else the usual one.
pub fn write_response_head(out: &mut Vec<u8>, head: &ResponseHead, framing: ResponseFraming<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_status(out, head.status);
    out.push(b' ');
    match head.reason_bytes() {
        [] => out.extend_from_slice(reason(head.status).as_bytes()),
        reason => out.extend_from_slice(reason),
    }
    out.extend_from_slice(b"\r\n");
    head.fields.write_lines(out);
    // No length with 1xx and 204 (RFC 9110 §8.6); with 304 only the one of the body that is not sent.
    match (head.status, framing.length) {
        (100..=199 | 204, _) => {}
        (304, _) | (_, Length::Empty) => {
            if let Some(bytes) = framing.stated_length {
                write_content_length(out, bytes);
            }
        }
        (_, Length::Exact(bytes)) => write_content_length(out, bytes),
        (_, Length::Streamed) if framing.chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        (_, Length::Streamed) => {}
    }
    match framing.connection {
        Connection::KeepAlive11 => {}
        Connection::KeepAlive10 => out.extend_from_slice(b"connection: keep-alive\r\n"),
        Connection::Close => out.extend_from_slice(b"connection: close\r\n"),
        Connection::Upgrade(protocol) => write_upgrade(out, protocol),
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a chunked body: the last chunk, the kept trailers, the empty line.
pub fn write_trailers(out: &mut Vec<u8>, trailers: &Fields) {
    out.extend_from_slice(b"0\r\n");
    trailers.write_lines(out);
    out.extend_from_slice(b"\r\n");
}

/// The line before a chunk of so many bytes. `CHUNK_END` follows the bytes.
pub fn chunk_head(bytes: usize) -> ChunkHead {
    debug_assert!(bytes > 0, "a chunk of nothing would end the body");
    let mut head = ChunkHead { text: [0; 18], start: 16 };
    head.text[16..].copy_from_slice(b"\r\n");
    let mut rest = bytes;
    loop {
        head.start -= 1;
        head.text[head.start] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
        if rest == 0 {
            return head;
        }
    }
}

/// A chunk size in hexadecimal with its CRLF, without memory of its own.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    text: [u8; 18],
    start: usize,
}

impl ChunkHead {
    /// The bytes to write.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

fn write_upgrade(out: &mut Vec<u8>, protocol: &[u8]) {
    out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
    out.extend_from_slice(protocol);
    out.extend_from_slice(b"\r\n");
}

fn write_content_length(out: &mut Vec<u8>, bytes: u64) {
    // 20 digits hold any u64; written from the right, before the CRLF.
    let mut text = *b"....................\r\n";
    let mut start = 20;
    let mut rest = bytes;
    loop {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(&text[start..]);
}

fn write_status(out: &mut Vec<u8>, status: u16) {
    debug_assert!((100..=999).contains(&status), "a status has three digits");
    let digit = |n: u16| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status)]);
}
