//! The state folder and the files in it: made for this user alone, and written so that no link that somebody has put
//! there leads elsewhere. Used by all who keep something in it.

use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use tidegate_telemetry::say;

/// Tries to make a file anew: another process of ours may just be doing the same.
const TRIES_MAX: u32 = 8;
/// Of a folder that any user of this machine may write to.
const OTHERS_WRITE: u32 = 0o002;

/// Makes sure the folder is there and can be written, before anything depends on it.
pub(crate) fn prepare(folder: &Path) -> io::Result<()> {
    make(folder)?;
    if std::fs::metadata(folder)?.mode() & OTHERS_WRITE != 0 {
        say::warn("every user may write to the state folder", &[("folder", &folder.display())]);
    }
    let probe = folder.join(".writable");
    fresh(&probe)?;
    match std::fs::remove_file(&probe) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the folder for this user alone, whatever the umask; those above it as usual. One that is there stays as it is:
/// it may be somebody's who means it so.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        match std::fs::create_dir_all(above) {
            // What is there is a file, and "File exists" would not say what is wrong with that.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && !above.is_dir() => {
                return Err(rustix::io::Errno::NOTDIR.into());
            }
            made => made?,
        }
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => return Ok(()),
        made => made?,
    }
    // What a umask may have taken away besides.
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::open(folder, flags, Mode::empty())?;
    Ok(rustix::fs::fchmod(made, Mode::RWXU)?)
}

/// A new file under a name that may be left over, be it as a link; nobody else can read it.
pub(crate) fn fresh(path: &Path) -> io::Result<File> {
    let mut tries = 1;
    loop {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < TRIES_MAX => tries += 1,
            made => return made,
        }
    }
}

/// A file that stays, made if it is not there; a link is refused.
pub(crate) fn kept(path: &Path) -> io::Result<File> {
    let no_link = OFlags::NOFOLLOW.bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(no_link).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[test]
    fn a_folder_is_made_for_this_user_alone_and_one_that_is_there_is_left() {
        let outer = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let folder = outer.path().join("a/state");
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o750)).unwrap();
        prepare(&folder).unwrap();
        assert_eq!((mode(&folder), std::fs::read_dir(&folder).unwrap().count()), (0o750, 0));
    }

    #[test]
    fn no_link_is_followed_however_fast_it_is_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, path) = (folder.path().join("victim"), folder.path().join("file.new"));
        std::fs::write(&victim, "theirs").unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let attacker = scope.spawn(|| {
                let mut put = 0;
                while !is_over.load(Relaxed) {
                    let _ = std::fs::remove_file(&path);
                    put += u32::from(symlink(&victim, &path).is_ok());
                }
                put
            });
            for _ in 0..2000 {
                for made in [fresh(&path), kept(&path)] {
                    let _ = made.and_then(|mut file| io::Write::write_all(&mut file, b"ours"));
                }
            }
            is_over.store(true, Relaxed);
            assert!(attacker.join().unwrap() > 0);
        });
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "theirs");
    }
}
