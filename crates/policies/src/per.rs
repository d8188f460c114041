//! Whose requests a limit or a quota counts together: those of a consumer, of an address, with the same value of a
//! header, or all of the route. Finds the key of a request without allocating. A header counts as the backend reads it:
//! sent twice, or in two spellings that are one to some backends, it would make a key of its own each time.

use std::net::IpAddr;
use std::sync::Arc;
use tidegate_core::building::Building;
use tidegate_core::head::{Field, Fields, RequestHead};
use tidegate_core::header::{check_name, is_alike, remove_mimics};
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{Reason, Reply};
use tidegate_core::problem::{Place, Problem};
use tidegate_core::settings::{Fault, Word};
use tidegate_core::template::Origin;

/// See the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    /// `route`: all together.
    Route,
    /// `consumer`: who was found to ask.
    Consumer,
    /// `ip`: the client's address; of IPv6 the network of 64 bits, which is one customer.
    Ip,
    /// `header:NAME`: its value; where it is missing, the empty one.
    Header {
        name: Box<str>,
        /// The entries of `auth` whose credential it is: they take it out of the request.
        credential_of: Box<[Arc<str>]>,
    },
}

/// A key in bytes: a part of the request, or an address.
pub(crate) enum Key<'a> {
    /// Bytes of the request.
    Part(&'a [u8]),
    /// An address.
    Ip([u8; 8], usize),
}

impl Key<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Key::Part(bytes) => bytes,
            Key::Ip(bytes, length) => &bytes[..*length],
        }
    }
}

/// A header that two readers would take two values of.
pub(crate) struct Ambiguous;

impl Ambiguous {
    /// The answer to it.
    pub(crate) fn reply(self) -> Box<Reply> {
        let reason = Some(Reason::new("ambiguous"));
        Box::new(Reply { status: 400, outcome: Outcome::BadRequest, reason, fields: Vec::new(), body: None })
    }
}

impl Per {
    /// The key of a request. The empty one stands for all that have none.
    pub(crate) fn key<'a>(&self, head: &'a RequestHead, origin: Origin<'a>) -> Result<Key<'a>, Ambiguous> {
        Ok(match self {
            Per::Route => Key::Part(b""),
            Per::Consumer => {
                let consumer = origin.identity.map(|identity| identity.consumer.as_str());
                Key::Part(consumer.unwrap_or_default().as_bytes())
            }
            Per::Ip => match origin.client.address {
                Some(address) => of_address(address.ip()),
                None => Key::Part(b""),
            },
            Per::Header { name, credential_of } => {
                let by = origin.identity.map(|identity| &identity.by);
                let is_credential = by.is_some_and(|by| credential_of.contains(by));
                Key::Part(value(&head.fields, name.as_bytes(), is_credential)?.unwrap_or_default())
            }
        })
    }

    /// Takes out what a backend might read as the header that was counted, and that was not.
    pub(crate) fn drop_mimics(&self, head: &mut RequestHead) {
        if let Per::Header { name, .. } = self {
            remove_mimics(&mut head.fields, name.as_bytes());
        }
    }

    /// With what the route says beside it. Tells that nobody is known where nobody has to say who they are.
    pub(crate) fn beside(self, policy: &str, place: &Place, building: &mut Building<'_>) -> Per {
        if let Per::Header { name, .. } = self {
            let entries = building.part.auth.built.iter();
            let its = entries.filter(|(_, entry)| entry.field().eq_ignore_ascii_case(&name));
            return Per::Header { credential_of: its.map(|(entry, _)| entry.clone()).collect(), name };
        }
        if self == Per::Consumer && !building.part.has("auth") {
            let reason =
                format!("`{policy}` counts per consumer, but the route has no `auth`: nobody is known");
            let hint = "add `auth: NAME` to the route, or count `per ip`";
            building.problems.push(Problem::at(place, reason).hint(hint));
        }
        self
    }
}

/// The one value of a header. One in another spelling alone is not it. A credential stands in the list also where the
/// entry that found it good has taken it out, and was there once: entries refuse two.
fn value<'a>(fields: &'a Fields, name: &[u8], is_credential: bool) -> Result<Option<&'a [u8]>, Ambiguous> {
    let mut spelled = fields.list().iter().filter(|field| is_alike(fields.name_of(field), name));
    let mut kept = spelled.clone().filter(|field| !field.is_removed);
    let is_it = |field: &&Field| fields.name_of(field).eq_ignore_ascii_case(name);
    let found = match (kept.next(), kept.next()) {
        (Some(_), Some(_)) => return Err(Ambiguous),
        (Some(field), None) => Some(field).filter(is_it),
        (None, _) if is_credential => spelled.find(is_it),
        (None, _) => None,
    };
    Ok(found.map(|field| field.value.of(fields.text())))
}

fn of_address(ip: IpAddr) -> Key<'static> {
    let mut bytes = [0; 8];
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            bytes[..4].copy_from_slice(&v4.octets());
            Key::Ip(bytes, 4)
        }
        IpAddr::V6(v6) => {
            bytes.copy_from_slice(&v6.octets()[..8]);
            Key::Ip(bytes, 8)
        }
    }
}

impl Word for Per {
    const WHAT: &str = "`consumer`, `ip`, `route` or `header:NAME`";
    const PATTERN: &str = "^(consumer|ip|route|header:[A-Za-z0-9!#$%&'*+.^_`|~-]+)$";

    fn parse(text: &str) -> Result<Per, Fault> {
        match text {
            "consumer" => Ok(Per::Consumer),
            "ip" => Ok(Per::Ip),
            "route" => Ok(Per::Route),
            _ => match text.strip_prefix("header:") {
                Some(name) => {
                    check_name(name)?;
                    Ok(Per::Header { name: name.to_ascii_lowercase().into(), credential_of: Box::default() })
                }
                None => Err(match text {
                    "key" | "api_key" | "apikey" | "user" | "client" | "token" | "sub" => Fault::new(
                        "is not known here",
                    )
                    .hint("write `consumer`: who was found to ask, be it by a key, a token or a password"),
                    "address" | "client_ip" | "remote_addr" => {
                        Fault::new("is not known here").hint("write `ip`: the address of the client")
                    }
                    _ => Fault::choice(text, &["consumer", "ip", "route", "header:NAME"]),
                }),
            },
        }
    }

    fn show(&self) -> String {
        match self {
            Per::Route => String::from("route"),
            Per::Consumer => String::from("consumer"),
            Per::Ip => String::from("ip"),
            Per::Header { name, .. } => format!("header:{name}"),
        }
    }

    fn stand_in() -> Per {
        Per::Route
    }
}

/// An amount and, in the same word, whose it is: `100/min per consumer`.
pub(crate) fn split(text: &str) -> Result<(&str, Option<Per>), Fault> {
    match text.split_once(" per ") {
        Some((amount, per)) => match Per::parse(per.trim()) {
            Ok(per) => Ok((amount.trim_end(), Some(per))),
            Err(fault) if fault.reason == "is not known here" => {
                Err(Fault { reason: "counts per something that is not known".into(), ..fault })
            }
            Err(fault) => Err(fault),
        },
        None => Ok((text, None)),
    }
}
