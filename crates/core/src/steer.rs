//! What a split is steered by: a value of the request that names a service, or else keeps to one by its hash. Pure:
//! the same value is on the same side in every worker, on every node, after every start.

use crate::cookie;
use crate::head::RequestHead;
use crate::header::check_name;
use crate::settings::{Fault, Word};

/// Where the value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steer {
    /// In a header field, in lower case.
    Header(Box<str>),
    /// In a cookie.
    Cookie(Box<str>),
}

impl Steer {
    /// The value, if the request has one that says something; of several the first.
    pub fn value<'a>(&'a self, request: &'a RequestHead) -> Option<&'a [u8]> {
        let value = match self {
            Steer::Header(name) => request.fields.find(name.as_bytes()),
            Steer::Cookie(name) => cookie::values(&request.fields, name.as_bytes()).next(),
        };
        value.filter(|value| !value.is_empty())
    }
}

impl Word for Steer {
    const WHAT: &str = "a header or a cookie, as in `header:x-variant` or `cookie:variant`";
    const PATTERN: &str = "^(header|cookie):.+$";

    fn parse(text: &str) -> Result<Steer, Fault> {
        match text.split_once(':') {
            Some(("header", name)) => {
                check_name(name)?;
                Ok(Steer::Header(name.to_ascii_lowercase().into()))
            }
            Some(("cookie", name)) => {
                cookie::check_name(name)?;
                Ok(Steer::Cookie(name.into()))
            }
            _ => {
                Err(Fault::new("is nothing to steer by").hint("write `header:x-variant` or `cookie:variant`"))
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Steer::Header(name) => format!("header:{name}"),
            Steer::Cookie(name) => format!("cookie:{name}"),
        }
    }

    fn stand_in() -> Steer {
        Steer::Cookie("none".into())
    }
}

/// How far a part is from being chosen for this value: the least wins. Weighted rendezvous hashing (Schindelhauer and
/// Schomaker 2005): of all values a part gets its share, and when a weight changes only those move that have to.
pub(crate) fn distance(value: &[u8], part: &[u8], weight: u32) -> f64 {
    // FNV-1a with the part behind the value, mixed at its end as splitmix64 does: neighbours of a value must not
    // be neighbours.
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = value.iter().chain(b"\0").chain(part).fold(0xcbf2_9ce4_8422_2325, fnv);
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let mixed = mixed ^ (mixed >> 31);
    // In (0, 1): 52 bits and a half, so that the logarithm is finite.
    let uniform = ((mixed >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    -uniform.ln() / f64::from(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_found_where_it_is_said_to_be() {
        let mut request = RequestHead::default();
        for (name, value) in [("X-Variant", "b"), ("X-Empty", ""), ("Cookie", "variant=c; empty=; variant=d")]
        {
            request.fields.push(name, value.as_bytes());
        }
        for (steer, expected) in [
            ("header:x-variant", Some("b")),
            ("header:X-VARIANT", Some("b")),
            ("header:x-empty", None),
            ("header:x-none", None),
            ("cookie:variant", Some("c")),
            ("cookie:empty", None),
            ("cookie:Variant", None),
        ] {
            let steer = Steer::parse(steer).unwrap();
            assert_eq!(steer.value(&request), expected.map(str::as_bytes), "{steer:?}");
        }
        for text in ["x-variant", "query:a", "header:", "cookie:a b", "Header:a", ""] {
            assert!(Steer::parse(text).is_err(), "{text}");
        }
    }

    fn chosen(value: &str, parts: &[(&'static str, u32)]) -> &'static str {
        let distance = |part: &(&'static str, u32)| distance(value.as_bytes(), part.0.as_bytes(), part.1);
        let nearer = |a: &&(&'static str, u32), b: &&(&'static str, u32)| distance(a).total_cmp(&distance(b));
        parts.iter().min_by(nearer).unwrap().0
    }

    #[test]
    fn parts_get_their_shares_and_a_change_moves_only_what_it_must() {
        const VALUES: usize = 20_000;
        let count = |before: &[(&'static str, u32)], after: &[(&'static str, u32)], from: &str, to: &str| {
            let moved = |value: &String| chosen(value, before) == from && chosen(value, after) == to;
            (0..VALUES).map(|number| format!("user-{number}")).filter(moved).count() as f64 / VALUES as f64
        };
        let near =
            |share: f64, expected: f64| assert!((share - expected).abs() < 0.006, "{share} for {expected}");
        let (few, more) = (&[("a", 95), ("b", 5)], &[("a", 90), ("b", 10)]);
        near(count(few, few, "b", "b"), 0.05);
        near(count(few, more, "a", "b"), 0.05);
        assert_eq!(count(few, more, "b", "a"), 0.0, "nobody goes back");
        let three = &[("a", 95), ("b", 5), ("c", 100)];
        near(count(few, three, "a", "c"), 0.475);
        assert_eq!(count(few, three, "a", "b") + count(few, three, "b", "a"), 0.0);
    }
}
