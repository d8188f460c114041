//! Quotas as operators write them, asked with a few requests.

use super::*;
use std::sync::Mutex;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::node::{Entry, Scalar, Value};
use tidegate_core::problem::{Place, Source};
use tidegate_core::quotas::{QuotaCounts, Quotas};
use tidegate_core::template::Origin;

/// What was asked: the quota, the key, how many there may be.
type Asked = Arc<Mutex<Vec<(String, Vec<u8>, u64)>>>;

/// Lets two pass, the second after a wait.
#[derive(Debug, Default)]
struct Two(Asked);

#[derive(Debug)]
struct OneOfTwo(String, Asked);

impl Quotas for Two {
    fn quota(&self, route: &str, name: &str, period: Period) -> Arc<dyn Quota> {
        Arc::new(OneOfTwo(format!("{route} {name} {period:?}"), self.0.clone()))
    }

    fn counts(&self) -> QuotaCounts {
        QuotaCounts::default()
    }
}

impl Quota for OneOfTwo {
    fn take(&self, ask: Ask<'_>) -> Debit<'_> {
        assert!(ask.now_s < ask.until_s && ask.until_s <= ask.now_s + 31 * 86_400);
        let mut asked = self.1.lock().unwrap();
        asked.push((self.0.clone(), ask.key.to_vec(), ask.count));
        match asked.len() {
            1 => Debit::Granted { left: 1 },
            2 => Debit::Wait(Box::pin(async { Debit::Granted { left: 0 } })),
            _ => Debit::Spent,
        }
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

fn built(written: &Node, keys: &[&'static str]) -> (Vec<Box<dyn Policy>>, Vec<String>, Asked) {
    let (mut alone, two) = (Alone::new("a", keys), Two::default());
    let asked = two.0.clone();
    alone.shelf.quotas = Some(Arc::new(two));
    let policies = alone.build(|building| build(written, building));
    (policies, alone.problems.iter().map(|problem| problem.reason.clone()).collect(), asked)
}

/// What a policy answers in the end, if it does.
fn reply(mut verdict: Verdict<'_>) -> Option<Box<Reply>> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match verdict {
            Verdict::Continue => return None,
            Verdict::Reply(reply) => return Some(reply),
            Verdict::Identified(_) => panic!("nobody was looked for"),
            // The test's quota is ready at once.
            Verdict::Wait(mut wait) => match wait.as_mut().poll(&mut context) {
                std::task::Poll::Ready(next) => verdict = next,
                std::task::Poll::Pending => panic!("still waiting"),
            },
        }
    }
}

fn client() -> Client {
    let address = "10.0.0.9:5".parse().ok();
    Client { address, listener: "http".into(), is_secure: false, trusted: None, door: None }
}

/// Asks one policy: the reply's status, if there is one, and what the answer tells.
fn ask(policy: &dyn Policy) -> (Option<u16>, String) {
    let client = client();
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let (mut request, mut note) = (RequestHead::default(), 0);
    let reply = reply(policy.request(RequestView { head: &mut request, origin, note: &mut note }));
    if let Some(reply) = &reply {
        assert_eq!((reply.outcome, &reply.reason), (Outcome::Quota, &Some(Reason::new("quota"))));
        assert_eq!(reply.fields[0].0, "retry-after");
        assert!(reply.fields[0].1.parse::<u64>().is_ok_and(|wait| wait >= 1));
    }
    let status = reply.map(|reply| reply.status);
    let mut answer = ResponseHead::default();
    let request = RequestHead::default();
    policy.response(ResponseView {
        head: &mut answer,
        request: &request,
        origin,
        note,
        length: Length::Empty,
    });
    let value = |name| String::from_utf8_lossy(answer.fields.get(name).unwrap_or_default()).into_owned();
    let left = value(Name::RateLimit);
    (status, format!("{} | {}", value(Name::RateLimitPolicy), left.split(";t=").next().unwrap_or_default()))
}

#[test]
fn what_is_beyond_is_refused_until_the_period_is_over() {
    let (policies, problems, asked) = built(&word("2k/month per ip"), &[]);
    assert_eq!((policies.len(), problems), (1, Vec::new()));
    for (status, left) in [(None, 1), (None, 0), (Some(429), 0)] {
        let told = format!("\"quota\";q=2000;w=2678400 | \"quota\";r={left}");
        assert_eq!(ask(&*policies[0]), (status, told));
    }
    assert_eq!(asked.lock().unwrap()[0], ("a quota Month".to_owned(), vec![10, 0, 0, 9], 2000));
    assert_eq!(policies[0].describe(), "2k/month, per ip");
}

#[test]
fn a_header_is_counted_and_not_kept() {
    let (policies, problems, asked) = built(&word("5/day per header:x-key"), &[]);
    assert_eq!(problems, [""; 0]);
    ask(&*policies[0]);
    let (client, mut request) = (client(), RequestHead::default());
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    request.fields.push("X-Key", b"secret");
    reply(policies[0].request(RequestView { head: &mut request, origin, note: &mut 0 }));
    let keys: Vec<Vec<u8>> = asked.lock().unwrap().iter().map(|(_, key, _)| key.clone()).collect();
    // SHA-256 of nothing and of `secret`.
    assert_eq!((keys[0].len(), keys[1].len()), (32, 32));
    assert_eq!(
        (&keys[0][..4], &keys[1][..4]),
        (&[0xe3, 0xb0, 0xc4, 0x42][..], &[0x2b, 0xb8, 0x0d, 0x53][..])
    );
}

#[test]
fn each_of_a_list_is_a_quota_of_its_own() {
    let watched = [("amount", "5/h"), ("observe", "true"), ("name", "tried")];
    let (policies, problems, asked) = built(&node(Value::List(vec![word("9/day"), map(&watched)])), &[]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(policies.iter().map(|policy| policy.is_observing()).collect::<Vec<_>>(), [false, true]);
    let told: Vec<_> = policies.iter().map(|policy| ask(&**policy).1).collect();
    assert_eq!(told, ["\"quota\";q=9;w=86400 | \"quota\";r=1", " | "]);
    let names: Vec<_> = asked.lock().unwrap().iter().map(|(name, ..)| name.clone()).collect();
    assert_eq!(names, ["a quota Day", "a tried Hour"]);
}

#[test]
fn what_is_wrong_is_told() {
    let cases = [
        (word("1M/month per consumer"), {
            "`quota` counts per consumer, but the route has no `auth`: nobody is known"
        }),
        (word("100/min"), "`100/min` is too short for a quota, which is kept on disk"),
        (word("1M/year"), "`1M/year` is not a rate"),
        (
            map(&[("amount", "1/day per ip"), ("per", "ip")]),
            "the amount says already whose requests it counts",
        ),
        (map(&[("per", "ip")]), "the key `amount` is missing"),
        (
            node(Value::List(vec![
                map(&[("amount", "1/day"), ("name", "a")]),
                map(&[("amount", "2/day"), ("name", "a")]),
            ])),
            "two quotas are called `a`",
        ),
    ];
    for (written, reason) in cases {
        assert_eq!(built(&written, &["quota"]).1, [reason]);
    }
    assert_eq!(built(&word("1M/month per consumer"), &["auth", "quota"]).1, [""; 0]);
}
