//! Whose requests a limit or a quota counts together: those of a consumer, of an address, with the same value of a
//! header, or all of the route. Finds the key of a request without allocating.

use std::net::IpAddr;
use tidegate_core::building::Building;
use tidegate_core::header::check_name;
use tidegate_core::policy::RequestView;
use tidegate_core::problem::{Place, Problem};
use tidegate_core::settings::{Fault, Word};

/// See the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    /// `route`: all together.
    Route,
    /// `consumer`: who was found to ask.
    Consumer,
    /// `ip`: the client's address; of IPv6 the network of 64 bits, which is one customer.
    Ip,
    /// `header:NAME`: its first value; where it is missing, the empty one.
    Header(Box<str>),
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

impl Per {
    /// The key of a request. The empty one stands for all that have none.
    pub(crate) fn key<'a>(&self, view: &'a RequestView<'_>) -> Key<'a> {
        match self {
            Per::Route => Key::Part(b""),
            Per::Consumer => {
                let consumer = view.origin.identity.map(|identity| identity.consumer.as_str());
                Key::Part(consumer.unwrap_or_default().as_bytes())
            }
            Per::Ip => match view.origin.client.address {
                Some(address) => of_address(address.ip()),
                None => Key::Part(b""),
            },
            Per::Header(name) => Key::Part(view.head.fields.find(name.as_bytes()).unwrap_or_default()),
        }
    }

    /// Tells that nobody is known where nobody has to say who they are.
    pub(crate) fn check(&self, policy: &str, place: &Place, building: &mut Building<'_>) {
        if *self == Per::Consumer && !building.part.has("auth") {
            let reason =
                format!("`{policy}` counts per consumer, but the route has no `auth`: nobody is known");
            let hint = "add `auth: NAME` to the route, or count `per ip`";
            building.problems.push(Problem::at(place, reason).hint(hint));
        }
    }
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
                    Ok(Per::Header(name.to_ascii_lowercase().into()))
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
            Per::Header(name) => format!("header:{name}"),
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
