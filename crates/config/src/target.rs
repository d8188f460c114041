//! Where a route leads: a service, several by weight, an answer written in the file, or elsewhere.

use tidegate_core::header::{HeaderName, HeaderValue};
use tidegate_core::location::Location;
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Setting, Shape, Table, Word, expected};
use tidegate_core::template::Template;
use tidegate_core::units::{Count, Label};

/// Where a route leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// To one service.
    Service(Placed<Label>),
    /// To one of several, by weight; the weights sum to more than 0.
    Split(Split),
    /// Nowhere: this is the answer.
    Respond(Respond),
    /// Elsewhere: the client is told where.
    Redirect(Redirect),
}

settings! {
    /// An answer that needs no backend.
    pub struct Respond {
        /// The status code.
        pub status: Count<200, 599> = Count::new(200),
        /// Header fields of the answer. `{host}`, `{path}`, `{client_ip}`, `{consumer}`, `{request_id}`, and the names of the route's path are filled in.
        pub headers: Table<HeaderName, HeaderValue> = Table::default(),
        /// The body. The same are filled in. A name of the route's path is decoded, but for controls, quotes, `<`, `>`, `&` and `\\`; all else stays as the client sent it: nothing is escaped for HTML or JSON. Braces around anything but a word stand for themselves.
        pub body: Template = Template::default(),
    }
    short status;
}

settings! {
    /// An answer from here instead of a service.
    struct Answer {
        /// The answer.
        respond: Respond,
    }
}

settings! {
    /// Sends the client elsewhere. Its query is kept.
    pub struct Redirect {
        /// A URL, or a path on the host that was asked. `{host}`, `{path}`, `{client_ip}`, `{consumer}`, `{request_id}`, and the names of the route's path are filled in; only `{host}` can be part of the host.
        pub to: Location,
        /// The status of the answer.
        pub status: RedirectStatus = RedirectStatus(308),
    }
    short to;
}

settings! {
    /// An answer that sends the client elsewhere.
    struct Elsewhere {
        /// Where to.
        redirect: Redirect,
    }
}

/// The status of a redirect that browsers follow (RFC 9110 §15.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectStatus(u16);

impl RedirectStatus {
    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Word for RedirectStatus {
    const WHAT: &str = "the status of a redirect";
    const PATTERN: &str = "^30[12378]$";

    fn parse(text: &str) -> Result<RedirectStatus, Fault> {
        match text.parse() {
            Ok(status @ (301 | 302 | 303 | 307 | 308)) => Ok(RedirectStatus(status)),
            _ => Err(Fault::new("is not the status of a redirect").hint("write 301, 302, 303, 307 or 308")),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> RedirectStatus {
        RedirectStatus(308)
    }

    fn shape() -> Shape {
        Shape::Choice(vec![
            ("301", "Moved Permanently."),
            ("302", "Found."),
            ("303", "See Other: the client asks with GET."),
            ("307", "Temporary Redirect: the method stays."),
            ("308", "Permanent Redirect: the method stays."),
        ])
    }
}

/// Services with their weights.
pub type Split = Table<Label, Count<0, 1_000_000>>;

const WHAT: &str = "a service, services with weights, `respond` or `redirect`";

const RESPOND: &str = "respond";
const REDIRECT: &str = "redirect";
/// The keys that make a map an answer; no service has such a name.
pub(crate) const ANSWERS: [&str; 2] = [RESPOND, REDIRECT];
/// The names of a split's services: `Label`'s, but for the keys that make a map an answer.
const SPLIT_NAMES: &str = "^(?!(respond|redirect)$)[a-z][a-z0-9-]{0,62}$";

impl Setting for Target {
    fn read(node: &Node, problems: &mut Problems) -> Target {
        match &node.value {
            Value::Scalar(_) => Target::Service(Placed::read(node, problems)),
            Value::Map(_) if node.entry(REDIRECT).is_some() => {
                Target::Redirect(Elsewhere::read(node, problems).redirect)
            }
            Value::Map(_) if node.entry(RESPOND).is_some() => {
                let answer = Answer::read(node, problems).respond;
                check_answer(&answer, node, problems);
                Target::Respond(answer)
            }
            Value::Map(_) => {
                let split = Split::read(node, problems);
                if split.iter().all(|row| row.value.get() == 0) {
                    problems.push(Problem::at(&node.place, "no service here has a weight above 0"));
                }
                Target::Split(split)
            }
            Value::Refused => Target::stand_in(),
            _ => {
                problems.push(expected(WHAT, node));
                Target::stand_in()
            }
        }
    }

    fn stand_in() -> Target {
        Target::Respond(Respond::stand_in())
    }

    fn shape() -> Shape {
        let split =
            Shape::Table { pattern: SPLIT_NAMES, value: Box::new(<Count<0, 1_000_000> as Setting>::shape()) };
        let forms = vec![<Label as Setting>::shape(), split, Answer::shape(), Elsewhere::shape()];
        Shape::Called(WHAT, Box::new(Shape::Either(forms)))
    }

    fn show(&self) -> String {
        String::new()
    }
}

/// 204 and 304 have no body (RFC 9110 §15.3.5, §15.4.5).
fn check_answer(answer: &Respond, node: &Node, problems: &mut Problems) {
    let status = answer.status.get();
    if matches!(status, 204 | 304) && !answer.body.is_empty() {
        let place = node
            .entry(RESPOND)
            .and_then(|entry| entry.value.entry("body"))
            .map_or(&node.place, |entry| &entry.place);
        problems.push(Problem::at(place, format!("an answer with status {status} has no body")));
    }
}
