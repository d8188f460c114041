//! Where lines go: a file that may be rotated, by us or by others, or a stream such as standard output. Writing to
//! either never waits for long: a stream is asked first whether it takes anything.

use crate::say;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a stream is given at a time. A pipe that is not full takes so much without waiting (pipe(7), PIPE_BUF).
const STREAM_BYTES: usize = 4096;
/// How long a stream that takes nothing is waited for, so that orders are not.
const STREAM_WAIT: Duration = Duration::from_millis(100);
/// How often a file is looked at: whether it still has its name.
const LOOK_TIME: Duration = Duration::from_secs(1);
/// Until a rotation that failed is tried again.
const ROTATE_AGAIN_TIME: Duration = Duration::from_secs(60);
/// Clients' addresses are nobody else's business: the group may read, as it does system logs.
const FILE_MODE: u32 = 0o640;

/// When a file gives way to a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// The size a file is not let grow beyond; a line longer than that gets a file of its own.
    pub bytes_max: u64,
    /// Old files kept, as `NAME.1` (the youngest) and so on.
    pub keep: u32,
}

/// An open place for lines.
pub struct Destination {
    out: File,
    name: String,
    /// A file with a name; `None` for streams and whatever else has no length.
    file: Option<Named>,
    is_stream: bool,
    /// Whether what was written last ended within a line.
    is_torn: bool,
}

/// What belongs to a file that has a name.
struct Named {
    path: PathBuf,
    rotate: Option<Rotate>,
    bytes: u64,
    identity: (u64, u64),
    looked_at: Instant,
    rotate_after: Instant,
}

impl Destination {
    /// Standard output.
    pub fn stdout() -> io::Result<Destination> {
        Destination::stream(io::stdout().as_fd(), "stdout")
    }

    /// Standard error.
    pub fn stderr() -> io::Result<Destination> {
        Destination::stream(io::stderr().as_fd(), "stderr")
    }

    /// A descriptor that is open already.
    pub fn stream(descriptor: BorrowedFd<'_>, name: &str) -> io::Result<Destination> {
        let out = File::from(descriptor.try_clone_to_owned()?);
        // A file takes what it is given; anything else is asked first.
        let is_stream = !out.metadata()?.is_file();
        Ok(Destination { out, name: name.to_owned(), file: None, is_stream, is_torn: false })
    }

    /// A file, made if it is not there and appended to if it is.
    pub fn file(path: &Path, rotate: Option<Rotate>) -> io::Result<Destination> {
        let out = open(path)?;
        let metadata = out.metadata()?;
        let is_stream = !metadata.is_file();
        let now = Instant::now();
        let file = (!is_stream).then(|| Named {
            path: path.to_owned(),
            rotate,
            bytes: metadata.len(),
            identity: (metadata.dev(), metadata.ino()),
            looked_at: now,
            rotate_after: now,
        });
        Ok(Destination { out, name: path.display().to_string(), file, is_stream, is_torn: false })
    }

    /// Writes whole lines, or as much of them as is taken now; says how much. `lines` begins where the last call
    /// left off.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let most = match self.room() {
            _ if self.is_stream => {
                self.await_room()?;
                lines.len().min(STREAM_BYTES)
            }
            Some(room) if lines.len() as u64 > room => match lines_within(lines, room as usize) {
                0 if self.is_empty() || self.is_torn => first_line(lines),
                0 if self.rotate() => return Ok(0), // into a new file, which has another room
                0 => lines.len(),
                fitting => fitting,
            },
            _ => lines.len(),
        };
        let written = self.out.write(&lines[..most])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.is_torn = lines[written - 1] != b'\n';
        if let Some(file) = &mut self.file {
            file.bytes += written as u64;
        }
        Ok(written)
    }

    /// Opens the file anew if another one, or none, has its name now; says whether it is another one.
    pub(super) fn look_after(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        if file.looked_at.elapsed() < LOOK_TIME {
            return false;
        }
        file.looked_at = Instant::now();
        let identity = fs::metadata(&file.path).map(|metadata| (metadata.dev(), metadata.ino()));
        !identity.is_ok_and(|identity| identity == file.identity) && self.reopen()
    }

    /// Opens the file by its name; says whether it is another one. If that fails lines go on to the one that is open.
    pub(super) fn reopen(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        match Destination::file(&file.path, file.rotate) {
            Ok(new) if new.file.as_ref().is_some_and(|new| new.identity == file.identity) => false,
            Ok(new) => {
                *self = new;
                true
            }
            Err(error) => {
                say::warn("the access log cannot be opened anew", &[("path", &self.name), ("error", &error)]);
                false
            }
        }
    }

    /// Bytes until the file is full; `None` if it never is, or cannot be rotated just now.
    fn room(&self) -> Option<u64> {
        let file = self.file.as_ref().filter(|file| Instant::now() >= file.rotate_after)?;
        Some(file.rotate?.bytes_max.saturating_sub(file.bytes))
    }

    fn is_empty(&self) -> bool {
        self.file.as_ref().is_none_or(|file| file.bytes == 0)
    }

    /// Moves the file and its forerunners a number on and begins a new one; `false` if that cannot be done now.
    fn rotate(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        let Some(rotate) = file.rotate else { return false };
        if let Err(error) = shift(&file.path, rotate.keep) {
            file.rotate_after = Instant::now() + ROTATE_AGAIN_TIME;
            say::warn("the access log cannot be rotated", &[("path", &self.name), ("error", &error)]);
            return false;
        }
        self.reopen()
    }

    fn await_room(&self) -> io::Result<()> {
        let mut watched = [PollFd::new(&self.out, PollFlags::OUT)];
        let wait = Timespec { tv_sec: 0, tv_nsec: STREAM_WAIT.subsec_nanos().into() };
        match poll(&mut watched, Some(&wait))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}

impl Display for Destination {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Without waiting for a reader, should the path be a pipe; a file does not mind.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).custom_flags(flags).open(path)
}

/// `access.log.1` becomes `access.log.2` and so on up to `keep`, and `access.log` becomes `access.log.1`.
fn shift(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return fs::remove_file(path);
    }
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..keep).rev() {
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, numbered(1))
}

/// How long the first line is.
fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1)
}

/// How many of the bytes are whole lines within so many bytes.
fn lines_within(lines: &[u8], most: usize) -> usize {
    lines[..most].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}
