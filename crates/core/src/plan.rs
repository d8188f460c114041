//! What a configuration compiles to: one plan per route, and the snapshot that holds them. Immutable and
//! shared; a request sees one snapshot from its first step to its last.

use crate::conditions::Conditions;
use crate::entry::ResolverSettings;
use crate::exchange::Client;
use crate::head::RequestHead;
use crate::header::HeaderField;
use crate::location::Location;
use crate::log::Log;
use crate::meters::{Alive, RouteMeters};
use crate::name::Method;
use crate::policy::{BodyNeed, Policy};
use crate::rewrite::Rewrite;
use crate::router::{Found, Lookup, Router};
use crate::service::Service;
use crate::steer::{self, Steer};
use crate::template::Template;
use std::sync::Arc;
use std::time::Duration;

/// An answer that needs no backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Respond {
    /// The status code.
    pub status: u16,
    /// The fields, in order.
    pub fields: Box<[HeaderField]>,
    /// The body.
    pub body: Template,
}

/// An answer that sends the client elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Where to.
    pub location: Location,
}

/// A way to a service, with the counters of the route that takes it.
#[derive(Clone)]
pub struct Leg {
    /// The service.
    pub service: Arc<Service>,
    /// Counters of this route to this service.
    pub meters: Arc<RouteMeters>,
}

/// Where a route leads.
pub enum Target {
    /// To one service.
    Service(Leg),
    /// To one of several, by weight.
    Split(Split),
    /// To nobody: the answer is in the configuration.
    Respond(Respond),
    /// To nobody: the client is sent elsewhere.
    Redirect(Redirect),
}

impl Target {
    /// The ways to services.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        let (one, many) = match self {
            Target::Service(leg) => (Some(leg), None),
            Target::Split(split) => (None, Some(split.parts.iter().map(|(_, leg)| leg))),
            Target::Respond(_) | Target::Redirect(_) => (None, None),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Services with their shares. Invariant: the weights sum to `total` > 0.
pub struct Split {
    parts: Box<[(u32, Leg)]>,
    total: u32,
    /// What sends a request to one of them whatever chance says.
    steer: Option<Steer>,
}

impl Split {
    /// A split; `None` if no part has weight. A part without weight is only reached by its name.
    pub fn new(parts: Vec<(u32, Leg)>, steer: Option<Steer>) -> Option<Split> {
        let is_reached = |weight: u32| weight > 0 || steer.is_some();
        let parts: Box<[_]> = parts.into_iter().filter(|(weight, _)| is_reached(*weight)).collect();
        let total = parts.iter().try_fold(0u32, |sum, (weight, _)| sum.checked_add(*weight))?;
        (total > 0).then_some(Split { parts, total, steer })
    }

    /// Every way there is.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.parts.iter().map(|(_, leg)| leg)
    }

    /// The way for a request, and for a throw of the dice if nothing in it says more.
    pub fn choose(&self, request: &RequestHead, random: u64) -> &Leg {
        match self.steer.as_ref().and_then(|steer| steer.value(request)) {
            Some(value) => self.steered(value),
            None => self.pick(random),
        }
    }

    /// The service of that name, or else the one the value keeps to.
    fn steered(&self, value: &[u8]) -> &Leg {
        let mut nearest = (f64::INFINITY, &self.parts[0].1);
        for (weight, leg) in &self.parts {
            let name = leg.service.name.as_bytes();
            if name == value {
                return leg;
            }
            if *weight == 0 {
                continue;
            }
            let distance = steer::distance(value, name, *weight);
            if distance < nearest.0 {
                nearest = (distance, leg);
            }
        }
        nearest.1
    }

    fn pick(&self, random: u64) -> &Leg {
        let mut left = ((u128::from(random) * u128::from(self.total)) >> 64) as u32;
        for (weight, leg) in &self.parts {
            if left < *weight {
                return leg;
            }
            left -= weight;
        }
        &self.parts[self.parts.len() - 1].1
    }
}

/// A service that gets copies of requests. Nobody waits for its answers.
pub struct Mirror {
    /// The way there.
    pub leg: Leg,
    /// Of how many requests, in millionths.
    pub share_millionths: u32,
}

/// A policy of a route.
pub struct PlannedPolicy {
    /// The key it was written under.
    pub name: &'static str,
    /// The policy.
    pub policy: Arc<dyn Policy>,
}

/// Whether one of these policies may change bodies of answers as they pass.
pub fn is_filtered(policies: &[PlannedPolicy]) -> bool {
    policies.iter().any(|planned| planned.policy.needs().response == BodyNeed::Stream)
}

impl PlannedPolicy {
    /// Most bytes of a request's body that it wants to see in memory; `None` when it does not look at bodies.
    pub fn body_bytes_max(&self) -> Option<usize> {
        match self.policy.needs().request {
            BodyNeed::Buffer(bytes) => Some(bytes),
            BodyNeed::None | BodyNeed::Stream => None,
        }
    }
}

/// Most bytes of a request's body that one of the policies wants to see in memory; 0 when none looks at bodies.
pub fn body_bytes_gathered(policies: &[PlannedPolicy]) -> usize {
    policies.iter().filter_map(|planned| planned.body_bytes_max()).max().unwrap_or(0)
}

/// A route, compiled: features it does not use cost it nothing.
pub struct RoutePlan {
    /// Its name, as in logs and metrics.
    pub name: Arc<str>,
    /// What it asks of a request beside host, path and method, which the router knows.
    pub conditions: Conditions,
    /// Where it leads.
    pub target: Target,
    /// The path its backends are asked for, if it is not the client's.
    pub rewrite: Option<Rewrite>,
    /// Its policies in the order requests meet them; `ROUTE_POLICIES_MAX` at most.
    pub policies: Box<[PlannedPolicy]>,
    /// Whether one of them may change bodies of answers as they pass.
    pub is_filtered: bool,
    /// As `body_bytes_gathered` says of them.
    pub body_bytes_gathered: usize,
    /// From the request's head to the response's head, all tries included.
    pub timeout: Option<Duration>,
    /// Most bytes of request body.
    pub body_bytes_max: u64,
    /// Who gets copies of its requests.
    pub mirror: Option<Arc<Mirror>>,
    /// Counters of answers given without a service, and of copies.
    pub meters: Arc<RouteMeters>,
}

impl RoutePlan {
    /// The ways to services, that of copies among them.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.target.legs().chain(self.mirror.iter().map(|mirror| &mirror.leg))
    }
}

/// A whole configuration, ready to serve.
pub struct Snapshot {
    /// Counts up with every configuration taken.
    pub number: u64,
    /// Finds the plan's index.
    pub router: Arc<Router>,
    /// The plans, by the router's index.
    pub plans: Box<[Arc<RoutePlan>]>,
    /// All services, by `Service::index`.
    pub services: Box<[Arc<Service>]>,
    /// Counters of requests that found no route.
    pub unrouted: Arc<RouteMeters>,
    /// Where lines of the access log go; `None` when nobody wants them.
    pub log: Option<Arc<Log>>,
    /// Counts it while it is in memory.
    pub alive: Alive,
    /// How the host names of backends are resolved.
    pub resolver: ResolverSettings,
}

impl Snapshot {
    /// The plan for a request, by its index. A preflight is one of the method it asks about (Fetch §3.2.2), as
    /// whoever answers that method must answer it.
    pub fn find(&self, request: &RequestHead, client: &Client) -> Found {
        let asked = match request.method {
            Method::Options => preflight_method(request),
            _ => None,
        };
        debug_assert!(
            !request.plain.is_empty() || memchr::memchr2(b'%', b';', request.path_bytes()).is_none(),
            "who makes a head makes both forms of its path"
        );
        let lookup = Lookup {
            host: request.host_bytes(),
            path: request.plain_bytes(),
            method: asked.map_or(request.method, Method::of),
            method_text: asked.unwrap_or(request.method_bytes()),
        };
        self.router.find(lookup, |index| self.plans[index].conditions.hold(request, client))
    }
}

/// The method a preflight asks about; `None` for any other OPTIONS.
fn preflight_method(request: &RequestHead) -> Option<&[u8]> {
    request.fields.find(b"origin")?;
    request.fields.find(b"access-control-request-method")
}
