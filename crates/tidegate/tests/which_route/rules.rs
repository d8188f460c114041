//! The rules by which a route is chosen, read literally: every route is looked at, as text, and those that match are
//! compared. Slow and plain on purpose, and written apart from the router and the codec.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A route as an operator would write it. Empty means that nothing was written.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) host: &'static str,
    pub(crate) path: String,
    pub(crate) methods: Vec<&'static str>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) query: Vec<(&'static str, &'static str)>,
    pub(crate) listeners: Vec<&'static str>,
}

/// A request as a client would send it, and the listener it comes to.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// Without white space around the values.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) listener: &'static str,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This route takes it, by its place in the file.
    Route(usize),
    /// 405 with these methods.
    MethodNotAllowed(BTreeSet<String>),
    NotFound,
    BadRequest,
}

/// What becomes of a request among these routes.
pub(crate) fn outcome(routes: &[Route], request: &Request) -> Outcome {
    let Some(path) = canonical(&request.path) else { return Outcome::BadRequest };
    let fitting: Vec<usize> =
        (0..routes.len()).filter(|&i| routes[i].fits_but_for_method(request, &path)).collect();
    let method = request.method_that_counts();
    let best = fitting.iter().filter(|&&i| routes[i].fits_method(method));
    match best.max_by_key(|&&i| (routes[i].rank(), Reverse(i))) {
        Some(&route) => Outcome::Route(route),
        None if fitting.is_empty() => Outcome::NotFound,
        None => {
            let named: Vec<&str> = fitting.iter().flat_map(|&i| routes[i].allowed()).collect();
            let more = named.contains(&"GET").then_some("HEAD");
            Outcome::MethodNotAllowed(named.into_iter().chain(more).map(String::from).collect())
        }
    }
}

impl Request {
    /// A preflight is matched by the method it asks about.
    fn method_that_counts(&self) -> &'static str {
        let value = |wanted: &str| {
            self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
        };
        match (self.method, value("origin"), value("access-control-request-method")) {
            ("OPTIONS", Some(_), Some(asked)) => asked,
            _ => self.method,
        }
    }
}

impl Route {
    fn fits_but_for_method(&self, request: &Request, path: &str) -> bool {
        self.fits_host(&request.host)
            && self.fits_path(path)
            && self.headers.iter().all(|&(name, wanted)| {
                let has = |&(sent, value): &(&str, &str)| {
                    sent.eq_ignore_ascii_case(name) && (wanted == "*" || value == wanted)
                };
                request.headers.iter().any(has)
            })
            && self.query.iter().all(|&(key, wanted)| {
                let query = request.query.as_deref().unwrap_or_default();
                query.split('&').filter(|pair| !pair.is_empty()).any(|pair| {
                    let (sent, value) = pair.split_once('=').unwrap_or((pair, ""));
                    decoded(sent) == key.as_bytes() && (wanted == "*" || decoded(value) == wanted.as_bytes())
                })
            })
            && (self.listeners.is_empty() || self.listeners.contains(&request.listener))
    }

    /// Port, case and a final dot of Host are ignored; `*.example.com` is one or more labels.
    fn fits_host(&self, sent: &str) -> bool {
        let name = sent.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        match self.host.strip_prefix('*') {
            Some(suffix) => name.strip_suffix(suffix).is_some_and(|labels| !labels.is_empty()),
            None => self.host.is_empty() || self.host == name,
        }
    }

    /// `{x}` is one segment that is not empty; `**` is any rest, also none. A literal is any spelling of its segment,
    /// whatever parameters follow it.
    fn fits_path(&self, path: &str) -> bool {
        let (parts, has_rest) = match self.path.strip_suffix("/**") {
            Some(root) => (root, true),
            None => (self.path.as_str(), false),
        };
        let parts: Vec<&str> = parts.split('/').collect();
        let segments: Vec<&str> = path.split('/').collect();
        let is_long_enough = segments.len() == parts.len() || (has_rest && segments.len() > parts.len());
        let fits = |(part, segment): (&&str, &&str)| match part.starts_with('{') {
            true => !segment.is_empty(),
            false => decoded_path(part) == decoded_path(name_of(segment)),
        };
        is_long_enough && parts.iter().zip(&segments).all(fits)
    }

    /// GET includes HEAD.
    fn fits_method(&self, method: &str) -> bool {
        (self.methods.is_empty() && method != "TRACE")
            || self.methods.contains(&method)
            || (method == "HEAD" && self.methods.contains(&"GET"))
    }

    /// What Allow says of it where its methods are what is lacking: only TRACE is no one's who does not name it.
    fn allowed(&self) -> Vec<&'static str> {
        match self.methods.is_empty() {
            true => vec!["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"],
            false => self.methods.clone(),
        }
    }

    /// The larger, the more specific: host, then path, then the number of other conditions. The order of the file is
    /// the caller's.
    fn rank(&self) -> impl Ord {
        let host = match self.host.strip_prefix("*.") {
            Some(suffix) => 1 + suffix.split('.').count(),
            None if self.host.is_empty() => 0,
            None => 100,
        };
        let parts: Vec<&str> = self.path.split('/').skip(1).collect();
        let params = parts.iter().filter(|part| part.starts_with('{')).count();
        let has_rest = parts.last() == Some(&"**");
        let literals = parts.len() - params - usize::from(has_rest);
        let others = self.headers.len()
            + self.query.len()
            + usize::from(!self.methods.is_empty())
            + usize::from(!self.listeners.is_empty());
        (host, literals, params, !has_rest, others)
    }

    /// Equal for two routes that take the same requests, which no file may have.
    pub(crate) fn takes(&self) -> String {
        let parts = self.path.split('/').map(|part| match part.starts_with('{') {
            true => String::from("{}"),
            false => format!("{:?}", decoded_path(part)),
        });
        let parts: Vec<String> = parts.collect();
        let (mut methods, mut query, mut listeners) =
            (self.methods.clone(), self.query.clone(), self.listeners.clone());
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        methods.sort_unstable();
        query.sort_unstable();
        listeners.sort_unstable();
        headers.sort_unstable();
        format!("{:?}", (self.host, parts, methods, headers, query, listeners))
    }
}

/// The one form of a path. `None` for what is answered with 400.
pub(crate) fn canonical(path: &str) -> Option<String> {
    let mut segments: Vec<String> = Vec::new();
    let raw: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    for (index, raw_segment) in raw.iter().enumerate() {
        let segment = canonical_segment(raw_segment)?;
        let is_last = index + 1 == raw.len();
        if ["", ".", ".."].contains(&name_of(&segment)) && name_of(&segment) != segment {
            return None;
        }
        match segment.as_str() {
            "" if !is_last => continue,
            "." => {}
            ".." => {
                segments.pop()?;
            }
            _ => {
                segments.push(segment);
                continue;
            }
        }
        if is_last {
            segments.push(String::new());
        }
    }
    Some(format!("/{}", segments.join("/")))
}

fn canonical_segment(raw: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '%' => {
                let byte = u8::from_str_radix(rest.get(..2)?, 16).ok().filter(|_| !rest.starts_with('+'))?;
                match char::from(byte) {
                    '/' | '\\' | '\0' => return None,
                    c if c.is_ascii_alphanumeric() || "-._~".contains(c) => text.push(c),
                    _ => text += &format!("%{byte:02X}"),
                }
                rest = &rest[2..];
            }
            '\\' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

/// What stands before the parameters of a canonical segment.
fn name_of(segment: &str) -> &str {
    let end = [";", "%3B"].iter().filter_map(|sign| segment.find(sign)).min();
    &segment[..end.unwrap_or(segment.len())]
}

/// A segment without its escapes.
fn decoded_path(segment: &str) -> Vec<u8> {
    decoded(&segment.replace('+', "%2B"))
}

/// A key or a value of a query. What it is no escape of stands for itself.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let is_escape =
            text.get(at + 1..at + 3).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match bytes[at] {
            b'%' if is_escape => {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap_or_default());
                at += 2;
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    out
}
