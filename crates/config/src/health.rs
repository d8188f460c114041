//! `health` of a service: what its backends are asked again and again, and how often good or bad it must be.

use crate::config::HostName;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Shape, Word};
use tidegate_core::units::Count;

/// More often than this is load, not care.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// The longest path: a check's request line stays far below what any server takes.
const PATH_BYTES_MAX: usize = 1024;

settings! {
    /// How instances are checked without waiting for a request to fail.
    pub struct Health {
        /// What is asked: a path such as `/healthz`, or `tcp` for nothing but a connection.
        pub path: Placed<Asked>,
        /// From the beginning of one check of an instance to that of its next.
        pub every: Placed<Duration> = Placed::default(Duration::from_secs(2)),
        /// How long a check may take.
        pub timeout: Duration = Duration::from_secs(1),
        /// Good checks in a row that bring an instance back.
        pub healthy: Count<1, 1000> = Count::new(2),
        /// Failed checks in a row that take it out. A refused connection does so at once.
        pub unhealthy: Count<1, 1000> = Count::new(3),
        /// The status codes that are good: one, or a range such as `200-299`. It is `200-399` unless set.
        pub status: Option<Placed<Statuses>>,
        /// The Host that is sent: the instance's own name, or its address, unless set.
        pub host: Option<Placed<HostName>>,
    }
    short path;
}

impl Health {
    /// The status codes that are good.
    pub fn statuses(&self) -> RangeInclusive<u16> {
        self.status.as_ref().map_or(200..=399, |statuses| statuses.value.0.clone())
    }
}

/// What only all of its keys together show.
pub(crate) fn check(health: &Health, problems: &mut Problems) {
    if let Some(place) = health.every.place().filter(|_| health.every.value < EVERY_MIN) {
        let reason = format!("{} is too often for checks", health.every.quote());
        problems.push(Problem::at(place, reason).hint("the least is `100ms`"));
    }
    if health.path.value != Asked::Connection {
        return;
    }
    let places = [
        ("status", health.status.as_ref().and_then(|status| status.place())),
        ("host", health.host.as_ref().and_then(|host| host.place())),
    ];
    for (key, place) in places.into_iter().filter_map(|(key, place)| Some((key, place?))) {
        let problem = Problem::at(place, format!("with `tcp` nothing is asked, so `{key}` means nothing"));
        problems.push(problem.hint("remove it, or give a path such as `/healthz`"));
    }
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: that a connection is taken.
    Connection,
    /// A GET of this path.
    Path(String),
}

impl Word for Asked {
    const WHAT: &str = "a path such as `/healthz`, or `tcp`";
    const PATTERN: &str = "^(tcp|/.*)$";

    fn parse(text: &str) -> Result<Asked, Fault> {
        const HINT: &str = "write a path such as `/healthz`, or `tcp` for a connection alone";
        match text {
            "tcp" => Ok(Asked::Connection),
            _ if !text.starts_with('/') => Err(Fault::new("is not a path").hint(HINT)),
            _ if text.len() > PATH_BYTES_MAX => {
                Err(Fault::new("is too long for a path").hint("the most is 1024 bytes"))
            }
            // It stands in a request line as it is.
            _ if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') => Err(Fault::new("is not a path")
                .hint("write other characters than visible ASCII, and `#`, as `%XX`")),
            _ => Ok(Asked::Path(text.to_owned())),
        }
    }

    fn show(&self) -> String {
        match self {
            Asked::Connection => String::from("tcp"),
            Asked::Path(path) => path.clone(),
        }
    }

    fn stand_in() -> Asked {
        Asked::Connection
    }
}

/// Status codes of an answer, from one to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(RangeInclusive<u16>);

impl Word for Statuses {
    const WHAT: &str = "a status code such as `200`, or a range such as `200-299`";
    const PATTERN: &str = "^[2-5][0-9]{2}(-[2-5][0-9]{2})?$";

    fn parse(text: &str) -> Result<Statuses, Fault> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |text: &str| {
            let is_code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u16>().ok().filter(|code| is_code && (200..600).contains(code))
        };
        match (code(first), code(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Statuses(first..=last)),
            (Some(_), Some(_)) => Err(Fault::new("ends before it begins")),
            _ => Err(Fault::new("is not a status code of an answer")
                .hint("write one from 200 to 599, or a range such as `200-299`")),
        }
    }

    fn show(&self) -> String {
        match (self.0.start(), self.0.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        }
    }

    fn stand_in() -> Statuses {
        Statuses(200..=399)
    }

    fn shape() -> Shape {
        let word = Shape::Word { what: Self::WHAT, pattern: Self::PATTERN };
        let number = Shape::Integer { min: 200, max: 599 };
        Shape::Called(Self::WHAT, Box::new(Shape::Either(vec![word, number])))
    }
}
