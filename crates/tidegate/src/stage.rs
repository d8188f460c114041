//! A gateway without sockets: takes a request as text, passes it through the codec, the router and the policies of a
//! configuration, and tells what a backend would get or what the client would. Called by `test`; `explain` has only its snapshot.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tidegate_config::{Config, Listen, Request, Workshop};
use tidegate_core::entry::NameBook;
use tidegate_core::exchange::{Client, Handler};
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::meters::Meters;
use tidegate_core::plan::Snapshot;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::service::CellBook;
use tidegate_core::settings::Word;
use tidegate_core::units::Bytes;
use tidegate_flow::{End, Worker, rehearse};
use tidegate_wire::http1::request::RequestParser;

use crate::gateway;
use crate::node;

/// The host of a request that names none: every browser on this machine says so.
const HOST: &str = "localhost";
/// The port a client on paper connects from: the first of those that systems hand out (RFC 6335 §6).
const CLIENT_PORT: u16 = 49_152;

/// One worker with the snapshot of a configuration.
pub(crate) struct Stage<'a> {
    config: &'a Config,
    worker: Worker,
    runtime: tokio::runtime::Runtime,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The name of the route that took it, or `none`.
    pub(crate) route: String,
    /// Header fields of what a backend would get; of an answer, those of the answer.
    pub(crate) headers: Vec<(String, String)>,
    /// Where it ended.
    pub(crate) end: Ended,
    /// What the route allows it.
    pub(crate) bounds: Option<Bounds>,
}

/// What a route allows a request: how long the answer's head may take, and most bytes of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) timeout: Option<Duration>,
    pub(crate) body_bytes_max: u64,
}

/// Where a request ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// At a backend of one of these services, with this path and query.
    Sent { services: Vec<Arc<str>>, path: String },
    /// Here.
    Answered { status: u16, body: String },
}

impl<'a> Stage<'a> {
    /// Compiles a configuration as a start would.
    pub(crate) fn new(config: &'a Config) -> Result<Stage<'a>, Problems> {
        let snapshot = Arc::new(compiled(config)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Problem::new(format!("cannot start: {error}")))?;
        Ok(Stage { config, worker: Worker::new(0, 1, node::REHEARSED, snapshot, 0), runtime })
    }

    /// Passes a request through.
    pub(crate) fn play(&self, request: &Request) -> Seen {
        let Some((name, listen)) = self.listener(request) else { return Seen::nothing() };
        let client = Client {
            address: Some(SocketAddr::new(request.client_ip.0, CLIENT_PORT)),
            listener: Rc::from(name),
            is_secure: request.url.is_secure,
            trusted: None,
            door: None,
        };
        let bytes = written(request);
        let mut head = RequestHead::default();
        let limits = gateway::connection_limits(listen).head;
        let parsed = match RequestParser::default().parse(&bytes, &limits, &mut head) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Seen::nothing(), // `written` ends every head
            Err(refusal) => {
                let (mut answer, mut body) = (ResponseHead::default(), Vec::new());
                self.worker.refuse(&client, refusal, &mut answer, &mut body);
                return self.seen(None, End::Answered { head: answer, body });
            }
        };
        let body = &bytes[parsed.bytes..];
        let rehearsal = self.runtime.block_on(rehearse(&self.worker, &mut head, &parsed, client, body));
        self.seen(rehearsal.route, rehearsal.end)
    }

    fn seen(&self, route: Option<Arc<str>>, end: End) -> Seen {
        let taken =
            route.as_ref().and_then(|name| self.config.routes.iter().find(|route| route.name == *name));
        let bounds =
            taken.map(|route| Bounds { timeout: route.timeout, body_bytes_max: route.body_bytes_max });
        Seen { bounds, ..Seen::of(route, end) }
    }

    /// The listener a request comes to: the one it names, else the first.
    fn listener(&self, request: &Request) -> Option<(&str, &Listen)> {
        let rows = &self.config.listen;
        let row = match &request.listener {
            Some(name) => rows.get(&name.value)?,
            None => rows.iter().next()?,
        };
        Some((row.name.as_str(), &row.value))
    }
}

impl Seen {
    fn of(route: Option<Arc<str>>, end: End) -> Seen {
        let route = route.map_or_else(|| String::from("none"), |name| name.to_string());
        match end {
            End::Sent { services, head } => {
                let text = String::from_utf8_lossy(&head);
                let mut lines = text.split("\r\n");
                let path =
                    lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
                let pair =
                    |line: &str| line.split_once(": ").map(|(name, value)| (name.into(), value.into()));
                let end = Ended::Sent { services, path };
                Seen { route, headers: lines.filter_map(pair).collect(), end, bounds: None }
            }
            End::Answered { head, body } => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let headers = head.fields.iter().map(|(name, value)| (text(name), text(value))).collect();
                let end = Ended::Answered { status: head.status, body: text(&body) };
                Seen { route, headers, end, bounds: None }
            }
        }
    }

    /// What happened, in a line.
    pub(crate) fn summary(&self) -> String {
        let route = &self.route;
        match &self.end {
            Ended::Sent { services, path } => {
                let services =
                    services.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
                format!("it went by route `{route}` to {services} as `{path}`{}", self.bounds_text())
            }
            Ended::Answered { status, .. } if route == "none" => format!("no route took it: {status}"),
            Ended::Answered { status, .. } => format!("route `{route}` answered it here with {status}"),
        }
    }

    /// What the route allows it, as it is written: `, timeout 5s, body_max 10MiB`.
    fn bounds_text(&self) -> String {
        let Some(Bounds { timeout, body_bytes_max }) = &self.bounds else { return String::new() };
        let timeout = timeout.map(|time| format!(", timeout {}", time.show())).unwrap_or_default();
        format!("{timeout}, body_max {}", <Bytes as Word>::show(&Bytes::new(*body_bytes_max)))
    }

    /// What a request shows that nobody takes.
    fn nothing() -> Seen {
        Seen {
            route: String::from("none"),
            headers: Vec::new(),
            end: Ended::Answered { status: 0, body: String::new() },
            bounds: None,
        }
    }
}

/// The snapshot that a start would make, with counters and learnt state of its own.
pub(crate) fn compiled(config: &Config) -> Result<Snapshot, Problems> {
    let (cells, meters) = (CellBook::new(1), Meters::new(1));
    let names = NameBook::default(); // nothing is sent, so nothing is looked up
    let workshop = Workshop { cells: &cells, names: &names, meters: &meters, previous: None };
    tidegate_config::compile(config, 1, &workshop)
}

/// A request as a client writes it (RFC 9112 §3).
fn written(request: &Request) -> Vec<u8> {
    let host = request.url.host.as_deref().unwrap_or(HOST);
    let mut text = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", request.method.as_str(), request.url.target);
    for row in request.headers.iter() {
        text.push_str(&format!("{}: {}\r\n", row.name.as_str(), row.value.as_str()));
    }
    if let Some(body) = &request.body {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(request.body.as_deref().unwrap_or_default());
    text.into_bytes()
}
