//! Sees that the files of the configuration have changed, by looking at them. Not by being told: notifications miss
//! what happens on network file systems, behind the links of mounted Kubernetes maps, and when an editor puts a new
//! file in the old one's place. A look is one system call a file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidegate_config::Sources;

use super::Shared;
use super::reload::Cause;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the files and folders of a configuration look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// What changes when a file is written, another takes its place, or one comes into a folder or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    File { device: u64, inode: u64, bytes: u64, modified: (i64, i64) },
    Folder(BTreeSet<OsString>),
}

impl Stamps {
    /// As they are now.
    pub(super) fn of(sources: &Sources) -> Stamps {
        let paths = sources.files.iter().chain(&sources.folders);
        Stamps(paths.map(|path| (path.clone(), stamp(path))).collect())
    }

    /// As they are now, but for what was looked at before anything was read: what has changed since then shows as a
    /// change.
    pub(super) fn since(before: Stamps, sources: &Sources) -> Stamps {
        let mut stamps = Stamps::of(sources);
        for (path, stamp) in before.0 {
            stamps.0.entry(path).and_modify(|now| *now = stamp);
        }
        stamps
    }

    /// The same files and folders, as they are now.
    fn again(&self) -> Stamps {
        Stamps(self.0.keys().map(|path| (path.clone(), stamp(path))).collect())
    }
}

/// `None` while there is no such file or folder.
fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    if metadata.is_dir() {
        return names(path);
    }
    Some(Stamp::File {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// What is in a folder, but for what editors put there for themselves.
fn names(path: &Path) -> Option<Stamp> {
    let names = std::fs::read_dir(path).ok()?.flatten().map(|entry| entry.file_name());
    let is_meant = |name: &OsString| {
        let name = name.as_encoded_bytes();
        !name.starts_with(b".") && !name.ends_with(b"~")
    };
    Some(Stamp::Folder(names.filter(is_meant).collect()))
}

/// Takes the configuration anew whenever its files have changed and look the same twice in a row: an editor that
/// writes in several steps has then come to an end.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut before = Stamps::default();
    loop {
        every.tick().await;
        let read = shared.reloader.read.lock().unwrap_or_else(|p| p.into_inner()).clone();
        let again = move || {
            let now = read.again();
            (now != read, now)
        };
        let Ok((has_changed, now)) = tokio::task::spawn_blocking(again).await else { continue };
        if has_changed && now == before && shared.is_serving() {
            // What is wrong with it has been said.
            let _ = shared.renew(Cause::Files).await;
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_file_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        let sources = Sources {
            files: vec![path.clone()],
            folders: vec![folder.path().join("services")],
            ..Sources::default()
        };
        let look = || Stamps::of(&sources);
        let mut before = look();
        let mut check = |what: &str| {
            let now = look();
            assert_ne!(now, before, "{what}");
            assert_eq!(before.again(), now, "{what}");
            before = now;
        };
        std::fs::write(&path, "a").unwrap();
        check("made");
        std::fs::write(&path, "ab").unwrap();
        check("written over");
        std::fs::write(folder.path().join("b"), "ab").unwrap();
        std::fs::rename(folder.path().join("b"), &path).unwrap();
        check("replaced");
        std::fs::remove_file(&path).unwrap();
        check("removed");
        std::fs::create_dir(folder.path().join("one")).unwrap();
        std::fs::create_dir(folder.path().join("two")).unwrap();
        for version in ["one", "two"] {
            std::fs::write(folder.path().join(version).join("a.yaml"), "ab").unwrap();
        }
        std::os::unix::fs::symlink("one", folder.path().join("now")).unwrap();
        std::os::unix::fs::symlink("now/a.yaml", &path).unwrap();
        check("a link through a folder");
        std::os::unix::fs::symlink("two", folder.path().join("next")).unwrap();
        std::fs::rename(folder.path().join("next"), folder.path().join("now")).unwrap();
        check("the folder behind a link");
        let services = folder.path().join("services");
        std::fs::create_dir(&services).unwrap();
        check("a folder");
        std::fs::write(services.join(".b.yaml.swp"), "").unwrap();
        std::fs::write(services.join("b.yaml~"), "").unwrap();
        assert_eq!(look(), Stamps::of(&sources));
        std::fs::write(services.join("b.yaml"), "").unwrap();
        check("a file in it");
        std::fs::remove_file(services.join("b.yaml")).unwrap();
        check("a file of it removed");
    }
}
