//! A value that is never shown. Whoever needs it says `reveal`, which a review can search for.

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
