//! Where a route leads: a service, several by weight, or an answer written in the file.

use tidegate_core::header::{HeaderName, HeaderValue};
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::settings;
use tidegate_core::settings::{Placed, Setting, Shape, Table, expected};
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
}

settings! {
    /// An answer that needs no backend.
    pub struct Respond {
        /// The status code.
        pub status: Count<200, 599> = Count::new(200),
        /// Header fields of the answer. `{host}`, `{path}`, `{client_ip}` and `{request_id}` are filled in.
        pub headers: Table<HeaderName, HeaderValue> = Table::default(),
        /// The body. The same are filled in as the client sent them: nothing is escaped for HTML or JSON. Braces around anything but a word stand for themselves.
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

/// Services with their weights.
pub type Split = Table<Label, Count<0, 1_000_000>>;

const WHAT: &str = "a service, services with weights, or `respond`";

/// The key that makes a map an answer; no service has this name.
pub(crate) const ANSWER: &str = "respond";

impl Setting for Target {
    fn read(node: &Node, problems: &mut Problems) -> Target {
        match &node.value {
            Value::Scalar(_) => Target::Service(Placed::read(node, problems)),
            Value::Map(entries) if entries.iter().any(|entry| &*entry.key == ANSWER) => {
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
        let forms = vec![<Label as Setting>::shape(), Split::shape(), Answer::shape()];
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
            .entry(ANSWER)
            .and_then(|entry| entry.value.entry("body"))
            .map_or(&node.place, |entry| &entry.place);
        problems.push(Problem::at(place, format!("an answer with status {status} has no body")));
    }
}
