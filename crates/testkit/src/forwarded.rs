//! What a backend may receive for a request: the client's lines and, at the end of the head, what the gateway
//! writes itself. Takes its own lines off and puts its framing in order, so that a test can compare the rest
//! byte for byte.

use crate::message::{self, Framing, Message};

/// The fields that the gateway adds for backends, and nothing else may add.
pub const ADDED: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "via", "cdn-loop"];

/// The fields that the gateway writes anew where they belong, spelled so.
pub const FRAMING: [&str; 5] = ["connection", "content-length", "expect", "transfer-encoding", "upgrade"];

/// The request as: its first line, Host, the client's lines in their order and spelling, the framing lines
/// sorted, and the body; a chunked one as one chunk, since where chunks are cut says nothing.
///
/// # Errors
/// What is wrong: Host is not first, a line of the gateway stands twice, or one of the client's after it.
pub fn without_added(request: &Message) -> Result<Vec<u8>, String> {
    let (mut kept, mut added, mut framing) = (Vec::new(), Vec::new(), Vec::new());
    for line in request.field_lines() {
        let (name, value) = message::split_field(line).ok_or("a line without a colon")?;
        let lower = String::from_utf8_lossy(name).to_lowercase();
        if ADDED.contains(&lower.as_str()) {
            added.push(lower);
        } else if FRAMING.contains(&lower.as_str()) {
            framing.push(line);
        } else if !added.is_empty() || !framing.is_empty() {
            return Err(format!("`{lower}` after what the gateway adds"));
        } else if kept.is_empty() && lower != "host" {
            return Err(format!("`{lower}` before Host"));
        } else if kept.is_empty() {
            kept.push([b"Host: ", value].concat());
        } else {
            kept.push(line.to_vec());
        }
    }
    added.sort();
    framing.sort();
    if let Some(pair) = added.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("`{}` twice", pair[0]));
    }
    let mut bytes = [request.start_line(), b"\r\n"].concat();
    for line in kept.iter().map(Vec::as_slice).chain(framing) {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&one_chunk(request));
    Ok(bytes)
}

fn one_chunk(message: &Message) -> Vec<u8> {
    if message.framing != Framing::Chunked {
        return message.body.clone();
    }
    let mut bytes = Vec::new();
    if !message.body.is_empty() {
        bytes.extend_from_slice(format!("{:x}\r\n", message.body.len()).as_bytes());
        bytes.extend_from_slice(&message.body);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n");
    bytes.extend_from_slice(&message.trailers);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str, body: &str, trailers: &str) -> Message {
        let framing = if head.contains("chunked") { Framing::Chunked } else { Framing::None };
        Message {
            head: head.as_bytes().to_vec(),
            body: body.as_bytes().to_vec(),
            wire_body: Vec::new(),
            trailers: trailers.as_bytes().to_vec(),
            framing,
        }
    }

    #[test]
    fn only_lines_of_the_gateway_at_the_end_are_taken_off_or_sorted() {
        let check = |head: &str, expected: Result<&str, ()>| {
            let result = without_added(&request(head, "", "")).map_err(|_| ());
            assert_eq!(result, expected.map(|text| text.as_bytes().to_vec()), "{head:?}");
        };
        check(
            "GET / HTTP/1.1\r\nhost: a\r\nX: y\r\nvia: 1.1 t\r\nx-request-id: 1\r\n\r\n",
            Ok("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"),
        );
        check(
            "GET / HTTP/1.1\r\nhost: a\r\nX: y\r\nupgrade: z\r\nvia: 1.1 t\r\nconnection: upgrade\r\n\r\n",
            Ok("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nconnection: upgrade\r\nupgrade: z\r\n\r\n"),
        );
        check("GET / HTTP/1.1\r\nhost: a\r\nvia: 1.1 t\r\nX: y\r\n\r\n", Err(()));
        check("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nX: y\r\n\r\n", Err(()));
        check("GET / HTTP/1.1\r\nhost: a\r\nvia: 1.1 t\r\nvia: 1.1 t\r\n\r\n", Err(()));
        check("GET / HTTP/1.1\r\nX: y\r\nhost: a\r\n\r\n", Err(()));
    }

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let bytes = without_added(&request(head, "0123456789abcdef", "A: b\r\n")).unwrap();
        let expected = format!("{head}10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n");
        assert_eq!(bytes, expected.as_bytes());
    }
}
