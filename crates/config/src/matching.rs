//! What a route asks of a request: a path, a host, methods, header fields, the query.

use crate::wanted::{CookieName, FieldName, QueryKey, Wanted};
use std::borrow::Cow;
use std::fmt::Write;
use tidegate_core::name::Method;
use tidegate_core::node::Node;
use tidegate_core::problem::{Problem, Problems, nearest};
use tidegate_core::router;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Table, Word};

settings! {
    /// Conditions that must all hold. A path alone may be written without its key.
    pub struct Match {
        /// The host the client asks for: a name, or `*.example.com` for one or more labels before it. Port, case and a final dot do not count.
        pub host: Option<HostPattern>,
        /// The path: `{x}` is one segment, `**` at the end any rest. `/a/**` matches `/a`, `/a/` and `/a/b/c`.
        pub path: PathPattern = PathPattern::any(),
        /// Any of these methods; `GET` includes `HEAD`. All without it.
        pub methods: Vec<MethodName> = Vec::new(),
        /// Header fields that must be there, with exactly this value, or with any for `"*"`. Of several fields of a name one is enough.
        pub headers: Table<FieldName, Wanted> = Table::default(),
        /// Keys that the query must have, with exactly this value, or with any for `"*"`; compared decoded. Of several of a key one is enough.
        pub query: Table<QueryKey, Wanted> = Table::default(),
        /// Cookies that must be there, with exactly this value, or with any for `"*"`. Of several of a name one is enough.
        pub cookies: Table<CookieName, Wanted> = Table::default(),
    }
    short path;
}

impl Match {
    /// What a route without a name is called: the conditions that were written, as in `GET,POST example.com /a/**`.
    pub fn name(&self) -> String {
        let mut name = self.methods.iter().map(MethodName::as_str).collect::<Vec<_>>().join(",");
        if let Some(host) = &self.host {
            let gap = if name.is_empty() { "" } else { " " };
            write!(name, "{gap}{}", host.0).unwrap_or_default();
        }
        let gap = if name.is_empty() { "" } else { " " };
        write!(name, "{gap}{}", self.path.0).unwrap_or_default();
        name
    }
}

/// A host, or all below one: `api.example.com`, `*.example.com`. Lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern(String);

impl HostPattern {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Labels of letters, digits, `-` and `_`, or an IP address.
pub(crate) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(is_part)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.len() <= 253 && text.split('.').all(is_label),
    }
}

impl Word for HostPattern {
    const WHAT: &str = "a host such as `api.example.com` or `*.example.com`";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<HostPattern, Fault> {
        let host = text.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        if is_host_name(host.strip_prefix("*.").unwrap_or(host)) {
            return match router::HostPattern::parse(host) {
                Ok(_) => Ok(HostPattern(host.to_owned())),
                Err(reason) => Err(Fault::new("is not a host the router can take").hint(reason)),
            };
        }
        let fault = Fault::new("is not a host");
        Err(match host {
            "*" => fault.hint("leave `host` out to match every host"),
            _ if host.contains("://") => fault.hint("write the name alone, without `http://`"),
            _ if host
                .rsplit_once(':')
                .is_some_and(|(name, port)| is_host_name(name) && port.parse::<u16>().is_ok()) =>
            {
                fault.hint("leave the port out: it does not count")
            }
            _ if !host.is_ascii() => {
                fault.hint("write the ASCII form of the name, as in `xn--bcher-kva.example`")
            }
            _ => fault.hint("write a name such as `api.example.com`, or `*.example.com`"),
        })
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> HostPattern {
        HostPattern(String::from("none.invalid"))
    }
}

/// A path with `{x}` for one segment and `**` for any rest. What the router reads is read by the router;
/// here are only the hints for what is often written instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern(String);

impl PathPattern {
    /// Every path.
    pub fn any() -> PathPattern {
        PathPattern(String::from(PathPattern::EVERY))
    }

    /// What matches every path.
    pub(crate) const EVERY: &str = "/**";

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for PathPattern {
    const WHAT: &str = "a path such as `/orders/{id}` or `/api/**`";
    const PATTERN: &str = "^/";

    fn parse(text: &str) -> Result<PathPattern, Fault> {
        /// A request line of 8 KiB could not carry a longer one with a method and a version.
        const BYTES_MAX: usize = 4096;
        let fault = |reason: &'static str, hint: &'static str| Err(Fault::new(reason).hint(hint));
        if is_regular_expression(text) {
            return fault("is a regular expression", "`{x}` is one whole segment, `**` at the end any rest");
        }
        if !text.starts_with('/') {
            return fault("is not a path", "a path begins with `/`, as in `/api/**`");
        }
        if text.len() > BYTES_MAX {
            return fault("is too long for a path", "4096 bytes at most");
        }
        if let Some(c) = text.chars().find(|c| c.is_whitespace() || c.is_control() || "?#\\".contains(*c)) {
            return match c {
                '?' => {
                    fault("holds a query", "a route is chosen by the path alone: leave `?` and the rest out")
                }
                '#' => fault("holds a `#`", "clients never send it"),
                _ => fault("holds a character no path has", "write it escaped, as in `%20`"),
            };
        }
        if text.contains(';') || text.to_ascii_lowercase().contains("%3b") {
            return fault(
                "holds a `;`",
                "leave it out with what follows in its segment: paths are compared without",
            );
        }
        let (last, before) =
            text[1..].rsplit_once('/').map_or((&text[1..], ""), |(before, last)| (last, before));
        if before.split('/').any(|segment| segment == "**") {
            return fault("has `**` before its end", "`**` is any rest, so nothing can follow it");
        }
        if last != "**" && text.split('/').any(|segment| segment.contains('*') && segment != "**") {
            return fault("holds a `*`", "`{x}` is one whole segment, `**` at the end any rest");
        }
        match router::PathPattern::parse(text) {
            Ok(_) => Ok(PathPattern(text.to_owned())),
            Err(reason) => Err(Fault::new("is not a path the router can take").hint(reason)),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> PathPattern {
        PathPattern::any()
    }
}

/// Whether somebody meant a pattern of the language that nginx and others have: what only such a text holds. Brackets
/// are in no path (RFC 3986 §3.3); parentheses, `$`, `.` and `+` are, and count only beside others.
fn is_regular_expression(text: &str) -> bool {
    let has = |sign: &str| text.contains(sign);
    let is_group = has("(") && has(")") && ["|", "?:", "?<", "?P"].iter().any(|sign| has(sign));
    let rest = text.trim_start_matches(['~', '*', ' ']);
    rest.starts_with('^')
        || (has("[") && has("]"))
        || is_group
        || [".*", ".+", "\\d", "\\w", "\\.", "\\/"].iter().any(|sign| has(sign))
}

/// A request method, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodName(Cow<'static, str>);

impl MethodName {
    /// What is meant where none is written.
    pub(crate) const GET: MethodName = MethodName(Cow::Borrowed("GET"));

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for MethodName {
    const WHAT: &str = "a method such as `GET`";
    const PATTERN: &str = "^[A-Z][A-Z0-9_-]*$";

    fn parse(text: &str) -> Result<MethodName, Fault> {
        /// The longest registered method has 17 letters (UPDATEREDIRECTREF).
        const BYTES_MAX: usize = 32;
        let is_part = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let is_method = text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.len() <= BYTES_MAX
            && text.bytes().all(is_part);
        if text == "CONNECT" {
            return Err(Fault::new("asks for a tunnel, which the gateway does not make"));
        }
        if is_method {
            return Ok(MethodName(text.to_owned().into()));
        }
        let fault = Fault::new("is not a method");
        Err(match nearest(text, Method::ALL.map(|(_, name)| name)).or(known(text)) {
            Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
            None => fault.hint("methods are capital letters, as in `GET`; leave `methods` out for all"),
        })
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> MethodName {
        MethodName::GET
    }
}

/// The method that `text` is but for its case.
fn known(text: &str) -> Option<&'static str> {
    Method::ALL.iter().map(|(_, name)| *name).find(|name| name.eq_ignore_ascii_case(text))
}

/// Tells what only the whole match can show.
pub(crate) fn check(condition: &Match, node: &Node, problems: &mut Problems) {
    if node.entries().is_some_and(<[_]>::is_empty) {
        problems
            .push(Problem::at(&node.place, "the match is empty").hint("write `/**` to match every request"));
    }
    let mut seen: Vec<&MethodName> = Vec::new();
    for method in &condition.methods {
        if seen.contains(&method) {
            problems.push(Problem::at(&node.place, format!("the method `{}` is there twice", method.0)));
        }
        seen.push(method);
    }
}
