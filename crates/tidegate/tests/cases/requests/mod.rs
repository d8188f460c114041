//! Requests as data: the bytes a client sends, and what may become of them. Used by `conformance` (against a
//! raw backend) and `differential` (against real servers).

mod chunks;
mod connection;
mod framing;
mod lines;
mod paths;
mod targets;

/// Stands in `sent` and `reaches` for a path that belongs to this one case.
const ID: &[u8] = b"/ID";

/// What must never arrive: it stands behind every request that is to be refused.
const SMUGGLED: &[u8] = b"GET /ID/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// The configuration that the cases are made for: everything goes to the backend, but for some paths that the
/// gateway answers itself.
pub(crate) fn config(backend: std::net::SocketAddr) -> String {
    format!(
        "services: {{ origin: {{ backends: [\"{backend}\"] }} }}\nroutes:\n  - {{ match: \"/**\", to: origin }}\n\
         \x20 - {{ match: \"/respond/**\", to: {{ respond: {{ status: 200, body: ok }} }} }}\n"
    )
}

/// One exchange on a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Names the case; several cases may show one thing and share a name.
    pub(crate) id: &'static str,
    /// The bytes that the client sends at once.
    pub(crate) sent: Vec<u8>,
    /// Whether the client then says that it is done (FIN).
    pub(crate) is_finished: bool,
    /// What may come of it: one of these, whole.
    pub(crate) outcomes: Vec<Outcome>,
}

/// What may come of one case.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The final answers in order; each is any one of the statuses.
    pub(crate) answers: Vec<&'static [u16]>,
    /// What the backend has received in the end, in order, without what the gateway adds.
    pub(crate) reaches: Reaches,
    /// What becomes of the client's connection.
    pub(crate) after: After,
}

/// What a backend receives.
#[derive(Clone, Debug)]
pub(crate) enum Reaches {
    /// Exactly these requests, byte for byte.
    Exactly(Vec<Vec<u8>>),
    /// Nothing, or a request that breaks off: never a whole one.
    NeverWhole,
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It serves another request.
    Kept,
    /// It is closed, and the last answer says so.
    Closed,
}

/// The cases of one group, numbered and with their paths filled in.
pub(crate) fn group(name: &str) -> Vec<Case> {
    let cases = match name {
        "length-against-coding" => framing::length_against_coding(),
        "content-length" => framing::content_length(),
        "transfer-encoding" => framing::transfer_encoding(),
        "transfer-encoding-sweep" => framing::sweep(),
        "line-ends" => lines::line_ends(),
        "chunks" => chunks::chunks(),
        "trailers" => chunks::trailers(),
        "header-syntax" => lines::header_syntax(),
        "request-line" => targets::request_line(),
        "host-and-target" => targets::host_and_target(),
        "paths" => paths::paths(),
        "connection" => connection::connection(),
        "expect" => connection::expect(),
        "upgrade-and-connect" => connection::upgrade_and_connect(),
        "pipelines" => connection::pipelines(),
        _ => panic!("no group {name}"),
    };
    cases.into_iter().enumerate().map(|(number, case)| case.numbered(number)).collect()
}

/// Every group there is.
pub(crate) const GROUPS: [&str; 15] = [
    "length-against-coding",
    "content-length",
    "transfer-encoding",
    "transfer-encoding-sweep",
    "line-ends",
    "chunks",
    "trailers",
    "header-syntax",
    "request-line",
    "host-and-target",
    "paths",
    "connection",
    "expect",
    "upgrade-and-connect",
    "pipelines",
];

/// The path of a case within its group.
pub(crate) fn tag(number: usize, id: &str) -> String {
    format!("/{number}-{id}")
}

impl Case {
    fn numbered(mut self, number: usize) -> Case {
        let tag = tag(number, self.id);
        self.sent = replaced(&self.sent, &tag);
        for outcome in &mut self.outcomes {
            if let Reaches::Exactly(requests) = &mut outcome.reaches {
                requests.iter_mut().for_each(|request| *request = replaced(request, &tag));
            }
        }
        self
    }

    /// Adds something else that may come of it.
    fn or(mut self, other: Outcome) -> Case {
        self.outcomes.push(other);
        self
    }

    /// The client says that it is done after what it sends.
    fn finished(mut self) -> Case {
        self.is_finished = true;
        self
    }
}

fn replaced(bytes: &[u8], tag: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let mut rest = bytes;
    while let Some(position) = rest.windows(ID.len()).position(|part| part == ID) {
        out.extend_from_slice(&rest[..position]);
        out.extend_from_slice(tag.as_bytes());
        rest = &rest[position + ID.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// The client's bytes as they are.
fn case(id: &'static str, sent: impl AsRef<[u8]>, outcome: Outcome) -> Case {
    Case { id, sent: sent.as_ref().to_vec(), is_finished: false, outcomes: vec![outcome] }
}

/// Answered with 400 and closed; nothing reaches a backend, nor does what stands behind it.
fn refused(id: &'static str, sent: impl AsRef<[u8]>) -> Case {
    refused_as(id, &[400], sent)
}

/// Answered with one of these statuses and closed; nothing reaches a backend.
fn refused_as(id: &'static str, statuses: &'static [u16], sent: impl AsRef<[u8]>) -> Case {
    case(id, [sent.as_ref(), SMUGGLED].concat(), refusal(statuses))
}

/// Answered with 400 and closed; the head may have been on its way already, but no whole request arrives.
fn broken_off(id: &'static str, sent: impl AsRef<[u8]>) -> Case {
    broken_off_as(id, &[400], sent)
}

/// The same with other statuses.
fn broken_off_as(id: &'static str, statuses: &'static [u16], sent: impl AsRef<[u8]>) -> Case {
    let outcome = Outcome { answers: vec![statuses], reaches: Reaches::NeverWhole, after: After::Closed };
    case(id, [sent.as_ref(), SMUGGLED].concat(), outcome)
}

/// Handed on as these bytes, answered with 200, and the connection is kept.
fn carried(id: &'static str, sent: impl AsRef<[u8]>, reaches: impl AsRef<[u8]>) -> Case {
    case(id, sent, passage(reaches))
}

/// The outcome of `refused_as`.
fn refusal(statuses: &'static [u16]) -> Outcome {
    Outcome { answers: vec![statuses], reaches: Reaches::Exactly(Vec::new()), after: After::Closed }
}

/// The outcome of `carried`.
fn passage(reaches: impl AsRef<[u8]>) -> Outcome {
    let reaches = Reaches::Exactly(vec![reaches.as_ref().to_vec()]);
    Outcome { answers: vec![&[200]], reaches, after: After::Kept }
}

/// The same, and the connection closes.
fn last_passage(reaches: impl AsRef<[u8]>) -> Outcome {
    Outcome { after: After::Closed, ..passage(reaches) }
}

/// A GET with these field lines, each with its CRLF.
fn get(fields: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /ID HTTP/1.1\r\nHost: a\r\n", fields.as_ref(), b"\r\n"].concat()
}

/// A POST with these field lines and this body.
fn post(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST /ID HTTP/1.1\r\nHost: a\r\n", fields.as_ref(), b"\r\n", body.as_ref()].concat()
}
