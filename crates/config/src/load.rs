//! From a path or a text to a `Config`, or to everything that is wrong with it.

use crate::config::Config;
use crate::interpolate::{self, Variables, said};
use crate::members::Families;
use crate::{check, scope, yaml};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Place, Problem, Problems, Source};

/// 10,000 routes take about 3 MiB. Bounds what a wrong path makes us read.
const FILE_BYTES_MAX: u64 = 10 << 20;

/// Reads and checks a file, and builds the members of families it names. Relative paths inside start at its folder. Does blocking I/O: never on a worker.
pub fn load(path: &Path, families: &Families<'_>) -> Result<Config, Problems> {
    let name = path.display().to_string();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match read(path) {
        Ok(text) => from_text(&name, &text, folder, families),
        Err(fault) => {
            let problem = Problem::at(&Place::whole(&Source::new(name, folder, "")), fault.0);
            Err(match fault.1 {
                Some(hint) => problem.hint(hint).into(),
                None => problem.into(),
            })
        }
    }
}

/// The same with a text that messages call `file_name`; relative paths inside start at `folder`.
pub fn from_text(
    file_name: &str,
    text: &str,
    folder: &Path,
    families: &Families<'_>,
) -> Result<Config, Problems> {
    let variables = |name: &str| std::env::var(name).ok();
    // Absolute, so that paths still hold should the process change its folder.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder));
    let source = Source::new(file_name, &folder, text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut problems = Problems::default();
    if text.len() as u64 > FILE_BYTES_MAX {
        problems.push(Problem::at(&Place::whole(&source), too_large()));
    }
    let root = match problems.is_empty() {
        true => tree(&source, &variables, &mut problems),
        false => None,
    };
    match root.and_then(|root| check::config(&root, &folder, families, &mut problems)) {
        Some(config) => problems.unless_any(config),
        None => Err(problems.sorted()),
    }
}

/// The tree with everything filled in. `None` after telling what keeps it from being read at all.
fn tree(source: &Arc<Source>, variables: &Variables<'_>, problems: &mut Problems) -> Option<Node> {
    let mut root = yaml::parse(source, problems);
    if root.as_ref().is_none_or(|root| root.value == Value::Null) && problems.is_empty() {
        let problem = Problem::at(&Place::whole(source), "the file is empty");
        problems.push(problem.hint("`tidegate init` writes a first one"));
        return None;
    }
    if let Some(root) = &mut root {
        interpolate::fill(root, variables, problems);
        scope::fill(root);
    }
    root
}

/// A reason and a hint.
struct Fault(String, Option<&'static str>);

fn read(path: &Path) -> Result<String, Fault> {
    let plain = |reason: &str| Fault(reason.to_owned(), None);
    let metadata = fs::metadata(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => {
                Some("`tidegate init` writes a first one; `-c FILE` names another")
            }
            _ => None,
        };
        Fault(said(&error), hint)
    })?;
    if metadata.is_dir() {
        return Err(Fault(
            "is a folder".to_owned(),
            Some("name the file in it, as in `-c folder/tidegate.yaml`"),
        ));
    }
    if !metadata.is_file() {
        return Err(plain("is not a file"));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(Fault(too_large(), None));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| Fault(said(&error), Some("the user the gateway runs as must be able to read it")))?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        Fault(format!("line {line} is not UTF-8 text"), Some("save the file as UTF-8"))
    })
}

fn too_large() -> String {
    format!("is larger than {} MiB", FILE_BYTES_MAX >> 20)
}
