//! The side of a listener: which certificate a client is shown, which versions and suites are spoken, how sessions are
//! resumed. Made when a configuration is taken; shared by all workers.

use super::identity::Identity;
use super::{H2, HTTP11};
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig, SupportedProtocolVersion, version};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Versions from TLS 1.2 on, and TLS 1.3 alone. Of 1.2 rustls speaks nothing but suites with ECDHE and AEAD.
const SINCE_12: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const SINCE_13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// Makes the tickets that sessions are resumed by, and reads them: nothing has to be kept here. The keys change every
/// six hours, and the ones before are known for as long again.
#[derive(Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// With keys that nobody else knows.
    ///
    /// Errors: the system has no randomness.
    pub fn new() -> Result<Tickets, Error> {
        aws_lc_rs::Ticketer::new().map(Tickets)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

/// What a listener says of TLS.
pub struct ServerSettings<'a> {
    /// The certificates with the names each is for; the first is shown where none fits.
    pub identities: Vec<(&'a [String], Identity)>,
    /// Whether TLS 1.2 is spoken beside 1.3.
    pub speaks_12: bool,
    /// Whether HTTP/1.1 is.
    pub speaks_h1: bool,
    /// Whether HTTP/2 is.
    pub speaks_h2: bool,
    /// Outlive the settings.
    pub tickets: Tickets,
}

/// A listener's side of TLS.
#[derive(Debug)]
pub struct Server {
    pub(super) config: Arc<ServerConfig>,
}

impl Server {
    /// Makes it ready.
    ///
    /// Errors: as rustls has them; none is known that settings could cause.
    pub fn new(settings: ServerSettings<'_>) -> Result<Server, Error> {
        let versions = if settings.speaks_12 { SINCE_12 } else { SINCE_13 };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByName::new(settings.identities)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = settings.tickets.0;
        let offered = [(settings.speaks_h2, H2), (settings.speaks_h1, HTTP11)];
        config.alpn_protocols =
            offered.iter().filter(|(is_spoken, _)| *is_spoken).map(|(_, name)| name.to_vec()).collect();
        Ok(Server { config: Arc::new(config) })
    }
}

/// Chooses the certificate by the name that a client asks for.
#[derive(Debug, Default)]
struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows the one label that the `*` stands for (RFC 9525 §6.3).
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl ByName {
    fn new(identities: Vec<(&[String], Identity)>) -> ByName {
        let mut by_name = ByName::default();
        for (names, Identity(key)) in identities {
            by_name.first.get_or_insert_with(|| key.clone());
            for name in names {
                match name.strip_prefix("*.") {
                    Some(rest) => by_name.wildcard.entry(rest.to_owned()).or_insert_with(|| key.clone()),
                    None => by_name.exact.entry(name.clone()).or_insert_with(|| key.clone()),
                };
            }
        }
        by_name
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.exact.get(name).or_else(|| self.wildcard.get(name.split_once('.')?.1))
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives the name in lower case.
        hello.server_name().and_then(|name| self.find(name)).or(self.first.as_ref()).cloned()
    }
}
