//! Where members of families are built while a configuration is read: the families, the files they have read, and the
//! one call that builds a member of any of them.

use crate::members::{Families, Member, WhatWasRead};
use crate::sources::{self, Unreadable};
use crate::yaml;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::building::{AuthEntries, Building, Files, Part};
use tidegate_core::node::Node;
use tidegate_core::problem::{Problems, Source};
use tidegate_core::shelf::Shelf;

/// See the file.
pub(crate) struct Workbench<'f> {
    pub(crate) families: &'f Families<'f>,
    nothing_shared: Shelf,
    /// Every file that a member wanted, be it there or not.
    pub(crate) files: BTreeSet<PathBuf>,
}

/// What stands beside a member that is built.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a> {
    /// The name of what it is part of.
    pub(crate) name: &'a Arc<str>,
    /// The keys of its route that belong to policies.
    pub(crate) keys: &'a [&'a str],
    /// The entries of `auth`.
    pub(crate) auth: &'a AuthEntries,
}

impl<'f> Workbench<'f> {
    pub(crate) fn new(families: &'f Families<'f>) -> Workbench<'f> {
        Workbench { families, nothing_shared: Shelf::default(), files: BTreeSet::new() }
    }

    /// The content of a file that the configuration names. Who waits for changes will look at it, be it there or not.
    pub(crate) fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.files.insert(path.to_owned());
        sources::read_bytes(path).map_err(|fault| fault.reason())
    }

    /// Builds what a member's settings ask for.
    pub(crate) fn build<T: ?Sized>(
        &mut self,
        name: &'static str,
        written: &Node,
        beside: Beside<'_>,
        problems: &mut Problems,
        build: impl FnOnce(&Node, &mut Building<'_>) -> Vec<Arc<T>>,
    ) -> Vec<Member<T>> {
        let mut reader = Reader { wanted: &mut self.files, read: Vec::new() };
        let built = build(
            written,
            &mut Building {
                problems,
                files: &mut reader,
                shelf: self.families.shelf.unwrap_or(&self.nothing_shared),
                part: Part { name: beside.name, keys: beside.keys, auth: beside.auth },
            },
        );
        let read: WhatWasRead = reader.read.into();
        built.into_iter().map(|built| Member::new(name, written.clone(), read.clone(), built)).collect()
    }
}

/// Reads files for one member.
struct Reader<'a> {
    wanted: &'a mut BTreeSet<PathBuf>,
    read: Vec<(PathBuf, u64)>,
}

impl Files for Reader<'_> {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.wanted.insert(path.to_owned());
        let bytes = sources::read_bytes(path)
            .map_err(|why: Unreadable| format!("cannot be read: {}", why.reason()))?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        self.read.push((path.to_owned(), hasher.finish()));
        Ok(bytes)
    }

    fn tree(&mut self, path: &Path, problems: &mut Problems) -> Result<Option<Node>, String> {
        let text = String::from_utf8(self.read(path)?).map_err(|_| String::from("is not UTF-8 text"))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let source = Source::new(path.display().to_string(), folder, text);
        Ok(yaml::parse(&source, &mut 0, problems))
    }
}
