//! From a path or a text to a `Config`, or to everything that is wrong with it.

use crate::config::Config;
use crate::members::Families;
use crate::sources::{self, Reading, Sources, Text, Unreadable};
use crate::workbench::Workbench;
use crate::{check, include, scope};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Place, Problem, Problems, Source};

/// Reads and checks a file with all it includes, and builds the members of families it names. Relative paths start at
/// the folder of the file they stand in. Does blocking I/O: never on a worker.
pub fn load(path: &Path, families: &Families<'_>) -> Result<Config, Problems> {
    load_from(path, families).0
}

/// The same, with everything that was read on the way, be the configuration usable or not: who waits for it to change
/// has to look there.
pub fn load_from(path: &Path, families: &Families<'_>) -> (Result<Config, Problems>, Sources) {
    let name = path.display().to_string();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match sources::read(&path) {
        Ok(text) => finish(&source(&name, &text, folder), Some(path), None, families),
        Err(fault) => {
            let problem = Problem::at(&Place::whole(&Source::new(name, folder, "")), fault.reason());
            let problem = match fault {
                Unreadable::Missing => {
                    problem.hint("`tidegate init` writes a first one; `-c FILE` names another")
                }
                Unreadable::Folder => problem.hint("name the file in it, as in `-c folder/tidegate.yaml`"),
                Unreadable::NotText(_) => problem.hint("save the file as UTF-8"),
                Unreadable::NoAccess => problem.hint("the user the gateway runs as must be able to read it"),
                Unreadable::NotAFile | Unreadable::TooLarge | Unreadable::Refused(_) => problem,
            };
            (Err(problem.into()), Sources { files: vec![path], ..Sources::default() })
        }
    }
}

/// The same as `load` with a text that messages call `file_name`; relative paths inside start at `folder`.
pub fn from_text(
    file_name: &str,
    text: &str,
    folder: &Path,
    families: &Families<'_>,
) -> Result<Config, Problems> {
    finish(&source(file_name, text, folder), None, None, families).0
}

/// The same from the texts of a file and of those it includes, kept from an earlier reading (`Sources::texts`), which
/// is not looked at again. What `${…}` stands for is filled in anew.
pub fn from_kept(texts: &[(PathBuf, Arc<str>)], families: &Families<'_>) -> Result<Config, Problems> {
    let Some(((path, text), included)) = texts.split_first() else {
        return Err(Problem::new("nothing was kept").into());
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    finish(&source(&path.display().to_string(), text, folder), Some(path.clone()), Some(included), families).0
}

fn source(name: &str, text: &str, folder: &Path) -> Arc<Source> {
    // Absolute, so that paths still hold should the process change its folder.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder));
    Source::new(name, folder, text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn finish(
    source: &Arc<Source>,
    path: Option<PathBuf>,
    included: Option<&[(PathBuf, Arc<str>)]>,
    families: &Families<'_>,
) -> (Result<Config, Problems>, Sources) {
    let variables = |name: &str| std::env::var(name).ok();
    let mut reading = Reading::new(&variables);
    reading.included = included;
    let named = path.clone().unwrap_or_else(|| PathBuf::from(&source.name));
    reading.sources.texts.push(Text { path: named, source: source.clone() });
    reading.sources.files.extend(path);
    let mut problems = Problems::default();
    let root = whole_tree(source, &mut reading, &mut problems);
    let mut bench = Workbench::new(families);
    let config = root.map(|root| check::config(&root, &source.folder, &mut bench, &mut problems));
    let mut sources = reading.into_sources();
    sources.files.extend(bench.files);
    let result = match config {
        Some(config) => problems.unless_any(Config { sources: sources.clone(), ..config }),
        None => Err(problems.sorted()),
    };
    (result, sources)
}

/// The tree of the file with those it includes. `None` after telling what keeps it from being read at all.
fn whole_tree(source: &Arc<Source>, reading: &mut Reading<'_>, problems: &mut Problems) -> Option<Node> {
    if !reading.may_take(source.text()) {
        let reason = Unreadable::TooLarge.reason();
        problems.push(Problem::at(&Place::whole(source), reason));
        return None;
    }
    let root = reading.tree(source, problems);
    if root.as_ref().is_none_or(|root| root.value == Value::Null) && problems.is_empty() {
        let problem = Problem::at(&Place::whole(source), "the file is empty");
        problems.push(problem.hint("`tidegate init` writes a first one"));
        return None;
    }
    let mut root = root?;
    if !check::version(&root, problems) {
        return None;
    }
    include::include(&mut root, reading, problems);
    scope::fill(&mut root);
    Some(root)
}
