//! TLS of listeners and towards backends: the keys, and the files they name. What is in the files is made ready for use
//! while the configuration is read, by whom the program appoints; here it is told what is wrong, at its place.

use crate::config::{Config, HostName, Listen};
use crate::workbench::Workbench;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::problem::{Place, Problem, Problems, nearest};
use tidegate_core::settings::{Placed, Table};
use tidegate_core::tls::{ClientWish, Half, Identity, Made, Maker, Proof, Wrong};
use tidegate_core::units::{Bind, Label};
use tidegate_core::{choice, settings};

settings! {
    /// TLS of a listener.
    pub struct FileListenTls {
        /// The certificates, each with its key. A client gets the one for the name it asks for, or the first. The files are read again when they change.
        certificates: Placed<Vec<FileCertificate>>,
        /// The oldest version that is spoken.
        min_version: Oldest = Oldest::Tls12,
        /// Has browsers use nothing but TLS with this host for so long: sends `strict-transport-security` with every answer.
        hsts: Option<Duration>,
    }
    short certificates;
}

settings! {
    /// A certificate and its key, as PEM files.
    struct FileCertificate {
        /// The certificate, and behind it those that vouch for it.
        cert: Placed<PathBuf>,
        /// Its private key: ECDSA, RSA or Ed25519.
        key: Placed<PathBuf>,
    }
}

settings! {
    /// How backends are spoken to whose address begins with `https://`.
    pub struct FileServiceTls {
        /// The certificates of the authorities that backends' certificates must come from, as a PEM file. Those that the system trusts unless set.
        ca: Option<Placed<PathBuf>>,
        /// The certificate that is shown to a backend that asks for one, as a PEM file.
        cert: Option<Placed<PathBuf>>,
        /// Its private key.
        key: Option<Placed<PathBuf>>,
        /// The name that is asked for and that the certificate must have. Unless set, the host name or IP address of the backend.
        sni: Option<Placed<HostName>>,
        /// Whether a backend has to prove who it is. `false` is for tests: anybody in between could read and change everything.
        verify: bool = true,
    }
}

choice! {
    /// A version of TLS.
    pub enum Oldest {
        /// TLS 1.2 and 1.3.
        Tls12 = "1.2",
        /// TLS 1.3 alone.
        Tls13 = "1.3",
    }
}

/// TLS of a listener, ready for use.
#[derive(Clone, Debug)]
pub struct ListenTls {
    /// The certificates in their order.
    pub identities: Vec<Identity>,
    /// The oldest version that is spoken.
    pub oldest: Oldest,
    /// For how long browsers shall use nothing else.
    pub hsts: Option<Duration>,
    /// Of what was in the files, for each certificate.
    digests: Vec<u64>,
}

impl PartialEq for ListenTls {
    fn eq(&self, other: &ListenTls) -> bool {
        self.digests == other.digests && (self.oldest, self.hsts) == (other.oldest, other.hsts)
    }
}

/// TLS towards the backends of a service, ready for use.
#[derive(Clone, Debug)]
pub struct ServiceTls {
    /// For those who connect.
    pub made: Made,
    /// Whether backends have to prove who they are.
    pub proof: Proof,
    written: FileServiceTls,
    digests: Vec<u64>,
}

impl PartialEq for ServiceTls {
    fn eq(&self, other: &ServiceTls) -> bool {
        self.digests == other.digests && self.written == other.written
    }
}

/// The bytes of one file, or what is wrong with it.
fn read(path: &Placed<PathBuf>, bench: &mut Workbench<'_>, problems: &mut Problems) -> Option<Vec<u8>> {
    let place = path.place()?;
    match bench.read(&path.value) {
        Ok(bytes) => Some(bytes),
        Err(reason) => {
            let problem = Problem::at(place, format!("cannot read {}: {reason}", path.quote()));
            problems.push(problem.hint("a relative path starts at the folder of this file"));
            None
        }
    }
}

fn digest(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

fn tell(wrong: Wrong, cert: &Placed<PathBuf>, key: &Placed<PathBuf>, problems: &mut Problems) {
    let path = match wrong.half {
        Half::Certificate => cert,
        Half::Key => key,
    };
    if let Some(place) = path.place() {
        let reason = format!("{} {}", path.quote(), wrong.reason);
        problems.push(Problem::at(place, reason).hint(wrong.hint));
    }
}

/// Reads a pair of files. Says how both hash, too.
fn identity(
    cert: &Placed<PathBuf>,
    key: &Placed<PathBuf>,
    bench: &mut Workbench<'_>,
    problems: &mut Problems,
) -> Option<(Identity, u64)> {
    let maker: &dyn Maker = bench.families.tls;
    let (certificate_text, key_text) = (read(cert, bench, problems), read(key, bench, problems));
    let (certificate_text, key_text) = (certificate_text?, key_text?);
    let digest = digest(&[&certificate_text, &key_text]);
    let made = maker.identity(&certificate_text, &key_text);
    match made.and_then(|identity| maker.holds(&identity, digest).map(|()| identity)) {
        Ok(identity) => Some((identity, digest)),
        Err(wrong) => {
            tell(wrong, cert, key, problems);
            None
        }
    }
}

/// Makes TLS of a listener ready.
pub(crate) fn listen(file: FileListenTls, bench: &mut Workbench<'_>, problems: &mut Problems) -> ListenTls {
    if let Some(place) = file.certificates.place().filter(|_| file.certificates.is_empty()) {
        let hint = "write at least one: `{ cert: site.pem, key: site.key }`";
        problems.push(Problem::at(place, "there is no certificate").hint(hint));
    }
    let mut names: HashMap<String, Place> = HashMap::new();
    let (mut identities, mut digests) = (Vec::new(), Vec::new());
    for FileCertificate { cert, key } in &file.certificates.value {
        let Some((identity, digest)) = identity(cert, key, bench, problems) else { continue };
        let Some(place) = cert.place() else { continue };
        for name in &identity.names {
            if let Some(first) = names.insert(name.clone(), place.clone()) {
                let reason = format!("is for `{name}`, which has one already, by {}", first.seen_from(place));
                let problem = Problem::at(place, format!("{} {reason}", cert.quote()));
                problems.push(problem.hint("keep one of the two"));
                break;
            }
        }
        identities.push(identity);
        digests.push(digest);
    }
    ListenTls { identities, oldest: file.min_version, hsts: file.hsts, digests }
}

/// Makes TLS towards backends ready; `None` where none of them speaks it.
pub(crate) fn service(
    file: Option<Placed<FileServiceTls>>,
    has_secure: bool,
    bench: &mut Workbench<'_>,
    problems: &mut Problems,
) -> Option<ServiceTls> {
    if let Some(place) = file.as_ref().and_then(|file| file.place()).filter(|_| !has_secure) {
        let problem = Problem::at(place, "no backend of the service speaks TLS");
        problems.push(problem.hint("write their addresses with `https://`, or remove `tls`"));
    }
    let written = match file {
        Some(file) => file.value,
        None if !has_secure => return None,
        None => FileServiceTls { ca: None, cert: None, key: None, sni: None, verify: true },
    };
    let nobody = Placed::default(PathBuf::new());
    let mut digests = Vec::new();
    let shown = match (&written.cert, &written.key) {
        (Some(cert), Some(key)) => identity(cert, key, bench, problems).map(|(identity, digest)| {
            digests.push(digest);
            identity
        }),
        (Some(alone), None) | (None, Some(alone)) => {
            let what =
                if written.cert.is_some() { "`cert` without its `key`" } else { "`key` without its `cert`" };
            if let Some(place) = alone.place() {
                problems.push(Problem::at(place, what).hint("a client certificate needs both"));
            }
            None
        }
        (None, None) => None,
    };
    let ca = written.ca.as_ref().and_then(|ca| read(ca, bench, problems));
    digests.extend(ca.as_ref().map(|text| digest(&[text])));
    let name = written.sni.as_ref().map(|name| name.value.shared());
    let proof = if written.verify { Proof::Needed } else { Proof::Waived };
    let wish = ClientWish { ca: ca.as_deref(), identity: shown.as_ref(), name: name.as_deref(), proof };
    match bench.families.tls.client(wish) {
        Ok(made) => Some(ServiceTls { made, proof, written, digests }),
        Err(wrong) => {
            tell(wrong, written.ca.as_ref().unwrap_or(&nobody), &nobody, problems);
            None
        }
    }
}

/// Whether every listener that sends its clients elsewhere sends them to one with TLS.
pub(crate) fn check_redirects(listeners: &Table<Label, Listen>, problems: &mut Problems) {
    for listen in listeners.iter().map(|row| &row.value) {
        let Some((name, place)) = listen.redirect.as_ref().and_then(|name| Some((name, name.place()?)))
        else {
            continue;
        };
        let problem = match listeners.get(&name.value).map(|row| &row.value) {
            None => {
                let problem = Problem::at(place, format!("{} is not defined under `listen`", name.quote()));
                let known = listeners.iter().map(|row| row.name.as_str());
                match nearest(name.as_str(), known) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None => problem.hint("name a listener that has `tls`"),
                }
            }
            Some(_) if listen.tls.is_some() => {
                Problem::at(place, "a listener with `tls` has nowhere to send its clients")
                    .hint("remove `redirect`, or `tls`")
            }
            Some(target) if target.tls.is_none() => {
                Problem::at(place, format!("the listener {} does not speak TLS", name.quote()))
                    .hint("name one that has `tls`")
            }
            Some(target) if matches!(target.bind.value, Bind::Unix(_)) => {
                Problem::at(place, format!("the listener {} has no port", name.quote()))
                    .hint("name one that is bound to an address")
            }
            Some(_) => continue,
        };
        problems.push(problem);
    }
}

impl Config {
    /// Whether it shows a certificate whose files had this digest, to clients or to backends.
    pub fn shows(&self, digest: u64) -> bool {
        let listeners = self.listen.iter().filter_map(|row| row.value.tls.as_ref()).map(|tls| &tls.digests);
        let services = self.services.iter().filter_map(|row| row.value.tls.as_ref()).map(|tls| &tls.digests);
        listeners.chain(services).any(|digests| digests.contains(&digest))
    }
}

/// The certificates of all listeners, each by its name, with its end in seconds since 1970.
pub fn certificates(listeners: &Table<Label, Listen>) -> impl Iterator<Item = (Arc<str>, i64)> + '_ {
    let identities =
        listeners.iter().filter_map(|row| row.value.tls.as_ref()).flat_map(|tls| &tls.identities);
    identities.map(|identity| (identity.name.clone(), identity.not_after))
}
