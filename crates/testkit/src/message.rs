//! One HTTP/1 message as it stood on the wire, and what a test asks of it. Strict on purpose and written
//! apart from the gateway's codec, so that the two do not agree on a mistake. Filled by `connection`.

/// How a message said where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It did not; there is no body.
    None,
    /// Content-Length.
    Length(usize),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// The end of the connection.
    Close,
}

/// A message with its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Start line and field lines, up to and with the empty line.
    pub head: Vec<u8>,
    /// The body with chunked coding taken off.
    pub body: Vec<u8>,
    /// The body as it stood on the wire.
    pub wire_body: Vec<u8>,
    /// Trailer lines, each with its CRLF.
    pub trailers: Vec<u8>,
    /// How the end of the body was known.
    pub framing: Framing,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::connection::shown(&self.bytes()))
    }
}

impl Message {
    /// The first line without its CRLF.
    pub fn start_line(&self) -> &[u8] {
        self.lines().next().unwrap_or_default()
    }

    /// Every field line without its CRLF, in order.
    pub fn field_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines().skip(1)
    }

    /// The values of a field, names compared without case, white space around values taken off.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.field_lines().filter_map(split_field);
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value).collect()
    }

    /// The value of a field that stands there once; empty when it does not.
    pub fn value(&self, name: &str) -> &str {
        match self.values(name)[..] {
            [value] => std::str::from_utf8(value).unwrap_or_default(),
            _ => "",
        }
    }

    /// The status of a response; 0 when this is none.
    pub fn status(&self) -> u16 {
        let line = self.start_line();
        if !line.starts_with(b"HTTP/1.") {
            return 0;
        }
        word(line, 1).parse().unwrap_or(0)
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        word(self.start_line(), 0)
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        word(self.start_line(), 1)
    }

    /// Whether the connection ends with this message, as it says itself.
    pub fn says_close(&self) -> bool {
        self.values("connection").iter().any(|value| value.eq_ignore_ascii_case(b"close"))
    }

    /// Every byte of the message.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.head[..], &self.wire_body[..]].concat()
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        lines_of(&self.head)
    }
}

/// The lines of a head or of trailers, without CRLF, up to the empty line.
pub fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&b| b == b'\n')
        .map(|line| line.strip_suffix(b"\r\n").unwrap_or(line))
        .take_while(|line| !line.is_empty())
}

/// Name and value of a field line.
pub fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&b| b == b':')?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

fn word(line: &[u8], index: usize) -> &str {
    let word = line.split(|&b| b == b' ').nth(index).unwrap_or_default();
    std::str::from_utf8(word).unwrap_or_default()
}

/// Who sent a message: decides what a missing length means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// A client; without framing there is no body.
    Client,
    /// A server, answering a request with this method.
    Server(&'a str),
}

/// What follows a head. Refuses every head that two readers could understand differently.
///
/// # Errors
/// The reason, for the message of a failing test.
pub fn framing_of(head: &[u8], sender: Sender<'_>) -> Result<Framing, &'static str> {
    check_lines(head)?;
    let fields: Vec<_> = lines_of(head).skip(1).filter_map(split_field).collect();
    let all = |name: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|&(_, v)| v).collect()
    };
    let framing = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => None,
        ([length], []) => Some(Framing::Length(plain_number(length)?)),
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Some(Framing::Chunked),
        ([], _) => return Err("a transfer coding other than one chunked"),
        (_, []) => return Err("several Content-Length lines"),
        _ => return Err("Content-Length and Transfer-Encoding at once"),
    };
    match sender {
        Sender::Client => Ok(framing.unwrap_or(Framing::None)),
        Sender::Server(method) if is_bodiless(head, method) => Ok(Framing::None),
        Sender::Server(_) => Ok(framing.unwrap_or(Framing::Close)),
    }
}

fn is_bodiless(head: &[u8], method: &str) -> bool {
    let status = word(head, 1);
    method == "HEAD" || status.starts_with('1') || status == "204" || status == "304"
}

fn plain_number(text: &[u8]) -> Result<usize, &'static str> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err("a Content-Length that is not plain digits");
    }
    let text = std::str::from_utf8(text).map_err(|_| "a Content-Length that is not ASCII")?;
    text.parse().map_err(|_| "a Content-Length that does not fit")
}

/// Every line ends in CRLF, no other CR, LF or NUL stands anywhere, every field line has a token name.
fn check_lines(head: &[u8]) -> Result<(), &'static str> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or("a head without an empty line")?;
    let mut rest = text;
    let mut is_first = true;
    while !rest.is_empty() || is_first {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        if line.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err("a bare CR, LF or NUL");
        }
        if !is_first {
            let (name, _) = split_field(line).ok_or("a field line without a colon")?;
            if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
                return Err("a field name that is no token");
            }
        }
        is_first = false;
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    Ok(())
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The size that a chunk line states; extensions are refused, as nobody the tests talk to should send any.
///
/// # Errors
/// The reason.
pub fn chunk_size(line: &[u8]) -> Result<usize, &'static str> {
    if line.is_empty() || line.len() > 16 || !line.iter().all(u8::is_ascii_hexdigit) {
        return Err("a chunk size that is not plain hex digits");
    }
    let text = std::str::from_utf8(line).map_err(|_| "a chunk size that is not ASCII")?;
    usize::from_str_radix(text, 16).map_err(|_| "a chunk size that does not fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_is_known_or_refused() {
        let check = |fields: &str, expected: Result<Framing, ()>| {
            let head = format!("POST / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(framing_of(head.as_bytes(), Sender::Client).map_err(|_| ()), expected, "{fields:?}");
        };
        check("", Ok(Framing::None));
        check("Content-Length: 5\r\n", Ok(Framing::Length(5)));
        check("content-length:05\r\n", Ok(Framing::Length(5)));
        check("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked));
        check("Content-Length: 5\r\nContent-Length: 5\r\n", Err(()));
        check("Content-Length: +5\r\n", Err(()));
        check("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(()));
        check("Transfer-Encoding: gzip, chunked\r\n", Err(()));
        check("A: b\nC: d\r\n", Err(()));
        check("A: b\r\r\n", Err(()));
        check("A b\r\n", Err(()));
        check("A : b\r\n", Err(()));
    }

    #[test]
    fn responses_without_a_body_have_none_whatever_they_say() {
        let check = |status: u16, method: &str, expected: Framing| {
            let head = format!("HTTP/1.1 {status} Reason\r\nContent-Length: 5\r\n\r\n");
            assert_eq!(framing_of(head.as_bytes(), Sender::Server(method)), Ok(expected));
        };
        check(200, "GET", Framing::Length(5));
        check(200, "HEAD", Framing::None);
        check(204, "GET", Framing::None);
        check(304, "GET", Framing::None);
        check(103, "GET", Framing::None);
        let head = b"HTTP/1.0 200 OK\r\n\r\n";
        assert_eq!(framing_of(head, Sender::Server("GET")), Ok(Framing::Close));
    }
}
