//! What an answer of the DNS means for a name: which addresses it has now, when to ask again, and what to tell the
//! operator. Pure: no clock, no I/O, the dice are given. Called by `tidegate`'s discovery, which asks.

use std::net::IpAddr;
use std::time::Duration;

/// A lifetime counts as at least so long: one of 0 asks for a question per connection, which is what a name server is
/// to be spared. A second is the shortest outage anyone plans for.
pub const TTL_MIN: Duration = Duration::from_secs(1);
/// A lifetime counts as at most so long: records of a day are common, and an address must not be gone for a day
/// before it is noticed.
pub const TTL_MAX: Duration = Duration::from_secs(300);
/// A name is asked for again after this share of its lifetime and up to `REFRESH_SPREAD` more, so that the answer is
/// there before the old one ends, and names that were asked for together are not asked for together for ever.
const REFRESH_SHARE: f64 = 0.75;
/// See `REFRESH_SHARE`.
const REFRESH_SPREAD: f64 = 0.2;
/// Longest pause between questions that fail, from `TTL_MIN` on by doubling: a name server that comes back is found
/// within so long, and one that is overloaded is asked by each gateway twice a minute.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Most addresses of one name that are used, the lowest ones. An answer over UDP holds fewer; an answer with more is
/// a mistake or an attack, and each address costs a cell and connections.
pub const ADDRESSES_MAX: usize = 256;

/// What asking for one kind of address came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Half {
    /// At least one address, and how long the answer lasts.
    Found(Vec<IpAddr>, Duration),
    /// The name server says that there is none.
    Nothing,
    /// No answer that says anything, and why.
    Failed(String),
}

/// An answer for both kinds of address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Records of type A.
    pub v4: Half,
    /// Records of type AAAA.
    pub v6: Half,
}

impl Answer {
    /// No answer at all.
    pub fn failed(reason: &str) -> Answer {
        Answer { v4: Half::Failed(reason.to_owned()), v6: Half::Failed(reason.to_owned()) }
    }
}

/// What is known of one name.
#[derive(Clone, Debug, Default)]
pub struct Name {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    failures: u32,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The addresses, if they are others now.
    pub addresses: Option<Vec<IpAddr>>,
    /// When to ask again.
    pub ask_after: Duration,
    /// What the operator is told.
    pub news: Option<News>,
}

/// What an operator is told of a name: once when it begins, once when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It cannot be resolved any more, or never could, and why.
    Failing(String),
    /// It can again.
    Well,
}

impl Name {
    /// All addresses, in their own order: the order of an answer changes from one to the next.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.v4.iter().chain(&self.v6).take(ADDRESSES_MAX).copied().collect()
    }

    /// Takes an answer. Addresses are replaced by others, never by none: an answer without any is more often a
    /// name server's mistake than a service without instances, and backends that are gone are found out by
    /// connecting to them.
    pub fn take(&mut self, answer: Answer, random: u64) -> Meaning {
        let share = (random >> 11) as f64 / (1u64 << 53) as f64;
        let answer = Answer { v4: usable(answer.v4), v6: usable(answer.v6) };
        let ttl = match (&answer.v4, &answer.v6) {
            (Half::Found(_, one), Half::Found(_, other)) => *one.min(other),
            (Half::Found(_, ttl), _) | (_, Half::Found(_, ttl)) => *ttl,
            (one, other) => return self.fail(reason(one, other), share),
        };
        let before = self.addresses();
        self.v4 = half(answer.v4, &self.v4);
        self.v6 = half(answer.v6, &self.v6);
        let addresses = self.addresses();
        let ask_after = ttl.clamp(TTL_MIN, TTL_MAX).mul_f64(REFRESH_SHARE + REFRESH_SPREAD * share);
        let was_failing = std::mem::take(&mut self.failures) > 0;
        Meaning {
            addresses: (addresses != before).then_some(addresses),
            ask_after,
            news: was_failing.then_some(News::Well),
        }
    }

    fn fail(&mut self, reason: String, share: f64) -> Meaning {
        // Six doublings pass `BACKOFF_MAX`.
        let pause = (TTL_MIN * (1 << self.failures.min(6))).min(BACKOFF_MAX);
        let is_first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        Meaning {
            addresses: None,
            ask_after: pause.mul_f64(1.0 - REFRESH_SPREAD * share),
            news: is_first.then_some(News::Failing(reason)),
        }
    }
}

/// Without addresses nobody can connect to. The unspecified one, with which some name servers block a name, would be
/// taken by the system for this machine.
fn usable(half: Half) -> Half {
    match half {
        Half::Found(mut addresses, ttl) => {
            addresses.retain(|ip| !ip.is_unspecified() && !ip.is_multicast());
            match addresses.is_empty() {
                true => Half::Nothing,
                false => Half::Found(addresses, ttl),
            }
        }
        other => other,
    }
}

/// One kind of address after an answer. One that failed beside another that did not keeps what it had.
fn half(answer: Half, before: &[IpAddr]) -> Vec<IpAddr> {
    match answer {
        Half::Found(mut addresses, _) => {
            addresses.sort_unstable();
            addresses.dedup();
            addresses
        }
        Half::Nothing => Vec::new(),
        Half::Failed(_) => before.to_vec(),
    }
}

/// Why there are no addresses.
fn reason(one: &Half, other: &Half) -> String {
    match (one, other) {
        (Half::Failed(reason), _) | (_, Half::Failed(reason)) => reason.clone(),
        _ => "it has no addresses".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn found(list: &[&str], ttl_s: u64) -> Half {
        Half::Found(ips(list), Duration::from_secs(ttl_s))
    }

    fn failed() -> Half {
        Half::Failed("it timed out".to_owned())
    }

    /// A name that has 10.0.0.1 and fd00::1.
    fn known() -> Name {
        let mut name = Name::default();
        name.take(Answer { v4: found(&["10.0.0.1"], 60), v6: found(&["fd00::1"], 60) }, 0);
        name
    }

    #[test]
    fn an_answer_changes_the_addresses_but_never_to_none() {
        let check = |v4: Half, v6: Half, changed: Option<&[&str]>, is_failing: bool| {
            let mut name = known();
            let meaning = name.take(Answer { v4: v4.clone(), v6: v6.clone() }, 0);
            assert_eq!(meaning.addresses, changed.map(ips), "{v4:?} {v6:?}");
            assert_eq!(matches!(meaning.news, Some(News::Failing(_))), is_failing, "{v4:?} {v6:?}");
            assert_eq!(name.addresses(), changed.map_or(ips(&["10.0.0.1", "fd00::1"]), ips), "{v4:?} {v6:?}");
        };
        check(found(&["10.0.0.1"], 60), found(&["fd00::1"], 60), None, false);
        check(found(&["10.0.0.2"], 60), found(&["fd00::1"], 60), Some(&["10.0.0.2", "fd00::1"]), false);
        check(found(&["10.0.0.1"], 60), Half::Nothing, Some(&["10.0.0.1"]), false);
        check(Half::Nothing, found(&["fd00::2"], 60), Some(&["fd00::2"]), false);
        check(found(&["10.0.0.1"], 60), failed(), None, false);
        check(failed(), found(&["fd00::2"], 60), Some(&["10.0.0.1", "fd00::2"]), false);
        check(Half::Nothing, Half::Nothing, None, true);
        check(failed(), Half::Nothing, None, true);
        check(Half::Nothing, failed(), None, true);
        check(failed(), failed(), None, true);
        check(found(&["0.0.0.0", "224.0.0.1"], 60), found(&["::"], 60), None, true);
        check(found(&["0.0.0.0", "10.0.0.3"], 60), failed(), Some(&["10.0.0.3", "fd00::1"]), false);
    }

    #[test]
    fn the_order_of_an_answer_and_what_it_repeats_mean_nothing() {
        let mut name = Name::default();
        let answer = |list: &[&str]| Answer { v4: found(list, 60), v6: Half::Nothing };
        name.take(answer(&["10.0.0.2", "10.0.0.10", "10.0.0.2"]), 0);
        assert_eq!(name.addresses(), ips(&["10.0.0.2", "10.0.0.10"]));
        assert_eq!(name.take(answer(&["10.0.0.10", "10.0.0.2"]), 0).addresses, None);
    }

    #[test]
    fn the_next_question_comes_before_the_answer_ends_and_within_bounds() {
        let check = |ttls_s: (u64, u64), random: u64, expected_ms: u128| {
            let answer = Answer { v4: found(&["10.0.0.1"], ttls_s.0), v6: found(&["fd00::1"], ttls_s.1) };
            let after = Name::default().take(answer, random).ask_after;
            assert_eq!((after.as_secs_f64() * 1e3).round() as u128, expected_ms, "{ttls_s:?} {random}");
        };
        check((60, 60), 0, 45_000);
        check((60, 60), u64::MAX / 2, 51_000);
        check((60, 60), u64::MAX, 57_000);
        check((60, 10), 0, 7_500);
        check((0, 0), 0, 750);
        check((86_400, 3600), 0, 225_000);
        check((86_400, 86_400), u64::MAX, 285_000);
    }

    #[test]
    fn failures_are_told_once_and_asked_after_more_and_more_slowly() {
        let mut name = known();
        let failing = Some(News::Failing("it timed out".to_owned()));
        let pauses = [1, 2, 4, 8, 16, 30, 30, 30];
        for (index, pause) in pauses.into_iter().enumerate() {
            let meaning = name.take(Answer::failed("it timed out"), 0);
            assert_eq!(meaning.ask_after, Duration::from_secs(pause));
            assert_eq!(meaning.news, failing.clone().filter(|_| index == 0), "{index}");
        }
        let spread = name.take(Answer::failed("x"), u64::MAX).ask_after;
        assert_eq!(spread.as_secs_f64().round(), 24.0);
        let well = name.take(Answer { v4: found(&["10.0.0.1"], 60), v6: found(&["fd00::1"], 60) }, 0);
        assert_eq!((well.news, well.addresses), (Some(News::Well), None));
        let again = name.take(Answer::failed("it timed out"), 0);
        assert_eq!((again.ask_after, again.news), (Duration::from_secs(1), failing));
    }

    #[test]
    fn a_name_that_never_had_an_address_is_told_of_at_once() {
        let mut name = Name::default();
        let meaning = name.take(Answer { v4: Half::Nothing, v6: Half::Nothing }, 0);
        assert_eq!(meaning.news, Some(News::Failing("it has no addresses".to_owned())));
        assert_eq!(name.addresses(), ips(&[]));
        let meaning = name.take(Answer { v4: found(&["10.0.0.1"], 5), v6: failed() }, 0);
        assert_eq!((meaning.news, meaning.addresses), (Some(News::Well), Some(ips(&["10.0.0.1"]))));
    }

    #[test]
    fn a_name_has_a_bounded_number_of_addresses() {
        let many = (0..1000u32).map(|number| IpAddr::from((0x0a00_0000 + number).to_be_bytes())).collect();
        let mut name = Name::default();
        let answer = Answer { v4: Half::Found(many, TTL_MAX), v6: Half::Nothing };
        assert_eq!(name.take(answer, 0).addresses.map(|list| list.len()), Some(ADDRESSES_MAX));
    }
}
