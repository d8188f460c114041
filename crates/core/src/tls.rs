//! What a configuration and the rooms that carry bytes tell each other of TLS: the contents of files go one way, what
//! was made of them comes back, ready for use. What that is only `wire` knows.

use crate::date;
use crate::plan::Redirect;
use std::any::Any;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// Something that is made in one room, used in that room, and kept in others between.
#[derive(Clone)]
pub struct Made(Arc<dyn Any + Send + Sync>);

impl Made {
    /// Keeps it.
    pub fn new<T: Any + Send + Sync>(made: T) -> Made {
        Made(Arc::new(made))
    }

    /// What it is, for the room that knows.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl Debug for Made {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Made")
    }
}

/// A certificate with its key, as a listener or a client shows it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What it is called: its first name.
    pub name: Arc<str>,
    /// Every name it is for, in lower case: host names, `*.` before some.
    pub names: Vec<String>,
    /// From when it holds, in seconds since 1970.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
    /// For `wire`.
    pub made: Made,
}

/// Which of the files of a pair is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The certificate.
    Certificate,
    /// The key.
    Key,
}

/// What is wrong with a file, as a phrase after its name, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// With which.
    pub half: Half,
    /// What.
    pub reason: String,
    /// How to mend it.
    pub hint: &'static str,
}

/// How backends of a service are spoken to.
#[derive(Clone, Copy, Debug)]
pub struct ClientWish<'a> {
    /// PEM of the authorities that are trusted; those of the system without it.
    pub ca: Option<&'a [u8]>,
    /// What is shown to a backend that asks.
    pub identity: Option<&'a Identity>,
    /// The name that is asked for, if it is not the backend's own.
    pub name: Option<&'a str>,
    /// Whether the backend has to prove who it is.
    pub proof: Proof,
}

/// Whether a backend has to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Yes.
    Needed,
    /// No: anybody between is as good.
    Waived,
}

/// Makes what TLS needs of what a configuration says. Given to whoever reads one.
pub trait Maker: Debug + Sync {
    /// Reads a certificate with its chain, and its key, from PEM.
    fn identity(&self, certificate: &[u8], key: &[u8]) -> Result<Identity, Wrong>;

    /// Whether it holds at this time. Expired or early is an error where somebody can still mend it.
    fn holds(&self, identity: &Identity, digest: u64) -> Result<(), Wrong>;

    /// Makes ready what speaks to backends. The certificate that `Wrong` means is that of the authority.
    fn client(&self, wish: ClientWish<'_>) -> Result<Made, Wrong>;
}

/// Makes nothing: for those who only look at a configuration.
#[derive(Debug)]
pub struct Nothing;

impl Maker for Nothing {
    fn identity(&self, _: &[u8], _: &[u8]) -> Result<Identity, Wrong> {
        let name = "none".into();
        Ok(Identity { name, names: Vec::new(), not_before: 0, not_after: i64::MAX, made: Made::new(()) })
    }

    fn holds(&self, _: &Identity, _: u64) -> Result<(), Wrong> {
        Ok(())
    }

    fn client(&self, _: ClientWish<'_>) -> Result<Made, Wrong> {
        Ok(Made::new(()))
    }
}

/// What is listened to over TLS, as far as requests and their answers show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Door {
    /// The value of `strict-transport-security`, for answers over TLS.
    pub hsts: Option<Box<str>>,
    /// Every request is sent there.
    pub redirect: Option<Redirect>,
}

/// Whether a certificate holds at `now`, in seconds since 1970.
///
/// Errors: it has expired, or does not hold yet.
pub fn holds(identity: &Identity, now: i64) -> Result<(), Wrong> {
    let (reason, hint) = match () {
        () if now > identity.not_after => {
            let when = date_text(identity.not_after);
            (
                format!("has expired: it was for `{}`, until {when}", identity.name),
                "renew it; clients would refuse it",
            )
        }
        () if now < identity.not_before => {
            let when = date_text(identity.not_before);
            (
                format!("does not hold yet: it is for `{}`, from {when} on", identity.name),
                "look at the clock of this machine, or take one that holds now",
            )
        }
        () => return Ok(()),
    };
    Err(Wrong { half: Half::Certificate, reason, hint })
}

/// A moment in seconds since 1970 as a person reads it.
pub fn date_text(seconds: i64) -> String {
    let date = date::HttpDate::of(u64::try_from(seconds).unwrap_or(0));
    String::from_utf8_lossy(date.as_bytes()).into_owned()
}

/// The time now, in seconds since 1970.
pub fn now() -> i64 {
    i64::try_from(date::seconds()).unwrap_or(i64::MAX)
}
