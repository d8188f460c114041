//! Step 10: what is kept of a request: its stamps while it runs, and when it ends its meters and its line in the access
//! log, if there is one. Always runs.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{Client, Exchange};
use tidegate_core::head::{RequestHead, Span};
use tidegate_core::identity::Identity;
use tidegate_core::limits::{REQUEST_ID_BYTES_MAX, ROUTE_POLICIES_MAX};
use tidegate_core::log::Log;
use tidegate_core::meters::{self, Refused, bump};
use tidegate_core::name::Name;
use tidegate_core::outcome::Outcome;
use tidegate_core::plan::{Leg, RoutePlan, Snapshot};
use tidegate_core::service::Backend;
use tidegate_core::template::Origin;
use tidegate_core::trusted::Trusted;
use tidegate_wire::scratch;

use crate::line::{Asked, Line, Times};
use crate::origin;
use crate::worker::Worker;

/// A request's id, the same in the answer, at the backend and in the log: 128 random bits in hex, or what a trusted
/// peer called it.
pub(crate) struct RequestId {
    text: [u8; REQUEST_ID_BYTES_MAX],
    len: usize,
}

/// Hex digits of 128 bits.
const MADE_BYTES: usize = 32;

impl RequestId {
    pub(crate) fn new(worker: &Worker) -> RequestId {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let bits = u128::from(worker.random()) << 64 | u128::from(worker.random());
        let mut text = [0; REQUEST_ID_BYTES_MAX];
        for (pair, byte) in text[..MADE_BYTES].chunks_exact_mut(2).zip(bits.to_be_bytes()) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        RequestId { text, len: MADE_BYTES }
    }

    /// The id of a trusted peer. What is longer than an id may be is cut.
    fn given(id: &[u8]) -> RequestId {
        let mut text = [0; REQUEST_ID_BYTES_MAX];
        let len = id.len().min(text.len());
        text[..len].copy_from_slice(&id[..len]);
        RequestId { text, len }
    }

    /// As text.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// How the last try of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// With an answer.
    Answered,
    /// Without one, or with one that is as good as none.
    Failed,
}

/// What is known of a request in flight.
pub(crate) struct Record<'s> {
    id: RequestId,
    /// The client behind a trusted peer; `None` when the peer is the client.
    client: Option<Client>,
    worker: usize,
    head_at: Nanos,
    /// How it ended.
    pub outcome: Outcome,
    /// The status the client got, or would have got.
    pub status: u16,
    is_answered: bool,
    /// Who was found to ask.
    pub identity: Option<Arc<Identity>>,
    /// What each policy of the route remembers, in their order.
    pub notes: [u64; ROUTE_POLICIES_MAX],
    /// As the client asked for it, whatever policies make of the head: what stands in its text stays there.
    path: Span,
    /// Why a policy answered by itself, in its own word.
    reason: Option<&'static str>,
    /// The way it took, once chosen.
    pub leg: Option<&'s Leg>,
    /// Tries made.
    pub tries: u32,
    /// Tries beyond the first, but for those repeated because a kept connection had ended.
    pub retries: u32,
    /// Bytes of body from the client.
    pub bytes_in: u64,
    /// Bytes of body to the client.
    pub bytes_out: u64,
    picked_at: Option<Nanos>,
    connected_at: Option<Nanos>,
    first_byte_at: Option<Nanos>,
    /// What only its line in the log needs.
    logged: Option<Logged<'s>>,
}

/// What is kept of a request for its line alone.
struct Logged<'s> {
    log: &'s Log,
    /// As the client asked for it.
    query: Span,
    /// The backend tried last.
    backend: Option<Arc<str>>,
}

impl Record<'_> {
    /// The request's head has come.
    pub(crate) fn begin<'s>(worker: &Worker, snapshot: &'s Snapshot, request: &RequestHead) -> Record<'s> {
        Record {
            logged: snapshot.log.as_deref().map(|log| Logged { log, query: request.query, backend: None }),
            path: request.path,
            ..Record::detached(worker)
        }
    }

    /// The same of a request that nobody is told of.
    pub(crate) fn detached<'s>(worker: &Worker) -> Record<'s> {
        Record {
            id: RequestId::new(worker),
            client: None,
            worker: worker.number,
            head_at: clock::exact(),
            outcome: Outcome::Ok,
            status: 0,
            is_answered: false,
            identity: None,
            notes: [0; ROUTE_POLICIES_MAX],
            path: Span::NONE,
            reason: None,
            leg: None,
            tries: 0,
            retries: 0,
            bytes_in: 0,
            bytes_out: 0,
            picked_at: None,
            connected_at: None,
            first_byte_at: None,
            logged: None,
        }
    }

    /// Takes a trusted peer at its word: who the client is, and what the request is called.
    pub(crate) fn believe(&mut self, peer: &Client, trusted: &Trusted, request: &RequestHead) {
        self.client = Some(origin::behind(peer, trusted, &request.fields));
        if let Some(id) = origin::request_id(trusted, &request.fields) {
            self.id = RequestId::given(id);
        }
    }

    /// The id.
    pub(crate) fn request_id(&self) -> &[u8] {
        self.id.bytes()
    }

    /// What policies and templates see of the request beside its head.
    pub(crate) fn origin<'a, E: Exchange>(&'a self, client: &'a E) -> Origin<'a> {
        self.origin_of(client.client())
    }

    /// The same where the connection's end is at hand.
    pub(crate) fn origin_of<'a>(&'a self, peer: &'a Client) -> Origin<'a> {
        Origin {
            client: self.client.as_ref().unwrap_or(peer),
            request_id: self.request_id(),
            identity: self.identity.as_deref(),
        }
    }

    /// A policy answered by itself, or would have: counts it, and keeps why for whoever asks.
    pub(crate) fn refused(
        &mut self,
        plan: &RoutePlan,
        refused: Refused,
        detail: &str,
        request: &RequestHead,
        peer: &Client,
    ) {
        let asked = meters::Asked {
            at: self.head_at,
            request_id: self.request_id(),
            client: self.origin_of(peer).client.address.map(|address| address.ip()),
            method: request.method_bytes(),
            path: self.path.of(request.fields.text()),
        };
        plan.meters.refusals.tell(asked, refused, detail);
        if !refused.is_observed {
            self.reason = Some(refused.reason);
        }
    }

    /// When the head had come.
    pub(crate) fn head_at(&self) -> Nanos {
        self.head_at
    }

    /// A try begins: this backend was picked.
    pub(crate) fn attempt(&mut self, backend: &Backend) {
        self.tries += 1;
        self.picked_at = Some(clock::coarse());
        self.connected_at = None;
        self.first_byte_at = None;
        if let Some(logged) = &mut self.logged {
            logged.backend = Some(backend.label.clone());
        }
    }

    /// A connection to the backend stands.
    pub(crate) fn connected(&mut self) {
        self.connected_at = Some(clock::coarse());
    }

    /// The backend's head has come: by the clock of this turn of the loop, which was read when the kernel said so.
    pub(crate) fn first_byte(&mut self) -> Nanos {
        let now = clock::coarse();
        self.first_byte_at = Some(now);
        now
    }

    /// The answer's head is on its way to the client.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
        self.is_answered = true;
    }

    /// Whether it is too late for another answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// The last try is over: counts those beyond the first by how it ended.
    pub(crate) fn tried(&self, leg: &Leg, last: Last) {
        if self.retries == 0 {
            return;
        }
        let meters = &leg.service.meters;
        let counter = match last {
            Last::Answered => &meters.retries_answered,
            Last::Failed => &meters.retries_failed,
        };
        counter.fetch_add(u64::from(self.retries), Relaxed);
    }

    /// A further try was wanted and not made: the budget is spent.
    pub(crate) fn retry_over_budget(&self, leg: &Leg) {
        leg.service.meters.retries_over_budget.fetch_add(1, Relaxed);
    }

    /// The request is over.
    pub(crate) fn end<E: Exchange>(
        &self,
        snapshot: &Snapshot,
        plan: Option<&RoutePlan>,
        request: &RequestHead,
        client: &E,
    ) {
        let meters = match (self.leg, plan) {
            (Some(leg), _) => &leg.meters,
            (None, Some(plan)) => &plan.meters,
            (None, None) => &snapshot.unrouted,
        };
        let cells = meters.of(self.worker);
        let duration = clock::exact().since(self.head_at);
        let bytes_in = self.bytes_in.max(client.taken());
        cells.count(request.method, self.status, self.outcome);
        cells.duration.record(duration);
        meters.of_service.latency.of(self.worker).record(duration);
        bump(&cells.bytes_in, bytes_in);
        bump(&cells.bytes_out, self.bytes_out);
        if let Some(logged) = &self.logged {
            let since = |at: Option<Nanos>| at.map(|at| at.since(self.head_at).as_nanos() as u64);
            let times = Times {
                duration: Some(duration.as_nanos() as u64),
                queued: since(self.picked_at),
                connected: since(self.connected_at),
                first_byte: since(self.first_byte_at),
            };
            let route = plan.map_or(NOBODY, |plan| &plan.name);
            self.log(logged, times, bytes_in, route, request, client);
        }
    }

    fn log<E: Exchange>(
        &self,
        logged: &Logged<'_>,
        times: Times,
        bytes_in: u64,
        route: &str,
        request: &RequestHead,
        client: &E,
    ) {
        let text = request.fields.text();
        // The client's own stands first, even if a policy has removed it.
        let user_agent = request.fields.list().iter().find(|field| field.name == Name::UserAgent);
        let line = Line {
            head_at: self.head_at,
            request_id: self.request_id(),
            client: self.origin(client).client,
            route,
            service: self.leg.map_or(NOBODY, |leg| &leg.service.name),
            backend: logged.backend.as_deref(),
            asked: Some(Asked {
                method: request.method_bytes(),
                host: request.host_bytes(),
                path: self.path.of(text),
                query_bytes: logged.query.len() as u64,
                protocol: client.protocol().text(),
                user_agent: user_agent.map(|field| field.value.of(text)),
            }),
            consumer: self.identity.as_ref().map(|identity| identity.consumer.as_str()),
            status: self.status,
            outcome: self.outcome,
            reason: self.reason,
            bytes_in,
            bytes_out: self.bytes_out,
            retries: self.retries,
            times,
            attempt: self.first_byte_at.map(|_| self.tries),
        };
        write(logged.log, self.worker, &line);
    }
}

/// The label of requests without a route, and of those without a service, as in the metrics.
pub(crate) const NOBODY: &str = "none";

/// Hands a line to the log. It is put together in a text of the worker's own: no allocation.
pub(crate) fn write(log: &Log, worker: usize, line: &Line<'_>) {
    let mut text = scratch::text();
    line.write(&mut text);
    log.write(worker, &text);
    scratch::give_back(&mut text);
}
