//! Limits as operators write them, asked with requests of several clients.

use super::*;
use std::sync::Mutex;
use std::time::Duration;
use tidegate_core::building::Alone;
use tidegate_core::clock::Nanos;
use tidegate_core::exchange::Client;
use tidegate_core::gcra::Taken;
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::identity::{Consumer, Identity};
use tidegate_core::limiter::Fill;
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::problem::{Place, Source};
use tidegate_core::template::Origin;

/// Remembers whom it was asked about, and lets the first two of each pass.
#[derive(Debug, Default)]
struct Two(Mutex<Vec<(LimitId, Vec<u8>)>>);

impl Limiter for Two {
    fn limit(&self, route: &str, name: &str) -> LimitId {
        assert_eq!(route, "a");
        LimitId(name.len() as u64)
    }

    fn take(&self, limit: LimitId, key: &[u8], _: Gcra, _: Nanos) -> Taken {
        let mut asked = self.0.lock().unwrap();
        asked.push((limit, key.to_vec()));
        let before = asked.iter().filter(|(l, k)| (*l, &**k) == (limit, key)).count() as u64;
        let wait = (before > 2).then_some(Duration::from_millis(1200));
        Taken { wait, left: 2_u64.saturating_sub(before), reset: Duration::from_millis(before * 1000 - 1) }
    }

    fn fill(&self, _: Nanos) -> Fill {
        Fill::default()
    }
}

fn node(value: Value) -> Node {
    Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value }
}

fn word(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: false, is_resolved: false }))
}

fn map(pairs: &[(&str, &str)]) -> Node {
    let entry = |(key, value): &(&str, &str)| {
        let value = word(value);
        Entry { key: (*key).into(), place: value.place.clone(), value }
    };
    node(Value::Map(pairs.iter().map(entry).collect()))
}

fn list(nodes: Vec<Node>) -> Node {
    node(Value::List(nodes))
}

fn built(written: &Node, keys: &[&'static str]) -> (Vec<Box<dyn Policy>>, Vec<String>, Arc<Two>) {
    let (mut alone, two) = (Alone::new("a", keys), Arc::new(Two::default()));
    alone.shelf.limiter = Some(two.clone());
    let policies = alone.build(|building| build(written, building));
    (policies, alone.problems.iter().map(|problem| problem.reason.clone()).collect(), two)
}

/// Who sends a request.
#[derive(Clone, Copy, Default)]
struct Who<'a> {
    ip: &'a str,
    consumer: &'a str,
    header: &'a str,
}

/// Asks one policy, then has it look at the answer: the status of its own answer with Retry-After, and what the client
/// is told.
fn ask(policy: &dyn Policy, who: Who<'_>) -> (Option<(u16, String)>, String) {
    let address = (!who.ip.is_empty()).then(|| std::net::SocketAddr::new(who.ip.parse().unwrap(), 5));
    let client = Client { address, listener: "http".into(), is_secure: false, trusted: None, door: None };
    let identity = Consumer::new(who.consumer).map(|consumer| Identity {
        consumer,
        scopes: Box::default(),
        by: "keys".into(),
    });
    let origin = Origin { client: &client, request_id: b"7f", identity: identity.as_ref() };
    let mut request = RequestHead::default();
    for field in who.header.split_terminator(';') {
        let (name, value) = field.split_once('=').unwrap_or(("X-Tenant", field));
        request.fields.push(name, value.as_bytes());
        if name == "X-Taken" {
            request.fields.remove_named(b"x-taken");
        }
    }
    let mut note = 0;
    let reply = match policy.request(RequestView { head: &mut request, origin, note: &mut note }) {
        Verdict::Continue => None,
        Verdict::Reply(reply) => {
            if reply.status == 400 {
                assert_eq!(
                    (reply.outcome, reply.reason),
                    (Outcome::BadRequest, Some(Reason::new("ambiguous")))
                );
                return (Some((400, String::new())), String::new());
            }
            assert_eq!((reply.outcome, reply.reason), (Outcome::Limited, Some(Reason::new("rate"))));
            assert_eq!(reply.fields[0].0, "retry-after");
            Some((reply.status, reply.fields[0].1.clone()))
        }
        _ => panic!("neither waits nor identifies"),
    };
    let mut answer = ResponseHead::default();
    let view = ResponseView { head: &mut answer, request: &request, origin, note, length: Length::Empty };
    policy.response(view);
    let value = |name| String::from_utf8_lossy(answer.fields.get(name).unwrap_or_default()).into_owned();
    (reply, format!("{} | {}", value(Name::RateLimitPolicy), value(Name::RateLimit)))
}

#[test]
fn what_is_beyond_is_refused_and_everyone_is_told_what_is_left() {
    let (policies, problems, _) = built(&word("2/min per ip"), &[]);
    assert_eq!((policies.len(), problems), (1, Vec::new()));
    let refused = Some((429, "2".to_owned()));
    for (ip, reply, told) in [
        ("10.0.0.1", None, "\"default\";r=1;t=1"),
        ("10.0.0.1", None, "\"default\";r=0;t=2"),
        ("10.0.0.2", None, "\"default\";r=1;t=1"),
        ("10.0.0.1", refused, "\"default\";r=0;t=3"),
    ] {
        let expected = (reply, format!("\"default\";q=2;w=60 | {told}"));
        assert_eq!(ask(&*policies[0], Who { ip, ..Who::default() }), expected);
    }
}

#[test]
fn requests_are_counted_by_whose_they_are() {
    let who = |ip, consumer, header| Who { ip, consumer, header };
    let cases: [(&str, Who<'_>, &[u8]); 9] = [
        ("1/s", who("10.0.0.1", "web", "x"), b""),
        ("1/s per route", who("10.0.0.1", "web", "x"), b""),
        ("1/s per consumer", who("10.0.0.1", "web", "x"), b"web"),
        ("1/s per ip", who("10.0.0.1", "web", "x"), &[10, 0, 0, 1]),
        ("1/s per ip", who("::ffff:10.0.0.1", "web", "x"), &[10, 0, 0, 1]),
        ("1/s per ip", who("2001:db8:1:2:3::9", "web", "x"), &[0x20, 1, 0x0d, 0xb8, 0, 1, 0, 2]),
        ("1/s per ip", who("", "web", "x"), b""),
        ("1/s per header:x-tenant", who("10.0.0.1", "web", "x"), b"x"),
        ("1/s per header:X-Tenant", who("10.0.0.1", "web", ""), b""),
    ];
    for (written, who, key) in cases {
        let (policies, problems, two) = built(&word(written), &["auth", "limit"]);
        assert_eq!(problems, [""; 0], "{written}");
        ask(&*policies[0], who);
        assert_eq!(two.0.lock().unwrap()[0].1, key, "{written}");
    }
}

#[test]
fn a_header_makes_one_key_however_it_is_sent() {
    for (header, key) in [
        ("a", Some(&b"a"[..])),
        ("x-TENANT=a", Some(b"a")),
        ("X_Tenant=a", Some(b"")),
        ("X-Taken=a", Some(b"")),
        ("a;b", None),
        ("a;a", None),
        ("a;X_Tenant=b", None),
        ("X.Tenant=a;X_Tenant=b", None),
    ] {
        for observe in ["false", "true"] {
            let written = [("rate", "1/s"), ("per", "header:x-tenant"), ("observe", observe)];
            let (policies, problems, two) = built(&map(&written), &[]);
            assert_eq!(problems, [""; 0]);
            let (reply, _) = ask(&*policies[0], Who { header, ..Who::default() });
            let asked = two.0.lock().unwrap().first().map(|(_, key)| key.clone());
            assert_eq!(asked.as_deref(), key, "{header}");
            assert_eq!(reply.is_some(), key.is_none(), "{header}");
        }
    }
}

#[test]
fn each_of_a_list_holds_by_itself() {
    let watched = [("rate", "5/h"), ("per", "ip"), ("observe", "true"), ("name", "slow"), ("burst", "9")];
    let (policies, problems, two) = built(&list(vec![word("2/s"), map(&watched), word("7/day")]), &[]);
    assert_eq!(problems, [""; 0]);
    let described: Vec<String> = policies.iter().map(|policy| policy.describe()).collect();
    assert_eq!(
        described,
        ["2/s, 2 at once, per route", "5/h, 9 at once, per ip", "7/day, 7 at once, per route"]
    );
    assert_eq!(policies.iter().map(|policy| policy.is_observing()).collect::<Vec<_>>(), [false, true, false]);
    let told: Vec<String> = policies.iter().map(|policy| ask(&**policy, Who::default()).1).collect();
    let expected = [
        "\"default\";q=2;w=1 | \"default\";r=1;t=1",
        " | ",
        "\"default-3\";q=7;w=86400 | \"default-3\";r=1;t=1",
    ];
    assert_eq!(told, expected, "nobody is told of what is only watched");
    let ids: Vec<u64> = two.0.lock().unwrap().iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, ["default".len() as u64, "slow".len() as u64, "default-3".len() as u64]);
}

#[test]
fn a_policy_that_was_not_asked_tells_nothing() {
    let (policies, ..) = built(&word("1/s"), &[]);
    let client =
        Client { address: None, listener: "http".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let (request, mut answer) = (RequestHead::default(), ResponseHead::default());
    let view = ResponseView { head: &mut answer, request: &request, origin, note: 0, length: Length::Empty };
    policies[0].response(view);
    assert_eq!(answer.fields.count(), 0);
}

#[test]
fn what_is_wrong_is_told() {
    let reasons = |written: Node| built(&written, &["limit"]).1;
    let unknown = "`limit` counts per consumer, but the route has no `auth`: nobody is known";
    let cases = [
        (word("100/min per consumer"), unknown),
        (map(&[("rate", "1/s"), ("per", "consumer")]), unknown),
        (map(&[("rate", "1/s per ip"), ("per", "ip")]), "the rate says already whose requests it counts"),
        (word("100/min per person"), "`100/min per person` counts per something that is not known"),
        (word("100/min per header:a b"), "`100/min per header:a b` is not the name of a header"),
        (word("100"), "`100` is not a rate"),
        (word("0/s"), "`0/s` lets nothing through"),
        (word("1M/month"), "`1M/month` has no fixed length, and a limit counts by the clock"),
        (word("1G/s"), "`1G/s` cannot be counted"),
        (map(&[("rate", "1/day"), ("burst", "8")]), "`1/day` cannot be counted"),
        (map(&[("rate", "1/s"), ("burst", "0")]), "`0` is out of range"),
        (map(&[("per", "ip")]), "the key `rate` is missing"),
        (list(vec![map(&[("rate", "1/s"), ("name", "a")]), map(&[("rate", "2/s"), ("name", "a")])]), {
            "two limits are called `a`"
        }),
    ];
    for (written, reason) in cases {
        assert_eq!(reasons(written), [reason]);
    }
}

#[test]
fn without_a_place_to_count_nothing_is_limited() {
    let policies = Alone::new("a", &[]).build(|building| build(&word("1/s"), building));
    for _ in 0..3 {
        assert_eq!(ask(&*policies[0], Who::default()), (None, " | ".to_owned()));
    }
}
