//! HTTP/2 by prior knowledge (RFC 9113 §3.3) as a second codec: one task a connection moves frames, one task a stream
//! runs the handler. Real as far as it goes; rates, idle connections and draining are left to a codec that serves.

mod head;
mod receiving;
mod sending;
mod stream;

use bytes::Bytes;
use std::rc::Rc;
use tidegate_core::exchange::{Client, Handler};
use tidegate_core::limits::HeadLimits;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Streams a client may have open at once: what RFC 9113 §6.5.2 asks for at least.
const STREAMS_MAX: u32 = 100;

/// Serves a connection to its end, and all streams that are then still running to theirs.
pub async fn serve<H: Handler>(socket: TcpStream, listener: Rc<str>, handler: Rc<H>) {
    let client = Client { address: socket.peer_addr().ok(), listener, is_secure: false, trusted: None };
    let mut settings = h2::server::Builder::new();
    settings.max_concurrent_streams(STREAMS_MAX);
    settings.max_header_list_size(HeadLimits::REQUEST.head_bytes_max as u32);
    // Frames of one stream must not wait until the peer acknowledges another's.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let Ok(mut connection) = settings.handshake::<_, Bytes>(socket).await else { return };
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            incoming = connection.accept() => {
                let Some(Ok((request, respond))) = incoming else { break };
                streams.spawn_local(stream::serve(handler.clone(), client.clone(), request, respond));
            }
            Some(ended) = streams.join_next() => ended.expect("serve a stream without a panic"),
        }
    }
    // Streams that run on learn from it that their client has gone.
    drop(connection);
    while let Some(ended) = streams.join_next().await {
        ended.expect("end a stream without a panic");
    }
}
