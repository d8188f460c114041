//! Where a backend listens: `127.0.0.1:9001`, `http://api.internal`, `unix:/path`, and its weight; and the name servers
//! that know host names.

use crate::matching::is_host_name;
use std::net::{IpAddr, SocketAddr};
use tidegate_core::entry::{Scheme, Site};
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::service::Address;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Setting, Shape, Word, expected};
use tidegate_core::units::{Count, Use, inet, unix_path};

/// One instance of a service, or all that a host name has addresses for.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Where it listens.
    pub site: Placed<Site>,
    /// Its share of the traffic against its neighbours; at least 1.
    pub weight: u32,
}

settings! {
    /// One instance of a service.
    struct FileBackend {
        /// Where it listens, as in `http://10.0.0.1:8080`. A host name stands for all its addresses.
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
        Backend { site: address.map(|Listens(site)| site), weight: file.weight.get() }
    }

    fn stand_in() -> Backend {
        Backend { site: Placed::default(Listens::stand_in().0), weight: 1 }
    }

    fn shape() -> Shape {
        FileBackend::shape()
    }

    fn show(&self) -> String {
        self.site.value.to_string()
    }
}

/// An address as operators write it.
#[derive(Clone, Debug, PartialEq)]
struct Listens(Site);

impl Setting for Listens {
    fn read(node: &Node, problems: &mut Problems) -> Listens {
        let read = match &node.value {
            Value::Scalar(scalar) => match scalar.text.strip_prefix("unix:") {
                Some(path) => unix_path(node, path).map(|path| Site::At(Address::Unix(path))),
                None => url(&scalar.text),
            }
            .map_err(|fault| fault.problem(node)),
            Value::Refused => return Listens::stand_in(),
            _ => Err(expected("an address such as `10.0.0.1:8080`", node)),
        };
        match read {
            Ok(site) => Listens(site),
            Err(problem) => {
                problems.push(problem);
                Listens::stand_in()
            }
        }
    }

    fn stand_in() -> Listens {
        Listens(Site::At(Address::Inet(SocketAddr::from(([127, 0, 0, 1], 1)))))
    }

    fn shape() -> Shape {
        Shape::Word {
            what: "an address such as `10.0.0.1:8080`, `https://api.internal:8443` or `unix:/path`",
            pattern: "",
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// `http://host:port`, `https://host:port` or `host:port`, where the host is an IP address or a name; `localhost` is
/// 127.0.0.1, and over TLS a name like any other, as certificates have it.
fn url(text: &str) -> Result<Site, Fault> {
    let (authority, scheme) = match text.split_once("://") {
        None => (text, None),
        Some(("http", rest)) => (rest.strip_suffix('/').unwrap_or(rest), Some(Scheme::Http)),
        Some(("https", rest)) => (rest.strip_suffix('/').unwrap_or(rest), Some(Scheme::Https)),
        Some(_) => {
            return Err(Fault::new("has a scheme that is not known")
                .hint("write `http://…`, `https://…` or leave it out"));
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
    let port = match (port, scheme) {
        (None, Some(Scheme::Http)) => Some("80"),
        (None, Some(Scheme::Https)) => Some("443"),
        (port, _) => port,
    };
    let scheme = scheme.unwrap_or(Scheme::Http);
    if host.eq_ignore_ascii_case("localhost") && scheme == Scheme::Http {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        return connectable(&format!("127.0.0.1{port}"), scheme);
    }
    if is_name(host) {
        let name = host.to_ascii_lowercase();
        return Ok(Site::Named(name.as_str().into(), port_of(&name, port)?, scheme));
    }
    let is_text =
        host.starts_with(|c: char| !c.is_ascii_digit() && c != '[') && host.parse::<IpAddr>().is_err();
    match port {
        _ if is_text => Err(Fault::new("is neither an address nor a host name")
            .hint("write one of them and a port: `10.0.0.1:8080`, `api.internal:8080`")),
        Some(port) => connectable(&format!("{host}:{port}"), scheme),
        None => connectable(host, scheme),
    }
}

/// A host name and no address: nothing made of digits and dots is looked up, as it is an address with a mistake.
fn is_name(host: &str) -> bool {
    let is_numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    !is_numeric && !host.starts_with('[') && is_host_name(host.strip_suffix('.').unwrap_or(host))
}

fn port_of(name: &str, port: Option<&str>) -> Result<u16, Fault> {
    let Some(port) = port else {
        return Err(Fault::new("has no port").hint(format!("write a port after it: `{name}:8080`")));
    };
    match port.parse() {
        Ok(0) => Err(Fault::new(PORT_ZERO)),
        Ok(port) => Ok(port),
        Err(_) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Fault::new("has a port above 65535"))
        }
        Err(_) => Err(Fault::new("has a port that is not a number")),
    }
}

const PORT_ZERO: &str = "has port 0, which nothing can listen on";

fn connectable(text: &str, scheme: Scheme) -> Result<Site, Fault> {
    let address = inet(text, Use::Connect)?;
    match (address.port(), address.ip().is_unspecified()) {
        (0, _) => Err(Fault::new(PORT_ZERO)),
        (_, true) => {
            Err(Fault::new("is no address to connect to").hint("write `127.0.0.1` for this machine"))
        }
        _ => Ok(Site::At(match scheme {
            Scheme::Http => Address::Inet(address),
            Scheme::Https => Address::Tls(address),
        })),
    }
}

/// Where a name server listens: an IP address, and a port unless it is the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

/// The port of name servers (RFC 1035 section 4.2).
const NAME_SERVER_PORT: u16 = 53;

impl Word for NameServer {
    const WHAT: &str = "the address of a name server, such as `10.0.0.2` or `127.0.0.1:5353`";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<NameServer, Fault> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let address = match bare.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, NAME_SERVER_PORT),
            Err(_) => text.parse().map_err(|_| {
                Fault::new("is not the address of a name server")
                    .hint("write an IP address, with a port if it is not 53: `10.0.0.2`, `127.0.0.1:5353`")
            })?,
        };
        match address.port() {
            0 => Err(Fault::new(PORT_ZERO)),
            _ => Ok(NameServer(address)),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> NameServer {
        NameServer(SocketAddr::from(([127, 0, 0, 1], NAME_SERVER_PORT)))
    }
}
