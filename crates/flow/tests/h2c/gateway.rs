//! The gateway of these tests: one worker on a thread of its own, as the program runs it, with a snapshot made by hand
//! and the HTTP/2 codec where the program has HTTP/1. A panic on that thread fails the test.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tidegate_core::balance::{Balancer, Pick, Sample};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::conditions::Conditions;
use tidegate_core::header::{HeaderField, HeaderName, HeaderValue};
use tidegate_core::limits::HeadLimits;
use tidegate_core::meters::{Alive, RouteCells, RouteMeters, ServiceMeters};
use tidegate_core::name::Method;
use tidegate_core::plan::{Leg, Respond, RoutePlan, Snapshot, Target};
use tidegate_core::roster::CurrentRoster;
use tidegate_core::router::{MethodSet, PathPattern, RouteMatch, Router};
use tidegate_core::service::{
    Address, Backend, CellBook, HostSent, Retry, RetryOn, Roster, Service, Timeouts,
};
use tidegate_core::settings::Word;
use tidegate_core::template::Template;
use tidegate_flow::Worker;
use tidegate_testkit::RawBackend;
use tidegate_wire::http1::server::{ConnectionLimits, Serving};
use tidegate_wire::socket::Socket;
use tidegate_wire::{http2, timer};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// To the backends, for bodies as large as any here.
pub(crate) const API: &str = "/api/**";
/// The same for bodies of at most `SMALL_BYTES_MAX`.
pub(crate) const SMALL: &str = "/small/**";
/// The same for backends that answer within `BRIEF`.
pub(crate) const QUICK: &str = "/quick/**";
/// Answered by the configuration.
pub(crate) const HELLO: &str = "/hello";

/// Most bytes of request body for `SMALL`.
pub(crate) const SMALL_BYTES_MAX: u64 = 1000;
/// What `HELLO` answers with; the host is in `x-asked`.
const HELLO_BODY: &str = "nothing but words at {path}\n";
const BRIEF: Duration = Duration::from_millis(50);
/// Longer than any test runs: what ends earlier was not ended by a timeout.
const LONG: Duration = Duration::from_secs(60);

const LIMITS: ConnectionLimits = ConnectionLimits {
    head: HeadLimits::REQUEST,
    head_time: LONG,
    idle: LONG,
    requests: u32::MAX,
    min_rate: None,
};

/// A running gateway. Ends with all its connections when dropped.
pub(crate) struct Gateway {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    snapshot: Arc<Snapshot>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// A gateway with one service, to which requests go in turn, the first one to the first backend.
    pub(crate) fn before(backends: &[&RawBackend]) -> Gateway {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind the gateway");
        listener.set_nonblocking(true).expect("make the listener wait for nobody");
        let address = listener.local_addr().expect("learn the gateway's address");
        let snapshot = Arc::new(snapshot(backends));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let snapshot = snapshot.clone();
            move || run(listener, snapshot, stopped)
        });
        Gateway { address, snapshot, stop: Some(stop), thread: Some(thread) }
    }

    /// Requests of a route by method and status: first those that went to the service, then those that did not.
    pub(crate) fn counts(&self, route: &str) -> Vec<(Method, u16, u64)> {
        let plan = self.plan(route);
        let to_service = match &plan.target {
            Target::Service(leg) => Some(leg.meters.of(0)),
            Target::Split(_) | Target::Respond(_) | Target::Redirect(_) => None,
        };
        to_service.into_iter().chain([plan.meters.of(0)]).flat_map(RouteCells::counts).collect()
    }

    /// Bytes of body that requests of a route took from their clients, and sent to them.
    pub(crate) fn bytes(&self, route: &str) -> (u64, u64) {
        let Target::Service(leg) = &self.plan(route).target else { panic!("a route to the service") };
        let cells = leg.meters.of(0);
        (cells.bytes_in.load(Relaxed), cells.bytes_out.load(Relaxed))
    }

    fn plan(&self, route: &str) -> &RoutePlan {
        self.snapshot.plans.iter().find(|plan| &*plan.name == route).expect("a route of this name")
    }

    /// Requests on their way to the backends now.
    pub(crate) fn in_flight(&self) -> u64 {
        self.snapshot.services[0].meters.in_flight.load(Relaxed)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the gateway has panicked");
        }
    }
}

fn run(listener: TcpListener, snapshot: Arc<Snapshot>, mut stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_unpark(|| {
            clock::exact();
        })
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("make a runtime");
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("listen");
        let worker = Rc::new(Worker::new(0, 1, "tidegate", snapshot, 1));
        let serving = Rc::new(Serving {
            listener: "h2c".into(),
            limits: Cell::new(LIMITS),
            trusted: RefCell::default(),
            door: RefCell::default(),
            stage: Rc::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn_local(timer::drive());
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (socket, address) = accepted.expect("accept a client");
                    socket.set_nodelay(true).expect("set TCP_NODELAY");
                    let socket = Socket::from(socket);
                    tasks.spawn_local(http2::serve(
                        socket,
                        Some(address),
                        serving.clone(),
                        worker.clone(),
                        (),
                    ));
                }
                Some(ended) = tasks.join_next() => ended.expect("serve a connection without a panic"),
                _ = &mut stopped => return,
            }
        }
    });
}

fn snapshot(backends: &[&RawBackend]) -> Snapshot {
    let service = Arc::new(service(backends));
    let meters = |route: &str| Arc::new(RouteMeters::new(route.into(), "backends".into(), Arc::default(), 1));
    let to_backends = |route: &str| Target::Service(Leg { service: service.clone(), meters: meters(route) });
    let routes = [
        (API, to_backends(API), 1 << 20, None),
        (SMALL, to_backends(SMALL), SMALL_BYTES_MAX, None),
        (QUICK, to_backends(QUICK), 1 << 20, Some(BRIEF)),
        (HELLO, Target::Respond(hello()), 1 << 20, None),
    ];
    let matches = routes.each_ref().map(|(path, ..)| RouteMatch {
        host: None,
        path: PathPattern::parse(path).expect("a pattern"),
        methods: MethodSet::default(),
        other_conditions: 0,
    });
    let plans = routes.map(|(path, target, body_bytes_max, timeout)| {
        Arc::new(RoutePlan {
            name: path.into(),
            conditions: Conditions::default(),
            target,
            rewrite: None,
            body_bytes_gathered: 0,
            policies: Box::default(),
            is_filtered: false,
            mirror: None,
            timeout,
            body_bytes_max,
            meters: meters(path),
        })
    });
    Snapshot {
        number: 1,
        router: Arc::new(Router::new(&matches)),
        plans: plans.into(),
        services: [service.clone()].into(),
        unrouted: meters("none"),
        log: None,
        alive: Alive::default(),
        resolver: Default::default(),
    }
}

fn hello() -> Respond {
    let (name, value) = (HeaderName::parse("x-asked"), HeaderValue::parse("{host}"));
    let field = HeaderField::new(&name.expect("a name"), &value.expect("a value"));
    Respond { status: 200, fields: [field].into(), body: Template::parse(HELLO_BODY).expect("a template") }
}

fn service(backends: &[&RawBackend]) -> Service {
    let name: Arc<str> = "backends".into();
    let cells = CellBook::new(1);
    let backends = backends.iter().map(|backend| {
        let address = Address::Inet(backend.address);
        Backend::new(address.clone(), 1, cells.cell(&name, &address))
    });
    Service {
        index: 0,
        entries: Box::default(),
        roster: CurrentRoster::new(Roster::new(backends)),
        balancer: Arc::new(InTurn::default()),
        timeouts: Timeouts { connect: LONG, response: LONG, idle: LONG },
        health: None,
        retry: Retry {
            attempts: 1,
            on: RetryOn { connect: true, reset: true, ..RetryOn::default() },
            budget_millionths: 200_000,
        },
        host: HostSent::Client,
        tls: None,
        meters: Arc::new(ServiceMeters::default()),
        connections_max: 1024,
        connections_idle_max: 256,
        maintenance: None,
        name,
    }
}

/// One backend after the other: a test knows which one gets a request.
#[derive(Debug, Default)]
struct InTurn(AtomicUsize);

impl Balancer for InTurn {
    fn pick(&self, roster: &Roster, pick: Pick) -> Option<usize> {
        let turn = self.0.fetch_add(1, Relaxed);
        let count = roster.backends.len();
        (turn..turn + count).map(|turn| turn % count).find(|&index| !pick.tried.has(index))
    }

    fn observe(&self, _: &Roster, _: usize, _: Nanos, _: Sample) {}
}
