//! Splits a growing buffer into lines, resumably: no byte is searched twice, however small the pieces it
//! arrives in, and the verdict never depends on the pieces. Used by both head parsers.

use tidegate_core::limits::HeadLimits;

use super::bytes::find_control;

/// How far a head has been split.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// Where the head begins; limits count from here.
    head: usize,
    /// Where the current line begins.
    line: usize,
    /// Up to where the current line is known to have no control.
    scanned: usize,
}

/// A whole line: where it begins and where its CRLF does. The bytes between are free of controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What is wrong with a line, seen as soon as the bytes so far cannot become a line any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFault {
    /// A bare CR or LF, or another control.
    Control(&'static str),
    LineTooLong,
    HeadTooLong,
}

impl Lines {
    /// Starts with the head that begins at `head`.
    pub(crate) fn at(head: usize) -> Lines {
        Lines { head, line: head, scanned: head }
    }

    /// Where the head begins.
    pub(crate) fn head(&self) -> usize {
        self.head
    }

    /// Where the next line begins.
    pub(crate) fn position(&self) -> usize {
        self.line
    }

    /// The next line, or None while it is not whole. Never looks past the first byte that is too many, so
    /// that what follows cannot change the verdict.
    #[inline]
    pub(crate) fn next(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<Line>, LineFault> {
        let line_end_max = self.line.saturating_add(limits.line_bytes_max);
        let head_end_max = self.head.saturating_add(limits.head_bytes_max);
        // A CR may stand at `line_end_max`, and its LF must fit into the head.
        let window_end = line_end_max.saturating_add(1).min(head_end_max);
        let window = buf.get(self.scanned..window_end.min(buf.len())).unwrap_or_default();
        let Some(found) = find_control(window) else {
            self.scanned += window.len();
            return match buf.len() {
                seen if seen < window_end => Ok(None),
                _ if window_end == head_end_max => Err(LineFault::HeadTooLong),
                _ => Err(LineFault::LineTooLong),
            };
        };
        let end = self.scanned + found;
        match (buf[end], buf.get(end + 1)) {
            (b'\r', _) if end + 2 > head_end_max => Err(LineFault::HeadTooLong),
            (b'\r', Some(b'\n')) => {
                let line = Line { start: self.line, end };
                *self = Lines { head: self.head, line: end + 2, scanned: end + 2 };
                Ok(Some(line))
            }
            (b'\r', None) => {
                self.scanned = end;
                Ok(None)
            }
            (b'\r', _) => Err(LineFault::Control("carriage return without line feed")),
            (b'\n', _) => Err(LineFault::Control("line feed without carriage return")),
            _ => Err(LineFault::Control("control character")),
        }
    }
}
