//! Lets pass who is listed: consumers, scopes, addresses, methods. One of each key has to fit, and all keys have to.
//! Everyone else is answered with 403, and only operators are told which key it was.

mod config;

#[cfg(test)]
mod tests;

use config::AllowSettings;
use std::sync::Arc;
use tidegate_core::auth::{self, Authenticator};
use tidegate_core::building::Building;
use tidegate_core::head::RequestHead;
use tidegate_core::identity::{Consumer, Identity, is_scope};
use tidegate_core::name::Method;
use tidegate_core::node::Node;
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{Kind, Phase, Policy, Reason, Reply, RequestView, ResponseView, Verdict};
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings::{Placed, Setting};
use tidegate_core::template::Origin;
use tidegate_core::units::Network;

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "allow",
    doc: "Who may pass, by consumer, scope, address and method. All others are answered with 403.",
    shape: AllowSettings::shape,
    build,
};

type Texts = Placed<Vec<Placed<String>>>;

fn build(node: &Node, building: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let settings = AllowSettings::read(node, building.problems);
    let (before, has_auth) = (building.problems.count(), building.part.has("auth"));
    for (key, list) in [("consumers", &settings.consumers), ("scopes", &settings.scopes)] {
        if let Some(place) = list.place().filter(|_| !has_auth) {
            let problem = Problem::at(place, format!("`{key}` needs to know who asks, and nobody finds out"));
            building.problems.push(problem.hint("name an entry of `auth` in the route's key `auth`"));
        }
    }
    let allow = Allow {
        consumers: texts(&settings.consumers, building.problems, |name| match Consumer::new(name) {
            Some(_) => Ok(()),
            None => Err("is not the name of a consumer"),
        }),
        scopes: texts(&settings.scopes, building.problems, |scope| match is_scope(scope) {
            true => Ok(()),
            false => Err("is not a scope"),
        }),
        ips: listed(&settings.ips, building.problems).then(|| settings.ips.iter().copied().collect()),
        methods: texts(&settings.methods, building.problems, |method| match is_method(method) {
            true => Ok(()),
            false => Err("is not a method"),
        }),
        auth: building.part.auth.built.clone(),
    };
    let asks_nothing =
        allow.consumers.is_none() && allow.scopes.is_none() && allow.ips.is_none() && allow.methods.is_none();
    if asks_nothing && building.problems.count() == before {
        let problem = Problem::at(&node.place, "says nothing of who may pass");
        building.problems.push(problem.hint("write `consumers`, `scopes`, `ips` or `methods`"));
    }
    (!asks_nothing).then(|| Box::new(allow) as Box<dyn Policy>).into_iter().collect()
}

/// Whether a list was written; tells it if nothing is in it.
fn listed<T>(list: &Placed<Vec<T>>, problems: &mut Problems) -> bool {
    let Some(place) = list.place() else { return false };
    if list.is_empty() {
        problems.push(Problem::at(place, "nobody would pass").hint("list who may, or leave the key out"));
    }
    true
}

/// The texts of a list that was written, after telling those that are none of their kind.
fn texts(
    list: &Texts,
    problems: &mut Problems,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Option<Box<[Box<str>]>> {
    for text in list.iter() {
        if let (Some(place), Err(fault)) = (text.place(), check(text)) {
            problems.push(Problem::at(place, format!("{} {fault}", text.quote())));
        }
    }
    listed(list, problems).then(|| list.iter().map(|text| text.as_str().into()).collect())
}

/// RFC 9110 §9.1: a token; those of ours are in upper case, and others are as they are written.
fn is_method(text: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let is_slip = Method::of(text.as_bytes()) == Method::Other
        && Method::of(text.to_ascii_uppercase().as_bytes()) != Method::Other;
    !text.is_empty() && !is_slip && text.bytes().all(is_token)
}

/// See the file. What was not written is `None`.
struct Allow {
    consumers: Option<Box<[Box<str>]>>,
    scopes: Option<Box<[Box<str>]>>,
    ips: Option<Box<[Network]>>,
    methods: Option<Box<[Box<str>]>>,
    /// Every entry of `auth`: the one that knows a client tells it which scope it lacks.
    auth: Vec<(Arc<str>, Arc<dyn Authenticator>)>,
}

impl Allow {
    /// Why a request may not pass, if it may not.
    fn fault(&self, head: &RequestHead, origin: Origin<'_>) -> Option<Reason> {
        if self.methods.as_ref().is_some_and(|methods| !has_method(methods, head)) {
            return Some(Reason::new("method"));
        }
        let address = origin.client.address.map(|address| address.ip());
        let is_in =
            |ips: &[Network]| address.is_some_and(|ip| ips.iter().any(|network| network.contains(ip)));
        if self.ips.as_ref().is_some_and(|ips| !is_in(ips)) {
            let from =
                address.map_or_else(|| String::from("a Unix socket"), |ip| ip.to_canonical().to_string());
            return Some(Reason::with("address", from));
        }
        let consumer = origin.identity.map(|identity| identity.consumer.as_str());
        let is_one = |all: &[Box<str>]| consumer.is_some_and(|name| all.iter().any(|known| **known == *name));
        if self.consumers.as_ref().is_some_and(|all| !is_one(all)) {
            return Some(Reason::new("consumer"));
        }
        match &self.scopes {
            Some(scopes) if !has_scope(scopes, origin.identity) => {
                Some(Reason::with(auth::SCOPE, scopes.join(" ")))
            }
            _ => None,
        }
    }

    /// The challenge of the entry that knew who asks, for one who lacks a scope.
    fn challenge(&self, reason: &Reason, identity: Option<&Identity>) -> Vec<(String, String)> {
        let mut text = String::new();
        if let (auth::SCOPE, Some(identity)) = (reason.code, identity)
            && let Some((_, entry)) = self.auth.iter().find(|(name, _)| *name == identity.by)
        {
            entry.challenge(Some(reason), &mut text);
        }
        (!text.is_empty()).then(|| (String::from("www-authenticate"), text)).into_iter().collect()
    }
}

fn has_method(methods: &[Box<str>], head: &RequestHead) -> bool {
    let asked = match head.method {
        Method::Head => &b"GET"[..],
        _ => head.method_bytes(),
    };
    methods.iter().any(|method| method.as_bytes() == asked || method.as_bytes() == head.method_bytes())
}

fn has_scope(scopes: &[Box<str>], identity: Option<&Identity>) -> bool {
    identity.is_some_and(|identity| identity.scopes.iter().any(|scope| scopes.contains(scope)))
}

impl Policy for Allow {
    fn phase(&self) -> Phase {
        Phase::Access
    }

    fn describe(&self) -> String {
        let one_of = |word: &str, all: &Option<Box<[Box<str>]>>| {
            all.as_ref().map(|all| format!("{word} {}", all.join(" or ")))
        };
        let ips = self.ips.as_ref().map(|ips| {
            let all: Vec<String> = ips.iter().map(|network| network.to_string()).collect();
            format!("address {}", all.join(" or "))
        });
        let all = [
            one_of("consumer", &self.consumers),
            one_of("scope", &self.scopes),
            ips,
            one_of("method", &self.methods),
        ];
        format!("lets pass {}", all.into_iter().flatten().collect::<Vec<_>>().join(", and "))
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        let Some(reason) = self.fault(view.head, view.origin) else { return Verdict::Continue };
        let fields = self.challenge(&reason, view.origin.identity);
        Verdict::Reply(Box::new(Reply {
            status: 403,
            outcome: Outcome::Forbidden,
            reason: Some(reason),
            fields,
            body: None,
        }))
    }

    fn response(&self, _: ResponseView<'_>) {}
}
