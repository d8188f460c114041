//! What the gateway tells a backend about the client: who asked, by which scheme and host, through whom, and
//! the request's id. What a client wrote into these fields is dropped, as it could say anything; what a trusted peer
//! wrote is kept and continued. A request that went through this gateway before ends here.

use tidegate_core::exchange::Exchange;
use tidegate_core::head::{Fields, RequestHead};
use tidegate_core::identity::Identity;
use tidegate_core::name::Name;
use tidegate_core::template::Origin;

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
    let is_trusted = client.client().trusted.is_some();
    let mut is_signed = false;
    for field in head.fields.list_mut() {
        match field.name {
            Name::XForwardedFor
            | Name::XForwardedProto
            | Name::XForwardedHost
            | Name::XRequestId
            | Name::Forwarded => field.is_removed |= !is_trusted,
            Name::Via => {
                is_signed = true;
                field.is_removed |= !is_trusted;
            }
            Name::CdnLoop => is_signed = true,
            // From nobody, trusted or not: a backend believes it. What mimics the name the codec has dropped.
            Name::XConsumer | Name::XMirrored => field.is_removed = true,
            _ => {}
        }
    }
    if is_signed && is_signed_by(&head.fields, worker.node.as_bytes()) {
        return Err(Failure::looped());
    }
    if is_trusted {
        go_on(head, client, origin);
    } else {
        begin(head, origin);
    }
    head.fields.add(Name::XRequestId, origin.request_id);
    let mut text = Text::default();
    text.via(client.protocol().version(), &worker.node);
    if is_trusted && is_signed {
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

/// The peer is the client.
fn begin(head: &mut RequestHead, origin: Origin<'_>) {
    if let Some(address) = origin.client.address {
        let mut text = Text::default();
        text.address(address.ip());
        head.fields.add(Name::XForwardedFor, text.bytes());
    }
    head.fields.add(Name::XForwardedProto, scheme(origin));
    if !head.host.is_empty() {
        head.fields.add_copy(Name::XForwardedHost, head.host);
    }
}

/// The peer is a trusted one and speaks for `origin`: it becomes the last of those the request came through.
fn go_on<E: Exchange>(head: &mut RequestHead, client: &E, origin: Origin<'_>) {
    let host = origin::host(&head.fields).unwrap_or(head.host);
    for name in [Name::XForwardedProto, Name::XForwardedHost, Name::XRequestId] {
        head.fields.remove(name);
    }
    if let Some(address) = client.client().address {
        let mut text = Text::default();
        text.address(address.ip());
        head.fields.join(Name::XForwardedFor, text.bytes());
    }
    head.fields.add(Name::XForwardedProto, scheme(origin));
    if !host.is_empty() {
        head.fields.add_copy(Name::XForwardedHost, host);
    }
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
