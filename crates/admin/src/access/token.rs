//! The token of a gateway whose configuration sets none: made at the first start, kept in a file that only the
//! gateway's user can read, and never printed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use subtle::ConstantTimeEq;
use tidegate_core::problem::Problem;
use tidegate_core::secret::Secret;

/// In the state folder.
const FILE: &str = "admin-token";
/// 256 bits: nobody guesses it.
const RANDOM_BYTES: usize = 32;
/// An operator may write a token of their own into the file; longer than this it is something else.
const FILE_BYTES_MAX: u64 = 4096;

/// Compares in a time that depends on the lengths alone.
pub(super) fn is_same(expected: &str, shown: &str) -> bool {
    expected.as_bytes().ct_eq(shown.as_bytes()).into()
}

/// Random text that is fit for a header, a URL and a cookie.
pub(super) fn random() -> io::Result<Secret<String>> {
    let mut bytes = [0u8; RANDOM_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        // Up to 256 bytes come whole once the system has gathered randomness; before that it waits.
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The token in the state folder.
#[derive(Debug)]
pub(super) struct Made {
    path: PathBuf,
    token: OnceLock<Secret<String>>,
}

impl Made {
    pub(super) fn new(state: &Path) -> Made {
        Made { path: state.join(FILE), token: OnceLock::new() }
    }

    /// Reads it, or makes it; once.
    pub(super) fn token(&self) -> Result<&Secret<String>, Problem> {
        if self.token.get().is_none() {
            let token = read_or_make(&self.path).map_err(|error| self.problem(&error))?;
            // Whoever was faster read or made the same.
            let _ = self.token.set(token);
        }
        self.token.get().ok_or_else(|| self.problem(&ErrorKind::Other.into()))
    }

    fn problem(&self, error: &io::Error) -> Problem {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::InvalidData => Problem::new(format!("{path} holds no token"))
                .hint("remove the file, and the next start makes a new one"),
            _ => Problem::new(format!("cannot read or make the admin token in {path}: {error}")).hint(
                "make the state folder writable for this user, or set `admin: { token: \"${file:…}\" }`",
            ),
        }
    }
}

fn read_or_make(path: &Path) -> io::Result<Secret<String>> {
    match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read,
    }
    let token = random()?;
    // Written elsewhere and then given its name, if that is still free: nobody ever reads half a token, and of two
    // gateways that start at once both have that of one.
    let draft = path.with_file_name(format!(".{FILE}-{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let named = writeln!(file, "{}", token.reveal())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match named {
        Ok(()) => Ok(token),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> io::Result<Secret<String>> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    let token = text.trim_end_matches(['\r', '\n']);
    let is_token = !token.is_empty()
        && text.len() as u64 <= FILE_BYTES_MAX
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    match is_token {
        true => Ok(Secret::new(token.to_owned())),
        false => Err(ErrorKind::InvalidData.into()),
    }
}
