//! Fills in `${VAR}`, `${VAR:-default}` and `${file:path}` inside scalars, after parsing, so that what comes
//! from outside can never add a key. `$${` is a literal `${`. What was filled in is marked and never shown.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use tidegate_core::node::{Node, Scalar, Value};
use tidegate_core::problem::{Place, Problem, Problems, quote};

/// Secrets and certificates are far smaller.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// All scalars that `${…}` filled, together: a short file must not ask for a long one a million times.
const FILLED_BYTES_MAX: usize = 16 << 20;

/// The variables of the process, or those of a test.
pub(crate) type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Fills the trees of one configuration.
pub(crate) struct Filling<'a> {
    variables: &'a Variables<'a>,
    bytes: usize,
    /// Every file that was asked for, be it there or not.
    pub(crate) files: BTreeSet<PathBuf>,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(variables: &'a Variables<'a>) -> Filling<'a> {
        Filling { variables, bytes: 0, files: BTreeSet::new() }
    }

    /// Fills in everything below `root`.
    pub(crate) fn fill(&mut self, root: &mut Node, problems: &mut Problems) {
        let mut waiting = vec![root];
        while let Some(node) = waiting.pop() {
            if let Some(scalar) = node.scalar().filter(|scalar| scalar.text.contains("${")) {
                node.value = match self.resolve(scalar, &node.place) {
                    Ok(resolved) => {
                        self.bytes += resolved.text.len();
                        if self.bytes > FILLED_BYTES_MAX {
                            problems.push(Problem::at(
                                &node.place,
                                "all that came from `${…}` is more than 16 MiB",
                            ));
                            return;
                        }
                        Value::Scalar(resolved)
                    }
                    Err(problem) => {
                        problems.push(problem);
                        Value::Refused
                    }
                };
                continue;
            }
            match &mut node.value {
                Value::List(nodes) => waiting.extend(nodes),
                Value::Map(entries) => waiting.extend(entries.iter_mut().map(|entry| &mut entry.value)),
                Value::Scalar(_) | Value::Null | Value::Refused => {}
            }
        }
    }

    fn resolve(&mut self, scalar: &Scalar, place: &Place) -> Result<Scalar, Problem> {
        let mut resolved = String::new();
        let mut is_resolved = scalar.is_resolved;
        let mut rest = &*scalar.text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                resolved.push_str(before);
                resolved.push_str("${");
                rest = after;
                continue;
            }
            resolved.push_str(before);
            let Some((inside, after)) = after.split_once('}') else {
                let problem = Problem::at(&place.of("${"), "`${` without its `}`");
                return Err(problem.hint("write `$${` for the two characters themselves"));
            };
            let value = self
                .value(inside, place)
                // Only now, as finding the place walks the text: once for a scalar, not once for each `${`.
                .map_err(|problem| Problem { place: Some(place.of(&format!("${{{inside}}}"))), ..problem })?;
            resolved.push_str(&value);
            is_resolved = true;
            rest = after;
        }
        resolved.push_str(rest);
        Ok(Scalar { text: resolved.into(), is_quoted: scalar.is_quoted, is_resolved })
    }

    /// The value of what stands between the braces.
    fn value(&mut self, inside: &str, place: &Place) -> Result<String, Problem> {
        if let Some(path) = inside.strip_prefix("file:") {
            let path = place.source.folder.join(path);
            let text = file(&path, inside, place);
            self.files.insert(path);
            return text;
        }
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name =
            name.starts_with(is_start) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name {
            let problem =
                Problem::at(place, format!("{} is not a variable", quote(&format!("${{{inside}}}"))));
            return Err(problem.hint("write `${NAME}`, `${NAME:-default}` or `${file:path}`"));
        }
        // As in a shell, `:-` also stands in for a variable that is set to nothing.
        match ((self.variables)(name), default) {
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (_, Some(default)) => Ok(default.to_owned()),
            (None, None) => {
                let problem = Problem::at(place, format!("the variable `{name}` is not set"));
                Err(problem.hint(format!("set it, or give a default: `${{{name}:-…}}`")))
            }
        }
    }
}

/// The text of a file without the line end that editors leave.
fn file(path: &Path, inside: &str, place: &Place) -> Result<String, Problem> {
    let written = inside.strip_prefix("file:").unwrap_or(inside);
    let problem = |reason: String| Problem::at(place, format!("cannot read {}: {reason}", quote(written)));
    let hint = "a relative path starts at the folder of this file";
    let metadata = std::fs::metadata(path).map_err(|error| problem(said(&error)).hint(hint))?;
    if !metadata.is_file() {
        // A pipe or a device could keep us waiting for ever.
        return Err(problem(String::from("it is not a file")));
    }
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > FILE_BYTES_MAX => Err(problem(String::from("it is larger than 1 MiB"))),
        Ok(_) => {
            let end = text.trim_end_matches(['\r', '\n']).len();
            text.truncate(end);
            Ok(text)
        }
        Err(error) => Err(problem(said(&error))),
    }
}

/// What the system said, in words.
pub(crate) fn said(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => String::from("there is no such file"),
        std::io::ErrorKind::PermissionDenied => String::from("permission denied"),
        std::io::ErrorKind::InvalidData => String::from("it is not UTF-8 text"),
        std::io::ErrorKind::NotADirectory => String::from("a part of the path is not a folder"),
        _ => error.to_string(),
    }
}
