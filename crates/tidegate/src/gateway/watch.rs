//! Sees that the files of the configuration have changed, by looking at them. Not by being told: notifications miss
//! what happens on network file systems, behind the links of mounted Kubernetes maps, and when an editor puts a new
//! file in the old one's place. A look is one system call a file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Changes, Shared};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What files look like, in an order that stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<Option<Stamp>>);

/// What changes when a file is written, or another takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamps {
    /// As they are now.
    pub(super) fn of(changes: &Changes) -> Stamps {
        match changes {
            Changes::Never => Stamps::default(),
            Changes::File(path) => Stamps(vec![stamp(path)]),
        }
    }
}

/// `None` while there is no such file.
fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// Takes the configuration anew whenever its files have changed and look the same twice in a row: an editor that
/// writes in several steps has then come to an end.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut before = Stamps::of(&shared.reloader.changes);
    loop {
        every.tick().await;
        let now = Stamps::of(&shared.reloader.changes);
        let has_changed = now != *shared.reloader.read.lock().unwrap_or_else(|p| p.into_inner());
        if has_changed && now == before && shared.is_serving() {
            // What is wrong with it has been said.
            let _ = shared.renew().await;
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
        let look = || Stamps::of(&Changes::File(path.clone()));
        let mut before = look();
        let mut check = |what: &str| {
            let now = look();
            assert_ne!(now, before, "{what}");
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
    }
}
