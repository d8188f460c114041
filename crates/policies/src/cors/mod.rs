//! Lets pages of other origins read answers (Fetch, §3.2): answers preflights itself, before anybody is asked who they
//! are, and puts the fields on every answer of the route, refusals and the gateway's own among them. What a backend
//! says of it is replaced: two who decide would contradict each other.

mod config;
mod origin;

#[cfg(test)]
mod tests;

use crate::vary;
use config::CorsSettings;
use origin::OriginPattern;
use tidegate_core::building::Building;
use tidegate_core::head::{Fields, RequestHead};
use tidegate_core::name::Method;
use tidegate_core::node::Node;
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{Kind, Phase, Policy, Reason, Reply, RequestView, ResponseView, Verdict};
use tidegate_core::settings::{Setting, Word};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "cors",
    doc: "Pages of other origins that may read answers of the route. Preflights are answered here.",
    shape: CorsSettings::shape,
    build,
};

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let settings = CorsSettings::read(node, building.problems);
    settings.check(node, building.problems);
    let is_any = settings.origins.contains(&OriginPattern::Any);
    let joined = |words: Vec<Box<str>>| (!words.is_empty()).then(|| words.join(", "));
    vec![Box::new(Cors {
        origins: settings.origins.into(),
        is_any,
        methods: joined(settings.methods.into_iter().map(|method| method.0).collect()),
        headers: joined(settings.headers.into_iter().map(|name| name.0).collect()),
        expose: joined(settings.expose.into_iter().map(|name| name.0).collect()),
        has_credentials: settings.credentials,
        max_age_s: settings.max_age.as_secs().to_string(),
    })]
}

/// See the file.
struct Cors {
    origins: Box<[OriginPattern]>,
    is_any: bool,
    /// Lists as they are sent; `None` is what the page asks for.
    methods: Option<String>,
    headers: Option<String>,
    expose: Option<String>,
    has_credentials: bool,
    max_age_s: String,
}

/// The note of a preflight that was answered here.
const ANSWERED: u64 = 1;

const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const ALLOW_METHODS: &str = "access-control-allow-methods";
const ALLOW_HEADERS: &str = "access-control-allow-headers";
const EXPOSE: &str = "access-control-expose-headers";
const MAX_AGE: &str = "access-control-max-age";

impl Policy for Cors {
    fn phase(&self) -> Phase {
        Phase::Guard
    }

    fn describe(&self) -> String {
        let origins: Vec<String> = self.origins.iter().map(Word::show).collect();
        let credentials = if self.has_credentials { ", with credentials" } else { "" };
        format!("pages of {}{credentials}", origins.join(", "))
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        let Some(method) = preflight(view.head) else { return Verdict::Continue };
        *view.note = ANSWERED;
        if !origin(view.head).is_some_and(|origin| self.allows(origin)) {
            return Verdict::Reply(Box::new(Reply {
                status: 403,
                outcome: Outcome::Forbidden,
                reason: Some(Reason::new("origin")),
                fields: Vec::new(),
                body: None,
            }));
        }
        let asked = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let field = |name: &str, value: String| (name.to_owned(), value);
        let methods = self.methods.clone().unwrap_or_else(|| asked(method));
        let mut fields = vec![field(ALLOW_METHODS, methods), field(MAX_AGE, self.max_age_s.clone())];
        let headers = view.head.fields.find(b"access-control-request-headers").filter(|list| is_names(list));
        if let Some(headers) = self.headers.clone().or(headers.map(asked)) {
            fields.push(field(ALLOW_HEADERS, headers));
        }
        let (status, outcome) = (204, Outcome::Ok);
        Verdict::Reply(Box::new(Reply { status, outcome, reason: None, fields, body: None }))
    }

    fn response(&self, view: ResponseView<'_>) {
        let fields = &mut view.head.fields;
        let is_preflight = view.note == ANSWERED;
        if is_preflight {
            vary::add(fields, "access-control-request-method");
            vary::add(fields, "access-control-request-headers");
        } else {
            let of_backend = [ALLOW_ORIGIN, ALLOW_CREDENTIALS, ALLOW_METHODS, ALLOW_HEADERS, EXPOSE, MAX_AGE];
            of_backend.iter().for_each(|name| fields.remove_named(name.as_bytes()));
        }
        if self.is_any {
            fields.push(ALLOW_ORIGIN, b"*");
        } else {
            vary::add(fields, "origin");
            let Some(origin) = origin(view.request).filter(|origin| self.allows(origin)) else { return };
            fields.push(ALLOW_ORIGIN, origin);
            if self.has_credentials {
                fields.push(ALLOW_CREDENTIALS, b"true");
            }
        }
        if let Some(expose) = self.expose.as_ref().filter(|_| !is_preflight) {
            fields.push(EXPOSE, expose.as_bytes());
        }
    }
}

impl Cors {
    fn allows(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|pattern| pattern.has(origin))
    }
}

/// The method that a preflight asks about; `None` for any other request.
pub(crate) fn preflight(request: &RequestHead) -> Option<&[u8]> {
    if request.method != Method::Options || request.fields.find(b"origin").is_none() {
        return None;
    }
    request.fields.find(b"access-control-request-method").filter(|method| is_names(method))
}

/// The origin that the client says, whatever edits made of it meanwhile: what was removed is the client's own. Nothing
/// if it says two.
fn origin(request: &RequestHead) -> Option<&[u8]> {
    let fields: &Fields = &request.fields;
    let is_named =
        |field: &&tidegate_core::head::Field| fields.name_of(field).eq_ignore_ascii_case(b"origin");
    let is_edited = fields.list().iter().filter(is_named).any(|field| field.is_removed);
    let mut own = fields.list().iter().filter(is_named).filter(|field| field.is_removed == is_edited);
    let first = own.next()?;
    own.next().is_none().then(|| first.value.of(fields.text()))
}

/// Tokens in a list and nothing else: what is said back cannot be anything but names.
fn is_names(list: &[u8]) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(&b);
    !list.is_empty() && list.iter().all(|&b| is_part(b))
}
