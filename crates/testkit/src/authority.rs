//! An authority of a test's own: certificates with their keys, as files in a folder.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Signs certificates, and keeps them with their keys as files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A kind of key.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// ECDSA with P-256.
    P256,
    /// ECDSA with P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa,
}

impl Kind {
    fn algorithm(self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Kind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Kind::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Kind::Ed25519 => &rcgen::PKCS_ED25519,
            Kind::Rsa => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

/// A certificate and its key.
pub struct Pair {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Pair {
    /// As a listener's `certificates` has it.
    pub fn entry(&self) -> String {
        format!("{{ cert: \"{}\", key: \"{}\" }}", self.cert.display(), self.key.display())
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("make a certificate");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("make a certificate"))
            .expect("make a certificate");
        let folder = tempfile::tempdir().expect("make a certificate");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("make a certificate");
        Authority { issuer, folder }
    }

    /// Its own certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate for these names, in files called `name`; those are replaced if they are there.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn pair(&self, name: &str, names: &[&str]) -> Pair {
        self.pair_of(name, names, Kind::P256, 2126)
    }

    /// The same with a key of this kind, until the end of a year.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn pair_of(&self, name: &str, names: &[&str], kind: Kind, until: i32) -> Pair {
        self.made(name, names, kind, |params| params.not_after = rcgen::date_time_ymd(until, 12, 31))
    }

    /// A certificate for these names that ends so soon from now, to the second.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn pair_ending_in(&self, name: &str, names: &[&str], time: Duration) -> Pair {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        let end = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs((now + time).as_secs());
        self.made(name, names, Kind::P256, |params| params.not_after = end)
    }

    fn made(&self, name: &str, names: &[&str], kind: Kind, set: impl FnOnce(&mut CertificateParams)) -> Pair {
        let pair = Pair {
            cert: self.folder().join(format!("{name}.pem")),
            key: self.folder().join(format!("{name}.key")),
        };
        let key = KeyPair::generate_for(kind.algorithm()).expect("make a certificate");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("make a certificate");
        params.distinguished_name.push(DnType::CommonName, name);
        set(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("make a certificate");
        // In one step each, as tools that renew certificates do it.
        put(&pair.key, &key.serialize_pem());
        put(&pair.cert, &certificate.pem());
        pair
    }
}

fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("make a certificate");
    std::fs::rename(&beside, path).expect("make a certificate");
}
