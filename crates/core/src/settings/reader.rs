//! Reads one map for a `settings!` struct: finds each field's key, and at the end refuses the keys nobody
//! asked for.

use super::{Setting, expected, listed, tried};
use crate::node::{Entry, Node, Value};
use crate::problem::{Problem, Problems, nearest, quote};

/// A map being read. Made by the reader of every `settings!` struct.
pub struct Reader<'a> {
    node: &'a Node,
    form: Form<'a>,
    keys: &'static [&'static str],
    has_rest: bool,
    problems: &'a mut Problems,
}

/// How the struct was written.
enum Form<'a> {
    Map(&'a [Entry]),
    /// A value that stands for the field of that key.
    Short(&'static str),
    /// A list, which does so if the field is one.
    List(&'static str),
    /// Neither, and that has been told.
    Refused,
}

impl<'a> Reader<'a> {
    /// Begins with a node that should be a map of `keys`, or a value for the key `short`.
    pub fn open(
        node: &'a Node,
        keys: &'static [&'static str],
        short: Option<&'static str>,
        problems: &'a mut Problems,
    ) -> Reader<'a> {
        let form = match (&node.value, short) {
            (Value::Map(entries), _) => Form::Map(entries),
            (Value::Scalar(_), Some(key)) => Form::Short(key),
            (Value::List(_), Some(key)) => Form::List(key),
            (Value::Refused, _) => Form::Refused,
            _ => {
                problems.push(misplaced(node, keys, short));
                Form::Refused
            }
        };
        Reader { node, form, keys, has_rest: false, problems }
    }

    /// Reads the field of a key. What is absent has the declared default, else that of its type.
    pub fn field<T: Setting>(&mut self, key: &'static str, default: Option<T>) -> T {
        let found = match self.form {
            Form::Map(entries) => entries.iter().find(|entry| &*entry.key == key).map(|entry| &entry.value),
            Form::Short(short) => Some(self.node).filter(|_| short == key),
            Form::List(short) if short == key && !T::TAKES_LIST => {
                self.problems.push(misplaced(self.node, self.keys, Some(short)));
                return T::stand_in();
            }
            Form::List(short) => Some(self.node).filter(|_| short == key),
            Form::Refused => return T::stand_in(),
        };
        if let Some(node) = found {
            return T::read(node, self.problems);
        }
        default.or_else(T::absent).unwrap_or_else(|| {
            self.problems.push(Problem::at(&self.node.place, format!("the key `{key}` is missing")));
            T::stand_in()
        })
    }

    /// The keys that are not declared here, for a family to read. They are no longer unknown.
    pub fn rest(&mut self) -> Rest {
        self.has_rest = true;
        let entries = match self.form {
            Form::Map(entries) => {
                entries.iter().filter(|entry| !self.keys.contains(&&*entry.key)).cloned().collect()
            }
            _ => Vec::new(),
        };
        Rest { entries, declared: self.keys }
    }

    /// Refuses what is left.
    pub fn close(self) {
        let Form::Map(entries) = self.form else { return };
        if self.has_rest {
            return;
        }
        for entry in entries.iter().filter(|entry| !self.keys.contains(&&*entry.key)) {
            self.problems.push_with(|| unknown_key(entry, self.keys));
        }
    }
}

/// Keys of a struct that its declaration does not name.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// The keys and values as written.
    pub entries: Vec<Entry>,
    declared: &'static [&'static str],
}

impl Rest {
    /// Tells that a key is neither declared nor among `known`, those of the family.
    pub fn refuse(&self, entry: &Entry, known: &[&str], problems: &mut Problems) {
        problems.push_with(|| {
            let keys: Vec<&str> = self.declared.iter().copied().chain(known.iter().copied()).collect();
            unknown_key(entry, &keys)
        });
    }
}

impl PartialEq for Rest {
    fn eq(&self, other: &Rest) -> bool {
        self.entries == other.entries
    }
}

/// The problem with a node that is neither a map of these keys nor what stands for one of them.
fn misplaced(node: &Node, keys: &[&str], short: Option<&str>) -> Problem {
    let form = if short.is_some() { "a value or a map" } else { "a map" };
    expected(&format!("{form} with the keys {}", listed(keys)), node)
}

/// The problem with a key that nobody reads.
fn unknown_key(entry: &Entry, keys: &[&str]) -> Problem {
    let problem = Problem::at(&entry.place, format!("unknown key {}", quote(&entry.key)));
    if let Some(instead) = tried::instead(&entry.key, keys) {
        return problem.hint(instead);
    }
    match nearest(&entry.key, keys.iter().copied()) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint(format!("known here: {}", listed(keys))),
    }
}
