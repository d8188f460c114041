//! What a gateway without a file has to find for itself: a folder for its state, ports that are free, and how
//! to name an address in a URL. Used by `up` and `demo`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use tidegate_core::problem::Problem;

use crate::state;

/// Where the admin listener is unless something else listens there.
pub(crate) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// A port that was free a moment ago.
pub(crate) struct Found {
    /// The address with that port.
    pub(crate) address: SocketAddr,
    /// Whether it is the one that was wanted.
    pub(crate) is_wanted: bool,
}

/// `wanted` if nobody listens there, else the same address with a port the system picks.
pub(crate) fn free_port(wanted: SocketAddr) -> Result<Found, Problem> {
    if !is_taken(wanted) {
        return Ok(Found { address: wanted, is_wanted: true });
    }
    let any = SocketAddr::new(wanted.ip(), 0);
    match TcpListener::bind(any).and_then(|listener| listener.local_addr()) {
        Ok(address) => Ok(Found { address, is_wanted: false }),
        Err(error) => Err(Problem::new(format!("no port of {} is free: {error}", wanted.ip()))),
    }
}

/// Whether nothing more can listen there.
pub(crate) fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err()
}

/// `http://…` for a client on this machine: an address that stands for all of them becomes loopback.
pub(crate) fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// A text as the configuration format writes it, so that every character of it means itself.
pub(crate) fn quoted(text: &str) -> String {
    // JSON strings are read as they are, but for `${…}`.
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

/// A folder for what outlives the process.
pub(crate) struct StateFolder {
    path: PathBuf,
    is_passing: bool,
}

impl StateFolder {
    /// The user's: `$XDG_STATE_HOME/tidegate`, or `~/.local/state/tidegate`; where neither can be written, one
    /// that goes with the process.
    pub(crate) fn of_user() -> Result<StateFolder, Problem> {
        let wanted = candidates(|name| std::env::var_os(name));
        match wanted.into_iter().find(|path| is_writable(path)) {
            Some(path) => Ok(StateFolder { path, is_passing: false }),
            None => StateFolder::passing(),
        }
    }

    /// One that goes with the process.
    pub(crate) fn passing() -> Result<StateFolder, Problem> {
        let folder = std::env::temp_dir();
        let mut attempt = 0;
        loop {
            let path = folder.join(format!("tidegate-{}-{attempt}", std::process::id()));
            match make_private(&path) {
                Ok(()) => return Ok(StateFolder { path, is_passing: true }),
                // Somebody made a folder of that name: theirs is not used, whoever they are.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && attempt < 100 => {
                    attempt += 1
                }
                Err(error) => {
                    let reason = format!("cannot make a folder in {}: {error}", folder.display());
                    return Err(Problem::new(reason).hint("set TMPDIR to a folder this user may write to"));
                }
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes with the process.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_passing
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        if self.is_passing {
            // What is left in the system's folder for such things is removed by the system.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The user's state folders, the better one first. The XDG Base Directory Specification wants paths that are
/// not absolute ignored.
fn candidates(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let named = absolute("XDG_STATE_HOME").map(|path| path.join("tidegate"));
    let usual = absolute("HOME").map(|path| path.join(".local/state/tidegate"));
    named.into_iter().chain(usual).collect()
}

fn is_writable(path: &Path) -> bool {
    state::prepare(path).is_ok()
}

/// Fails if anything has that name already, be it a link.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;

    #[test]
    fn a_port_in_use_is_replaced_by_another_of_the_same_address() {
        let used = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let holder = TcpListener::bind(used).unwrap();
        let other = free_port(used).unwrap();
        assert!(!other.is_wanted && other.address.port() != used.port() && other.address.ip() == used.ip());
        drop(holder);
        let same = free_port(used).unwrap();
        assert!(same.is_wanted && same.address == used);
    }

    #[test]
    fn urls_lead_to_this_machine() {
        let check = |address: &str, expected: &str| assert_eq!(url(address.parse().unwrap()), expected);
        check("127.0.0.1:8080", "http://127.0.0.1:8080");
        check("0.0.0.0:80", "http://127.0.0.1:80");
        check("[::]:80", "http://[::1]:80");
        check("10.1.2.3:80", "http://10.1.2.3:80");
    }

    #[test]
    fn quoted_texts_mean_themselves() {
        let check = |text: &str| {
            let file = format!("version: 1\nlisten: {{ a: {} }}", quoted(text));
            let problems =
                tidegate_config::from_text("x", &file, Path::new("/"), &families::ALL).unwrap_err();
            let reason = &problems.iter().next().unwrap().reason;
            assert!(reason.starts_with(&format!("`{text}` ")), "{text}: {reason}");
        };
        for text in ["a\"b", "a\\b", "a: b", "# a", "${HOME}", "{a}", "*a", "a $${b}"] {
            check(text);
        }
    }

    #[test]
    fn state_goes_where_the_user_says() {
        let check = |xdg: Option<&str>, home: Option<&str>, expected: &[&str]| {
            let paths = candidates(|name| match name {
                "XDG_STATE_HOME" => xdg.map(OsString::from),
                "HOME" => home.map(OsString::from),
                _ => None,
            });
            assert_eq!(paths, expected.iter().map(PathBuf::from).collect::<Vec<_>>());
        };
        check(Some("/x"), Some("/h"), &["/x/tidegate", "/h/.local/state/tidegate"]);
        check(Some("x"), Some("/h"), &["/h/.local/state/tidegate"]);
        check(Some(""), None, &[]);
        check(None, Some("h"), &[]);
    }

    #[test]
    fn a_passing_folder_is_private_fresh_and_goes() {
        use std::os::unix::fs::PermissionsExt;
        let (one, two) = (StateFolder::passing().unwrap(), StateFolder::passing().unwrap());
        assert_ne!(one.path(), two.path());
        assert_eq!(std::fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let path = one.path().to_owned();
        std::fs::write(path.join("file"), b"x").unwrap();
        drop(one);
        assert!(!path.exists() && two.path().exists());
    }
}
