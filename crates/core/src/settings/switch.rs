//! What is switched on with a word, or with settings of its own.

use super::{Setting, Shape};
use crate::node::Node;
use crate::problem::Problems;

/// `true`: as by default; `false`: not at all; or settings, which switch it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch<T> {
    /// `false`.
    Off,
    /// `true`, or settings.
    On(T),
}

impl<T> Switch<T> {
    /// The settings, if it is on.
    pub fn on(self) -> Option<T> {
        match self {
            Switch::Off => None,
            Switch::On(settings) => Some(settings),
        }
    }
}

impl<T: Setting> Setting for Switch<T> {
    fn read(node: &Node, problems: &mut Problems) -> Switch<T> {
        match (node.scalar().map(|scalar| &*scalar.text), T::absent()) {
            (Some("false"), _) => Switch::Off,
            (Some("true"), Some(settings)) => Switch::On(settings),
            _ => Switch::On(T::read(node, problems)),
        }
    }

    fn stand_in() -> Switch<T> {
        Switch::Off
    }

    fn absent() -> Option<Switch<T>> {
        Some(Switch::Off)
    }

    fn shape() -> Shape {
        Shape::Either(vec![bool::shape(), T::shape()])
    }

    fn show(&self) -> String {
        match self {
            Switch::Off => String::from("false"),
            Switch::On(_) => String::from("true"),
        }
    }
}
