//! Cases kept in the file: a request, and what must become of it. Read and checked here with all the rest; run by the
//! program's `test`.

use crate::matching::MethodName;
use std::net::{IpAddr, Ipv4Addr};
use tidegate_core::head::is_field_value;
use tidegate_core::header::HeaderName;
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Problem, Problems, nearest};
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Setting, Shape, Table, Word, expected};
use tidegate_core::units::{Count, Label};

settings! {
    /// A case: a request, and what must become of it. `tidegate test` runs it, without a backend.
    pub struct Case {
        /// What messages call it. By default the request.
        pub name: Option<String>,
        /// The request: `/path` or `POST https://host/path?query`, or its parts.
        pub request: Placed<Request>,
        /// What must become of it; at least one of these.
        pub expect: Placed<Expect>,
    }
}

settings! {
    /// A request by its parts.
    pub(crate) struct Parts {
        /// Its method.
        pub(crate) method: MethodName = MethodName::GET,
        /// Where it goes: `/path?query`, or with scheme and host.
        pub(crate) url: Url,
        /// Its headers.
        pub(crate) headers: Table<HeaderName, Line> = Table::default(),
        /// The listener it comes to. The first of the file unless set.
        pub(crate) listener: Option<Placed<Label>>,
        /// The address it comes from.
        pub(crate) client_ip: ClientIp = ClientIp(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        /// Its body.
        pub(crate) body: Option<String>,
    }
    short url;
}

settings! {
    /// What must become of a request. What is not written here is not looked at.
    pub struct Expect {
        /// The name of the route that takes it; `none` if none may.
        pub route: Option<Placed<String>>,
        /// The service it goes to. Of several by weight, any of them.
        pub service: Option<Placed<Label>>,
        /// Path and query as the backend gets them.
        pub path: Option<Placed<String>>,
        /// Headers as the backend gets them; of an answer from here, the headers of that.
        pub headers: Table<HeaderName, Line> = Table::default(),
        /// Headers that must not be among them.
        pub without: Vec<Placed<HeaderName>> = Vec::new(),
        /// The status of an answer from here.
        pub status: Option<Placed<Count<100, 599>>>,
        /// The whole body of an answer from here.
        pub body: Option<Placed<String>>,
    }
}

impl Expect {
    fn is_empty(&self) -> bool {
        let has_text = self.route.is_some() || self.path.is_some() || self.body.is_some();
        let has_more = self.service.is_some() || self.status.is_some();
        !has_text && !has_more && self.headers.is_empty() && self.without.is_empty()
    }
}

/// A request as a case describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its method.
    pub method: MethodName,
    /// Where it goes.
    pub url: Url,
    /// Its headers.
    pub headers: Table<HeaderName, Line>,
    /// The listener it comes to, if the case says.
    pub listener: Option<Placed<Label>>,
    /// The address it comes from.
    pub client_ip: ClientIp,
    /// Its body, if it has one.
    pub body: Option<String>,
}

impl Request {
    /// What messages call it.
    pub fn name(&self) -> String {
        format!("{} {}", self.method.as_str(), Word::show(&self.url))
    }
}

const WHAT: &str = "a request such as `GET https://api.example.com/orders/7`, or its parts";

impl Setting for Request {
    fn read(node: &Node, problems: &mut Problems) -> Request {
        let Value::Scalar(scalar) = &node.value else {
            return match node.value {
                Value::List(_) | Value::Null => {
                    problems.push(expected(WHAT, node));
                    Request::stand_in()
                }
                _ => Parts::read(node, problems).into(),
            };
        };
        let (method, url) = match scalar.text.trim().split_once(' ') {
            Some((method, url)) => (MethodName::parse(method), url.trim_start()),
            None => (Ok(MethodName::GET), &*scalar.text),
        };
        match (method, Url::parse(url)) {
            (Ok(method), Ok(url)) => Request { method, url, ..Request::stand_in() },
            (Err(fault), _) => {
                problems.push(Fault { reason: "does not begin with a method".into(), ..fault }.problem(node));
                Request::stand_in()
            }
            (_, Err(fault)) => {
                problems.push(fault.problem(node));
                Request::stand_in()
            }
        }
    }

    fn stand_in() -> Request {
        Parts::stand_in().into()
    }

    fn shape() -> Shape {
        let line = Shape::Word {
            what: "`METHOD URL`, or a URL alone",
            pattern: "^([A-Z][A-Z0-9_-]* +)?(/|https?://)",
        };
        Shape::Called(WHAT, Box::new(Shape::Either(vec![line, Parts::shape()])))
    }

    fn show(&self) -> String {
        String::new()
    }
}

impl From<Parts> for Request {
    fn from(parts: Parts) -> Request {
        let Parts { method, url, headers, listener, client_ip, body } = parts;
        Request { method, url, headers, listener, client_ip, body }
    }
}

/// `/path?query`, or the same with scheme and host. Whether a gateway takes it is for the case to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `https://` before the host.
    pub is_secure: bool,
    /// The host with its port, if there is one.
    pub host: Option<String>,
    /// The path and the query, as they are sent.
    pub target: String,
}

impl Word for Url {
    const WHAT: &str = "a URL such as `https://api.example.com/orders/7`, or `/orders/7` alone";
    const PATTERN: &str = "^(/|https?://)";

    fn parse(text: &str) -> Result<Url, Fault> {
        const HINT: &str = "write `/path`, or `https://host/path`";
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Fault::new("holds a space, which no URL has").hint("write it escaped, as in `%20`"));
        }
        if text.starts_with('/') {
            return Ok(Url { is_secure: false, host: None, target: text.to_owned() });
        }
        let (is_secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(Fault::new("is not a URL").hint(HINT)),
        };
        let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if host.is_empty() {
            return Err(Fault::new("has no host").hint(HINT));
        }
        // RFC 9112 §3.2.1: clients send `/` where a URL has no path.
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Url { is_secure, host: Some(host.to_owned()), target: format!("{slash}{target}") })
    }

    fn show(&self) -> String {
        let scheme = if self.is_secure { "https://" } else { "http://" };
        match &self.host {
            Some(host) => format!("{scheme}{host}{}", self.target),
            None => self.target.clone(),
        }
    }

    fn stand_in() -> Url {
        Url { is_secure: false, host: None, target: String::from("/") }
    }
}

/// The value of a header: a text without controls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word for Line {
    const WHAT: &str = "a text of one line";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<Line, Fault> {
        match is_field_value(text.as_bytes()) {
            true => Ok(Line(text.to_owned())),
            false => Err(Fault::new("holds a control character").hint("it is one line of text")),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> Line {
        Line::default()
    }
}

/// The address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

impl Word for ClientIp {
    const WHAT: &str = "an address such as `10.0.0.1` or `2001:db8::1`";
    const PATTERN: &str = "^[0-9A-Fa-f.:]+$";

    fn parse(text: &str) -> Result<ClientIp, Fault> {
        let fault =
            || Fault::new("is not an IP address").hint("write one such as `10.0.0.1`, without a port");
        text.parse().map(ClientIp).map_err(|_| fault())
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> ClientIp {
        ClientIp(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

/// The names a case may mention.
pub(crate) struct Known<'a> {
    pub(crate) routes: Vec<&'a str>,
    pub(crate) services: Vec<&'a str>,
    pub(crate) listeners: Vec<&'a str>,
}

/// What is said of a request that no route takes.
const NONE: &str = "none";

/// Tells what only the whole file can show: names that nothing has, and cases that cannot fail.
pub(crate) fn check(cases: &[Case], known: &Known<'_>, problems: &mut Problems) {
    for case in cases {
        let expect = &case.expect;
        if let Some(place) = expect.place().filter(|_| expect.is_empty()) {
            let problem = Problem::at(place, "nothing is expected, so this case cannot fail");
            problems.push(
                problem.hint("write `route`, `service`, `path`, `headers`, `without`, `status` or `body`"),
            );
        }
        if let Some(route) = expect.route.as_ref().filter(|route| route.value != NONE) {
            check_name("route", route, &known.routes, route, problems);
        }
        if let Some(service) = &expect.service {
            check_name("service", service, &known.services, service.as_str(), problems);
        }
        if let Some(listener) = &case.request.listener {
            check_name("listener", listener, &known.listeners, listener.as_str(), problems);
        }
    }
}

fn check_name<T>(what: &str, placed: &Placed<T>, known: &[&str], name: &str, problems: &mut Problems) {
    let Some(place) = placed.place().filter(|_| !known.contains(&name)) else { return };
    problems.push_with(|| {
        let problem = Problem::at(place, format!("no {what} is called {}", placed.quote()));
        match nearest(name, known.iter().copied()) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem,
        }
    });
}
