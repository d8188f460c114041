//! What a route asks of a request beside host, path and method: header fields, the query, the listener. The router
//! asks about them only for routes that have some. Pure.

use crate::cookie;
use crate::exchange::Client;
use crate::head::RequestHead;
use crate::name::Name;
use crate::secret::Secret;
use crate::trusted::{self, Belief};
use std::sync::Arc;

/// Conditions that must all hold; none hold always.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The request came to one of these; empty is any.
    pub listeners: Box<[Arc<str>]>,
    /// Header fields, all of them.
    pub headers: Box<[HeaderCondition]>,
    /// Parts of the query, all of them.
    pub query: Box<[QueryCondition]>,
    /// Cookies, all of them.
    pub cookies: Box<[CookieCondition]>,
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To be there.
    Any,
    /// To be exactly this, which may be a credential from `${…}`.
    Exactly(Secret<Box<[u8]>>),
}

/// A header field of that name, whatever its case, has the value; of several one is enough.
#[derive(Clone, Debug)]
pub struct HeaderCondition {
    name: Box<str>,
    known: Name,
    wanted: Wanted,
}

/// A key of the query has the value, both decoded; of several one is enough.
#[derive(Clone, Debug)]
pub struct QueryCondition {
    /// Decoded.
    pub key: Box<[u8]>,
    /// Decoded.
    pub wanted: Wanted,
}

/// A cookie of that name has the value; of several one is enough.
#[derive(Clone, Debug)]
pub struct CookieCondition {
    /// The name, with its case.
    pub name: Box<[u8]>,
    /// What its value must be.
    pub wanted: Wanted,
}

impl Wanted {
    /// Exactly these bytes.
    pub fn exactly(value: &[u8]) -> Wanted {
        Wanted::Exactly(Secret::new(value.into()))
    }

    /// Whether a value is as wanted, byte for byte.
    fn is(&self, value: &[u8]) -> bool {
        match self {
            Wanted::Any => true,
            Wanted::Exactly(wanted) => value == &wanted.reveal()[..],
        }
    }
}

impl Conditions {
    /// How many there are; the listeners are one.
    pub fn count(&self) -> usize {
        usize::from(!self.listeners.is_empty()) + self.headers.len() + self.query.len() + self.cookies.len()
    }

    /// Whether all of them hold.
    pub fn hold(&self, request: &RequestHead, client: &Client) -> bool {
        self.takes_listener(client)
            && self.headers.iter().all(|header| header.holds(request, client))
            && self.query.iter().all(|part| part.holds(request))
            && self.cookies.iter().all(|cookie| cookie.holds(request))
    }

    /// Whether the client came to a listener that will do.
    pub fn takes_listener(&self, client: &Client) -> bool {
        self.listeners.is_empty() || self.listeners.iter().any(|name| **name == *client.listener)
    }
}

impl HeaderCondition {
    /// A condition on a field.
    pub fn new(name: &str, wanted: Wanted) -> HeaderCondition {
        HeaderCondition { known: Name::of(name.as_bytes()), name: name.into(), wanted }
    }

    /// Whether it holds. What a client is not believed is not there for it, as the backend will not see it either; and
    /// what a trusted peer says cannot be taken away by its client's Connection field.
    pub fn holds(&self, request: &RequestHead, client: &Client) -> bool {
        let fields = &request.fields;
        match self.known {
            Name::Other => fields.find_all(self.name.as_bytes()).any(|value| self.wanted.is(value)),
            known => match trusted::belief(client.trusted.as_deref(), known) {
                Belief::None => false,
                belief => fields.list().iter().any(|field| {
                    field.name == known
                        && (!field.is_removed || belief == Belief::Peer)
                        && self.wanted.is(field.value.of(fields.text()))
                }),
            },
        }
    }
}

impl CookieCondition {
    /// Whether it holds.
    pub fn holds(&self, request: &RequestHead) -> bool {
        cookie::values(&request.fields, &self.name).any(|value| self.wanted.is(value))
    }
}

impl QueryCondition {
    /// Whether it holds.
    pub fn holds(&self, request: &RequestHead) -> bool {
        self.is_in(request.query_bytes().unwrap_or_default())
    }

    fn is_in(&self, query: &[u8]) -> bool {
        let mut pairs = query.split(|&b| b == b'&').filter(|pair| !pair.is_empty());
        pairs.any(|pair| {
            let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let value = pair.get(end + 1..).unwrap_or_default();
            is_same(&pair[..end], &self.key)
                && match &self.wanted {
                    Wanted::Any => true,
                    Wanted::Exactly(wanted) => is_same(value, wanted.reveal()),
                }
        })
    }
}

/// Whether a part of a query means this text. What it is no escape of stands for itself.
fn is_same(part: &[u8], text: &[u8]) -> bool {
    let mut at = 0;
    let decoded = std::iter::from_fn(|| {
        let byte = *part.get(at)?;
        let digit = |at: usize| part.get(at).and_then(|&b| char::from(b).to_digit(16));
        at += 1;
        Some(match byte {
            b'+' => b' ',
            b'%' => match (digit(at), digit(at + 1)) {
                (Some(high), Some(low)) => {
                    at += 2;
                    (high << 4 | low) as u8
                }
                _ => b'%',
            },
            byte => byte,
        })
    });
    decoded.eq(text.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trusted::{FieldSet, Trusted};

    fn check_query(query: &str, key: &str, value: &str, expected: bool) {
        let wanted = if value == "*" { Wanted::Any } else { Wanted::exactly(value.as_bytes()) };
        let condition = QueryCondition { key: key.as_bytes().into(), wanted };
        assert_eq!(condition.is_in(query.as_bytes()), expected, "?{query} has {key}={value}");
    }

    #[test]
    fn a_query_is_compared_decoded_and_one_of_several_is_enough() {
        for (query, key, value, expected) in [
            ("a=1", "a", "1", true),
            ("b=2&a=1", "a", "1", true),
            ("a=2&a=1", "a", "1", true),
            ("a=1&a=2", "a", "1", true),
            ("a=2&a=3", "a", "1", false),
            ("", "a", "*", false),
            ("b", "a", "*", false),
            ("a", "a", "*", true),
            ("a", "a", "", true),
            ("a=", "a", "", true),
            ("a=1", "a", "", false),
            ("a=0", "a", "*", true),
            ("&&a=1&", "a", "1", true),
            ("=a", "a", "*", false),
            ("A=1", "a", "1", false),
            ("%61=%31", "a", "1", true),
            ("a%62=x%2By", "ab", "x+y", true),
            ("a=x+y", "a", "x y", true),
            ("a=x%20y", "a", "x y", true),
            ("a+b=1", "a b", "1", true),
            ("a=b=c", "a", "b=c", true),
            ("a%3Db=c", "a=b", "c", true),
            ("a=%26", "a", "&", true),
            ("a=%C3%A9", "a", "é", true),
            ("a=%c3%a9", "a", "é", true),
            ("a=%", "a", "%", true),
            ("a=%4", "a", "%4", true),
            ("a=%zz", "a", "%zz", true),
            ("a=%+1", "a", "% 1", true),
            ("a=%2531", "a", "%31", true),
            ("a=%2531", "a", "1", false),
            ("a=11", "a", "1", false),
            ("a=", "a", "1", false),
            ("a;b=1", "b", "1", false),
        ] {
            check_query(query, key, value, expected);
        }
    }

    #[test]
    fn all_conditions_must_hold_and_none_always_do() {
        let exactly = |text: &str| Wanted::exactly(text.as_bytes());
        let client = |listener: &str| Client {
            address: None,
            listener: listener.into(),
            is_secure: false,
            trusted: None,
            door: None,
        };
        let mut request = RequestHead::default();
        for (name, value) in [
            ("X-Beta", "0"),
            ("x-BETA", "1"),
            ("Empty", ""),
            ("Cookie", "a"),
            ("Cookie", "b=2; beta=1"),
            ("Gone", "1"),
        ] {
            request.fields.push(name, value.as_bytes());
        }
        request.fields.remove_named(b"gone");
        let header = |name: &str, wanted: Wanted| Conditions {
            headers: [HeaderCondition::new(name, wanted)].into(),
            ..Conditions::default()
        };
        let cookie = |name: &str, wanted: Wanted| Conditions {
            cookies: [CookieCondition { name: name.as_bytes().into(), wanted }].into(),
            ..Conditions::default()
        };
        for (conditions, expected) in [
            (Conditions::default(), true),
            (header("x-beta", exactly("1")), true),
            (header("x-beta", exactly("0")), true),
            (header("x-beta", exactly("2")), false),
            (header("x-beta", exactly("")), false),
            (header("x-beta", Wanted::Any), true),
            (cookie("beta", exactly("1")), true),
            (cookie("beta", exactly("2")), false),
            (cookie("beta", Wanted::Any), true),
            (cookie("Beta", Wanted::Any), false),
            (header("cookie", exactly("a")), true),
            (header("cookie", exactly("A")), false),
            (header("empty", Wanted::Any), true),
            (header("empty", exactly("")), true),
            (header("gone", Wanted::Any), false),
            (header("none", Wanted::Any), false),
            (Conditions { listeners: ["a".into(), "b".into()].into(), ..Conditions::default() }, true),
            (Conditions { listeners: ["a".into()].into(), ..header("x-beta", Wanted::Any) }, false),
            (Conditions { listeners: ["b".into()].into(), ..header("x-beta", Wanted::Any) }, true),
        ] {
            assert_eq!(conditions.hold(&request, &client("b")), expected, "{conditions:?}");
        }
    }

    #[test]
    fn what_only_a_trusted_peer_may_say_counts_from_it_alone() {
        let mut request = RequestHead::default();
        let names = ["X-Forwarded-Proto", "x-forwarded-for", "X-Request-Id", "Via", "Forwarded", "X-Real-IP"];
        for name in names.iter().chain(&["x-forwarded-host", "X-Consumer", "x-mirrored", "x-forwarded-by"]) {
            request.fields.push(name, b"https");
        }
        let is_met = |name: &str, client: &Client| {
            HeaderCondition::new(name, Wanted::exactly(b"https")).holds(&request, client)
        };
        let anyone =
            Client { address: None, listener: "a".into(), is_secure: false, trusted: None, door: None };
        let trusting = |fields: FieldSet| Client {
            trusted: Some(Trusted { from: [].into(), fields }.into()),
            ..anyone.clone()
        };
        let (usual, named) = (trusting(FieldSet::USUAL), trusting(FieldSet::of(&[Name::XRealIp])));
        for (name, expected) in [
            ("x-forwarded-proto", [false, true, false]),
            ("x-forwarded-for", [false, true, false]),
            ("x-request-id", [false, true, false]),
            ("x-forwarded-host", [false, false, false]),
            ("x-real-ip", [false, false, true]),
            ("forwarded", [false, false, false]),
            ("via", [false, true, true]),
            ("x-consumer", [false, false, false]),
            ("x-mirrored", [false, false, false]),
            ("x-forwarded-by", [true, true, true]),
        ] {
            assert_eq!([&anyone, &usual, &named].map(|client| is_met(name, client)), expected, "{name}");
        }
        request.fields.remove(Name::XForwardedProto);
        let hidden = HeaderCondition::new("x-forwarded-proto", Wanted::Any);
        assert!(hidden.holds(&request, &usual) && !hidden.holds(&request, &anyone), "by a Connection field");
    }
}
