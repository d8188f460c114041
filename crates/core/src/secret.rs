//! A value that is never shown. Whoever needs it says `reveal`, which a review can search for.

use crate::node::{Node, Value};
use crate::problem::{Problem, Problems};
use crate::settings::{Setting, Shape, Word, expected};
use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Formatter};

/// Redacted wherever it is printed, whatever is inside.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Secret<T> {
        Secret(value)
    }

    /// The value itself. Never for a log, a message or an answer.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> Debug for Secret<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T> Display for Secret<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Read like the word inside it, but for messages: they name the place and what is wrong, never what is there, and
/// the line they show has stars for it.
impl<T: Word> Setting for Secret<T> {
    fn read(node: &Node, problems: &mut Problems) -> Secret<T> {
        conceal(node);
        match &node.value {
            Value::Scalar(scalar) => match T::parse(&scalar.text) {
                Ok(value) => return Secret(value),
                Err(fault) => {
                    let problem = Problem::at(&node.place, format!("the secret {}", fault.reason));
                    problems.push(match fault.hint {
                        // A hint made at run time may be made of the value.
                        Some(Cow::Borrowed(hint)) => problem.hint(hint),
                        _ => problem,
                    });
                }
            },
            Value::Refused => {}
            _ => problems.push(expected(T::WHAT, node)),
        }
        Secret::stand_in()
    }

    fn stand_in() -> Secret<T> {
        Secret(T::stand_in())
    }

    fn shape() -> Shape {
        Shape::Secret { what: T::WHAT }
    }

    fn show(&self) -> String {
        String::new()
    }
}

/// Keeps a secret out of messages about its file, also where it is written as what it should not be.
fn conceal(node: &Node) {
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        match &node.value {
            Value::List(nodes) => waiting.extend(nodes),
            Value::Map(entries) => waiting.extend(entries.iter().map(|entry| &entry.value)),
            _ if node.reference().is_none() => node.place.conceal(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn nothing_printed_holds_the_value() {
        let holder = Some(Secret::new(String::from("hunter2")));
        for shown in [format!("{holder:?}"), format!("{holder:#?}"), Secret::new("hunter2").to_string()] {
            assert!(shown.contains("[secret]") && !shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(Secret::new("hunter2").reveal(), &"hunter2");
    }
}
