//! What may be written under a listener's `trusted`: the peers that are believed, and in which fields. What the fields
//! are is said by `core::trusted`.

use tidegate_core::name::Name;
use tidegate_core::node::{Node, Value};
use tidegate_core::problem::Problems;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Setting, Shape, Word};
use tidegate_core::trusted::{FORWARDING, FieldSet, Trusted};
use tidegate_core::units::Network;

settings! {
    /// Proxies before this gateway, and what they are believed.
    pub(crate) struct TrustedPeers {
        /// Their addresses, or networks such as `10.0.0.0/8`.
        pub(crate) from: Vec<Network>,
        /// What they say of their clients and is believed. `via` goes on from them in any case. Name what your proxies write anew for each request, and nothing that they pass on as it came.
        pub(crate) fields: Vec<Claim> = USUAL.map(Claim).to_vec(),
    }
}

/// As in `FieldSet::USUAL`, in the order in which they are told.
const USUAL: [Name; 3] = [Name::XForwardedFor, Name::XForwardedProto, Name::XRequestId];

/// A forwarding field. Invariant: one of `FORWARDING`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Claim(Name);

impl Word for Claim {
    const WHAT: &str = "the name of a forwarding field, such as `x-forwarded-host`";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<Claim, Fault> {
        match Name::of(text.as_bytes()) {
            name if FORWARDING.contains(&name) && name.text() == text => Ok(Claim(name)),
            // As the schema has it, whose words have one spelling.
            name if FORWARDING.contains(&name) => {
                Err(Fault::new("is not in lower case").hint(format!("write `{}`", name.text())))
            }
            Name::Via => Err(Fault::new("is believed from trusted peers in any case").hint("leave it out")),
            Name::XConsumer | Name::XMirrored => {
                Err(Fault::new("is written by the gateway itself, and believed from nobody"))
            }
            _ => Err(Fault::choice(text, &FORWARDING.map(Name::text))),
        }
    }

    fn show(&self) -> String {
        self.0.text().to_owned()
    }

    fn stand_in() -> Claim {
        Claim(Name::XForwardedFor)
    }

    fn shape() -> Shape {
        Shape::Choice(FORWARDING.iter().map(|name| (name.text(), told(*name))).collect())
    }
}

/// What a field says, for the reference.
const fn told(name: Name) -> &'static str {
    match name {
        Name::Forwarded => "Who the client is, by RFC 7239; the peer is appended.",
        Name::Proxy => "Read as a proxy to be used by programs behind CGI.",
        Name::XForwardedFor => "The client's address, and the proxies it came through; the peer is appended.",
        Name::XForwardedHost => "The host the client asked for.",
        Name::XForwardedPort => "The port the client asked for.",
        Name::XForwardedPrefix => "The beginning of the path that was taken away.",
        Name::XForwardedProto => "`http` or `https`, as the client spoke it.",
        Name::XForwardedServer => "The name of the proxy.",
        Name::XForwardedSsl => "`on` where the client spoke TLS.",
        Name::XForwardedUser | Name::XRemoteUser => "Who the client was found to be.",
        Name::XOriginalUrl | Name::XRewriteUrl => "The path that is meant, whatever the request line says.",
        Name::XRequestId => "The request's id.",
        _ => "The client's address.",
    }
}

/// What a listener believes whom: a list is of the peers alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileTrusted(pub(crate) Trusted);

impl FileTrusted {
    /// Nobody is believed anything.
    pub(crate) fn nobody() -> FileTrusted {
        FileTrusted::of(Vec::new(), FieldSet::USUAL)
    }

    fn of(from: Vec<Network>, fields: FieldSet) -> FileTrusted {
        FileTrusted(Trusted { from: from.into(), fields })
    }
}

impl Setting for FileTrusted {
    fn read(node: &Node, problems: &mut Problems) -> FileTrusted {
        match node.value {
            Value::Map(_) => {
                let TrustedPeers { from, fields } = TrustedPeers::read(node, problems);
                let names: Vec<Name> = fields.iter().map(|claim| claim.0).collect();
                FileTrusted::of(from, FieldSet::of(&names))
            }
            _ => FileTrusted::of(Setting::read(node, problems), FieldSet::USUAL),
        }
    }

    fn stand_in() -> FileTrusted {
        FileTrusted::nobody()
    }

    fn shape() -> Shape {
        Shape::Either(vec![Vec::<Network>::shape(), TrustedPeers::shape()])
    }

    fn show(&self) -> String {
        self.0.from.to_vec().show()
    }
}
