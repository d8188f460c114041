//! `include`: finds the files that a configuration names and puts their services and routes beside its own, so that
//! teams keep files of their own. Every node keeps the place it was written at. Patterns are in `pattern`.

use crate::config::File;
use crate::pattern;
use crate::sources::{self, BYTES_MAX, Reading, Text, Unreadable};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::node::{Entry, Node, Value};
use tidegate_core::problem::{Place, Problem, Problems, Source, nearest, quote};
use tidegate_core::settings::{Placed, Setting, expected};

/// A file for each service and each team is a few hundred. Bounds what a wide pattern makes us open.
const FILES_MAX: usize = 1000;

/// The key that names them.
const INCLUDE: &str = "include";
const SERVICES: &str = "services";
const ROUTES: &str = "routes";
/// What may stand in an included file.
const ALLOWED: [&str; 2] = [SERVICES, ROUTES];

/// Adds what is included to the tree of the file that includes it.
pub(crate) fn include(root: &mut Node, reading: &mut Reading<'_>, problems: &mut Problems) {
    let Some(entry) = root.entry(INCLUDE) else { return };
    let at = entry.place.clone();
    if let Some(included) = reading.included {
        let mut whole = Whole::new(root, at);
        for (path, text) in included {
            reading.sources.files.push(path.clone());
            let name = path.display().to_string();
            if let Some(part) = tree_of(&name, path, text, reading, problems) {
                whole.add(part, problems);
            }
        }
        return whole.give_back(root);
    }
    // What is wrong with the key itself is told where all keys are read.
    let patterns = Vec::<Placed<String>>::read(&entry.value, &mut Problems::default());
    let mut files = Files::new(&at.source, reading);
    let written = patterns.iter().filter_map(|pattern| Some((pattern.value.as_str(), pattern.place()?)));
    if !written.into_iter().all(|(pattern, place)| files.add(pattern, place, reading, problems)) {
        return;
    }
    let mut whole = Whole::new(root, at);
    for file in files.list {
        let Some(part) = tree(&file, reading, problems) else { continue };
        whole.add(part, problems);
    }
    whole.give_back(root);
}

/// A file to read, and the pattern that names it.
struct Included {
    path: PathBuf,
    source_name: String,
    place: Place,
}

/// The files found so far, each once.
struct Files {
    list: Vec<Included>,
    /// By what the system calls them, whatever they were called on the way.
    seen: HashSet<PathBuf>,
    /// The file that includes, if it is one.
    own: Option<PathBuf>,
    source: Arc<Source>,
}

impl Files {
    fn new(source: &Arc<Source>, reading: &Reading<'_>) -> Files {
        let own = reading.sources.files.first().and_then(|path| path.canonicalize().ok());
        Files { list: Vec::new(), seen: HashSet::new(), own, source: source.clone() }
    }

    /// Adds what a pattern names. `false` after telling that there is too much of it.
    fn add(&mut self, text: &str, place: &Place, reading: &mut Reading<'_>, problems: &mut Problems) -> bool {
        let mut found = match pattern::find(&self.source.folder, text) {
            Ok(found) => found,
            Err(fault) => {
                problems.push(Problem::at(place, fault.reason).hint(fault.hint));
                return true;
            }
        };
        reading.sources.folders.append(&mut found.folders);
        for path in std::mem::take(&mut found.files) {
            let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
            if self.own.as_ref() == Some(&canonical) {
                if !found.is_wild {
                    problems.push(Problem::at(place, "the file includes itself"));
                }
                continue;
            }
            if !self.seen.insert(canonical) {
                continue;
            }
            if self.list.len() == FILES_MAX {
                let problem = Problem::at(place, format!("more than {FILES_MAX} files are included"));
                problems.push(problem.hint("write a pattern that names fewer"));
                return false;
            }
            let source_name = self.name(&path);
            self.list.push(Included { path, source_name, place: place.clone() });
        }
        true
    }

    /// As messages call it: beside the file that includes it, as the operator called that.
    fn name(&self, path: &Path) -> String {
        let beside = Path::new(&self.source.name).parent().unwrap_or(Path::new(""));
        let name = path.strip_prefix(&self.source.folder).map(|inside| beside.join(inside));
        name.as_deref().unwrap_or(path).display().to_string()
    }
}

/// The tree of an included file. `None` after telling what is wrong, and when nothing is in it.
fn tree(file: &Included, reading: &mut Reading<'_>, problems: &mut Problems) -> Option<Node> {
    reading.sources.files.push(file.path.clone());
    let text = match sources::read(&file.path) {
        Ok(text) => text,
        Err(fault) => {
            let reason = format!("cannot include {}: {}", quote(&file.source_name), fault.reason());
            let problem = Problem::at(&file.place, reason);
            problems.push(match fault {
                Unreadable::Missing => problem.hint("a relative path starts at the folder of this file"),
                Unreadable::Folder => problem.hint("name the files in it, as in `services/*.yaml`"),
                Unreadable::NoAccess => problem.hint("the user the gateway runs as must be able to read it"),
                Unreadable::NotText(_) => problem.hint("save the file as UTF-8"),
                Unreadable::NotAFile | Unreadable::TooLarge | Unreadable::Refused(_) => problem,
            });
            return None;
        }
    };
    tree_of(&file.source_name, &file.path, &text, reading, problems)
}

fn tree_of(
    name: &str,
    path: &Path,
    text: &str,
    reading: &mut Reading<'_>,
    problems: &mut Problems,
) -> Option<Node> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let source = Source::new(name, folder, text.strip_prefix('\u{feff}').unwrap_or(text));
    reading.sources.texts.push(Text { path: path.to_owned(), source: source.clone() });
    if !reading.may_take(source.text()) {
        let reason = format!("with this the files together are larger than {} MiB", BYTES_MAX >> 20);
        problems.push(Problem::at(&Place::whole(&source), reason));
        return None;
    }
    reading.tree(&source, problems).filter(|root| root.value != Value::Null)
}

/// The services and routes of all files.
struct Whole {
    services: Option<Vec<Entry>>,
    routes: Option<Vec<Node>>,
    /// Where each service is defined: a name belongs to one file.
    owners: HashMap<Box<str>, Place>,
    /// Where services and routes are said to stand when the file itself has none.
    at: Place,
}

impl Whole {
    /// Takes those of the file itself out of its tree. What is not a map or a list stays there, to be told of.
    fn new(root: &mut Node, at: Place) -> Whole {
        let services = match value_of(root, SERVICES) {
            Some(value @ Value::Map(_)) => match std::mem::replace(value, Value::Refused) {
                Value::Map(entries) => Some(entries),
                _ => None,
            },
            Some(_) => None,
            None => Some(Vec::new()),
        };
        let routes = match value_of(root, ROUTES) {
            Some(value @ Value::List(_)) => match std::mem::replace(value, Value::Refused) {
                Value::List(nodes) => Some(nodes),
                _ => None,
            },
            Some(_) => None,
            None => Some(Vec::new()),
        };
        let owner = |entry: &Entry| (entry.key.clone(), entry.place.clone());
        let owners = services.iter().flatten().map(owner).collect();
        Whole { services, routes, owners, at }
    }

    /// Adds those of an included file.
    fn add(&mut self, part: Node, problems: &mut Problems) {
        let place = part.place.clone();
        let entries = match part.value {
            Value::Map(entries) => entries,
            Value::Refused => return,
            value => {
                let part = Node { place, value };
                return problems.push(expected("a map with the keys `services`, `routes`", &part));
            }
        };
        for entry in entries {
            match (&*entry.key, entry.value.value) {
                (SERVICES, Value::Map(entries)) => self.add_services(entries, problems),
                (ROUTES, Value::List(nodes)) => {
                    self.routes.iter_mut().for_each(|all| all.extend_from_slice(&nodes))
                }
                (SERVICES | ROUTES, Value::Refused) => {}
                (key @ (SERVICES | ROUTES), value) => {
                    let what = if key == SERVICES { "a map" } else { "a list" };
                    problems.push(expected(what, &Node { place: entry.value.place, value }));
                }
                (key, _) => problems.push_with(|| not_here(key, &entry.place)),
            }
        }
    }

    fn add_services(&mut self, entries: Vec<Entry>, problems: &mut Problems) {
        let Some(services) = &mut self.services else { return };
        for entry in entries {
            match self.owners.get(&entry.key) {
                Some(first) => {
                    let reason = format!("the service {} is defined in {first} already", quote(&entry.key));
                    let problem = Problem::at(&entry.place, reason);
                    problems.push(
                        problem.hint("a name belongs to one file: remove it here or there, or rename it"),
                    );
                }
                None => {
                    self.owners.insert(entry.key.clone(), entry.place.clone());
                    services.push(entry);
                }
            }
        }
    }

    /// Puts all of them into the tree.
    fn give_back(self, root: &mut Node) {
        let Whole { services, routes, at, .. } = self;
        let all = [(SERVICES, services.map(Value::Map)), (ROUTES, routes.map(Value::List))];
        for (key, value) in all.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            if let Some(own) = value_of(root, key) {
                *own = value;
            } else if let Value::Map(entries) = &mut root.value {
                entries.push(Entry {
                    key: key.into(),
                    place: at.clone(),
                    value: Node { place: at.clone(), value },
                });
            }
        }
    }
}

/// The value of a key of a map.
fn value_of<'a>(root: &'a mut Node, key: &str) -> Option<&'a mut Value> {
    let Value::Map(entries) = &mut root.value else { return None };
    entries.iter_mut().find(|entry| &*entry.key == key).map(|entry| &mut entry.value.value)
}

/// The problem with a key of an included file that is none of those allowed.
fn not_here(key: &str, place: &Place) -> Problem {
    if key == INCLUDE {
        let problem = Problem::at(place, "an included file cannot include others");
        return problem.hint("name them in the `include` of the file that includes this one");
    }
    if File::declaration().fields.iter().any(|field| field.key == key) {
        let problem = Problem::at(place, format!("{} has no place in an included file", quote(key)));
        return problem.hint(
            "only `services` and `routes` may stand here: write it in the file that includes this one",
        );
    }
    let problem = Problem::at(place, format!("unknown key {}", quote(key)));
    match nearest(key, ALLOWED) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint("known in an included file: `services`, `routes`"),
    }
}
