//! The parts of a multipart/form-data body (RFC 7578), one after the other: the name of each, the name of its file if
//! it is one, and its content. Lenient: what is no part is passed over. Pure.

/// A part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'b> {
    pub(super) name: &'b [u8],
    pub(super) file: Option<&'b [u8]>,
    pub(super) content: &'b [u8],
}

/// A body that is read.
#[derive(Clone, Debug)]
pub(super) struct Parts<'b> {
    rest: &'b [u8],
    boundary: &'b [u8],
}

impl<'b> Parts<'b> {
    /// The parts of a body of this type; none without a boundary.
    pub(super) fn new(bytes: &'b [u8], content_type: &'b [u8]) -> Option<Parts<'b>> {
        let boundary = parameter(content_type, b"boundary").filter(|boundary| !boundary.is_empty())?;
        let mut parts = Parts { rest: bytes, boundary };
        parts.until_boundary();
        Some(parts)
    }

    /// The next part; the last one may be cut off.
    pub(super) fn next(&mut self) -> Option<Part<'b>> {
        if self.rest.is_empty() || self.rest.starts_with(b"--") {
            return None;
        }
        let part = self.until_boundary();
        let (head, content) = match find(part, b"\r\n\r\n") {
            Some(at) => (&part[..at], &part[at + 4..]),
            None => (part, &b""[..]),
        };
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        let mut lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
        let says = |line: &&[u8]| {
            const NAME: &[u8] = b"content-disposition:";
            line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        };
        let disposition = lines.rfind(says).unwrap_or_default();
        let name = parameter(disposition, b"name").unwrap_or_default();
        Some(Part { name, file: parameter(disposition, b"filename"), content })
    }

    /// What stands before the next boundary; the rest is what stands behind it.
    fn until_boundary(&mut self) -> &'b [u8] {
        let mut from = 0;
        while let Some(at) = find(&self.rest[from..], b"--").map(|at| from + at) {
            if self.rest[at + 2..].starts_with(self.boundary) {
                let before = &self.rest[..at];
                self.rest = &self.rest[at + 2 + self.boundary.len()..];
                return before;
            }
            from = at + 1;
        }
        std::mem::take(&mut self.rest)
    }
}

/// The value of a parameter, as `boundary` of `multipart/form-data; boundary="x"`.
pub(super) fn parameter<'t>(text: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let mut rest = text;
    loop {
        rest = &rest[rest.iter().position(|&b| b == b';')? + 1..];
        let trimmed = rest.trim_ascii_start();
        let Some(named) = trimmed.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)) else {
            continue;
        };
        let Some(value) = trimmed[named.len()..].trim_ascii_start().strip_prefix(b"=") else { continue };
        return Some(match value.trim_ascii_start() {
            [b'"', quoted @ ..] => &quoted[..quoted.iter().position(|&b| b == b'"').unwrap_or(quoted.len())],
            bare => bare[..bare.iter().position(|&b| b == b';').unwrap_or(bare.len())].trim_ascii_end(),
        });
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
