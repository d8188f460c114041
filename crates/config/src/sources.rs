//! What a configuration is read from: paths to texts and trees, with the bounds that hold for all its files together.
//! Where the files are found is in `load` and `include`.

use crate::interpolate::{Filling, Variables, said};
use crate::yaml;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::node::Node;
use tidegate_core::problem::{Problems, Source};

/// 10,000 routes take about 3 MiB. Bounds what a wrong path makes us read; holds for one file, and for all together.
pub(crate) const BYTES_MAX: u64 = 10 << 20;

/// Everything a configuration was read from, for those who want to know when it changes. Paths are absolute where the
/// file's own folder was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files: the configuration's own first, if it was a file, then those it includes, then those of `${file:…}`.
    pub files: Vec<PathBuf>,
    /// Folders in which a file that comes or goes may change what is included. Some may not be there yet.
    pub folders: Vec<PathBuf>,
    /// The texts of the configuration's own file and of those it includes, as they were read.
    pub texts: Vec<Text>,
}

/// The text of a file.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its path; what messages call it, where it was no file.
    pub path: PathBuf,
    /// What was read.
    pub source: Arc<Source>,
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.path == other.path && self.source.text() == other.source.text()
    }
}

impl Eq for Text {}

/// A configuration being read: what was taken of the bounds so far.
pub(crate) struct Reading<'a> {
    pub(crate) sources: Sources,
    /// What is included, where that is not looked up: paths and texts.
    pub(crate) included: Option<&'a [(PathBuf, Arc<str>)]>,
    filling: Filling<'a>,
    bytes: u64,
    nodes: usize,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(variables: &'a Variables<'a>) -> Reading<'a> {
        Reading {
            sources: Sources::default(),
            included: None,
            filling: Filling::new(variables),
            bytes: 0,
            nodes: 0,
        }
    }

    /// Whether so many more bytes may be read.
    pub(crate) fn may_take(&mut self, text: &str) -> bool {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        self.bytes <= BYTES_MAX
    }

    /// The tree of a text with everything filled in. `None` when it is empty, or after telling what keeps it from being
    /// read at all.
    pub(crate) fn tree(&mut self, source: &Arc<Source>, problems: &mut Problems) -> Option<Node> {
        let mut root = yaml::parse(source, &mut self.nodes, problems)?;
        self.filling.fill(&mut root, problems);
        Some(root)
    }

    /// The end: everything it was read from.
    pub(crate) fn into_sources(self) -> Sources {
        let Reading { mut sources, filling, .. } = self;
        sources.files.extend(filling.files);
        sources
    }
}

/// Why a path gives no text.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Missing,
    Folder,
    /// A device, a pipe, a socket: reading could take for ever.
    NotAFile,
    TooLarge,
    /// The number of the first line that is not.
    NotText(usize),
    /// This user may not read it.
    NoAccess,
    /// What else the system says.
    Refused(String),
}

impl Unreadable {
    /// As a phrase after the file's name.
    pub(crate) fn reason(&self) -> String {
        match self {
            Unreadable::Missing => String::from("there is no such file"),
            Unreadable::Folder => String::from("is a folder"),
            Unreadable::NotAFile => String::from("is not a file"),
            Unreadable::TooLarge => format!("is larger than {} MiB", BYTES_MAX >> 20),
            Unreadable::NotText(line) => format!("line {line} is not UTF-8 text"),
            Unreadable::NoAccess => String::from("permission denied"),
            Unreadable::Refused(text) => text.clone(),
        }
    }
}

/// Reads a file of text whole.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Unreadable::NotText(before.iter().filter(|&&b| b == b'\n').count() + 1)
    })
}

/// Reads a file whole.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Unreadable::Missing,
        ErrorKind::PermissionDenied => Unreadable::NoAccess,
        _ => Unreadable::Refused(said(&error)),
    };
    let metadata = fs::metadata(path).map_err(refused)?;
    if metadata.is_dir() {
        return Err(Unreadable::Folder);
    }
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile);
    }
    if metadata.len() > BYTES_MAX {
        return Err(Unreadable::TooLarge);
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(refused)?;
    Ok(bytes)
}
