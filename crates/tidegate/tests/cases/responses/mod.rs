//! Answers of a backend as data: the bytes it sends, and what may become of them. An answer that two readers
//! could understand differently is never handed on, and its connection never used again.

mod bodies;
mod heads;

/// One answer to a GET.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Names the case; several cases may show one thing and share a name.
    pub(crate) id: &'static str,
    /// The bytes that the backend sends at once.
    pub(crate) answer: Vec<u8>,
    /// Whether the backend then says that it is done (FIN).
    pub(crate) is_finished: bool,
    /// What may come of it: one of these.
    pub(crate) fates: Vec<Fate>,
}

/// What may become of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The client gets 502, and the connection to the backend is closed.
    Refused,
    /// The client gets 502 or an answer that visibly breaks off, and the connection to the backend is closed.
    BrokenOff,
    /// The client gets 200 with this body and, somewhere in the head, these lines; the connection to the
    /// backend serves the next request or is closed.
    Passed {
        /// The body, without transfer coding.
        body: Vec<u8>,
        /// Lines of the head, each with its CRLF.
        lines: Vec<u8>,
        /// Whether the next request comes over the same connection.
        is_reused: bool,
    },
}

/// Every group there is.
pub(crate) const GROUPS: [&str; 7] = [
    "status-line",
    "content-length",
    "transfer-encoding",
    "transfer-encoding-sweep",
    "line-ends",
    "chunks",
    "header-syntax",
];

/// The cases of one group.
pub(crate) fn group(name: &str) -> Vec<Case> {
    match name {
        "status-line" => heads::status_line(),
        "content-length" => bodies::content_length(),
        "transfer-encoding" => bodies::transfer_encoding(),
        "transfer-encoding-sweep" => bodies::sweep(),
        "line-ends" => heads::line_ends(),
        "chunks" => bodies::chunks(),
        "header-syntax" => heads::header_syntax(),
        _ => panic!("no group {name}"),
    }
}

/// The path of a case within its group.
pub(crate) fn tag(number: usize, id: &str) -> String {
    format!("/{number}-{id}")
}

impl Case {
    /// Adds something else that may come of it.
    fn or(mut self, fate: Fate) -> Case {
        self.fates.push(fate);
        self
    }

    /// The backend is done after what it sends.
    fn finished(mut self) -> Case {
        self.is_finished = true;
        self
    }
}

fn case(id: &'static str, answer: impl AsRef<[u8]>, fate: Fate) -> Case {
    Case { id, answer: answer.as_ref().to_vec(), is_finished: false, fates: vec![fate] }
}

fn refused(id: &'static str, answer: impl AsRef<[u8]>) -> Case {
    case(id, answer, Fate::Refused)
}

fn broken_off(id: &'static str, answer: impl AsRef<[u8]>) -> Case {
    case(id, answer, Fate::BrokenOff)
}

/// Handed on with this body; the connection serves the next request.
fn passed(id: &'static str, answer: impl AsRef<[u8]>, body: &str) -> Case {
    case(id, answer, passage(body, ""))
}

fn passage(body: &str, lines: impl AsRef<[u8]>) -> Fate {
    Fate::Passed { body: body.into(), lines: lines.as_ref().to_vec(), is_reused: true }
}

/// Handed on with this body; the connection is closed.
fn last_passage(body: &str) -> Fate {
    Fate::Passed { body: body.into(), lines: Vec::new(), is_reused: false }
}

/// A 200 with these field lines, each with its CRLF, and this body.
fn ok(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", fields.as_ref(), b"\r\n", body.as_ref()].concat()
}
