//! Where a backend listens: `127.0.0.1:9001`, `http://127.0.0.1:9001`, `unix:/path`, and its weight.

use std::net::{IpAddr, SocketAddr};
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::service::Address;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Setting, Shape, expected};
use tidegate_core::units::{Count, Use, inet, unix_path};

/// One instance of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Where it listens.
    pub address: Placed<Address>,
    /// Its share of the traffic against its neighbours; at least 1.
    pub weight: u32,
}

settings! {
    /// One instance of a service.
    struct FileBackend {
        /// Where it listens, as in `http://10.0.0.1:8080`.
        url: Option<Placed<Listens>>,
        /// The same without a scheme, as in `10.0.0.1:8080`. Either of the two is written.
        address: Option<Placed<Listens>>,
        /// Its share of the traffic against its neighbours.
        weight: Count<1, 1_000_000> = Count::new(1),
    }
    short url;
}

impl Setting for Backend {
    fn read(node: &Node, problems: &mut Problems) -> Backend {
        let file = FileBackend::read(node, problems);
        let address = match (file.url, file.address) {
            (Some(address), None) | (None, Some(address)) => address,
            (None, None) => {
                // A value of the wrong kind has been told already.
                if node.entries().is_some() {
                    problems.push(Problem::at(&node.place, "the key `url` is missing"));
                }
                Placed::stand_in()
            }
            (Some(url), Some(_)) => {
                problems.push(Problem::at(&node.place, "`url` and `address` are the same: keep one"));
                url
            }
        };
        Backend { address: address.map(|Listens(address)| address), weight: file.weight.get() }
    }

    fn stand_in() -> Backend {
        Backend { address: Placed::default(Listens::stand_in().0), weight: 1 }
    }

    fn shape() -> Shape {
        FileBackend::shape()
    }

    fn show(&self) -> String {
        self.address.value.to_string()
    }
}

/// An address as operators write it.
#[derive(Clone, Debug, PartialEq)]
struct Listens(Address);

impl Setting for Listens {
    fn read(node: &Node, problems: &mut Problems) -> Listens {
        let read = match &node.value {
            Value::Scalar(scalar) => match scalar.text.strip_prefix("unix:") {
                Some(path) => unix_path(node, path).map(Address::Unix),
                None => url(&scalar.text).map(Address::Inet),
            }
            .map_err(|fault| fault.problem(node)),
            Value::Refused => return Listens::stand_in(),
            _ => Err(expected("an address such as `10.0.0.1:8080`", node)),
        };
        match read {
            Ok(address) => Listens(address),
            Err(problem) => {
                problems.push(problem);
                Listens::stand_in()
            }
        }
    }

    fn stand_in() -> Listens {
        Listens(Address::Inet(SocketAddr::from(([127, 0, 0, 1], 1))))
    }

    fn shape() -> Shape {
        Shape::Word {
            what: "an address such as `10.0.0.1:8080`, `http://10.0.0.1:8080` or `unix:/path`",
            pattern: "",
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// `http://ip:port` or `ip:port`; `localhost` is 127.0.0.1.
fn url(text: &str) -> Result<SocketAddr, Fault> {
    let (authority, is_http) = match text.split_once("://") {
        None => (text, false),
        Some(("http", rest)) => (rest.strip_suffix('/').unwrap_or(rest), true),
        Some(("https", _)) => {
            return Err(
                Fault::new("asks for TLS, which is not spoken to backends yet").hint("write `http://…`")
            );
        }
        Some(_) => {
            return Err(Fault::new("has a scheme that is not known").hint("write `http://…` or leave it out"));
        }
    };
    if let Some(at) = authority.find(['/', '?', '#', '@']) {
        return Err(match &authority[at..at + 1] {
            "@" => Fault::new("holds a user name").hint("only an address and a port go here"),
            _ => Fault::new("holds a path")
                .hint("requests keep their own path: write the address and the port alone"),
        });
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_local = host.eq_ignore_ascii_case("localhost");
    let is_name = host.starts_with(|c: char| c.is_alphanumeric())
        && host.contains(|c: char| !c.is_ascii_digit() && c != '.');
    if is_name && !is_local && host.parse::<IpAddr>().is_err() {
        return Err(Fault::new("has a host name, which is not resolved yet")
            .hint("write an IP address, or `localhost`"));
    }
    let rest = if is_local { &authority[host.len()..] } else { authority };
    let local = if is_local { "127.0.0.1" } else { "" };
    let port = if port.is_none() && is_http { ":80" } else { "" };
    let address = inet(&format!("{local}{rest}{port}"), Use::Connect)?;
    match (address.port(), address.ip().is_unspecified()) {
        (0, _) => Err(Fault::new("has port 0, which nothing can listen on")),
        (_, true) => {
            Err(Fault::new("is no address to connect to").hint("write `127.0.0.1` for this machine"))
        }
        _ => Ok(address),
    }
}
