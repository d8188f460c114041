//! The little shop the demo puts behind the gateway: which services there are, how many instances of each, what
//! share of the traffic they get, and what they answer. No I/O; used by both ends, instances and load.

use serde_json::{Value, json};
use std::time::Duration;

/// A service of the shop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trade {
    /// Its name, also the first segment of its paths.
    pub(super) name: &'static str,
    /// How many instances are started.
    pub(super) instances: usize,
    /// Of ten requests, how many are for it.
    pub(super) share: u64,
    /// The quickest answer.
    quickest_ms: u64,
    /// How much longer an answer may take.
    spread_ms: u64,
}

/// Payments are slower, as they ask somebody else in real life.
pub(super) const TRADES: [Trade; 3] = [
    Trade { name: "catalog", instances: 3, share: 5, quickest_ms: 1, spread_ms: 4 },
    Trade { name: "orders", instances: 2, share: 3, quickest_ms: 3, spread_ms: 8 },
    Trade { name: "payments", instances: 2, share: 2, quickest_ms: 15, spread_ms: 30 },
];

/// The service that loses an instance; the only one with more than two.
pub(super) const VICTIM: &Trade = &TRADES[0];

/// What is there of everything: `/catalog/1` to `/catalog/99`.
const RECORDS: u64 = 99;

const ARTICLES: [(&str, u64); 6] = [
    ("storm lantern", 3900),
    ("brass compass", 5400),
    ("tide table", 1250),
    ("signal flag", 1800),
    ("oilskin coat", 12900),
    ("log book", 2200),
];

impl Trade {
    /// The service of that name.
    pub(super) fn named(name: &str) -> Option<&'static Trade> {
        TRADES.iter().find(|trade| trade.name == name)
    }

    /// How long the answer to the so-many-th request takes: spread evenly, the same in every run.
    pub(super) fn answer_time(&self, number: u64) -> Duration {
        // 7 is prime to every spread above, so that all of it is used.
        Duration::from_millis(self.quickest_ms + number.wrapping_mul(7) % self.spread_ms)
    }

    /// What there is under a number; nothing beyond those that exist.
    pub(super) fn record(&self, id: u64) -> Option<Value> {
        let (article, cents) = ARTICLES[(id % ARTICLES.len() as u64) as usize];
        let amount = id % 3 + 1;
        let record = match self.name {
            "catalog" => json!({ "id": id, "name": article, "price_cents": cents }),
            "orders" => json!({ "id": id, "article": article, "amount": amount, "state": "packed" }),
            _ => json!({ "id": id, "order": id, "cents": cents * amount, "state": "settled" }),
        };
        (1..=RECORDS).contains(&id).then_some(record)
    }
}

/// Service and path of the so-many-th request of the load: all services mixed, by their shares.
pub(super) fn request(number: u64) -> (&'static Trade, String) {
    // 3 is prime to 10, so ten requests in a row have ten different places.
    let mut place = number.wrapping_mul(3) % TRADES.iter().map(|trade| trade.share).sum::<u64>();
    let mut of_place = TRADES.iter();
    let trade = loop {
        match of_place.next() {
            Some(trade) if place < trade.share => break trade,
            Some(trade) => place -= trade.share,
            None => break VICTIM,
        }
    };
    (trade, format!("/{}/{}", trade.name, number % RECORDS + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_spread_by_share_over_records_that_exist() {
        let mut counts = std::collections::BTreeMap::new();
        for number in 0..1000 {
            let (trade, path) = request(number);
            let id = path.strip_prefix(&format!("/{}/", trade.name)).unwrap().parse().unwrap();
            assert!(trade.record(id).is_some(), "{path}");
            *counts.entry(trade.name).or_insert(0) += 1;
        }
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [("catalog", 500), ("orders", 300), ("payments", 200)]
        );
        assert!(VICTIM.record(0).is_none() && VICTIM.record(100).is_none());
    }

    #[test]
    fn answer_times_use_the_whole_spread_and_payments_are_slowest() {
        let spread = |trade: &Trade| {
            let times: std::collections::BTreeSet<_> =
                (0..1000).map(|n| trade.answer_time(n).as_millis()).collect();
            (*times.first().unwrap(), *times.last().unwrap())
        };
        assert_eq!(TRADES.each_ref().map(spread), [(1, 4), (3, 10), (15, 44)]);
    }
}
