//! What the gateway tells a backend about the client: who asked, by which scheme and host, through whom, and
//! the request's id. What a client wrote into these fields is dropped: it could say anything.

use tidegate_core::exchange::Exchange;
use tidegate_core::head::RequestHead;
use tidegate_core::name::Name;

use crate::text::Text;
use crate::worker::Worker;

/// Rewrites the forwarding fields of a request.
pub(crate) fn request<E: Exchange>(worker: &Worker, head: &mut RequestHead, client: &E, request_id: &[u8]) {
    for field in head.fields.list_mut() {
        field.is_removed |= matches!(
            field.name,
            Name::XForwardedFor
                | Name::XForwardedProto
                | Name::XForwardedHost
                | Name::Forwarded
                | Name::XRequestId
                | Name::Via
        );
    }
    let mut text = Text::default();
    if let Some(address) = client.client().address {
        text.address(address.ip());
        head.fields.add(Name::XForwardedFor, text.bytes());
    }
    let scheme: &[u8] = if client.client().is_secure { b"https" } else { b"http" };
    head.fields.add(Name::XForwardedProto, scheme);
    if !head.host.is_empty() {
        head.fields.add_copy(Name::XForwardedHost, head.host);
    }
    head.fields.add(Name::XRequestId, request_id);
    text.via(client.protocol().version(), &worker.node);
    head.fields.add(Name::Via, text.bytes());
}
