//! JSON as tokens and key sets need it read: strict, and no member twice, as two readers of one would see two things
//! (RFC 7515 §4, RFC 7519 §4). Depth is bounded by the parser (128), members by what is below, size by its callers.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt::{self, Formatter};

/// Most members of an object. Tokens and keys have a dozen; each is held against those before it, on a worker and
/// before any signature is verified.
const MEMBERS_MAX: usize = 128;

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// Exactly as it is written: identifiers of 64 bits are not to be rounded.
    Whole(i128),
    Fraction(f64),
    Text(String),
    List(Vec<Json>),
    Map(Members),
}

/// The members of an object; no name is there twice.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Members(Vec<(String, Json)>);

impl Members {
    /// Reads an object and nothing else.
    ///
    /// Errors: why it is none, without any of its text.
    pub(super) fn parse(bytes: &[u8]) -> Result<Members, String> {
        match serde_json::from_slice(bytes) {
            Ok(Json::Map(members)) => Ok(members),
            Ok(_) => Err(String::from("is not a JSON object")),
            Err(error) if error.is_data() => {
                Err(format!("has a member twice, or more than {MEMBERS_MAX}, at line {}", error.line()))
            }
            Err(error) => Err(format!("is not JSON, at line {} column {}", error.line(), error.column())),
        }
    }

    /// The value of a member.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether it is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A member that must be a text if it is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ()> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(()),
        }
    }
}

impl Json {
    /// The members, if it is an object.
    pub(super) fn members(&self) -> Option<&Members> {
        match self {
            Json::Map(members) => Some(members),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Fraction(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Members::default();
        while let Some((name, value)) = entries.next_entry::<String, Json>()? {
            if members.has(&name) || members.0.len() == MEMBERS_MAX {
                return Err(A::Error::custom("a member is there twice, or one too many"));
            }
            members.0.push((name, value));
        }
        Ok(Json::Map(members))
    }
}
