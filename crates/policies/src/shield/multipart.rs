//! The parts of a multipart/form-data body (RFC 7578, RFC 2046 §5.1), one after the other: the name of each, the name of
//! its file if it is one, and its content. Strict where readers differ: a body that two of them could take apart in two
//! ways would show one thing here and another behind us. Pure.

use super::body;
use super::parameters::{Unreadable, parameter};
use memchr::memmem;
use std::borrow::Cow;

/// Longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Longest head of a part: names and types of files are a tenth of it. It is looked at in one step.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// A part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'b> {
    pub(super) name: Cow<'b, [u8]>,
    pub(super) file: Option<Cow<'b, [u8]>>,
    pub(super) content: &'b [u8],
}

/// A body that is read.
#[derive(Clone, Debug)]
pub(super) struct Parts<'b> {
    /// What stands behind the last delimiter; `None` when there are no more parts.
    rest: Option<&'b [u8]>,
    /// `--` and the boundary.
    dashed: Vec<u8>,
}

impl<'b> Parts<'b> {
    /// The parts of a body of this type; none without a boundary.
    pub(super) fn new(bytes: &'b [u8], content_type: &'b [u8]) -> Result<Option<Parts<'b>>, Unreadable> {
        let Some(boundary) = parameter(content_type, b"boundary")? else { return Ok(None) };
        let is_sound = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) && !boundary.contains(&b',');
        if !is_sound || !is_named_first(content_type) {
            return Err(Unreadable);
        }
        let mut parts = Parts { rest: None, dashed: [b"--", &*boundary].concat() };
        // What stands before the first part is for nobody.
        parts.until_delimiter(bytes, true)?;
        Ok(Some(parts))
    }

    /// The next part; the last one may be cut off.
    pub(super) fn next(&mut self) -> Result<Option<Part<'b>>, Unreadable> {
        let Some(rest) = self.rest.take() else { return Ok(None) };
        let (part, is_cut) = self.until_delimiter(rest, false)?;
        let (head, content) = match part.strip_prefix(b"\r\n") {
            Some(content) => (&b""[..], content),
            None => match memmem::find(part, b"\r\n\r\n") {
                Some(at) if at <= HEAD_BYTES_MAX => (&part[..at], &part[at + 4..]),
                Some(_) => return Err(Unreadable),
                // Cut off in its head; elsewhere a head has an end.
                None if is_cut && part.len() <= HEAD_BYTES_MAX => (part, &b""[..]),
                None => return Err(Unreadable),
            },
        };
        Ok(Some(read(head, content)?))
    }

    /// What stands before the next delimiter, and whether there is none as the body is cut off; the rest is what stands
    /// behind it.
    fn until_delimiter(&mut self, bytes: &'b [u8], is_first: bool) -> Result<(&'b [u8], bool), Unreadable> {
        let mut from = 0;
        while let Some(at) = memmem::find(&bytes[from..], &self.dashed).map(|at| from + at) {
            let before = match bytes[..at] {
                [] if is_first => &bytes[..0],
                // No content, and no empty line either.
                [] => return Err(Unreadable),
                [.., b'\r', b'\n'] => &bytes[..at - 2],
                // Some take this for the beginning of a line.
                [.., b'\n' | b'\r'] => return Err(Unreadable),
                _ => {
                    from = at + 1;
                    continue;
                }
            };
            self.rest = behind(&bytes[at + self.dashed.len()..])?;
            return Ok((before, false));
        }
        Ok((bytes, true))
    }
}

/// Whether the first `boundary` in a type is the parameter's name: some look for nothing else.
fn is_named_first(content_type: &[u8]) -> bool {
    const WORD: &[u8] = b"boundary";
    let first = content_type.windows(WORD.len()).position(|word| word.eq_ignore_ascii_case(WORD));
    first.is_some_and(|at| content_type[..at].trim_ascii_end().ends_with(b";"))
}

/// What stands behind a boundary: the next part, or nothing where that was the last.
fn behind(bytes: &[u8]) -> Result<Option<&[u8]>, Unreadable> {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    if let Some(end) = bytes.strip_prefix(b"--") {
        let is_over = end.iter().all(|b| is_blank(b) || matches!(b, b'\r' | b'\n'));
        return if is_over { Ok(None) } else { Err(Unreadable) };
    }
    let blanks = bytes.iter().take_while(|b| is_blank(b)).count();
    match &bytes[blanks..] {
        [b'\r', b'\n', part @ ..] => Ok(Some(part)),
        // Cut off.
        [] | [b'\r' | b'-'] => Ok(None),
        _ => Err(Unreadable),
    }
}

/// A part by the lines of its head.
fn read<'b>(head: &'b [u8], content: &'b [u8]) -> Result<Part<'b>, Unreadable> {
    let mut disposition = None;
    for line in head.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\r') || matches!(line, [b' ' | b'\t', ..]) {
            return Err(Unreadable);
        }
        let value = |name: &str| {
            let is_it = line.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes()));
            if is_it { line[name.len()..].trim_ascii_start().strip_prefix(b":") } else { None }
        };
        if let Some(value) = value("content-disposition")
            && disposition.replace(value).is_some()
        {
            return Err(Unreadable);
        }
        // Some undo this, most do not.
        let plain = [&b"7bit"[..], b"8bit", b"binary"];
        if value("content-transfer-encoding")
            .is_some_and(|coding| !plain.iter().any(|one| one.eq_ignore_ascii_case(coding.trim_ascii())))
        {
            return Err(Unreadable);
        }
        if value("content-type").is_some_and(|media| body::is_in_other_signs(Some(media.trim_ascii()), b"")) {
            return Err(Unreadable);
        }
    }
    // A line that ends without a return would be the end of the head to some.
    let returns = head.iter().filter(|&&b| b == b'\r').count();
    if returns != head.iter().filter(|&&b| b == b'\n').count() && !head.ends_with(b"\r") {
        return Err(Unreadable);
    }
    let disposition = disposition.unwrap_or_default();
    let name = parameter(disposition, b"name")?.unwrap_or_default();
    // To some a part without a name for its file is a field, and `filename*` is not known to all.
    let file = parameter(disposition, b"filename")?.filter(|file| !file.is_empty());
    Ok(Part { name, file, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &[u8] = b"multipart/form-data; boundary=xx";

    /// The parts as `name=content`, or `name<file>`.
    fn parts(body: &str) -> Result<Vec<String>, Unreadable> {
        let mut parts = Parts::new(body.as_bytes(), TYPE)?.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut all = Vec::new();
        while let Some(part) = parts.next()? {
            all.push(match &part.file {
                Some(file) => format!("{}<{}>", text(&part.name), text(file)),
                None => format!("{}={}", text(&part.name), text(part.content)),
            });
        }
        Ok(all)
    }

    /// A body of one part with this head and content.
    fn one(head: &str, content: &str) -> String {
        format!("--xx\r\n{head}\r\n\r\n{content}\r\n--xx--\r\n")
    }

    const NAMED: &str = "Content-Disposition: form-data; name=\"q\"";

    #[test]
    fn parts_are_what_browsers_and_libraries_send() {
        let two = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"c:\\\\it's.txt\"\r\nContent-Type: text/plain\r\n\r\n\
            1\r\n--x\r\n--xx--";
        assert_eq!(parts(two), Ok(vec!["a=1\r\n2".into(), "f<c:\\it's.txt>".into()]));
        assert_eq!(parts(&one(NAMED, "")), Ok(vec!["q=".into()]));
        assert_eq!(parts(&one(NAMED, "x--xx--y")), Ok(vec!["q=x--xx--y".into()]), "in a line it is content");
        assert_eq!(parts(&format!("for nobody\r\n{}\r\n\r\n", one(NAMED, "1"))), Ok(vec!["q=1".into()]));
        assert_eq!(parts("--xx\r\n\r\nnameless\r\n--xx--"), Ok(vec!["=nameless".into()]));
        assert_eq!(
            parts("--xx \t\r\nContent-Disposition: form-data; name=q\r\n\r\ncut"),
            Ok(vec!["q=cut".into()])
        );
        assert_eq!(parts("--xx\r\nContent-Dispo"), Ok(vec!["=".into()]));
        assert_eq!(parts("--xx--"), Ok(vec![]));
        assert_eq!(parts(""), Ok(vec![]));
        let star = "Content-Disposition: form-data; name=q; filename*=utf-8''a.txt";
        assert_eq!(parts(&one(star, "x")), Ok(vec!["q=x".into()]));
        let empty = "Content-Disposition: form-data; name=q; filename=\"\"";
        assert_eq!(parts(&one(empty, "x")), Ok(vec!["q=x".into()]));
        let binary = "Content-Transfer-Encoding: binary\r\nContent-Type: application/json; charset=utf-8";
        assert_eq!(parts(&one(&format!("{NAMED}\r\n{binary}"), "{}")), Ok(vec!["q={}".into()]));
    }

    #[test]
    fn what_readers_take_apart_in_two_ways_is_refused() {
        for body in [
            one(NAMED, "1").replace("\r\n", "\n"),
            format!("--xx\r\n{NAMED}\n\n1' or 1=1--\r\n--xx--\r\n"),
            format!("--xx\r\n{NAMED}\r\nA: b\n\r\n\r\n1\r\n--xx--\r\n"),
            one(NAMED, "1\n--xx--\n2"),
            one(NAMED, "1\r\n--xxy\r\n2"),
            one(NAMED, "1\r\n--xx\n2"),
            format!("{}q=1' or 1=1--", one(NAMED, "1")),
            one(&format!("{NAMED}\r\n{NAMED}; filename=x"), "1"),
            one("Content-Disposition: form-data; x=\"; filename=y; name=q", "1"),
            one("Content-Disposition: form-data; name=q; name=r", "1"),
            one("Content-Disposition: form-data;\r\n name=q", "1"),
            format!("--xx\r\n{NAMED}\r\n--xx--"),
            "--xx\r\n--xx--".into(),
            one(&format!("{NAMED}\r\nContent-Transfer-Encoding: base64"), "MSdvciAxPTEtLQ=="),
            one(&format!("{NAMED}\r\nContent-Type: text/plain; charset=utf-16"), "1"),
        ] {
            assert_eq!(parts(&body), Err(Unreadable), "{body:?}");
        }
        for boundary in ["", "\"\"", &"x".repeat(71), "x; boundary=y", "\"x", "A,B"] {
            let media = format!("multipart/form-data; boundary={boundary}");
            assert!(Parts::new(b"", media.as_bytes()).is_err(), "{boundary}");
        }
        let disguised = b"multipart/form-data; xboundary=A; boundary=B";
        assert!(Parts::new(b"", disguised).is_err(), "some take the first");
        let long = format!("Content-Disposition: form-data; name={}", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(parts(&one(&long, "1")), Err(Unreadable));
        assert!(Parts::new(b"", b"multipart/form-data").is_ok_and(|parts| parts.is_none()));
    }
}
