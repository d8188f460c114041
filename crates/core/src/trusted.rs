//! Whose forwarding fields a listener believes, and which of them: what decides whether a field that tells of the client
//! goes on to a backend or was made up by whoever sent it. Pure. Asked by conditions of routes, and by the flow before
//! a request goes on.

use crate::name::Name;
use crate::units::Network;
use std::net::SocketAddr;

/// Peers that are believed, and in what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Where they are.
    pub from: Box<[Network]>,
    /// The forwarding fields that are believed when they come from there.
    pub fields: FieldSet,
}

impl Trusted {
    /// Whether a peer is one of them. One on a Unix socket has no address, and is not.
    pub fn has(&self, peer: Option<SocketAddr>) -> bool {
        peer.is_some_and(|peer| self.from.iter().any(|network| network.contains(peer.ip())))
    }
}

/// Fields that backends take for the word of the proxy before them: who and where the client is, what it asked for, who
/// it was found to be. A client that got one through would be believed. `proxy` is read as the environment's
/// `HTTP_PROXY` by CGI (CVE-2016-5385); `x-original-url` and `x-rewrite-url` replace the path in some frameworks, behind
/// whatever judged it.
pub const FORWARDING: [Name; 17] = [
    Name::Forwarded,
    Name::Proxy,
    Name::TrueClientIp,
    Name::XClientIp,
    Name::XForwardedFor,
    Name::XForwardedHost,
    Name::XForwardedPort,
    Name::XForwardedPrefix,
    Name::XForwardedProto,
    Name::XForwardedServer,
    Name::XForwardedSsl,
    Name::XForwardedUser,
    Name::XOriginalUrl,
    Name::XRealIp,
    Name::XRemoteUser,
    Name::XRequestId,
    Name::XRewriteUrl,
];

/// Fields that are the gateway's own: believed from nobody, trusted or not.
const OWN: FieldSet = FieldSet::of(&[Name::XConsumer, Name::XMirrored]);
/// Those of the list above.
const FORWARDED: FieldSet = FieldSet::of(&FORWARDING);

/// Names the gateway knows, as one word: asked about every field of every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(u64);

const _: () = assert!(Name::ALL.len() < 64, "a set has a bit for each name and one for the others");

impl FieldSet {
    /// What a trusted peer is believed unless the listener says otherwise: what every proxy writes or drops. All else
    /// many proxies pass on as their own clients wrote it.
    pub const USUAL: FieldSet = FieldSet::of(&[Name::XForwardedFor, Name::XForwardedProto, Name::XRequestId]);

    /// These names.
    pub const fn of(names: &[Name]) -> FieldSet {
        let mut bits = 0;
        let mut i = 0;
        while i < names.len() {
            bits |= 1 << names[i] as u8;
            i += 1;
        }
        FieldSet(bits)
    }

    /// Whether a name is one of them.
    #[inline]
    pub const fn has(self, name: Name) -> bool {
        self.0 >> name as u8 & 1 == 1
    }
}

/// Whose word a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// Nobody's that counts: it is not sent on.
    None,
    /// A trusted peer's. No Connection field of the peer's client can take it away.
    Peer,
    /// The client's own, as any field.
    Client,
}

/// Whose word a field is that came from a peer which is trusted so far. `via` of a trusted peer is always its word.
#[inline]
pub fn belief(trusted: Option<&Trusted>, name: Name) -> Belief {
    if OWN.has(name) {
        return Belief::None;
    }
    let is_believed = match (FORWARDED.has(name), trusted) {
        (false, _) if name != Name::Via => return Belief::Client,
        (true, Some(trusted)) => trusted.fields.has(name),
        (false, Some(_)) => true,
        (_, None) => false,
    };
    if is_believed { Belief::Peer } else { Belief::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_believed_in_what_was_named_and_a_client_in_nothing() {
        let trusted = Trusted { from: [].into(), fields: FieldSet::of(&[Name::XForwardedHost]) };
        for &name in Name::ALL.iter().chain(&[Name::Other]) {
            let (peers, clients) = match name {
                Name::XForwardedHost | Name::Via => (Belief::Peer, Belief::None),
                Name::XConsumer | Name::XMirrored => (Belief::None, Belief::None),
                name if FORWARDING.contains(&name) => (Belief::None, Belief::None),
                _ => (Belief::Client, Belief::Client),
            };
            assert_eq!((belief(Some(&trusted), name), belief(None, name)), (peers, clients), "{name:?}");
        }
    }
}
