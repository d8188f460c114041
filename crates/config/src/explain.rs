//! Why a request goes where it goes: the route that takes it, what it won by, what the other routes lack. Asks the
//! same router, with the same canonical path, as traffic; looks at the routes one by one only to say why. Pure.
//! Called by the admin API and the command line.

mod question;

use crate::compile::{conditions, route_match};
use crate::config::{Config, Route};
use crate::members::Member;
use crate::target::Target;
use question::Question;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::conditions::Conditions;
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::path::PathRules;
use tidegate_core::plan::Snapshot;
use tidegate_core::policy::Policy;
use tidegate_core::problem::{Place, Problem};
use tidegate_core::rewrite::Rewrite;
use tidegate_core::router::{Advantage, Found, RouteMatch, Specificity};
use tidegate_core::settings::Word;
use tidegate_core::template::Origin;
use tidegate_core::units::Bytes;

/// Other routes that are told of: the nearest ones. Nobody reads on to a ninth.
const OTHERS_MAX: usize = 8;

/// A request, as somebody who asks would describe it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// `http://host/path?query` or `https://…`, or `/path?query` alone.
    pub url: &'a str,
    /// Its headers, by name and value. `Host` is the host of a URL that has none.
    pub headers: &'a [(String, String)],
    /// The listener it comes to; the first of the file where none is named.
    pub listener: &'a str,
}

/// What would become of a request, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The method.
    pub method: String,
    /// The host, with its port if it has one; empty if it is not known.
    pub host: String,
    /// The path as the router sees it; as it was asked if it has no such form.
    pub path: String,
    /// What would become of it.
    pub verdict: Verdict,
    /// The other routes, those that come nearest first.
    pub others: Vec<Other>,
}

/// What would become of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// A route takes it.
    Route(Box<Chosen>),
    /// 405: only routes for other methods match.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: String,
    },
    /// 404: no route matches.
    NotFound,
    /// 400: its path can be read in two ways.
    BadRequest {
        /// Why.
        reason: &'static str,
    },
}

/// The route that takes a request.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Its name.
    pub name: Arc<str>,
    /// Where it stands in the file.
    pub place: Place,
    /// Why it and no other.
    pub why: String,
    /// What the names in its path stand for, decoded.
    pub params: Vec<(String, String)>,
    /// Its policies, in the order in which the request meets them.
    pub policies: Vec<Met>,
    /// Where it leads.
    pub leads: Leads,
    /// What sends a request to one of several services, if anything but chance does: `cookie:variant`.
    pub steer: Option<String>,
    /// Who gets copies of its requests, and of how many: `catalog-next, 10%`.
    pub mirror: Option<String>,
    /// Of the services it leads to, those that are closed on purpose.
    pub closed: Vec<Arc<str>>,
    /// The path a backend is asked for, if it is not the one that was asked.
    pub rewritten: Option<Rewritten>,
    /// How long the answer's head may take.
    pub timeout: Option<Duration>,
    /// Most bytes of request body.
    pub body_bytes_max: u64,
}

impl Chosen {
    /// How long the answer's head may take, as it is written.
    pub fn timeout_text(&self) -> Option<String> {
        self.timeout.as_ref().map(Word::show)
    }

    /// Most bytes of request body, as they are written.
    pub fn body_max_text(&self) -> String {
        <Bytes as Word>::show(&Bytes::new(self.body_bytes_max))
    }
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// It is this one. What only a running gateway knows stands in it as it is written: `{request_id}`.
    To(String),
    /// It came from `${…}`.
    Hidden,
    /// None that a backend may be asked for: 400, for this reason.
    Refused(&'static str),
}

/// A policy that a request meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// The key it is written under.
    pub name: &'static str,
    /// What it does, in its own words; empty where the name says it all.
    pub does: String,
    /// Whether it only watches.
    pub is_observing: bool,
}

impl Met {
    fn of(member: &Member<dyn Policy>) -> Met {
        let policy = member.built();
        Met { name: member.name(), does: policy.describe(), is_observing: policy.is_observing() }
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// To one of these services, by weight.
    Services(Vec<(Arc<str>, u32)>),
    /// To an answer with this status, given by the gateway: one that stands in the file, or a redirect.
    Answer(u16),
}

/// A route that does not take the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its name.
    pub name: Arc<str>,
    /// Everything the request lacks for it; or, where it lacks nothing, what another route has before it.
    pub because: Vec<String>,
}

/// Explains what a gateway that runs this snapshot, compiled from this configuration, would do.
///
/// Errors: what was asked is no request.
pub fn explain(config: &Config, snapshot: &Snapshot, asked: Asked<'_>) -> Result<Explanation, Problem> {
    let first = config.listen.iter().next().map_or("", |row| row.name.as_str());
    let mut question = Question::read(asked, first)?;
    let rules = config.listen.iter().find(|row| row.name.as_str() == question.listener());
    let rules = rules.map_or(PathRules::STRICT, |row| row.value.paths.rules());
    if let Err(reason) = question.canonicalize(rules) {
        return Ok(question.answer(Verdict::BadRequest { reason }, Vec::new()));
    }
    let (head, client) = (question.head(), question.client());
    let mut routes: Vec<Weighed<'_>> =
        config.routes.iter().filter_map(|r| Weighed::new(r, &question, &head, &client)).collect();
    let (verdict, winner) = match snapshot.find(&head, &client) {
        // Without a plan of that name the snapshot is of another configuration; then there is nothing to tell.
        Found::Route(index) => match taken(&mut routes, &snapshot.plans[index].name) {
            Some(winner) => {
                let request = Asking { question: &question, head: &head, client: &client };
                (Verdict::Route(Box::new(chosen(&winner, &routes, request, snapshot))), Some(winner))
            }
            None => (Verdict::NotFound, None),
        },
        Found::MethodNotAllowed(allowed) => (Verdict::MethodNotAllowed { allow: allowed.to_string() }, None),
        Found::None => (Verdict::NotFound, None),
    };
    let others = others(routes, winner.as_ref(), &question);
    Ok(question.answer(verdict, others))
}

/// A route, and what the request lacks for it.
struct Weighed<'a> {
    route: &'a Route,
    condition: RouteMatch,
    rank: Specificity,
    lacks: Vec<String>,
}

impl<'a> Weighed<'a> {
    fn new(
        route: &'a Route,
        question: &Question,
        head: &RequestHead,
        client: &Client,
    ) -> Option<Weighed<'a>> {
        let others = conditions(route);
        // A compiled configuration has no route without a condition.
        let condition = route_match(&route.condition, others.count()).ok()?;
        let mut lacks = lacks(&condition, question);
        lacks.extend(others_lacking(route, &others, head, client));
        Some(Weighed { route, rank: Specificity::of(&condition), condition, lacks })
    }
}

/// Everything a request lacks for a route.
fn lacks(condition: &RouteMatch, question: &Question) -> Vec<String> {
    let mut lacks = Vec::new();
    if let Some(host) = condition.host.as_ref().filter(|_| !condition.takes_host(question.host.as_bytes())) {
        lacks.push(match question.host.as_str() {
            "" => format!("its host is `{host}`, and the request has none"),
            _ => format!("its host is `{host}`"),
        });
    }
    if !condition.takes_path(&question.plain) {
        lacks.push(format!("its path is `{}`", condition.path));
    }
    if !condition.takes_method(question.method, question.method_text.as_bytes()) {
        lacks.push(match condition.methods.is_empty() {
            true => format!("it takes {} only where `methods` names it", question.method_text),
            false => format!("it takes {}", condition.methods),
        });
    }
    lacks
}

/// The same for the conditions that the router leaves to be asked.
fn others_lacking(
    route: &Route,
    conditions: &Conditions,
    head: &RequestHead,
    client: &Client,
) -> Vec<String> {
    let mut lacks = Vec::new();
    for (row, condition) in route.condition.headers.iter().zip(&conditions.headers) {
        if !condition.holds(head, client) {
            lacks.push(format!("it needs the header `{}: {}`", row.name.as_str(), row.value.shown()));
        }
    }
    for (row, condition) in route.condition.query.iter().zip(&conditions.query) {
        if !condition.holds(head) {
            lacks.push(format!("it needs `{}={}` in the query", row.name.as_str(), row.value.shown()));
        }
    }
    for (row, condition) in route.condition.cookies.iter().zip(&conditions.cookies) {
        if !condition.holds(head) {
            lacks.push(format!("it needs the cookie `{}={}`", row.name.as_str(), row.value.shown()));
        }
    }
    if !conditions.takes_listener(client) {
        let names: Vec<String> = route.listeners.iter().map(|name| format!("`{name}`")).collect();
        lacks.push(format!("it takes requests of {}", names.join(", ")));
    }
    lacks
}

fn taken<'a>(routes: &mut Vec<Weighed<'a>>, name: &str) -> Option<Weighed<'a>> {
    let at = routes.iter().position(|weighed| &*weighed.route.name == name)?;
    Some(routes.remove(at))
}

/// A question, and what a codec would make of it.
#[derive(Clone, Copy)]
struct Asking<'a> {
    question: &'a Question,
    head: &'a RequestHead,
    client: &'a Client,
}

impl Asking<'_> {
    fn rewritten(&self, rewrite: &Rewrite) -> Rewritten {
        if rewrite.is_hidden() {
            return Rewritten::Hidden;
        }
        let mut head = self.head.clone();
        let origin = Origin { client: self.client, request_id: b"{request_id}", identity: None };
        match rewrite.apply(&mut head, origin) {
            Ok(()) => Rewritten::To(String::from_utf8_lossy(head.path_sent_bytes()).into_owned()),
            Err(refusal) => Rewritten::Refused(refusal.reason),
        }
    }
}

fn chosen(winner: &Weighed<'_>, losers: &[Weighed<'_>], asking: Asking<'_>, snapshot: &Snapshot) -> Chosen {
    let (route, question) = (winner.route, asking.question);
    // The sort of the router is stable, and `min_by_key` gives the first of equals: the runner-up is the same.
    let rival = losers.iter().filter(|loser| loser.lacks.is_empty()).min_by_key(|loser| loser.rank);
    let why = match rival {
        None => String::from("no other route matches"),
        Some(rival) => {
            format!("before `{}`, which matches too: {}", rival.route.name, advantage(winner, rival))
        }
    };
    let bytes = question.path.as_bytes();
    let params = winner
        .condition
        .path
        .params(bytes)
        .map(|(name, span)| (name.to_owned(), question::decoded(span.of(bytes))));
    let leads = match &route.to {
        Target::Service(name) => Leads::Services(vec![(name.value.shared(), 1)]),
        Target::Split(parts) => {
            Leads::Services(parts.iter().map(|row| (row.name.shared(), row.value.get())).collect())
        }
        Target::Respond(respond) => Leads::Answer(respond.status.get() as u16),
        Target::Redirect(redirect) => Leads::Answer(redirect.status.get()),
    };
    Chosen {
        name: route.name.clone(),
        place: route.place.clone(),
        why,
        params: params.collect(),
        policies: route.policies.iter().map(Met::of).collect(),
        steer: route.steer.as_ref().map(Word::show),
        mirror: route
            .mirror
            .as_ref()
            .map(|mirror| format!("{}, {}", mirror.to.as_str(), mirror.share.show())),
        closed: closed(&leads, snapshot),
        rewritten: route.rewrite.as_ref().map(|rewrite| asking.rewritten(rewrite)),
        timeout: route.timeout,
        body_bytes_max: route.body_bytes_max,
        leads,
    }
}

/// The services that are closed on purpose.
fn closed(leads: &Leads, snapshot: &Snapshot) -> Vec<Arc<str>> {
    let Leads::Services(services) = leads else { return Vec::new() };
    let is_closed = |name: &&Arc<str>| {
        let mut all = snapshot.services.iter();
        all.any(|service| service.name == **name && service.maintenance.is_some())
    };
    services.iter().map(|(name, _)| name).filter(is_closed).cloned().collect()
}

/// What the first has before the second, in words that go on after "it wins: ".
fn advantage(winner: &Weighed<'_>, loser: &Weighed<'_>) -> &'static str {
    match winner.rank.advantage(&loser.rank) {
        Some(Advantage::Host) => "its host is more specific",
        Some(Advantage::Literals) => "its path has more literal segments",
        Some(Advantage::Params) => "its path has more segments",
        Some(Advantage::End) => "its path has an end, where the other's `**` goes on",
        Some(Advantage::Conditions) => "it has more conditions",
        None => "it stands earlier in the file",
    }
}

/// The routes that come nearest, and what keeps the request from them.
fn others(mut routes: Vec<Weighed<'_>>, winner: Option<&Weighed<'_>>, question: &Question) -> Vec<Other> {
    // Those that match come first, as the router would take them; then those that lack least; of these the ones
    // whose path begins most alike.
    routes.sort_by_cached_key(|weighed| {
        (
            weighed.lacks.len(),
            Reverse(alike(weighed.condition.path.to_string().as_bytes(), question)),
            weighed.rank,
        )
    });
    routes.truncate(OTHERS_MAX);
    let because = |weighed: &Weighed<'_>| match winner {
        Some(winner) if weighed.lacks.is_empty() => {
            vec![format!("`{}` wins: {}", winner.route.name, advantage(winner, weighed))]
        }
        _ => weighed.lacks.clone(),
    };
    routes
        .iter()
        .map(|weighed| Other { name: weighed.route.name.clone(), because: because(weighed) })
        .collect()
}

/// How many bytes a pattern and the path of the question have in common from the beginning.
fn alike(pattern: &[u8], question: &Question) -> usize {
    pattern.iter().zip(question.path.as_bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
