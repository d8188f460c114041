//! Which files a pattern such as `services/*.yaml` names: `*` stands for any part of a name and `?` for one character
//! of it, never for a `/`. Files that begin with a dot are not meant, as in a shell: editors keep drafts there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::interpolate::said;

/// Names looked at for one pattern. A folder of ten thousand files is not one of configurations.
const NAMES_MAX: usize = 10_000;

/// What a pattern names.
#[derive(Debug)]
pub(crate) struct Found {
    /// The files, sorted. Without a wildcard it is the one named, be it there or not.
    pub(crate) files: Vec<PathBuf>,
    /// The folders that were searched, be they there or not.
    pub(crate) folders: Vec<PathBuf>,
    /// Whether there is a wildcard.
    pub(crate) is_wild: bool,
}

/// Why a pattern names nothing.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: String,
    pub(crate) hint: &'static str,
}

/// Finds the files, from a folder on.
pub(crate) fn find(folder: &Path, pattern: &str) -> Result<Found, Fault> {
    let is_wild = |segment: &str| segment.contains(['*', '?']);
    if pattern.is_empty() {
        return Err(Fault {
            reason: String::from("the path is empty"),
            hint: "write one such as `services/*.yaml`",
        });
    }
    if pattern.split('/').any(|segment| segment.contains("**")) {
        let reason = String::from("`**` has no meaning here");
        return Err(Fault { reason, hint: "write `*` for each level of folders, as in `teams/*/*.yaml`" });
    }
    let start = if pattern.starts_with('/') { Path::new("/") } else { folder };
    let mut search = Search { paths: vec![start.to_owned()], folders: Vec::new(), names: 0 };
    for segment in pattern.split('/').filter(|segment| !segment.is_empty()) {
        match is_wild(segment) {
            true => search.enter(segment)?,
            false => search.paths.iter_mut().for_each(|path| path.push(segment)),
        }
    }
    let Search { paths: mut files, mut folders, .. } = search;
    let is_wild = is_wild(pattern);
    if is_wild {
        // A file whose name is written out may come to be in any of the folders found.
        if !pattern.rsplit('/').next().is_some_and(|last| last.contains(['*', '?'])) {
            folders.extend(files.iter().filter_map(|file| Some(file.parent()?.to_owned())));
        }
        // A link that leads nowhere is a mistake; a name that is not there in one of many folders is none.
        files.retain(|path| fs::symlink_metadata(path).is_ok() && !path.is_dir());
    }
    files.sort();
    Ok(Found { files, folders, is_wild })
}

/// The paths that match a pattern so far.
struct Search {
    paths: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    names: usize,
}

impl Search {
    /// Goes one level down, to all names that match.
    fn enter(&mut self, segment: &str) -> Result<(), Fault> {
        for folder in std::mem::take(&mut self.paths) {
            let refused = |error: &std::io::Error| Fault {
                reason: format!("cannot look into {}: {}", folder.display(), said(error)),
                hint: "the user the gateway runs as must be able to read the folder",
            };
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.folders.push(folder);
                    continue;
                }
                // A wildcard of the level above has matched a file.
                Err(error) if error.kind() == ErrorKind::NotADirectory => continue,
                Err(error) => return Err(refused(&error)),
            };
            for entry in entries {
                self.names += 1;
                if self.names > NAMES_MAX {
                    let reason = format!("more than {NAMES_MAX} names to look at");
                    return Err(Fault { reason, hint: "keep included files in a folder of their own" });
                }
                let name = entry.map_err(|error| refused(&error))?.file_name();
                let is_match =
                    name.to_str().is_some_and(|name| !name.starts_with('.') && matches(segment, name));
                if is_match {
                    self.paths.push(folder.join(name));
                }
            }
            self.folders.push(folder);
        }
        Ok(())
    }
}

/// Whether a name is one a pattern stands for. After a star the rest is tried at every place, from the last star alone:
/// what an earlier one took is settled once a later one has begun.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                (p, n) = (after, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_stand_for_parts_of_a_name() {
        let cases = [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".yaml", true),
            ("*.yaml", "a.yml", false),
            ("*.yaml", "a.yaml~", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("?.yaml", "é.yaml", true),
            ("?.yaml", "ab.yaml", false),
            ("*a?", "aaab", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("[ab]", "a", false),
            ("*a*a*a*a*a*a*a*a*b", &"a".repeat(200), false),
        ];
        for (pattern, name, is_match) in cases {
            assert_eq!(matches(pattern, name), is_match, "{pattern} and {name}");
        }
    }
}
