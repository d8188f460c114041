//! What the gateway tells a backend about the client: who asked, by which scheme and host, through whom, and
//! the request's id. What a client wrote into these fields is dropped, as it could say anything; what a trusted peer
//! wrote is kept and continued, as far as it is believed (`core::trusted`). A request that went through this gateway before ends here.

use std::net::SocketAddr;
use tidegate_core::exchange::Exchange;
use tidegate_core::head::{Fields, RequestHead, Span};
use tidegate_core::identity::Identity;
use tidegate_core::name::Name;
use tidegate_core::template::Origin;
use tidegate_core::trusted::{Belief, Trusted, belief};

use crate::origin;
use crate::rescue::Failure;
use crate::text::Text;
use crate::worker::Worker;

/// Tells the backend who was found to ask. What the operator says about the field counts: that is done later.
pub(crate) fn consumer(head: &mut RequestHead, identity: &Identity) {
    head.fields.add(Name::XConsumer, identity.consumer.as_str().as_bytes());
}

/// Rewrites the forwarding fields of a request. Fails for one that comes back.
pub(crate) fn request<E: Exchange>(
    worker: &Worker,
    head: &mut RequestHead,
    client: &E,
    origin: Origin<'_>,
) -> Result<(), Failure> {
    let trusted = client.client().trusted.as_deref();
    let mut is_signed = false;
    for field in head.fields.list_mut() {
        // What mimics any of these names the codec has dropped.
        match belief(trusted, field.name) {
            Belief::Client => {}
            Belief::None => field.is_removed = true,
            // A client that reaches us through the peer cannot take away what the peer says of it.
            Belief::Peer => field.is_removed = false,
        }
        is_signed |= matches!(field.name, Name::Via | Name::CdnLoop);
    }
    if is_signed && is_signed_by(&head.fields, worker.node.as_bytes()) {
        return Err(Failure::looped());
    }
    match trusted {
        Some(trusted) => go_on(head, trusted, client, origin),
        None => begin(head, origin.client.address, head.host, origin),
    }
    head.fields.add(Name::XRequestId, origin.request_id);
    let mut text = Text::default();
    text.via(client.protocol().version(), &worker.node);
    if trusted.is_some() && is_signed {
        head.fields.join(Name::Via, text.bytes());
    } else {
        head.fields.add(Name::Via, text.bytes());
    }
    // Only for what came through a gateway already: the next one may drop our Via, but whoever sent it, this one is
    // kept, and so a loop through two gateways has an end (RFC 8586 §2).
    if is_signed {
        head.fields.join(Name::CdnLoop, worker.node.as_bytes());
    }
    Ok(())
}

/// Says that the peer is the client.
fn begin(head: &mut RequestHead, peer: Option<SocketAddr>, host: Span, origin: Origin<'_>) {
    if let Some(address) = peer {
        let mut text = Text::default();
        text.address(address.ip());
        head.fields.add(Name::XForwardedFor, text.bytes());
    }
    head.fields.add(Name::XForwardedProto, scheme(origin));
    if !host.is_empty() {
        head.fields.add_copy(Name::XForwardedHost, host);
    }
}

/// The peer is a trusted one and speaks for `origin`: it becomes the last of those the request came through.
fn go_on<E: Exchange>(head: &mut RequestHead, trusted: &Trusted, client: &E, origin: Origin<'_>) {
    let host = origin::host(trusted, &head.fields).unwrap_or(head.host);
    for name in [Name::XForwardedProto, Name::XForwardedHost, Name::XRequestId] {
        head.fields.remove(name);
    }
    let peer = client.client().address;
    match peer.filter(|_| trusted.fields.has(Name::XForwardedFor)) {
        Some(address) => {
            let mut text = Text::default();
            text.address(address.ip());
            head.fields.join(Name::XForwardedFor, text.bytes());
            begin(head, None, host, origin);
        }
        None => begin(head, peer, host, origin),
    }
    if trusted.fields.has(Name::Forwarded) {
        forwarded(&mut head.fields, peer);
    }
}

/// Appends the peer to Forwarded (RFC 7239 §4). A list whose quotes do not end would swallow it, and with it whatever
/// the proxies before us appended: one is begun anew.
fn forwarded(fields: &mut Fields, peer: Option<SocketAddr>) {
    if fields.all(Name::Forwarded).any(has_open_quote) {
        fields.remove(Name::Forwarded);
    }
    let mut text = Text::default();
    text.forwarded_for(peer.map(|peer| peer.ip()));
    fields.append(Name::Forwarded, text.bytes());
}

/// Whether a quoted string (RFC 9110 §5.6.4) does not end.
fn has_open_quote(value: &[u8]) -> bool {
    let mut bytes = value.iter();
    let mut is_open = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_open = !is_open,
            b'\\' if is_open => drop(bytes.next()),
            _ => {}
        }
    }
    is_open
}

fn scheme(origin: Origin<'_>) -> &'static [u8] {
    if origin.client.is_secure { b"https" } else { b"http" }
}

/// Whether one of the fields that gateways sign says that this one has seen the request. `Via` lists
/// `version name comment` (RFC 9110 §7.6.3), `CDN-Loop` lists `name; parameters` (RFC 8586 §2).
fn is_signed_by(fields: &Fields, node: &[u8]) -> bool {
    fields.list().iter().any(|field| {
        let mut elements = field.value.of(fields.text()).split(|&b| b == b',').map(<[u8]>::trim_ascii);
        match field.name {
            Name::Via => elements.any(|element| {
                let mut words = element.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                words.nth(1) == Some(node)
            }),
            Name::CdnLoop => elements
                .any(|element| element.split(|&b| b == b';').next().map(<[u8]>::trim_ascii) == Some(node)),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_ends_the_list_of_forwarded_whatever_stands_in_it() {
        let cases: &[(&[&str], &str, &str)] = &[
            (&[], "10.0.0.9", "for=10.0.0.9"),
            (&["for=1.2.3.4"], "10.0.0.9", "for=1.2.3.4, for=10.0.0.9"),
            (
                &["for=1.2.3.4;proto=https", "", "for=unknown"],
                "::ffff:10.0.0.9",
                "for=1.2.3.4;proto=https, for=unknown, for=10.0.0.9",
            ),
            (&["for=\"[2001:db8::1]:80\""], "2001:db8::9", "for=\"[2001:db8::1]:80\", for=\"[2001:db8::9]\""),
            (&["for=\"_a\\\"b\\\\\""], "10.0.0.9", "for=\"_a\\\"b\\\\\", for=10.0.0.9"),
            (&["for=\"x", "for=1.2.3.4"], "10.0.0.9", "for=10.0.0.9"),
            (&["for=\"x\\\""], "10.0.0.9", "for=10.0.0.9"),
        ];
        for (lines, peer, expected) in cases {
            let mut fields = Fields::default();
            for line in *lines {
                fields.push("Forwarded", line.as_bytes());
            }
            forwarded(&mut fields, Some(SocketAddr::new(peer.parse().unwrap(), 1)));
            let all: Vec<&[u8]> = fields.all(Name::Forwarded).collect();
            assert_eq!(all, [expected.as_bytes()], "{lines:?}");
        }
        let mut fields = Fields::default();
        forwarded(&mut fields, None);
        assert_eq!(fields.get(Name::Forwarded), Some(&b"for=unknown"[..]), "a peer without an address");
    }

    #[test]
    fn a_name_counts_where_gateways_sign_and_nowhere_else() {
        let cases = [
            ("via", "1.1 us", true),
            ("via", "1.0 a, HTTP/1.1  us (Tidegate), 2 b", true),
            ("Via", "1.1 a, us", false),
            ("via", "1.1 us2", false),
            ("via", "us", false),
            ("via", "1.1 a us", false),
            ("cdn-loop", "us", true),
            ("cdn-loop", "a;v=1, us ; hops=2", true),
            ("CDN-Loop", "a;us, usa", false),
            ("x-via", "1.1 us", false),
        ];
        for (name, value, is_ours) in cases {
            let mut fields = Fields::default();
            fields.push("via", b"1.1 elsewhere");
            fields.push(name, value.as_bytes());
            assert_eq!(is_signed_by(&fields, b"us"), is_ours, "{name}: {value}");
        }
    }
}
