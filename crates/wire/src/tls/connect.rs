//! The side of a client of backends: whom it trusts, what it shows, how it shakes hands. Made when a configuration is
//! read; shared by all workers, and with it the sessions that can be resumed.

use super::identity::{Identity, certificates, wrong};
use super::session::Session;
use super::{HTTP11, Tls};
use crate::socket::Socket;
use rustls::client::UnbufferedClientConnection;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};
use tidegate_core::tls::{ClientWish, Half, Made, Proof, Wrong};

/// How backends of a service are spoken to.
#[derive(Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    /// Asked for instead of the backend's own name.
    name: Option<ServerName<'static>>,
}

impl Client {
    /// Makes it ready. Reads the system's authorities if it needs them, once for the process: not on a worker.
    pub fn make(wish: ClientWish<'_>) -> Result<Made, Wrong> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|_| unusable())?;
        let builder = match wish.proof {
            Proof::Waived => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            }
            Proof::Needed => builder.with_root_certificates(roots(wish.ca)?),
        };
        let identity = wish.identity.and_then(|identity| identity.made.get::<Identity>());
        let mut config = match identity {
            Some(Identity(key)) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone())))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP11.to_vec()];
        let name = wish.name.map(|name| ServerName::try_from(name.to_owned()));
        let name = name.transpose().map_err(|_| unusable())?;
        Ok(Made::new(Client { config: Arc::new(config), name }))
    }

    /// Shakes hands with a backend that is called `authority`: a host name or an IP address, perhaps with a port. The
    /// caller bounds the time.
    ///
    /// Errors: the connection's own, and `InvalidData` for what the protocol or the certificate is to blame for.
    pub async fn connect(&self, socket: Socket, authority: &str) -> io::Result<Socket> {
        let Socket::Plain(stream) = socket else { return Err(ErrorKind::InvalidInput.into()) };
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host(authority).to_owned())
                .map_err(|_| io::Error::from(ErrorKind::InvalidInput))?,
        };
        let session = UnbufferedClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        let mut tls = Box::new(Tls::new(stream, Session::Client(session)));
        poll_fn(|cx| tls.poll_handshake(cx)).await?;
        Ok(Socket::Tls(tls))
    }
}

/// A handshake with a backend by what `Client::make` made for its service.
pub async fn secured(made: Option<&Made>, socket: Socket, authority: &str) -> io::Result<Socket> {
    match made.and_then(|made| made.get::<Client>()) {
        Some(client) => client.connect(socket, authority).await,
        None => Err(ErrorKind::Unsupported.into()),
    }
}

/// The host of an authority, an IPv6 address without its brackets.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

fn roots(ca: Option<&[u8]>) -> Result<Arc<RootCertStore>, Wrong> {
    let Some(text) = ca else { return Ok(system_roots()) };
    let mut store = RootCertStore::empty();
    for certificate in certificates(text)? {
        store.add(certificate).map_err(|_| unusable())?;
    }
    match store.is_empty() {
        true => {
            let hint = "it must have a block `-----BEGIN CERTIFICATE-----`";
            Err(wrong(Half::Certificate, "holds no certificate", hint))
        }
        false => Ok(Arc::new(store)),
    }
}

/// The authorities that the system trusts; those it has and cannot be read are left out.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    };
    ROOTS.get_or_init(load).clone()
}

fn unusable() -> Wrong {
    wrong(Half::Certificate, "cannot be used to trust anybody by", "name the certificate of the authority")
}

/// Takes any certificate, as the operator asked for. What is signed is still looked at: it costs nothing more.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_backends_are_called_without_a_port() {
        for (authority, expected) in [
            ("api.example", "api.example"),
            ("api.example:8443", "api.example"),
            ("10.0.0.1:443", "10.0.0.1"),
            ("[::1]:443", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(authority), expected);
            assert!(ServerName::try_from(expected.to_owned()).is_ok());
        }
    }
}
