//! What a route makes of what its entries say. The entries here say what a test wants; real ones are tested beside
//! their code and through the gateway.

use super::*;
use tidegate_core::auth::NO_KEYS;
use tidegate_core::exchange::Client;
use tidegate_core::identity::{Consumer, Identity};
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::Reply;
use tidegate_core::settings::Word;
use tidegate_core::template::Origin;

/// Says one thing, at once or after a wait.
#[derive(Clone, Copy)]
struct Says {
    word: &'static str,
    scheme: &'static str,
    waits: bool,
    is_kept: bool,
}

impl Says {
    fn said<'f>(&self) -> Finding<'f> {
        let reason = Reason::new(self.scheme);
        match self.word {
            "known" | "kept" => Finding::Known(Arc::new(Identity {
                consumer: Consumer::new(self.scheme).unwrap(),
                scopes: Box::default(),
                by: "a".into(),
            })),
            "refused" => Finding::Refused(reason),
            "forbidden" => Finding::Forbidden(reason),
            "unable" => Finding::Unable(reason),
            "keyless" => Finding::Unable(Reason::new(NO_KEYS)),
            _ => Finding::Absent,
        }
    }
}

impl Authenticator for Says {
    fn find<'a>(&'a self, _: &'a RequestHead, _: &'a Client) -> Finding<'a> {
        match self.waits {
            true => Finding::Wait(Box::pin(async { self.said() })),
            false => self.said(),
        }
    }

    fn challenge(&self, refused: Option<&Reason>, out: &mut String) {
        out.push_str(self.scheme);
        out.push_str(if refused.is_some() { " bad" } else { "" });
    }

    fn field(&self) -> &str {
        self.scheme
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }

    fn strip(&self, request: &mut RequestHead) {
        request.fields.remove_named(self.scheme.as_bytes());
    }

    fn describe(&self) -> String {
        self.scheme.into()
    }
}

/// What a policy says in the end. Nothing here waits for anything but itself.
fn last(mut verdict: Verdict<'_>) -> Result<Arc<Identity>, Box<Reply>> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match verdict {
            Verdict::Identified(identity) => return Ok(identity),
            Verdict::Reply(reply) => return Err(reply),
            Verdict::Continue => panic!("somebody or nobody"),
            Verdict::Wait(mut future) => match future.as_mut().poll(&mut context) {
                std::task::Poll::Ready(said) => verdict = said,
                std::task::Poll::Pending => panic!("waits for nothing"),
            },
        }
    }
}

fn told_of(reply: &Reply) -> &'static str {
    reply.reason.as_ref().unwrap().code
}

/// The consumer and the fields left of `b` and `c`; or status, reason and challenges.
fn check(entries: &[(&'static str, &'static str)], expected: &str) {
    // At once, all after a wait, and each in turn.
    for waiting in 0..1 << entries.len() {
        let names = entries.iter().map(|(scheme, _)| Label::parse(scheme).unwrap()).collect();
        let entries = entries.iter().enumerate().map(|(index, (scheme, word))| {
            let (waits, is_kept) = (waiting >> index & 1 == 1, *word == "kept");
            Arc::new(Says { word, scheme, waits, is_kept }) as Arc<dyn Authenticator>
        });
        let auth = Auth { entries: entries.collect(), names };
        let client =
            Client { address: None, listener: "http".into(), is_secure: false, trusted: None, door: None };
        let origin = Origin { client: &client, request_id: b"7f", identity: None };
        let mut head = RequestHead::default();
        head.fields.push("b", b"1");
        head.fields.push("z", b"1");
        let told = match last(auth.request(RequestView { head: &mut head, origin, note: &mut 0 })) {
            Ok(identity) => {
                let left: Vec<_> =
                    head.fields.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
                format!("{} {}", identity.consumer.as_str(), left.join(" "))
            }
            Err(reply) => {
                assert_eq!(head.fields.count(), 2, "nothing is taken from a request that is refused");
                let fields: Vec<_> = reply.fields.iter().map(|(_, value)| value.as_str()).collect();
                let is_right = match reply.status {
                    401 => reply.outcome == Outcome::Unauthenticated,
                    403 => reply.outcome == Outcome::Forbidden,
                    _ if told_of(&reply) == NO_KEYS => {
                        assert_eq!(reply.reason.as_ref().unwrap().detail, "b", "the entry's name");
                        reply.outcome == Outcome::NoKeys
                    }
                    _ => reply.outcome == Outcome::Shed,
                };
                assert!(is_right, "{reply:?}");
                format!("{} {}: {}", reply.status, reply.reason.unwrap().code, fields.join(", "))
            }
        };
        assert_eq!(told, expected, "{waiting:b}");
    }
}

#[test]
fn the_first_that_knows_wins_whatever_the_others_say() {
    check(&[("b", "known")], "b z");
    check(&[("a", "absent"), ("b", "known")], "b z");
    check(&[("a", "refused"), ("b", "known"), ("c", "known")], "b z");
    check(&[("a", "unable"), ("b", "known")], "b z");
    check(&[("a", "forbidden"), ("c", "known")], "c b z");
}

#[test]
fn only_a_credential_that_was_found_good_is_kept() {
    check(&[("b", "kept")], "b b z");
    check(&[("b", "refused"), ("b", "kept")], "b b z");
    check(&[("b", "kept"), ("b", "known")], "b b z");
    check(&[("z", "kept"), ("b", "kept")], "z z");
    check(&[("b", "known"), ("z", "kept")], "b ");
}

#[test]
fn beside_a_credential_that_is_kept_nothing_stays_that_looks_like_it() {
    let says = Says { word: "kept", scheme: "x-key", waits: false, is_kept: true };
    let entries = [Arc::new(says) as Arc<dyn Authenticator>].into();
    let auth = Auth { entries, names: [Label::parse("a").unwrap()].into() };
    let client =
        Client { address: None, listener: "http".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let mut head = RequestHead::default();
    for name in ["X_Key", "X-Key", "x.key", "x-keys"] {
        head.fields.push(name, b"1");
    }
    head.fields.push("trailer", b"x-key, x-sum");
    assert!(last(auth.request(RequestView { head: &mut head, origin, note: &mut 0 })).is_ok());
    let left: Vec<_> = head.fields.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
    assert_eq!(left, ["X-Key", "x-keys"], "and no trailer of its name is announced");
}

#[test]
fn where_nobody_knows_the_most_telling_answer_is_given() {
    check(&[("a", "absent")], "401 absent: a");
    check(&[("a", "absent"), ("b", "absent"), ("a", "absent")], "401 absent: a, b");
    check(&[("a", "absent"), ("b", "refused"), ("c", "refused")], "401 b: b bad, a, c");
    check(&[("a", "refused"), ("b", "unable")], "503 b: 5");
    check(&[("a", "refused"), ("b", "keyless")], "503 no_keys: 5");
    check(&[("a", "refused"), ("b", "unable"), ("c", "forbidden")], "403 c: c");
}
