//! Certificates and keys from PEM: what is in the files, whether they belong together, which names they are for. Called
//! while a configuration is read.

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::sync::Arc;
use tidegate_core::tls::{self, Half, Made, Wrong};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

/// What is shown to the other side: a chain of certificates, and the key of the first.
#[derive(Clone, Debug)]
pub struct Identity(pub(super) Arc<CertifiedKey>);

impl Identity {
    /// Reads both from PEM. The certificate of the other side's eyes comes first in its file, those that vouch for it
    /// follow.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<tls::Identity, Wrong> {
        let chain = certificates(certificate)?;
        let Some(first) = chain.first() else {
            let hint = "it must have a block `-----BEGIN CERTIFICATE-----`";
            return Err(wrong(Half::Certificate, "holds no certificate", hint));
        };
        let seen = Seen::of(first)?;
        let key = private_key(key)?;
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(|_| match seen
            .rsa_bits
            .filter(|bits| *bits < RSA_BITS_MIN)
        {
            Some(bits) => Wrong {
                half: Half::Key,
                reason: format!("is an RSA key of {bits} bits, which can be broken"),
                hint: "make a pair anew, with ECDSA or at least 2048 bits of RSA",
            },
            None => wrong(Half::Key, "holds a key of a kind that is not known", "use ECDSA, RSA or Ed25519"),
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let hint = "name the key that the certificate was made for";
                return Err(wrong(Half::Key, "is not the key of the certificate", hint));
            }
            Err(_) => return Err(unusable()),
        }
        let Seen { name, names, not_before, not_after, .. } = seen;
        let made = Made::new(Identity(Arc::new(certified)));
        Ok(tls::Identity { name, names, not_before, not_after, made })
    }
}

/// What a certificate says of itself.
struct Seen {
    name: Arc<str>,
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
    /// How long its key is, if that is one of RSA.
    rsa_bits: Option<usize>,
}

/// The shortest RSA key that is taken (RFC 9325 section 4.5).
const RSA_BITS_MIN: usize = 2048;

impl Seen {
    fn of(certificate: &CertificateDer<'_>) -> Result<Seen, Wrong> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| unusable())?;
        let mut names = Vec::new();
        let mut addresses = Vec::new();
        if let Ok(Some(extension)) = parsed.subject_alternative_name() {
            for name in &extension.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                    GeneralName::IPAddress(bytes) => addresses.extend(ip(bytes)),
                    _ => {}
                }
            }
        }
        let subject = || {
            parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).map(str::to_owned)
        };
        let first = names.first().cloned().or_else(|| addresses.first().cloned()).or_else(subject);
        Ok(Seen {
            name: first.unwrap_or_else(|| String::from("unnamed")).into(),
            names,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            rsa_bits: match parsed.public_key().parsed() {
                Ok(key @ PublicKey::RSA(_)) => Some(key.key_size()),
                _ => None,
            },
        })
    }
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from);
    v4.or(v6).ok().map(|ip| ip.to_string())
}

/// Every certificate of a PEM text.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|_| {
        wrong(Half::Certificate, "is no PEM file", "it must have blocks `-----BEGIN CERTIFICATE-----`")
    })
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Wrong> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let is_encrypted = text.windows(9).any(|part| part == b"ENCRYPTED");
        match error {
            _ if is_encrypted => {
                let hint =
                    "the gateway could not ask for it: keep the key without one, readable for its user alone";
                wrong(Half::Key, "holds a key that needs a password", hint)
            }
            pem::Error::NoItemsFound => {
                wrong(Half::Key, "holds no private key", "it must have a block `-----BEGIN PRIVATE KEY-----`")
            }
            _ => wrong(Half::Key, "is no PEM file", "it must have a block `-----BEGIN PRIVATE KEY-----`"),
        }
    })
}

fn unusable() -> Wrong {
    wrong(Half::Certificate, "holds a certificate that cannot be read", "make it anew: X.509 version 3")
}

pub(super) fn wrong(half: Half, reason: &str, hint: &'static str) -> Wrong {
    Wrong { half, reason: reason.to_owned(), hint }
}
