//! Sets of request methods, as routes name them and as `Allow` lists them. Names no route.

use crate::name::Method;
use std::fmt;

/// The bit of a method in a mask; `Method::Other` has one bit for all methods without a name of their own.
pub(super) const fn bit(method: Method) -> u16 {
    1 << method as u16
}

/// The mask of a route that names no methods: every method is in it but TRACE, which sends back what it was sent, fields
/// included that the client was never to see (RFC 9110 §9.3.8). Who wants it names it.
pub(super) const ANY: u16 = !bit(Method::Trace);

/// A set of methods. Empty stands for "any" where a route is described, and for "none" in an answer.
/// Whoever may GET may HEAD (RFC 9110 §9.3.2), so inserting GET inserts both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MethodSet {
    /// One bit per `Method`. The bit of `Other` is set exactly when `others` is not empty.
    known: u16,
    /// Methods outside the list of `Method`, such as PURGE; without duplicates.
    others: Vec<Box<str>>,
}

impl MethodSet {
    /// Adds a method by its text. Refuses, with a reason for the operator, what is no token (RFC 9110
    /// §5.6.2), and a known method in the wrong case: method names are case-sensitive.
    pub fn insert(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() || !text.bytes().all(is_token_byte) {
            return Err(format!("`{text}` is not a method name"));
        }
        let upper = text.to_ascii_uppercase();
        if upper != text && Method::of(upper.as_bytes()) != Method::Other {
            return Err(format!("method names are case-sensitive: write `{upper}`"));
        }
        match Method::of(text.as_bytes()) {
            Method::Other => self.insert_other(text),
            Method::Get => self.known |= bit(Method::Get) | bit(Method::Head),
            known => self.known |= bit(known),
        }
        Ok(())
    }

    /// Whether no method is in it.
    pub fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// Whether the method is in it; `text` decides when the method is `Method::Other`.
    pub fn has(&self, method: Method, text: &[u8]) -> bool {
        self.known & bit(method) != 0 && (method != Method::Other || self.has_other(text))
    }

    /// Whether a route with this set takes the method; empty is any but TRACE.
    pub(super) fn takes(&self, method: Method, text: &[u8]) -> bool {
        match self.is_empty() {
            true => ANY & bit(method) != 0,
            false => self.has(method, text),
        }
    }

    /// What a route with this set takes of the methods that have a name here; empty is any. CONNECT gets no further
    /// than the codec.
    pub(super) fn insert_any(&mut self) {
        self.known |= Method::ALL.iter().fold(0, |all, (method, _)| all | bit(*method)) & ANY;
        self.known &= !bit(Method::Connect);
    }

    /// The mask for the search: as a route's condition, where empty is any.
    pub(super) fn mask(&self) -> u16 {
        if self.is_empty() { ANY } else { self.known }
    }

    /// The bits of the known methods.
    pub(super) fn known(&self) -> u16 {
        self.known
    }

    /// Whether a method outside the list of `Method` is in it.
    pub(super) fn has_other(&self, text: &[u8]) -> bool {
        self.others.iter().any(|other| other.as_bytes() == text)
    }

    /// Adds every method of another set.
    pub(super) fn insert_all(&mut self, set: &MethodSet) {
        self.known |= set.known;
        for other in &set.others {
            self.insert_other(other);
        }
    }

    fn insert_other(&mut self, text: &str) {
        if !self.has_other(text.as_bytes()) {
            self.others.push(text.into());
            self.known |= bit(Method::Other);
        }
    }
}

/// The value of an `Allow` field: `GET, HEAD, PURGE`.
impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Method::ALL.iter().filter(|(method, _)| self.known & bit(*method) != 0);
        let texts = known.map(|(_, text)| *text).chain(self.others.iter().map(|other| &**other));
        for (index, text) in texts.enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(text)?;
        }
        Ok(())
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
