//! What members of families are built with, while a configuration is read: a place for what is wrong, the files they
//! name, what they share, and what stands beside them.

use crate::auth::Authenticator;
use crate::node::Node;
use crate::problem::Problems;
use crate::shelf::Shelf;
use std::path::Path;
use std::sync::Arc;

/// Reads files for members. What was read belongs to the configuration: when it changes, so has the configuration.
pub trait Files {
    /// The whole content. Bounded: a file of more than 10 MiB is refused.
    ///
    /// Errors: why there is none, as a phrase after the file's name.
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String>;

    /// The same as a tree in which everything knows its line. `None` after telling what keeps it from being one.
    ///
    /// Errors: as of `read`.
    fn tree(&mut self, path: &Path, problems: &mut Problems) -> Result<Option<Node>, String>;
}

/// Everything a member is built with beside its own settings.
pub struct Building<'b> {
    /// Where to tell what is wrong.
    pub problems: &'b mut Problems,
    /// The files its settings name.
    pub files: &'b mut dyn Files,
    /// What is shared with others and outlives snapshots.
    pub shelf: &'b Shelf,
    /// What it is part of.
    pub part: Part<'b>,
}

/// What a member is part of.
#[derive(Clone, Copy)]
pub struct Part<'b> {
    /// The route's name, or that of the entry of `auth`.
    pub name: &'b Arc<str>,
    /// The keys of the route that belong to policies: what runs beside it.
    pub keys: &'b [&'b str],
    /// The entries of `auth`.
    pub auth: &'b AuthEntries,
}

/// The entries of `auth`, by name.
#[derive(Default)]
pub struct AuthEntries {
    /// Those that could be built.
    pub built: Vec<(Arc<str>, Arc<dyn Authenticator>)>,
    /// Those that could not. What is wrong with them has been told: whoever names one is right.
    pub broken: Vec<Arc<str>>,
}

impl Part<'_> {
    /// Whether the route has this key too.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }

    /// The entry of `auth` with that name.
    pub fn authenticator(&self, name: &str) -> Option<Arc<dyn Authenticator>> {
        self.auth.built.iter().find(|(known, _)| &**known == name).map(|(_, one)| one.clone())
    }
}

/// What a member is built with by itself: no files, nothing beside it, an empty shelf.
pub struct Alone {
    /// What was wrong.
    pub problems: Problems,
    /// What is shared.
    pub shelf: Shelf,
    name: Arc<str>,
    keys: Vec<&'static str>,
}

impl Alone {
    /// As part of a route of that name, with these keys beside it.
    pub fn new(name: &str, keys: &[&'static str]) -> Alone {
        Alone {
            problems: Problems::default(),
            shelf: Shelf::default(),
            name: name.into(),
            keys: keys.to_vec(),
        }
    }

    /// Builds with it.
    pub fn build<T>(&mut self, build: impl FnOnce(&mut Building<'_>) -> T) -> T {
        build(&mut Building {
            problems: &mut self.problems,
            files: &mut NoFiles,
            shelf: &self.shelf,
            part: Part { name: &self.name, keys: &self.keys, auth: &AuthEntries::default() },
        })
    }
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&mut self, _: &Path) -> Result<Vec<u8>, String> {
        Err(String::from("cannot be read: there is no such file"))
    }

    fn tree(&mut self, path: &Path, _: &mut Problems) -> Result<Option<Node>, String> {
        self.read(path).map(|_| None)
    }
}
