//! The request that somebody asks about: read from a method and a URL, with its path in the form the router sees.

use super::{Asked, Explanation, Other, Verdict};
use tidegate_core::exchange::Client;
use tidegate_core::head::{RequestHead, is_field_value};
use tidegate_core::name::Method;
use tidegate_core::path::{self, PathRules};
use tidegate_core::problem::{Problem, quote};
use tidegate_core::router::MethodSet;

/// A request that is asked about.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) method_text: String,
    pub(super) host: String,
    pub(super) path: String,
    /// The plain form of the path, which routes are looked for by.
    pub(super) plain: Vec<u8>,
    rules: PathRules,
    query: Option<String>,
    headers: Vec<(String, String)>,
    listener: String,
}

impl Question {
    /// Reads what was asked of a gateway whose first listener is this. The path is as it was written until
    /// `canonicalize`.
    pub(super) fn read(asked: Asked<'_>, first_listener: &str) -> Result<Question, Problem> {
        if let Err(reason) = MethodSet::default().insert(asked.method) {
            return Err(Problem::new(reason).hint("write a method as it is sent, as in `GET`"));
        }
        // What follows `#` stays with the client.
        let url = asked.url.split('#').next().unwrap_or_default();
        let is_http = |scheme: &str| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let no_url = |reason: &str| {
            let problem = Problem::new(format!("{} {reason}", quote(asked.url)));
            Err(problem.hint("write `https://host/path`, or `/path` alone"))
        };
        let (host, target) = match url.split_once("://") {
            _ if url.starts_with('/') => (None, url),
            Some((scheme, rest)) if is_http(scheme) => {
                let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                (Some(host), target)
            }
            Some(_) => return no_url("has a scheme the gateway does not speak"),
            None => return no_url("is not a URL"),
        };
        if host.is_some_and(|host| host.is_empty() || host.contains('@')) {
            return no_url("has no host a request can have");
        }
        let named = asked.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = host.or(named.map(|(_, value)| value.trim())).unwrap_or_default();
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Ok(Question {
            query: query.map(str::to_owned),
            headers: fields(asked.headers)?,
            listener: if asked.listener.is_empty() { first_listener } else { asked.listener }.to_owned(),
            method: Method::of(asked.method.as_bytes()),
            method_text: asked.method.to_owned(),
            host: host.to_owned(),
            // RFC 9112 §3.2.1: clients send `/` where a URL has no path.
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            plain: Vec::new(),
            rules: PathRules::STRICT,
        })
    }

    /// The listener it comes to.
    pub(super) fn listener(&self) -> &str {
        &self.listener
    }

    /// Reads the path as a codec does that goes by these rules; the error is the reason of the 400.
    pub(super) fn canonicalize(&mut self, rules: PathRules) -> Result<(), &'static str> {
        self.rules = rules;
        let mut text = Vec::new();
        let forms = path::read(self.path.as_bytes(), rules, &mut text).map_err(|refusal| refusal.reason)?;
        match forms {
            Some(forms) => {
                self.plain = forms.plain.of(&text).to_vec();
                self.path = String::from_utf8_lossy(forms.path.of(&text)).into_owned();
            }
            None => self.plain = self.path.clone().into_bytes(),
        }
        Ok(())
    }

    /// The head that a codec would make of it, once its path is canonical.
    pub(super) fn head(&self) -> RequestHead {
        let mut head = RequestHead { method: self.method, path_rules: self.rules, ..RequestHead::default() };
        head.method_text = head.fields.add_text(self.method_text.as_bytes());
        head.host = head.fields.add_text(self.host.as_bytes());
        head.path = head.fields.add_text(self.path.as_bytes());
        head.plain = head.fields.add_text(&self.plain);
        head.query = head.fields.add_text(self.query.as_deref().unwrap_or_default().as_bytes());
        head.has_query = self.query.is_some();
        for (name, value) in &self.headers {
            head.fields.push(name, value.as_bytes());
        }
        head
    }

    /// Who would send it, as far as routes ask.
    pub(super) fn client(&self) -> Client {
        Client {
            address: None,
            listener: self.listener.as_str().into(),
            is_secure: false,
            trusted: None,
            door: None,
        }
    }

    /// The answer to it.
    pub(super) fn answer(self, verdict: Verdict, others: Vec<Other>) -> Explanation {
        Explanation { method: self.method_text, host: self.host, path: self.path, verdict, others }
    }
}

/// The fields a route may be chosen by: all but Host.
fn fields(headers: &[(String, String)]) -> Result<Vec<(String, String)>, Problem> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token) || !is_field_value(value.as_bytes()) {
            let problem = Problem::new(format!("{} is not a header", quote(&format!("{name}: {value}"))));
            return Err(problem.hint("write a name and a value, as in `x-beta: 1`"));
        }
    }
    let others = headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
    Ok(others.map(|(name, value)| (name.clone(), value.trim_matches([' ', '\t']).to_owned())).collect())
}

/// A piece of a canonical path without its escapes. What is no UTF-8 then is shown by replacement characters.
pub(super) fn decoded(piece: &[u8]) -> String {
    let digit = |at: usize| piece.get(at).and_then(|&byte| (byte as char).to_digit(16));
    let mut bytes = Vec::with_capacity(piece.len());
    let mut at = 0;
    while let Some(&byte) = piece.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
