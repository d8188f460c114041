//! Fetches a small document from outside, for the control plane: blocking, bounded in bytes and time, over HTTPS proved by
//! the authorities that the system trusts, or plain HTTP where the caller has allowed it. By `ureq`: nothing here is on
//! the way of a request.

use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// How long a fetch may take in all.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Redirects that are followed, all to HTTPS: some issuers move their keys.
const REDIRECTS_MAX: u32 = 3;

/// What was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The body.
    pub content: Vec<u8>,
    /// How long it may be used, as `Cache-Control` says.
    pub max_age: Option<Duration>,
}

/// Fetches a document of so many bytes at most. Blocks: never on a worker.
///
/// Errors: why there is none, as a phrase after its URL.
pub fn get(url: &str, bytes_max: usize) -> Result<Fetched, String> {
    let agent = if url.starts_with("https:") { secure().clone() } else { plain() };
    let answer = agent.get(url).header("accept", "application/json").call();
    let mut answer = answer.map_err(|error| format!("cannot be fetched: {error}"))?;
    if answer.status() != 200 {
        return Err(format!("is answered with {}", answer.status().as_u16()));
    }
    let said = answer.headers().get("cache-control").and_then(|value| value.to_str().ok());
    let max_age = said.and_then(max_age);
    let mut content = Vec::new();
    let body = answer.body_mut().as_reader();
    let read = body.take(bytes_max as u64 + 1).read_to_end(&mut content);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    match content.len() > bytes_max {
        true => Err(format!("is larger than {} KiB", bytes_max >> 10)),
        false => Ok(Fetched { content, max_age }),
    }
}

/// The directive `max-age` (RFC 9111 §5.2.2.1).
fn max_age(said: &str) -> Option<Duration> {
    let directives = said.split(',').map(str::trim);
    let mut ages =
        directives.filter_map(|one| one.to_ascii_lowercase().strip_prefix("max-age=")?.parse().ok());
    ages.next().map(Duration::from_secs)
}

/// One agent for all HTTPS: the system's authorities are read once.
fn secure() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let roots = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<Certificate<'static>> =
            roots.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .build();
        settings().https_only(true).max_redirects(REDIRECTS_MAX).tls_config(tls).build().into()
    })
}

/// For documents of this machine.
fn plain() -> Agent {
    settings().max_redirects(0).build().into()
}

fn settings() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    // No proxy: what decides who gets in does not come through whatever the environment names.
    Agent::config_builder()
        .timeout_global(Some(TIME_MAX))
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_read_from_among_other_directives() {
        for (said, expected) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=3600, must-revalidate", Some(3600)),
            ("no-store", None),
            ("s-maxage=5", None),
            ("max-age=x", None),
        ] {
            assert_eq!(max_age(said), expected.map(Duration::from_secs), "{said}");
        }
    }
}
