//! What a service's `backends` says, and the roster that follows from it: an address is a backend, a host name is as
//! many backends as it has addresses. Pure; what the names stand for is given. Called when a configuration is
//! compiled and when a name's addresses change.

use crate::service::{Address, Backend, CellBook, Roster};
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What a backend is spoken to by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP as it is.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The port that goes without saying (RFC 9110 sections 4.2.1 and 4.2.2).
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Where an entry's backends are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// There.
    At(Address),
    /// At every address of a host name, on this port. The name is in lower case; one that ends in a dot is whole.
    Named(Arc<str>, u16, Scheme),
}

impl Display for Site {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Site::At(address) => address.fmt(f),
            Site::Named(name, port, Scheme::Http) => write!(f, "{name}:{port}"),
            Site::Named(name, port, Scheme::Https) => write!(f, "https://{name}:{port}"),
        }
    }
}

impl Site {
    /// Whether its backends speak TLS.
    pub fn is_secure(&self) -> bool {
        matches!(self, Site::At(Address::Tls(_)) | Site::Named(_, _, Scheme::Https))
    }

    /// The host name, if it is one.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Site::At(_) => None,
            Site::Named(name, ..) => Some(name),
        }
    }

    /// What backends found by a name are called in `Host`: the port is left out where it is the scheme's own
    /// (RFC 9110 section 7.2), and so is the dot that only resolvers know.
    pub fn authority(name: &str, port: u16, scheme: Scheme) -> Arc<str> {
        let name = name.strip_suffix('.').unwrap_or(name);
        match port {
            port if port == scheme.port() => name.into(),
            port => format!("{name}:{port}").into(),
        }
    }
}

/// One entry of `backends`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub site: Site,
    /// The share of each of its backends against their neighbours; at least 1.
    pub weight: u32,
}

/// How host names are resolved, where the system's own way is not wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolverSettings {
    /// The name servers; without any, the system's.
    pub servers: Box<[SocketAddr]>,
    /// How long one question may wait for its answer; without it, as the system says.
    pub timeout: Option<Duration>,
}

/// The addresses of host names as they were last known: what a new snapshot begins with.
#[derive(Debug, Default)]
pub struct NameBook {
    names: Mutex<HashMap<Arc<str>, Arc<[IpAddr]>>>,
}

impl NameBook {
    /// The addresses of a name; none if nothing is known of it.
    pub fn addresses(&self, name: &str) -> Arc<[IpAddr]> {
        self.lock().get(name).cloned().unwrap_or_default()
    }

    /// A name has these addresses now.
    pub fn set(&self, name: &Arc<str>, addresses: Arc<[IpAddr]>) {
        self.lock().insert(name.clone(), addresses);
    }

    /// Nobody asks for this name any more.
    pub fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<[IpAddr]>>> {
        self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The roster of a service: its entries in order, the addresses of a name in theirs. An address that several entries
/// lead to is one backend, with the weight of the first.
pub fn roster(service: &Arc<str>, entries: &[Entry], cells: &CellBook, names: &NameBook) -> Roster {
    let mut seen = HashSet::new();
    let mut backends = Vec::with_capacity(entries.len());
    let mut add = |address: Address, weight: u32, authority: Option<&Arc<str>>| {
        if seen.insert(address.clone()) {
            let cell = cells.cell(service, &address);
            let backend = Backend::new(address, weight, cell);
            backends.push(match authority {
                Some(authority) => Backend { authority: authority.clone(), ..backend },
                None => backend,
            });
        }
    };
    for entry in entries {
        match &entry.site {
            Site::At(address) => add(address.clone(), entry.weight, None),
            Site::Named(name, port, scheme) => {
                let authority = Site::authority(name, *port, *scheme);
                for ip in names.addresses(name).iter() {
                    let address = (*ip, *port).into();
                    let address = match scheme {
                        Scheme::Http => Address::Inet(address),
                        Scheme::Https => Address::Tls(address),
                    };
                    add(address, entry.weight, Some(&authority));
                }
            }
        }
    }
    Roster::new(backends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[(&str, u32)], known: &[(&str, &[&str])], expected: &[(&str, u32, &str)]) {
        let entries: Vec<Entry> = entries
            .iter()
            .map(|(site, weight)| Entry {
                weight: *weight,
                site: match site.parse() {
                    Ok(address) => Site::At(Address::Inet(address)),
                    Err(_) => {
                        let (name, port) = site.rsplit_once(':').unwrap();
                        Site::Named(name.into(), port.parse().unwrap(), Scheme::Http)
                    }
                },
            })
            .collect();
        let names = NameBook::default();
        for (name, addresses) in known {
            names.set(&Arc::from(*name), addresses.iter().map(|ip| ip.parse().unwrap()).collect());
        }
        let roster = roster(&"api".into(), &entries, &CellBook::new(1), &names);
        let made: Vec<_> =
            roster.backends.iter().map(|one| (&*one.label, one.weight, &*one.authority)).collect();
        assert_eq!(made, expected, "{entries:?}");
    }

    #[test]
    fn entries_become_backends() {
        check(&[("10.0.0.1:80", 2)], &[], &[("10.0.0.1:80", 2, "10.0.0.1:80")]);
        check(
            &[("a:8080", 3), ("10.0.0.9:80", 1)],
            &[("a", &["10.0.0.1", "fd00::1"]), ("b", &["10.0.0.2"])],
            &[
                ("10.0.0.1:8080", 3, "a:8080"),
                ("[fd00::1]:8080", 3, "a:8080"),
                ("10.0.0.9:80", 1, "10.0.0.9:80"),
            ],
        );
        check(&[("a.example.:80", 1)], &[("a.example.", &["10.0.0.1"])], &[("10.0.0.1:80", 1, "a.example")]);
        check(&[("a:1", 1), ("a:2", 1)], &[("a", &["::1"])], &[("[::1]:1", 1, "a:1"), ("[::1]:2", 1, "a:2")]);
    }

    #[test]
    fn an_unknown_name_has_no_backends_and_an_address_is_one_backend() {
        check(&[("a:80", 1)], &[], &[]);
        check(
            &[("10.0.0.1:80", 5), ("a:80", 1), ("b:80", 2)],
            &[("a", &["10.0.0.1", "10.0.0.2"]), ("b", &["10.0.0.2"])],
            &[("10.0.0.1:80", 5, "10.0.0.1:80"), ("10.0.0.2:80", 1, "a")],
        );
    }
}
