//! The keys of the file, declared once, and the typed `Config` that the compile step reads. What a key means
//! across the file (names, sums, duplicates) is in `check`.

use crate::address::{Backend, NameServer};
use crate::admin::{OwnName, Token};
use crate::auth::{self, FileAuth};
use crate::cases::Case;
use crate::health::Health;
use crate::matching::Match;
use crate::members::{self, Families, Member};
use crate::paths::Paths;
use crate::protocols::Protocol;
use crate::sources::Sources;
use crate::target::Target;
use crate::telemetry::Telemetry;
use crate::tls::{FileListenTls, FileServiceTls, ListenTls, ServiceTls};
use crate::trusted::FileTrusted;
use crate::written::Written;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::auth::Authenticator;
use tidegate_core::balance::Balancer;
use tidegate_core::limits::HeadLimits;
use tidegate_core::maintenance::Maintenance;
use tidegate_core::policy::Policy;
use tidegate_core::problem::{Place, Problems, Source};
use tidegate_core::rewrite::Rewrite;
use tidegate_core::secret::Secret;
use tidegate_core::settings::{Declaration, Fault, Placed, Shape, Switch, Table, Toggle, Word};
use tidegate_core::steer::Steer;
use tidegate_core::trusted::Trusted;
use tidegate_core::units::{Bind, ByteRate, Bytes, Count, Label, Share};
use tidegate_core::{choice, settings};

/// A configuration that was read and checked: every name in it is defined, every value in range.
#[derive(Clone, Debug)]
pub struct Config {
    /// The text it was read from, without those it includes.
    pub source: Arc<Source>,
    /// Every file it was read from.
    pub sources: Sources,
    /// Data-plane threads.
    pub workers: Workers,
    /// Listeners by name; at least one.
    pub listen: Table<Label, Listen>,
    /// The admin listener.
    pub admin: Admin,
    /// What outlives the process.
    pub state: State,
    /// How the gateway ends.
    pub drain: Drain,
    /// What it tells about its work.
    pub telemetry: Telemetry,
    /// How host names are resolved.
    pub resolver: Resolver,
    /// Services by name.
    pub services: Table<Label, Service>,
    /// Ways to find out who asks, by name.
    pub auth: Table<Label, Member<dyn Authenticator>>,
    /// Routes in the order of the file.
    pub routes: Vec<Route>,
    /// Cases that `test` runs. Nothing that serves looks at them.
    pub tests: Vec<Case>,
    /// As it was written, for those who may see it.
    pub written: Written,
    /// What is allowed, and may yet not be meant.
    pub warnings: Problems,
}

impl PartialEq for Config {
    /// Equal when they mean the same, however it was written.
    fn eq(&self, other: &Config) -> bool {
        self.changes(other).is_empty()
    }
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name, given or made of its conditions: `GET,POST api.example.com /a/**`. Unique.
    pub name: Arc<str>,
    /// Where it stands in the file.
    pub place: Place,
    /// The listeners it takes requests of; none are all.
    pub listeners: Vec<Label>,
    /// When it matches.
    pub condition: Match,
    /// Where it leads.
    pub to: Target,
    /// The path its backends are asked for, if it is not the client's.
    pub rewrite: Option<Rewrite>,
    /// From the request's head to the response's head, all tries included.
    pub timeout: Option<Duration>,
    /// Most bytes of request body.
    pub body_bytes_max: u64,
    /// What a split is steered by.
    pub steer: Option<Steer>,
    /// Who gets copies of its requests.
    pub mirror: Option<Mirror>,
    /// The policies it uses, in the order in which requests meet them.
    pub policies: Vec<Member<dyn Policy>>,
}

impl PartialEq for Route {
    fn eq(&self, other: &Route) -> bool {
        let sides = |route: &Route| (route.name.clone(), route.timeout, route.body_bytes_max);
        sides(self) == sides(other)
            && self.listeners == other.listeners
            && self.condition == other.condition
            && self.to == other.to
            && self.rewrite == other.rewrite
            && self.steer == other.steer
            && self.mirror == other.mirror
            && self.policies == other.policies
    }
}

/// A service: instances that answer alike, and how requests are spread over them.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its instances.
    pub backends: Placed<Vec<Backend>>,
    /// How an instance is chosen for a request.
    pub balance: Member<dyn Balancer>,
    /// Time bounds towards an instance.
    pub timeouts: Timeouts,
    /// When a request is tried again on another instance.
    pub retry: Retry,
    /// How instances are checked; `None` leaves it to requests to find out.
    pub health: Option<Health>,
    /// The Host an instance sees.
    pub host: Host,
    /// How instances that speak TLS are spoken to.
    pub tls: Option<ServiceTls>,
    /// Connections to its instances, of the whole process.
    pub connections: Connections,
    /// What every request is answered while it is closed on purpose.
    pub maintenance: Option<Maintenance>,
}

settings! {
    /// The configuration of one gateway.
    pub(crate) struct File {
        /// The version of this format. This program reads version 1.
        pub(crate) version: Version,
        /// Files of services and routes that are part of this one: paths, or patterns such as `services/*.yaml`. A relative path starts at the folder of this file.
        pub(crate) include: Vec<String> = Vec::new(),
        /// Data-plane threads: `auto` is one for each core this process may use. Cannot change by a reload.
        pub(crate) workers: Workers = Workers::Auto,
        /// Where clients connect: a name for each listener, and its address.
        pub(crate) listen: Table<Label, FileListen>,
        /// The listener for operators.
        pub(crate) admin: Admin,
        /// Where the gateway keeps what must outlive the process.
        pub(crate) state: State,
        /// How the gateway ends when it is told to.
        pub(crate) drain: Drain,
        /// What the gateway tells about its work.
        pub(crate) telemetry: Telemetry,
        /// How the host names of backends are resolved.
        pub(crate) resolver: Resolver,
        /// What requests are sent to: a name for each service, and its backends.
        pub(crate) services: Table<Label, FileService> = Table::default(),
        /// How it is found out who asks: a name for each way. Routes name those they take.
        pub(crate) auth: Table<Label, FileAuth> = Table::default(),
        /// Which requests go where. The most specific route that matches wins.
        pub(crate) routes: Vec<FileRoute> = Vec::new(),
        /// Cases that `tidegate test` runs: requests, and what must become of them.
        pub(crate) tests: Vec<Case> = Vec::new(),
    }
}

settings! {
    /// One route: which requests it takes, where they go, and what happens to them on the way.
    pub(crate) struct FileRoute {
        /// Its name in logs, metrics and messages. By default made of its conditions, as in `GET api.example.com /a/**`.
        pub(crate) name: Option<Placed<Label>>,
        /// The listeners it takes requests of. All without it.
        pub(crate) listeners: Option<Placed<Vec<Placed<Label>>>>,
        /// Which requests it takes: a path, or several conditions that must all hold.
        pub(crate) condition: Placed<Match> as "match",
        /// Where they go: a service, several by weight, an answer from here, or elsewhere.
        pub(crate) to: Target,
        /// What sends a request to one of several services, whatever chance says: the value of a header or a cookie. One that names a service of the split picks it; any other keeps to one by its hash.
        pub(crate) steer: Option<Placed<Steer>>,
        /// Another service that gets copies of requests. Its answers are thrown away, and no client notices.
        pub(crate) mirror: Option<Placed<Mirror>>,
        /// What their path becomes before a backend sees it.
        pub(crate) rewrite: Option<PathRewrite>,
        /// From the request's head to the answer's head, all tries included. Unlimited unless set; the service's own timeouts hold besides.
        pub(crate) timeout: Option<Duration>,
        /// Most bytes of request body; more is answered with 413.
        pub(crate) body_max: Bytes = Bytes::new(10 << 20),
    }
    rest policies;
}

settings! {
    /// Copies of requests for another service.
    pub struct Mirror {
        /// The service.
        pub to: Placed<Label>,
        /// Of how many requests.
        pub share: Share = Share { millionths: 1_000_000 },
    }
    short to;
}

settings! {
    /// What becomes of a request before a backend sees it. Everyone else keeps seeing what the client asked for.
    pub(crate) struct PathRewrite {
        /// The path. `{x}` is what the route's path calls so, `{rest}` what its `**` matched, `{path}` the whole; `{host}`, `{client_ip}` and `{request_id}` are filled in too. The query is kept.
        pub(crate) path: Placed<Rewrite>,
    }
    short path;
}

/// A listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// The address.
    pub bind: Placed<Bind>,
    /// What clients may speak, if it is said.
    pub protocols: Option<Placed<Vec<Protocol>>>,
    /// TLS, where it is spoken.
    pub tls: Option<ListenTls>,
    /// The listener whose clients these shall be.
    pub redirect: Option<Placed<Label>>,
    /// Proxies before this gateway, and what they are believed.
    pub trusted: Trusted,
    /// How the paths of its requests are read.
    pub paths: Paths,
    /// Bounds on what a client may take.
    pub limits: ListenLimits,
}

settings! {
    /// A listener.
    pub(crate) struct FileListen {
        /// The address: `127.0.0.1:8080`, `[::1]:8080`, or `unix:/path` for a socket.
        pub(crate) bind: Placed<Bind>,
        /// TLS: without it the listener speaks plain HTTP.
        pub(crate) tls: Option<FileListenTls>,
        /// What clients may speak: `h1`, `h2` or both. Unless set it is `[h1]`, and `[h1, h2]` with TLS, where both sides agree on one. HTTP/2 without TLS is for clients that begin with it.
        pub(crate) protocols: Option<Placed<Vec<Protocol>>>,
        /// A listener with TLS: every request is sent there, with 308.
        pub(crate) redirect: Option<Placed<Label>>,
        /// Proxies before this gateway: their addresses, or networks such as `10.0.0.0/8`; or `{ from, fields }`. They are believed in `x-forwarded-for`, `x-forwarded-proto` and `x-request-id`, or in what `fields` names. From all others, and if it is not named, what backends take for a proxy's word is dropped.
        pub(crate) trusted: FileTrusted = FileTrusted::nobody(),
        /// How the paths of requests are read.
        pub(crate) paths: Paths,
        /// Bounds on what a client may take.
        pub(crate) limits: ListenLimits,
    }
    short bind;
}

settings! {
    /// Bounds on what clients may take of a listener.
    pub struct ListenLimits {
        /// Longest request line, and longest header line.
        pub line: Bytes<256, HEAD_BYTES_MAX> = Bytes::new(HeadLimits::REQUEST.line_bytes_max as u64),
        /// Longest request head, all lines together.
        pub head: Bytes<1024, HEAD_BYTES_MAX> = Bytes::new(HeadLimits::REQUEST.head_bytes_max as u64),
        /// Most header lines of a request.
        pub fields: Count<1, 1000> = Count::new(HeadLimits::REQUEST.fields_max as u32),
        /// From the first byte of a request to the end of its head.
        pub head_time: Duration = Duration::from_secs(10),
        /// Slowest body a client may send, or take, while it is its turn.
        pub min_rate: Toggle<ByteRate> = Toggle::On(ByteRate { bytes_per_second: 1000 }),
        /// How long a TLS handshake may take.
        pub handshake_time: Duration = Duration::from_secs(10),
        /// How long a connection may wait between requests.
        pub idle: Duration = Duration::from_secs(60),
        /// Most requests on one connection; it is closed after the last.
        pub requests: Count<1> = Count::new(10_000),
        /// Most connections of the listener.
        pub connections: Toggle<Count<1>> = Toggle::On(Count::new(10_000)),
        /// Most connections of one client address; IPv6 counts by /64. Unless set it is 1000, and connections from this machine itself and from peers in `trusted` are not counted: behind a proxy they are everybody.
        pub per_ip: Option<Toggle<Count<1>>>,
    }
}

/// What one read buffer of a connection holds: a head must fit into it whole.
const HEAD_BYTES_MAX: u64 = HeadLimits::RESPONSE.head_bytes_max as u64;

settings! {
    /// The listener for operators: health, metrics, the admin API.
    pub struct Admin {
        /// Its address.
        pub bind: Placed<Bind> = Placed::default(usual_admin()),
        /// What clients show as `Authorization: Bearer …`; at least 12 characters. Unless set it is made at the first start and kept in the file `admin-token` of `state.dir`.
        pub token: Option<Secret<Token>>,
        /// Names by which clients may ask for it, as a proxy before it or a name of this machine. IP addresses and `localhost` are always allowed. What else a browser asks for could be a page that pretends to be this listener.
        pub hosts: Vec<OwnName> = Vec::new(),
    }
    short bind;
}

/// Where the admin listener is unless the file says.
pub(crate) fn usual_admin() -> Bind {
    Bind::Inet(([127, 0, 0, 1], 9900).into())
}

settings! {
    /// What must outlive the process.
    pub struct State {
        /// The folder for it; made at the first start, for the gateway's user alone. A relative path starts at the folder of this file.
        pub dir: PathBuf = PathBuf::from("state"),
    }
    short dir;
}

settings! {
    /// How the gateway ends when it is told to: it is not ready any more, waits a moment, stops accepting, finishes what it was asked.
    pub struct Drain {
        /// For requests under way to finish, the moment included; what is left is cut off.
        pub time: Duration = Duration::from_secs(30),
        /// The moment: for those who follow `/readyz` to send their requests elsewhere. Every answer then says that it is the last on its connection. Ctrl-C does not wait for it.
        pub wait: Toggle<Duration> = Toggle::On(Duration::from_secs(1)),
    }
    short time;
}

settings! {
    /// How the host names of backends are resolved. What `/etc/hosts` says comes first in any case.
    pub struct Resolver {
        /// The name servers, as in `[\"10.0.0.2\", \"127.0.0.1:5353\"]`. Unless set, those of `/etc/resolv.conf`.
        pub servers: Vec<NameServer> = Vec::new(),
        /// How long one question may wait for its answer; it is then asked again. Unless set, as `/etc/resolv.conf` says, which is 5 s if it says nothing.
        pub timeout: Option<Duration>,
    }
    short servers;
}

settings! {
    /// A service: instances that answer alike, and how requests are spread over them.
    pub(crate) struct FileService {
        /// Its instances: `host:port`, `http://host:port`, `https://host:port` or `unix:/path`, alone or with a weight. A host name is resolved, and every address it has is an instance.
        pub(crate) backends: Placed<Vec<Backend>>,
        /// Time bounds towards an instance.
        pub(crate) timeouts: Timeouts,
        /// When a request is tried again on another instance.
        pub(crate) retry: Retry,
        /// How instances are checked without waiting for a request to fail. Off unless set: then requests find out alone.
        pub(crate) health: Option<Health>,
        /// The Host an instance sees: `client` is what the client asked for, `backend` the instance's own address, or the host name it was found by; anything else is the name itself.
        pub(crate) host: Host = Host::Client,
        /// How instances are spoken to that are written with `https://`.
        pub(crate) tls: Option<Placed<FileServiceTls>>,
        /// Connections to its instances, of the whole process.
        pub(crate) connections: Connections,
        /// Closed on purpose: every request for it is answered here, and none reaches an instance. Checks go on.
        pub(crate) maintenance: Switch<Maintenance>,
    }
    short backends;
    rest balance;
}

settings! {
    /// Time bounds towards a backend.
    pub struct Timeouts {
        /// To open a connection.
        pub connect: Duration = Duration::from_secs(1),
        /// From the request sent to the head of the answer.
        pub response: Duration = Duration::from_secs(10),
        /// Without a byte either way.
        pub idle: Duration = Duration::from_secs(60),
    }
}

settings! {
    /// When a request is tried again, on another backend while there is one.
    pub struct Retry {
        /// Up to so many more tries.
        pub attempts: Count<0, 10> = Count::new(1),
        /// For which causes, beside those where no byte was sent, which are always safe.
        pub on: Vec<RetryCause> = vec![RetryCause::Connect, RetryCause::Reset],
        /// Most retries as a share of the requests of the last ten seconds; ten a second are free beside it.
        pub budget: Share = Share { millionths: 200_000 },
    }
    short attempts;
}

choice! {
    /// Why a request may be tried again.
    pub enum RetryCause {
        /// No connection.
        Connect = "connect",
        /// Lost before a byte of the answer came.
        Reset = "reset",
        /// `timeouts.response` ran out.
        Timeout = "timeout",
        /// The answer was 502 (Bad Gateway).
        BadGateway = "502",
        /// The answer was 503 (Service Unavailable).
        Unavailable = "503",
        /// The answer was 504 (Gateway Timeout).
        GatewayTimeout = "504",
    }
}

settings! {
    /// Connections to the backends of a service, of the whole process.
    pub struct Connections {
        /// Most connections at a time.
        pub max: Count<1> = Count::new(1024),
        /// Most of them kept open to each backend while nothing is sent.
        pub idle: Count = Count::new(256),
    }
    short max;
}

/// The format's version: 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version;

impl Word for Version {
    const WHAT: &str = "`1`, the version of this format";
    const PATTERN: &str = "^1$";

    fn parse(text: &str) -> Result<Version, Fault> {
        match text {
            "1" => Ok(Version),
            _ => Err(Fault::new("is not a version this program reads").hint("it reads `version: 1`")),
        }
    }

    fn show(&self) -> String {
        String::from("1")
    }

    fn stand_in() -> Version {
        Version
    }

    fn shape() -> Shape {
        Shape::Integer { min: 1, max: 1 }
    }
}

/// More threads than the largest machines have cores.
const WORKERS_MAX: u16 = 1024;

/// How many threads carry requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each core this process may use.
    Auto,
    /// So many.
    Count(NonZeroU16),
}

impl Word for Workers {
    const WHAT: &str = "`auto` or a number of threads";
    const PATTERN: &str = "^(auto|[0-9]+)$";

    fn parse(text: &str) -> Result<Workers, Fault> {
        match text.parse::<NonZeroU16>() {
            Ok(count) if count.get() <= WORKERS_MAX => Ok(Workers::Count(count)),
            _ if text == "auto" => Ok(Workers::Auto),
            _ => {
                Err(Fault::new("is not a number of threads").hint("write `auto`, or a number from 1 to 1024"))
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Workers::Auto => String::from("auto"),
            Workers::Count(count) => count.to_string(),
        }
    }

    fn stand_in() -> Workers {
        Workers::Auto
    }

    fn shape() -> Shape {
        let number = Shape::Integer { min: 1, max: WORKERS_MAX.into() };
        Shape::Called(Self::WHAT, Box::new(Shape::Either(vec![Shape::Literal("auto"), number])))
    }
}

/// Which Host a backend sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// What the client asked for.
    Client,
    /// The backend's own address, or the host name it was found by.
    Backend,
    /// This name, perhaps with a port.
    Named(Arc<str>),
}

impl Word for Host {
    const WHAT: &str = "`client`, `backend` or a host name";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<Host, Fault> {
        match text {
            "client" => Ok(Host::Client),
            "backend" => Ok(Host::Backend),
            _ if is_host_and_port(text) => Ok(Host::Named(text.into())),
            _ => Err(Fault::new("is not a host name")
                .hint("write `client`, `backend`, or a name such as `api.example.com`")),
        }
    }

    fn show(&self) -> String {
        match self {
            Host::Client => String::from("client"),
            Host::Backend => String::from("backend"),
            Host::Named(name) => name.to_string(),
        }
    }

    fn stand_in() -> Host {
        Host::Client
    }
}

/// A host name, perhaps with a port.
fn is_host_and_port(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    crate::matching::is_host_name(name) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// A host name, perhaps with a port, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Arc<str>);

impl HostName {
    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Word for HostName {
    const WHAT: &str = "a host name such as `api.example.com`";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<HostName, Fault> {
        match is_host_and_port(text) {
            true => Ok(HostName(text.into())),
            false => Err(Fault::new("is not a host name").hint("write a name such as `api.example.com`")),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> HostName {
        HostName("localhost".into())
    }
}

/// Everything that may be written in the file, the keys of families included.
pub(crate) fn declaration(families: &Families<'_>) -> Declaration {
    let mut file = File::declaration();
    file.extend("FileAuth", &auth::keys(families));
    file.extend("FileRoute", &members::policy_keys(families));
    file.extend("FileService", &[members::balancer_key(families)]);
    file
}
