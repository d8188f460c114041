//! Addresses to listen on or connect to, and paths. Relative paths start at the folder of the file they are
//! written in, which the node knows.

use crate::node::{Node, Value};
use crate::problem::{Problem, Problems};
use crate::settings::{Fault, Setting, Shape, expected};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An IP address and a port; port 0 is any free one.
    Inet(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Display for Bind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Inet(address) => address.fmt(f),
            Bind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Setting for Bind {
    fn read(node: &Node, problems: &mut Problems) -> Bind {
        let Some(text) = word(node, "an address such as `127.0.0.1:8080`", problems) else {
            return Bind::stand_in();
        };
        let read = match text.strip_prefix("unix:") {
            Some(path) => unix_path(node, path).map(Bind::Unix),
            None => inet(text, Use::Listen).map(Bind::Inet),
        };
        read.unwrap_or_else(|fault| {
            problems.push(fault.problem(node));
            Bind::stand_in()
        })
    }

    fn stand_in() -> Bind {
        Bind::Inet(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn shape() -> Shape {
        Shape::Word {
            what: "an address such as `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/gate.sock`",
            pattern: "",
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To listen on.
    Listen,
    /// To connect to.
    Connect,
}

/// An IP address with a port.
pub fn inet(text: &str, usage: Use) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let example = Fault::new("is not an address")
        .hint("write an IP address and a port: `127.0.0.1:8080`, `[::1]:8080`");
    let bare = text.strip_prefix(':').or(text.strip_prefix("*:")).unwrap_or(text);
    if let Ok(port) = bare.parse::<u16>() {
        let hint = match usage {
            Use::Listen => {
                format!("write `127.0.0.1:{port}` for this machine alone, `0.0.0.0:{port}` for every address")
            }
            Use::Connect => format!("write `127.0.0.1:{port}` for this machine"),
        };
        return Err(Fault::new("has no address").hint(hint));
    }
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match inside.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) if inside == text => {
            return Err(Fault::new("has no brackets")
                .hint("write an IPv6 address in brackets and a port after them: `[::1]:8080`"));
        }
        Ok(ip) => {
            let hint = format!("write a port after it: `{}`", SocketAddr::from((ip, 8080)));
            return Err(Fault::new("has no port").hint(hint));
        }
        Err(_) => {}
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Err(example) };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Err(_) => Err(example),
        Ok(_) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Fault::new("has a port above 65535"))
        }
        Ok(_) => Err(Fault::new("has a port that is not a number")),
    }
}

/// The path of a Unix socket, from the file's folder on.
pub fn unix_path(node: &Node, path: &str) -> Result<PathBuf, Fault> {
    // sockaddr_un holds 108 bytes with the final zero (unix(7)).
    const BYTES_MAX: usize = 107;
    let path = node.place.source.folder.join(path.strip_prefix("//").unwrap_or(path));
    match path.as_os_str().len() {
        _ if path.as_os_str().as_encoded_bytes().contains(&0) => Err(Fault::new("holds a zero byte")),
        _ if path == node.place.source.folder => {
            Err(Fault::new("has no path").hint("write `unix:/run/gate.sock`"))
        }
        0..=BYTES_MAX => Ok(path),
        _ => Err(Fault::new("is too long for a socket").hint("107 bytes at most, with the folder it is in")),
    }
}

/// A path in the file system. A relative one starts at the folder of the file it is written in.
impl Setting for PathBuf {
    fn read(node: &Node, problems: &mut Problems) -> PathBuf {
        match word(node, "a path", problems) {
            Some("") => problems.push(Problem::at(&node.place, "the path is empty")),
            Some(text) if text.contains('\0') => problems.push(Fault::new("holds a zero byte").problem(node)),
            Some(text) => return node.place.source.folder.join(text),
            None => {}
        }
        PathBuf::new()
    }

    fn stand_in() -> PathBuf {
        PathBuf::new()
    }

    fn shape() -> Shape {
        Shape::Word { what: "a path", pattern: "" }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// The text of a scalar; tells it if the node is something else.
fn word<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> Option<&'a str> {
    match &node.value {
        Value::Scalar(scalar) => return Some(&scalar.text),
        Value::Refused => {}
        _ => problems.push(expected(what, node)),
    }
    None
}
