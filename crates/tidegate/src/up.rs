//! `tidegate up`: a gateway in front of some backends, without a file. Makes the configuration a file would have, so
//! that every message about it comes from one place, and says what it does and what to try.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tidegate_admin::Origin;
use tidegate_config::Config;
use tidegate_core::clock;
use tidegate_core::entry::{Scheme, Site};
use tidegate_core::plan::Snapshot;
use tidegate_core::problem::{Problem, Problems};
use tidegate_core::service::{Address, Backend, Service};
use tidegate_core::units::Bind;
use tidegate_telemetry::say;

use crate::gateway::{Changes, Ended, Gateway, StartError};
use crate::local::{self, Found, StateFolder, quoted};
use crate::stores::Stores;

/// How long a backend may take to accept a connection before it is said to be silent. It is only a remark, which
/// nobody should wait for much.
const LOOK_TIME: Duration = Duration::from_millis(500);

/// Tries to start: an admin port that was free may be taken by the time it is used.
const STARTS_MAX: usize = 3;

/// Serves until told to stop. Returns at once with everything that keeps it from starting.
pub(crate) fn run(backends: &[String], listen: &str) -> Result<(), Problems> {
    let file = file(backends, listen);
    let state = StateFolder::of_user()?;
    let mut tries = 1;
    let (gateway, config, admin) = loop {
        let admin = find_admin(listen)?;
        let folder = quoted(&state.path().to_string_lossy());
        let text = format!("{file}admin: \"{}\"\nstate: {folder}\n", admin.address);
        let stores = Stores::new();
        let config = tidegate_config::from_text("tidegate up", &text, state.path(), &stores.families())
            .map_err(without_places)?;
        refuse_itself(&config)?;
        match Gateway::start(config.clone(), Origin::Program, Changes::Never, stores) {
            Ok(gateway) => break (gateway, config, admin),
            Err(_) if tries < STARTS_MAX && local::is_taken(admin.address) => tries += 1,
            Err(StartError::Problems(problems)) => return Err(without_places(problems)),
        }
    };
    // On standard error, as with `run`: standard output is kept for the access log.
    let backends = look_at_backends(&gateway.snapshot());
    let link = gateway.link().unwrap_or_default();
    let greeting = Greeting { config: &config, backends, admin: &admin, link, state: &state, file: &file };
    say::plainly(&greeting.text());
    match gateway.serve_until_told() {
        Ended::Well => Ok(()),
        Ended::Badly => Err(Problem::new("it has ended by itself").into()),
    }
}

/// The configuration as a file would have it; what only this machine knows is left out.
fn file(backends: &[String], listen: &str) -> String {
    let backends: Vec<String> = backends.iter().map(|backend| quoted(&whole(backend))).collect();
    let (listen, backends) = (quoted(&whole(listen)), backends.join(", "));
    format!(
        "version: 1\nlisten: {{ http: {listen} }}\nservices:\n  app: {{ backends: [{backends}] }}\n\
         routes:\n  - match: /**\n    to: app\n"
    )
}

/// `3000` and `:3000` are ports of this machine. Everything else is left to the configuration to understand.
fn whole(address: &str) -> String {
    let port = address.strip_prefix(':').unwrap_or(address);
    match !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        false => address.to_owned(),
    }
}

/// A place for the admin listener: the usual one unless it is taken, by others or by what was asked for.
fn find_admin(listen: &str) -> Result<Found, Problem> {
    match whole(listen).parse() {
        Ok(listen) if SocketAddr::port(&listen) == local::ADMIN.port() => {
            let found = local::free_port(SocketAddr::new(local::ADMIN.ip(), 0))?;
            Ok(Found { is_wanted: false, ..found })
        }
        _ => local::free_port(local::ADMIN),
    }
}

/// The places are of a file nobody wrote; reasons name the value themselves.
fn without_places(problems: Problems) -> Problems {
    let mut placeless = Problems::default();
    for problem in problems.iter() {
        placeless.push(Problem { place: None, ..problem.clone() });
    }
    placeless
}

/// A gateway that is its own backend would ask itself until it runs out of connections.
fn refuse_itself(config: &Config) -> Result<(), Problems> {
    let listens: Vec<&Bind> = config.listen.iter().map(|row| &row.value.bind.value).collect();
    let is_ours = |address: &Address| {
        listens.iter().any(|bind| match (bind, address) {
            (Bind::Inet(listen), Address::Inet(backend)) => {
                let is_all = listen.ip().is_unspecified() && backend.ip().is_loopback();
                listen.port() == backend.port() && (listen.ip() == backend.ip() || is_all)
            }
            (Bind::Unix(listen), Address::Unix(backend)) => listen == backend,
            _ => false,
        })
    };
    let mut problems = Problems::default();
    for address in addresses(config).filter(|address| is_ours(address)) {
        let problem = Problem::new(format!("`{address}` is where the gateway itself listens"));
        problems.push(problem.hint("name another backend, or another address to listen on with `--listen`"));
    }
    problems.unless_any(())
}

/// The addresses that were written: what names resolve to changes.
fn addresses(config: &Config) -> impl Iterator<Item = &Address> {
    let backends = config.services.iter().flat_map(|row| row.value.backends.iter());
    backends.filter_map(|backend| match &backend.site.value {
        Site::At(address) => Some(address),
        Site::Named(..) => None,
    })
}

struct Greeting<'a> {
    config: &'a Config,
    /// A line for each backend.
    backends: Vec<String>,
    admin: &'a Found,
    /// The way in for a browser.
    link: &'a str,
    state: &'a StateFolder,
    file: &'a str,
}

impl Greeting<'_> {
    fn text(&self) -> String {
        let (url, curl) = self.way_in();
        let admin = local::url(self.admin.address);
        let note = match self.admin.is_wanted {
            true => String::new(),
            false => format!(", as {} is taken", local::ADMIN.port()),
        };
        let link = self.link;
        let passing = if self.state.is_passing() { ", which goes when this ends" } else { "" };
        format!(
            "tidegate {}: {url} passes requests on to\n  {}\n\
             each to the one expected to answer first, none to one that refuses connections.\n\n\
             Admin on {admin}{note}.\n{link}\nState in {}{passing}.\nCtrl-C finishes what is under way and ends.\n\n\
             Try\n  {curl}\n  curl {admin}/metrics\n\n\
             The same as a file, tidegate.yaml, for `tidegate run`\n  {}",
            env!("CARGO_PKG_VERSION"),
            self.backends.join("\n  "),
            self.state.path().display(),
            self.file.trim_end().replace('\n', "\n  "),
        )
    }

    /// Where clients connect, and how curl does.
    fn way_in(&self) -> (String, String) {
        let bind = self.config.listen.iter().next().map(|row| &row.value.bind.value);
        match bind {
            Some(Bind::Inet(address)) => (local::url(*address), format!("curl {}/", local::url(*address))),
            Some(Bind::Unix(path)) => {
                let path = path.display();
                (format!("unix:{path}"), format!("curl --unix-socket {path} http://localhost/"))
            }
            None => (String::new(), String::new()), // `file` has one listener
        }
    }
}

/// A line for each backend. One that cannot be connected to is left out from the start, as if a request had found
/// out, and has a remark.
fn look_at_backends(snapshot: &Snapshot) -> Vec<String> {
    let rosters: Vec<_> = snapshot.services.iter().map(|service| service.roster.load()).collect();
    let backends: Vec<&Backend> = rosters.iter().flat_map(|roster| &roster.backends).collect();
    std::thread::scope(|scope| {
        let looks: Vec<_> =
            backends.iter().map(|backend| scope.spawn(|| connect(&backend.address))).collect();
        let connected = looks.into_iter().map(|look| look.join().unwrap_or(Ok(())));
        let lines = backends.iter().zip(connected).map(|(backend, connected)| match connected {
            Ok(()) => backend.label.to_string(),
            Err(error) => {
                backend.cell.connect_failed(clock::exact(), tidegate_wire::socket::down_reason(&error));
                format!("{}   ({})", backend.label, remark(&error))
            }
        });
        lines.chain(unresolved(snapshot)).collect()
    })
}

/// A line for each host name that gives no backend.
fn unresolved(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let gives_one = |service: &Service, name: &str, port: u16, scheme: Scheme| {
        let roster = service.roster.load();
        roster.backends.iter().any(|backend| backend.authority == Site::authority(name, port, scheme))
    };
    snapshot.services.iter().flat_map(move |service| {
        service.entries.iter().filter_map(move |entry| match &entry.site {
            Site::Named(name, port, scheme) if !gives_one(service, name, *port, *scheme) => {
                Some(format!("{}   (cannot be resolved yet)", entry.site))
            }
            _ => None,
        })
    })
}

fn connect(address: &Address) -> io::Result<()> {
    match address {
        Address::Inet(address) | Address::Tls(address) => {
            TcpStream::connect_timeout(address, LOOK_TIME).map(drop)
        }
        Address::Unix(path) => UnixStream::connect(path).map(drop),
    }
}

fn remark(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => "nothing listens there yet".into(),
        io::ErrorKind::TimedOut => "does not answer yet".into(),
        _ => format!("cannot be reached yet: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;

    #[test]
    fn ports_alone_are_of_this_machine() {
        let check = |text: &str, expected: &str| assert_eq!(whole(text), expected);
        check("3000", "127.0.0.1:3000");
        check(":3000", "127.0.0.1:3000");
        check("localhost:3000", "localhost:3000");
        check("http://127.0.0.1:3000", "http://127.0.0.1:3000");
        check("unix:/run/a.sock", "unix:/run/a.sock");
        check("99999", "127.0.0.1:99999");
        check("", "");
        check(":", ":");
        check("٣٠٠٠", "٣٠٠٠");
    }

    #[test]
    fn a_gateway_is_not_its_own_backend() {
        let check = |listen: &str, backend: &str, expected: bool| {
            let text = file(&[backend.to_owned()], listen);
            let config =
                tidegate_config::from_text("x", &text, std::path::Path::new("/"), &families::ALL).unwrap();
            assert_eq!(refuse_itself(&config).is_err(), expected, "{listen} {backend}");
        };
        check("127.0.0.1:80", "127.0.0.1:80", true);
        check("0.0.0.0:80", "127.0.0.1:80", true);
        check("0.0.0.0:80", "localhost:80", true);
        check("unix:/a", "unix:/a", true);
        check("127.0.0.1:80", "127.0.0.1:81", false);
        check("127.0.0.1:80", "127.0.0.2:80", false);
        check("0.0.0.0:80", "10.0.0.1:80", false);
        check("unix:/a", "unix:/b", false);
    }
}
