//! What clients are told of limits and quotas: the fields `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers-11), one list over all limits of a route; and what is remembered of a request
//! until its answer for them, in one word.

use std::time::Duration;
use tidegate_core::head::Fields;
use tidegate_core::name::Name;

/// What is left of a limit. Invariant: fits a policy's note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Requests.
    pub(crate) requests: u64,
    /// Whole seconds until all are given back.
    pub(crate) reset_s: u64,
}

const ASKED: u64 = 1 << 63;
const RESET_MAX: u64 = (1 << 31) - 1;

impl Left {
    /// So many, and so long, rounded up. More than a note can hold is what it can hold.
    pub(crate) fn new(requests: u64, reset: Duration) -> Left {
        Left { requests: requests.min(u64::from(u32::MAX)), reset_s: seconds(reset).min(RESET_MAX) }
    }

    /// As a policy's note.
    pub(crate) fn note(self) -> u64 {
        ASKED | self.reset_s << 32 | self.requests
    }

    /// From a policy's note; `None` if the request did not get as far as this policy.
    pub(crate) fn of_note(note: u64) -> Option<Left> {
        let left = Left { requests: note & u64::from(u32::MAX), reset_s: note >> 32 & RESET_MAX };
        (note & ASKED != 0).then_some(left)
    }
}

/// Whole seconds, rounded up.
pub(crate) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// A limit as clients are told of it.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// `"name";q=100;w=60`.
    policy: Box<[u8]>,
    /// `"name";r=`.
    begin: Box<[u8]>,
}

/// Longest element of a `RateLimit` list: a name, its quotes, and two numbers of ten digits.
const ELEMENT_BYTES_MAX: usize = 96;

impl Allowance {
    /// A limit of that name, of so many requests in a window of so many seconds. The name is a label.
    pub(crate) fn new(name: &str, quota: u64, window_s: u64) -> Allowance {
        Allowance {
            policy: format!("\"{name}\";q={quota};w={window_s}").into_bytes().into(),
            begin: format!("\"{name}\";r=").into_bytes().into(),
        }
    }

    /// Adds it to the lists of an answer.
    pub(crate) fn tell(&self, left: Left, fields: &mut Fields) {
        fields.append(Name::RateLimitPolicy, &self.policy);
        let mut element = Element { bytes: [0; ELEMENT_BYTES_MAX], length: 0 };
        element.text(&self.begin);
        element.number(left.requests);
        element.text(b";t=");
        element.number(left.reset_s);
        fields.append(Name::RateLimit, &element.bytes[..element.length]);
    }
}

/// A text of bounded length in the making.
struct Element {
    bytes: [u8; ELEMENT_BYTES_MAX],
    length: usize,
}

impl Element {
    fn text(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        debug_assert!(end <= ELEMENT_BYTES_MAX, "names are labels");
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(text);
            self.length = end;
        }
    }

    fn number(&mut self, mut number: u64) {
        // 2^64 has twenty digits.
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text(&digits[at..]);
    }
}

/// The name of the `index`th limit of a list that has none of its own.
pub(crate) fn name(first: &str, index: usize) -> String {
    match index {
        0 => first.to_owned(),
        index => format!("{first}-{}", index + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_survives_as_a_note() {
        for (requests, reset_ms, expected) in [
            (0, 0, (0, 0)),
            (7, 1, (7, 1)),
            (1_000_000, 60_000, (1_000_000, 60)),
            (u64::MAX, 1001, (u64::from(u32::MAX), 2)),
        ] {
            let left = Left::new(requests, Duration::from_millis(reset_ms));
            assert_eq!((left.requests, left.reset_s), expected);
            assert_eq!(Left::of_note(left.note()), Some(left));
        }
        assert_eq!(Left::of_note(0), None, "a policy that was not asked");
    }

    #[test]
    fn limits_make_one_list() {
        let mut fields = Fields::default();
        let longest = "a".repeat(63);
        for (name, quota, requests) in [("default", 100, 50), (&longest, 1_000_000, u64::MAX)] {
            Allowance::new(name, quota, 60).tell(Left::new(requests, Duration::from_secs(30)), &mut fields);
        }
        let value = |name| {
            let all: Vec<&[u8]> = fields.all(name).collect();
            assert_eq!(all.len(), 1);
            String::from_utf8_lossy(all[0]).into_owned()
        };
        let policy = format!("\"default\";q=100;w=60, \"{longest}\";q=1000000;w=60");
        assert_eq!(value(Name::RateLimitPolicy), policy);
        let limit = format!("\"default\";r=50;t=30, \"{longest}\";r=4294967295;t=30");
        assert_eq!(value(Name::RateLimit), limit);
    }
}
