//! The last step of taking a configuration: from typed settings to a snapshot the workers can serve. Members of
//! families were built when the file was read; the snapshot shares them.

use crate::config::{self, Config, Host, Route, Service};
use crate::health::{Asked, Health};
use crate::matching::Match;
use crate::members::Member;
use crate::target::{Redirect, Respond, Target};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::conditions::{Conditions, CookieCondition, HeaderCondition, QueryCondition};
use tidegate_core::entry::{self, Entry, NameBook, ResolverSettings};
use tidegate_core::header::HeaderField;
use tidegate_core::meters::Meters;
use tidegate_core::plan::{self, Leg, PlannedPolicy, RoutePlan, Snapshot, Split};
use tidegate_core::policy::Policy;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::roster::CurrentRoster;
use tidegate_core::router::{HostPattern, MethodSet, PathPattern, RouteMatch, Router};
use tidegate_core::service::{self, CellBook, HostSent, RetryOn};
use tidegate_core::settings::Toggle;
use tidegate_core::units::Label;

/// What the program hands in: what outlives a snapshot.
pub struct Workshop<'a> {
    /// Learnt state of backends.
    pub cells: &'a CellBook,
    /// What is known of host names.
    pub names: &'a NameBook,
    /// Counters.
    pub meters: &'a Meters,
    /// What is served now: what is the same in both is shared, not made again.
    pub previous: Option<Previous<'a>>,
}

/// A configuration and the snapshot that was made of it.
#[derive(Clone, Copy)]
pub struct Previous<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its snapshot.
    pub snapshot: &'a Snapshot,
}

impl Previous<'_> {
    /// The service, if it is the same in the new configuration.
    fn service(&self, name: &Label, index: usize, service: &Service) -> Option<Arc<service::Service>> {
        let made = self.snapshot.services.get(index)?;
        let is_same =
            made.name.as_ref() == name.as_str() && self.config.services.get(name)?.value == *service;
        is_same.then(|| made.clone())
    }

    /// The places of its routes by name.
    fn route_places(&self) -> HashMap<Arc<str>, usize> {
        let names = self.config.routes.iter().map(|route| route.name.clone());
        names.zip(0..).collect()
    }

    /// Its router, if all routes ask for the same in the same order.
    fn router(&self, config: &Config) -> Option<Arc<Router>> {
        let asked = |config: &Config| {
            config
                .routes
                .iter()
                .map(|route| (route.condition.clone(), route.listeners.clone()))
                .collect::<Vec<_>>()
        };
        (asked(self.config) == asked(config)).then(|| self.snapshot.router.clone())
    }

    /// The plan of the route at that place, if it is the same in the new configuration, but for its services.
    fn plan(&self, place: usize, route: &Route, config: &Config) -> Option<&Arc<RoutePlan>> {
        // Policies may hold entries of `auth` as they were, keys that have been withdrawn among them.
        let is_same = self.config.routes.get(place)? == route
            && (route.policies.is_empty() || self.config.auth == config.auth);
        is_same.then(|| self.snapshot.plans.get(place))?
    }
}

/// The label of requests and answers without a route or service.
const NONE: &str = "none";

/// Compiles a checked configuration. Problems are those that only show when things are put together.
pub fn compile(config: &Config, number: u64, workshop: &Workshop<'_>) -> Result<Snapshot, Problems> {
    let mut problems = Problems::default();
    workshop.meters.bound_routes(config.telemetry.routes_max.get() as usize);
    let is_logging = matches!(config.telemetry.access_log, Toggle::On(_));
    let none: Arc<str> = NONE.into();
    let mut services = HashMap::new();
    let mut list = Vec::new();
    for (index, row) in config.services.iter().enumerate() {
        let same = workshop.previous.and_then(|previous| previous.service(&row.name, index, &row.value));
        let service = same
            .unwrap_or_else(|| Arc::new(compile_service(&row.name.shared(), index, &row.value, workshop)));
        services.insert(row.name.shared(), service.clone());
        list.push(service);
    }
    let places = workshop.previous.map(|previous| previous.route_places()).unwrap_or_default();
    let same_plan = |route: &Route| {
        let previous = workshop.previous?;
        let plan = previous.plan(*places.get(&route.name)?, route, config)?;
        let is_in_use = |service: &Arc<service::Service>| {
            services.get(&service.name).is_some_and(|now| Arc::ptr_eq(now, service))
        };
        plan.legs().all(|leg| is_in_use(&leg.service)).then(|| plan.clone())
    };
    let mut plans = Vec::with_capacity(config.routes.len());
    let mut matches = Vec::with_capacity(config.routes.len());
    for route in &config.routes {
        let conditions = conditions(route);
        match route_match(&route.condition, conditions.count()) {
            Ok(condition) => matches.push(condition),
            Err(reason) => problems.push(Problem::at(&route.place, reason)),
        }
        if let Some(plan) = same_plan(route) {
            plans.push(plan);
            continue;
        }
        let leg = |name: &Arc<str>| {
            let service = services.get(name)?.clone();
            Some(Leg { meters: workshop.meters.route(&route.name, name), service })
        };
        let Some(target) = compile_target(route, leg) else {
            problems.push(Problem::at(&route.place, "leads to a service that could not be made"));
            continue;
        };
        let policies = planned(route);
        plans.push(Arc::new(RoutePlan {
            name: route.name.clone(),
            conditions,
            target,
            rewrite: route.rewrite.clone(),
            is_filtered: plan::is_filtered(&policies),
            body_bytes_gathered: plan::body_bytes_gathered(&policies),
            policies,
            timeout: route.timeout,
            body_bytes_max: route.body_bytes_max,
            mirror: route.mirror.as_ref().and_then(|mirror| compile_mirror(mirror, leg)),
            meters: workshop.meters.route(&route.name, &none),
        }));
    }
    let same_router = workshop.previous.and_then(|previous| previous.router(config));
    let snapshot = Snapshot {
        number,
        router: same_router.unwrap_or_else(|| Arc::new(Router::new(&matches))),
        plans: plans.into(),
        services: list.into(),
        unrouted: workshop.meters.route(&none, &none),
        log: is_logging.then(|| workshop.meters.log().clone()),
        alive: workshop.meters.snapshot(),
        resolver: resolver(config),
    };
    problems.unless_any(snapshot)
}

fn resolver(config: &Config) -> ResolverSettings {
    ResolverSettings {
        servers: config.resolver.servers.iter().map(|server| server.0).collect(),
        timeout: config.resolver.timeout,
    }
}

/// The policies of a route, shared with its configuration.
fn planned(route: &Route) -> Box<[PlannedPolicy]> {
    let plan =
        |member: &Member<dyn Policy>| PlannedPolicy { name: member.name(), policy: member.built().clone() };
    route.policies.iter().map(plan).collect()
}

fn compile_service(
    name: &Arc<str>,
    index: usize,
    service: &Service,
    workshop: &Workshop<'_>,
) -> service::Service {
    let entries = service.backends.value.iter();
    let entries: Box<[Entry]> =
        entries.map(|one| Entry { site: one.site.value.clone(), weight: one.weight }).collect();
    let has = |cause| service.retry.on.contains(&cause);
    use crate::config::RetryCause::{BadGateway, Connect, GatewayTimeout, Reset, Timeout, Unavailable};
    let roster = entry::roster(name, &entries, workshop.cells, workshop.names);
    if service.health.is_some() {
        // What is known of its backends is known of the service too, before their next checks.
        roster.is_panicking.store(roster.fails_all_checks(), Relaxed);
    }
    service::Service {
        name: name.clone(),
        index,
        roster: CurrentRoster::new(roster),
        entries,
        balancer: service.balance.built().clone(),
        timeouts: service::Timeouts {
            connect: service.timeouts.connect,
            response: service.timeouts.response,
            idle: service.timeouts.idle,
        },
        retry: service::Retry {
            attempts: service.retry.attempts.get(),
            on: RetryOn {
                connect: has(Connect),
                reset: has(Reset),
                timeout: has(Timeout),
                statuses: [has(BadGateway), has(Unavailable), has(GatewayTimeout)],
            },
            budget_millionths: service.retry.budget.millionths,
        },
        health: service.health.as_ref().map(compile_health),
        host: match &service.host {
            Host::Client => HostSent::Client,
            Host::Backend => HostSent::Backend,
            Host::Named(name) => HostSent::Named(name.clone()),
        },
        tls: service.tls.as_ref().map(|tls| tls.made.clone()),
        meters: workshop.meters.service(name),
        connections_max: service.connections.max.get() as usize,
        connections_idle_max: service.connections.idle.get() as usize,
        maintenance: service.maintenance.clone(),
    }
}

fn compile_health(health: &Health) -> service::Health {
    let check = match &health.path.value {
        Asked::Connection => service::Check::Connect,
        Asked::Path(path) => service::Check::Get {
            path: path.as_str().into(),
            host: health.host.as_ref().map(|host| host.value.shared()),
            statuses: health.statuses(),
        },
    };
    service::Health {
        check,
        every: health.every.value,
        timeout: health.timeout,
        healthy: health.healthy.get(),
        unhealthy: health.unhealthy.get(),
    }
}

fn compile_mirror(
    mirror: &config::Mirror,
    leg: impl Fn(&Arc<str>) -> Option<Leg>,
) -> Option<Arc<plan::Mirror>> {
    let leg = leg(&mirror.to.shared())?;
    Some(Arc::new(plan::Mirror { leg, share_millionths: mirror.share.millionths }))
}

fn compile_target(route: &Route, leg: impl Fn(&Arc<str>) -> Option<Leg>) -> Option<plan::Target> {
    match &route.to {
        Target::Service(name) => leg(&name.value.shared()).map(plan::Target::Service),
        Target::Split(parts) => {
            let parts = parts.iter().map(|row| Some((row.value.get(), leg(&row.name.shared())?)));
            Split::new(parts.collect::<Option<_>>()?, route.steer.clone()).map(plan::Target::Split)
        }
        Target::Respond(respond) => Some(plan::Target::Respond(compile_respond(respond))),
        Target::Redirect(redirect) => Some(plan::Target::Redirect(compile_redirect(redirect))),
    }
}

fn compile_respond(respond: &Respond) -> plan::Respond {
    plan::Respond {
        status: respond.status.get() as u16,
        fields: respond.headers.iter().map(|row| HeaderField::new(&row.name, &row.value)).collect(),
        body: respond.body.clone(),
    }
}

fn compile_redirect(redirect: &Redirect) -> plan::Redirect {
    plan::Redirect { status: redirect.status.get(), location: redirect.to.clone() }
}

/// What the router leaves to be asked of a request.
pub(crate) fn conditions(route: &Route) -> Conditions {
    let Match { headers, query, cookies, .. } = &route.condition;
    Conditions {
        listeners: route.listeners.iter().map(Label::shared).collect(),
        headers: headers
            .iter()
            .map(|row| HeaderCondition::new(row.name.as_str(), row.value.compiled()))
            .collect(),
        query: query
            .iter()
            .map(|row| QueryCondition {
                key: row.name.as_str().as_bytes().into(),
                wanted: row.value.compiled(),
            })
            .collect(),
        cookies: cookies
            .iter()
            .map(|row| CookieCondition {
                name: row.name.as_str().as_bytes().into(),
                wanted: row.value.compiled(),
            })
            .collect(),
    }
}

/// What the router is told of a route.
pub(crate) fn route_match(condition: &Match, other_conditions: usize) -> Result<RouteMatch, String> {
    let mut methods = MethodSet::default();
    for method in &condition.methods {
        methods.insert(method.as_str())?;
    }
    Ok(RouteMatch {
        host: condition.host.as_ref().map(|host| HostPattern::parse(host.as_str())).transpose()?,
        path: PathPattern::parse(condition.path.as_str())?,
        methods,
        other_conditions,
    })
}
