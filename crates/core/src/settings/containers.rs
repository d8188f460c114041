//! Settings made of other settings: optional ones, lists, tables by name, values that keep their place.

use super::{Fault, Setting, Shape, Word, expected};
use crate::node::{Node, Value};
use crate::problem::{Place, Problem, Problems, quote};
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;

impl Setting for bool {
    fn read(node: &Node, problems: &mut Problems) -> bool {
        // Quotes are allowed, as `"${DEBUG}"` needs them; other spellings are not, as `no` is a country too.
        match node.scalar().map(|scalar| &*scalar.text) {
            Some("true") => return true,
            Some("false") => return false,
            Some(_) => {
                problems.push(Fault::new("is not a switch").hint("write `true` or `false`").problem(node))
            }
            None if node.value == Value::Refused => {}
            None => problems.push(expected("`true` or `false`", node)),
        }
        false
    }

    fn stand_in() -> bool {
        false
    }

    fn shape() -> Shape {
        Shape::Bool
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Word for String {
    const WHAT: &str = "a text";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<String, Fault> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }

    fn stand_in() -> String {
        String::new()
    }
}

impl<T: Setting> Setting for Option<T> {
    const TAKES_LIST: bool = T::TAKES_LIST;

    fn read(node: &Node, problems: &mut Problems) -> Option<T> {
        Some(T::read(node, problems))
    }

    fn stand_in() -> Option<T> {
        None
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

/// A list of one may be written without its brackets when it is a scalar.
impl<T: Setting> Setting for Vec<T> {
    const TAKES_LIST: bool = true;

    fn read(node: &Node, problems: &mut Problems) -> Vec<T> {
        match &node.value {
            Value::List(nodes) => nodes.iter().map(|node| T::read(node, problems)).collect(),
            Value::Scalar(_) => vec![T::read(node, problems)],
            Value::Refused => Vec::new(),
            _ => {
                problems.push(expected("a list", node));
                Vec::new()
            }
        }
    }

    fn stand_in() -> Vec<T> {
        Vec::new()
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    fn show(&self) -> String {
        format!("[{}]", self.iter().map(T::show).collect::<Vec<_>>().join(", "))
    }
}

/// A value that may be switched `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toggle<T> {
    /// `off`.
    Off,
    /// The value.
    On(T),
}

impl<T> Toggle<T> {
    /// The value, if it is not off.
    pub fn on(self) -> Option<T> {
        match self {
            Toggle::Off => None,
            Toggle::On(value) => Some(value),
        }
    }
}

impl<T: Setting> Setting for Toggle<T> {
    const TAKES_LIST: bool = T::TAKES_LIST;

    fn read(node: &Node, problems: &mut Problems) -> Toggle<T> {
        match node.scalar() {
            Some(scalar) if &*scalar.text == "off" => Toggle::Off,
            _ => Toggle::On(T::read(node, problems)),
        }
    }

    fn stand_in() -> Toggle<T> {
        Toggle::Off
    }

    fn shape() -> Shape {
        Shape::Either(vec![T::shape(), Shape::Literal("off")])
    }

    fn show(&self) -> String {
        match self {
            Toggle::Off => String::from("off"),
            Toggle::On(value) => value.show(),
        }
    }
}

/// A value with the place it was written at, for checks that come after reading. Without a default in its
/// declaration it must be written. Equality ignores the place.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    place: Option<Place>,
    quoted: String,
}

impl<T> Placed<T> {
    /// A value nobody wrote.
    pub fn default(value: T) -> Placed<T> {
        Placed { value, place: None, quoted: String::new() }
    }

    /// Another value at the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: change(self.value), place: self.place, quoted: self.quoted }
    }

    /// Where it was written. `None` for a default, and for the stand-in of what could not be read: there is
    /// nothing more to say about either.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The value as messages name it: what was written, where it came from `${…}`.
    pub fn quote(&self) -> &str {
        &self.quoted
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Placed<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Setting> Setting for Placed<T> {
    const TAKES_LIST: bool = T::TAKES_LIST;

    fn read(node: &Node, problems: &mut Problems) -> Placed<T> {
        let before = problems.count();
        let value = T::read(node, problems);
        let is_sound = problems.count() == before && node.value != Value::Refused;
        Placed { value, place: is_sound.then(|| node.place.clone()), quoted: node.quote() }
    }

    fn stand_in() -> Placed<T> {
        Placed::default(T::stand_in())
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn show(&self) -> String {
        self.value.show()
    }
}

/// Values by name, in the order of the file. Two keys that mean the same name are a problem.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    rows: Vec<Row<K, V>>,
    index: HashMap<K, usize>,
}

/// One name of a table.
#[derive(Clone, Debug)]
pub struct Row<K, V> {
    /// The name.
    pub name: K,
    /// Where the name stands.
    pub place: Place,
    /// What it names.
    pub value: V,
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// The rows in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Row<K, V>> {
        self.rows.iter()
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of a name, if there is one.
    pub fn get(&self, name: &K) -> Option<&Row<K, V>> {
        self.index.get(name).map(|&at| &self.rows[at])
    }

    /// The number of a name's row, if there is one.
    pub fn position(&self, name: &K) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The same names, each for what becomes of its value.
    pub fn map<W>(self, mut change: impl FnMut(&K, &Place, V) -> W) -> Table<K, W> {
        let changed = |row: Row<K, V>| {
            let value = change(&row.name, &row.place, row.value);
            Row { name: row.name, place: row.place, value }
        };
        Table { rows: self.rows.into_iter().map(changed).collect(), index: self.index }
    }

    /// The same names, but for those of whose value nothing becomes.
    pub fn filter_map<W>(self, mut change: impl FnMut(V) -> Option<W>) -> Table<K, W> {
        let mut kept = Table::default();
        for Row { name, place, value } in self.rows {
            if let Some(value) = change(value) {
                // A name that was there once is there once.
                let _ = kept.add(Row { name, place, value });
            }
        }
        kept
    }

    fn add(&mut self, row: Row<K, V>) -> Result<(), Row<K, V>> {
        if self.index.contains_key(&row.name) {
            return Err(row);
        }
        self.index.insert(row.name.clone(), self.rows.len());
        self.rows.push(row);
        Ok(())
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Table<K, V> {
        Table { rows: Vec::new(), index: HashMap::new() }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Table<K, V>) -> bool {
        let pairs = |table: &Table<K, V>| table.rows.len();
        pairs(self) == pairs(other)
            && self.rows.iter().zip(&other.rows).all(|(a, b)| a.name == b.name && a.value == b.value)
    }
}

impl<'a, K, V> IntoIterator for &'a Table<K, V> {
    type Item = &'a Row<K, V>;
    type IntoIter = std::slice::Iter<'a, Row<K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl<K: Word + Clone + Eq + Hash, V: Setting> Setting for Table<K, V> {
    fn read(node: &Node, problems: &mut Problems) -> Table<K, V> {
        let mut table = Table::default();
        let Some(entries) = node.entries() else {
            if node.value != Value::Refused {
                problems.push(expected("a map", node));
            }
            return table;
        };
        for entry in entries {
            let value = V::read(&entry.value, problems);
            let name = match K::parse(&entry.key) {
                Ok(name) => name,
                Err(fault) => {
                    let problem =
                        Problem::at(&entry.place, format!("{} {}", quote(&entry.key), fault.reason));
                    problems.push(Problem { hint: fault.hint.map(String::from), ..problem });
                    continue;
                }
            };
            if let Err(row) = table.add(Row { name, place: entry.place.clone(), value }) {
                problems.push(Problem::at(&row.place, format!("{} is there twice", quote(&entry.key))));
            }
        }
        table
    }

    fn stand_in() -> Table<K, V> {
        Table::default()
    }

    fn shape() -> Shape {
        Shape::Table { pattern: K::PATTERN, value: Box::new(V::shape()) }
    }

    fn show(&self) -> String {
        match self.is_empty() {
            true => String::from("{}"),
            false => {
                let pairs = self.rows.iter().map(|row| format!("{}: {}", row.name.show(), row.value.show()));
                format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
