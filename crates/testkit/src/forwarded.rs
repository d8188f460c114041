//! What a backend may receive for a request: the client's bytes and, at the end of the head, the lines that
//! the gateway adds. Takes exactly those off, so that a test can compare the rest byte for byte.

use crate::message::{self, Framing, Message};

/// The fields that the gateway adds for backends, and nothing else may add.
pub const ADDED: [&str; 5] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "via"];

/// The request without the added lines; a chunked body as one chunk, since where chunks are cut says nothing;
/// the name of the first line as `Host`, whichever way the gateway spells it.
///
/// # Errors
/// What is wrong: Host is not first, or an added line stands twice or before one of the client's.
pub fn without_added(request: &Message) -> Result<Vec<u8>, String> {
    let mut kept = Vec::new();
    let mut added = Vec::new();
    for line in request.field_lines() {
        let (name, value) = message::split_field(line).ok_or("a line without a colon")?;
        let name = String::from_utf8_lossy(name).to_lowercase();
        if ADDED.contains(&name.as_str()) {
            if added.contains(&name) {
                return Err(format!("`{name}` twice"));
            }
            added.push(name);
        } else if !added.is_empty() {
            return Err(format!("`{name}` after what the gateway adds"));
        } else if kept.is_empty() {
            if name != "host" {
                return Err(format!("`{name}` before Host"));
            }
            kept.push([b"Host: ", value].concat());
        } else {
            kept.push(line.to_vec());
        }
    }
    let mut bytes = [request.start_line(), b"\r\n"].concat();
    for line in kept {
        bytes.extend_from_slice(&line);
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
    fn only_added_lines_at_the_end_are_taken_off() {
        let check = |head: &str, expected: Result<&str, ()>| {
            let result = without_added(&request(head, "", "")).map_err(|_| ());
            assert_eq!(result, expected.map(|text| text.as_bytes().to_vec()), "{head:?}");
        };
        check(
            "GET / HTTP/1.1\r\nhost: a\r\nX: y\r\nvia: 1.1 t\r\nx-request-id: 1\r\n\r\n",
            Ok("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"),
        );
        check("GET / HTTP/1.1\r\nhost: a\r\nvia: 1.1 t\r\nX: y\r\n\r\n", Err(()));
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
