//! Message heads without a protocol: a flat list of offsets into one owned text. HTTP/1, HTTP/2 and
//! HTTP/3 codecs fill them; policies edit them; the flow sends them on. No allocation per field: the
//! two vectors of a head are reused from request to request.

use crate::name::{Method, Name};
use crate::outcome::Refusal;
use crate::path::{self, PathRules};

/// A range of a head's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The empty span: "not there".
    pub const NONE: Span = Span { start: 0, end: 0 };

    /// A span from offsets that fit, as every head is bounded far below 4 GiB.
    pub fn new(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Span { start: start as u32, end: end as u32 }
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes it stands for.
    pub fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }
}

/// One field line: `name: value CRLF` somewhere in the text.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The whole line with its CRLF, validated byte by byte, fit to be written verbatim.
    pub line: Span,
    /// The value without surrounding white space.
    pub value: Span,
    /// Length of the name, which starts the line.
    pub name_bytes: u16,
    /// The name, if the gateway knows it.
    pub name: Name,
    /// Removed by an edit or by the rules for hop-by-hop fields; kept in the list so that order holds.
    pub is_removed: bool,
}

/// No fields: the trailers of a body that has none.
pub static NO_FIELDS: Fields = Fields { text: Vec::new(), list: Vec::new() };

/// The fields of a head, a trailer section, or any other list of field lines.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    list: Vec<Field>,
}

impl Fields {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.list.clear();
    }

    /// The text that spans point into.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Bytes the text's memory holds, for deciding whether it is worth keeping.
    pub fn text_capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Appends raw text that spans will point into, and says where it begins. For codecs and edits.
    pub fn add_text(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        Span::new(start, self.text.len())
    }

    /// The text for appending to it; what stands in it already must stay. For codecs.
    pub fn text_mut(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds a field whose line stands in the text, or will before anyone but its codec looks: a codec checks
    /// line by line and copies the head once at its end. The line must have been validated.
    #[inline]
    pub fn add_line(&mut self, field: Field) {
        debug_assert!(field.line.len() > usize::from(field.name_bytes));
        self.list.push(field);
    }

    /// The list in order of arrival, removed fields included.
    pub fn list(&self) -> &[Field] {
        &self.list
    }

    /// The list for marking fields as removed.
    pub fn list_mut(&mut self) -> &mut [Field] {
        &mut self.list
    }

    /// How many fields are kept.
    pub fn count(&self) -> usize {
        self.list.iter().filter(|f| !f.is_removed).count()
    }

    /// Appends a field. The name must be a token and the value free of controls: values that come from
    /// outside are checked where they enter.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.push_known(Name::of(name.as_bytes()), name, value);
    }

    /// Appends a field with a known name.
    pub fn add(&mut self, name: Name, value: &[u8]) {
        self.push_known(name, name.text(), value);
    }

    /// Appends a field with a known name whose value already stands in the text.
    pub fn add_copy(&mut self, name: Name, value: Span) {
        let start = self.text.len();
        self.text.extend_from_slice(name.text().as_bytes());
        self.text.extend_from_slice(b": ");
        let value_start = self.text.len();
        self.text.extend_from_within(value.start as usize..value.end as usize);
        self.add_from(name, name.text().len(), start, value_start);
    }

    /// Replaces every field of a known name by one that lists their values in order and ends with `last`
    /// (RFC 9110 §5.3). Fields removed before are listed too, so that no Connection field can hide one.
    pub fn join(&mut self, name: Name, last: &[u8]) {
        self.join_those(name, |_| true, last);
    }

    /// The same without those removed before: adds an element to a list, which then is one line.
    pub fn append(&mut self, name: Name, last: &[u8]) {
        self.join_those(name, |field| !field.is_removed, last);
    }

    fn join_those(&mut self, name: Name, is_listed: impl Fn(&Field) -> bool, last: &[u8]) {
        debug_assert!(
            !last.is_empty() && is_field_value(last),
            "a field added by the gateway is well formed"
        );
        let start = self.text.len();
        self.text.extend_from_slice(name.text().as_bytes());
        self.text.extend_from_slice(b": ");
        let value_start = self.text.len();
        for field in self.list.iter_mut().filter(|field| field.name == name) {
            if is_listed(field) && !field.value.is_empty() {
                self.text.extend_from_within(field.value.start as usize..field.value.end as usize);
                self.text.extend_from_slice(b", ");
            }
            field.is_removed = true;
        }
        self.text.extend_from_slice(last);
        self.add_from(name, name.text().len(), start, value_start);
    }

    fn push_known(&mut self, known: Name, name: &str, value: &[u8]) {
        debug_assert!(
            !name.is_empty() && is_field_value(value),
            "a field added by the gateway is well formed"
        );
        let start = self.text.len();
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        let value_start = self.text.len();
        self.text.extend_from_slice(value);
        self.add_from(known, name.len(), start, value_start);
    }

    /// Ends the line that began at `start` and adds it to the list.
    fn add_from(&mut self, name: Name, name_bytes: usize, start: usize, value_start: usize) {
        let value_end = self.text.len();
        self.text.extend_from_slice(b"\r\n");
        self.list.push(Field {
            line: Span::new(start, self.text.len()),
            value: Span::new(value_start, value_end),
            name_bytes: name_bytes as u16,
            name,
            is_removed: false,
        });
    }

    /// The name as it was spelled.
    pub fn name_of(&self, field: &Field) -> &[u8] {
        let start = field.line.start as usize;
        &self.text[start..start + field.name_bytes as usize]
    }

    /// The first value of a known name.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// All values of a known name, in order.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.list.iter().filter(move |f| f.name == name && !f.is_removed).map(|f| f.value.of(&self.text))
    }

    /// The first value of any name, compared without case.
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// All values of any name, compared without case.
    pub fn find_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// Every kept field as (name as spelled, value), in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.list.iter().filter(|f| !f.is_removed).map(|f| (self.name_of(f), f.value.of(&self.text)))
    }

    /// Removes every field of a known name.
    pub fn remove(&mut self, name: Name) {
        for field in &mut self.list {
            field.is_removed |= field.name == name;
        }
    }

    /// Removes every field of any name, compared without case.
    pub fn remove_named(&mut self, name: &[u8]) {
        for field in &mut self.list {
            let start = field.line.start as usize;
            let spelled = &self.text[start..start + field.name_bytes as usize];
            field.is_removed |= spelled.eq_ignore_ascii_case(name);
        }
    }

    /// Removes every field whose name is listed in a value of `by`, as Connection lists hop-by-hop fields
    /// (RFC 9110 §7.6.1). The lists of removed fields count too. Costs names × fields: the codec bounds both.
    pub fn remove_listed(&mut self, by: Name) {
        let Fields { text, list } = self;
        for i in 0..list.len() {
            if list[i].name != by {
                continue;
            }
            for listed in list[i].value.of(text).split(|&b| b == b',') {
                let listed = listed.trim_ascii();
                for field in list.iter_mut().filter(|f| usize::from(f.name_bytes) == listed.len()) {
                    let start = field.line.start as usize;
                    field.is_removed |= text[start..start + listed.len()].eq_ignore_ascii_case(listed);
                }
            }
        }
    }

    /// Makes nothing of every Trailer line that announces such a name.
    pub fn forget_announced(&mut self, is_such: impl Fn(&[u8]) -> bool) {
        let Fields { text, list } = self;
        for field in list.iter_mut().filter(|field| field.name == Name::Trailer) {
            if field.value.of(text).split(|&b| b == b',').any(|name| is_such(name.trim_ascii())) {
                field.name = Name::Other;
                field.is_removed = true;
            }
        }
    }

    /// Replaces every field of that name with one.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.remove_named(name.as_bytes());
        self.push(name, value);
    }

    /// Writes the kept lines verbatim, in runs: neighbours that stand side by side in the text are one copy.
    pub fn write_lines(&self, out: &mut Vec<u8>) {
        let mut run = Span::NONE;
        for field in self.list.iter().filter(|f| !f.is_removed) {
            if field.line.start != run.end || run.is_empty() {
                out.extend_from_slice(run.of(&self.text));
                run = field.line;
            } else {
                run.end = field.line.end;
            }
        }
        out.extend_from_slice(run.of(&self.text));
    }
}

/// Whether bytes may stand as a field value: visible ASCII, space, tab and obs-text (RFC 9110 §5.5).
pub fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| b == b'\t' || (b >= 0x20 && b != 0x7f))
}

/// What a request asks for, before its body.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The fields. Host is among them as the client sent it; `host` below is what counts.
    pub fields: Fields,
    /// The method; `Method::Other` keeps its text in `method_text`.
    pub method: Method,
    /// The method as text.
    pub method_text: Span,
    /// The canonical path (`crate::path`), or `*` for `OPTIONS *`.
    pub path: Span,
    /// The plain form of the path, which routes are looked for by; empty where it is `path`.
    pub plain: Span,
    /// How the path was read: what is made of it is read alike.
    pub path_rules: PathRules,
    /// The query without its `?`; valid only if `has_query`.
    pub query: Span,
    /// Whether there was a `?`, be the query empty or not.
    pub has_query: bool,
    /// Host and port as the target or the Host field gave them (the target wins, RFC 9112 §3.2.2). Empty
    /// when an HTTP/1.0 client sent none.
    pub host: Span,
    /// The path a backend is asked for, where the route rewrites it; empty where it is `path`. Everyone else keeps
    /// seeing what the client asked for.
    pub rewritten: Span,
}

impl RequestHead {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        *self = RequestHead { fields, ..RequestHead::default() };
        self.fields.clear();
    }

    /// The method's text.
    pub fn method_bytes(&self) -> &[u8] {
        self.method_text.of(self.fields.text())
    }

    /// The canonical path.
    pub fn path_bytes(&self) -> &[u8] {
        self.path.of(self.fields.text())
    }

    /// The path as the literals of routes are compared with it: `crate::path::plain`.
    #[inline]
    pub fn plain_bytes(&self) -> &[u8] {
        let path = if self.plain.is_empty() { self.path } else { self.plain };
        path.of(self.fields.text())
    }

    /// Reads a path as a client has sent it, from `/` on, into the head.
    ///
    /// Errors: 400 where backends could read it in two ways.
    pub fn read_path(&mut self, path: &[u8], rules: PathRules) -> Result<(), Refusal> {
        self.path_rules = rules;
        match path::read(path, rules, self.fields.text_mut())? {
            Some(forms) => (self.path, self.plain) = (forms.path, forms.plain),
            None => self.path = self.fields.add_text(path),
        }
        Ok(())
    }

    /// The path a backend is asked for.
    #[inline]
    pub fn path_sent_bytes(&self) -> &[u8] {
        let path = if self.rewritten.is_empty() { self.path } else { self.rewritten };
        path.of(self.fields.text())
    }

    /// The query, if there was a `?`.
    pub fn query_bytes(&self) -> Option<&[u8]> {
        self.has_query.then(|| self.query.of(self.fields.text()))
    }

    /// Host with its port, if any.
    pub fn host_bytes(&self) -> &[u8] {
        self.host.of(self.fields.text())
    }
}

/// What a response says before its body.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The fields.
    pub fields: Fields,
    /// Three digits; 100 to 999.
    pub status: u16,
    /// The reason phrase of HTTP/1; may be empty, absent in later protocols.
    pub reason: Span,
}

impl ResponseHead {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.status = 0;
        self.reason = Span::NONE;
    }

    /// The reason phrase.
    pub fn reason_bytes(&self) -> &[u8] {
        self.reason.of(self.fields.text())
    }
}

/// How much body follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Length {
    /// None: there is no body and no framing that says so has to be written.
    #[default]
    Empty,
    /// Exactly so many bytes, stated in the head. `Exact(0)` is a stated empty body.
    Exact(u64),
    /// As many as come until the end of the body is marked.
    Streamed,
}
