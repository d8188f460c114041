//! What a client may take of an HTTP/2 connection, beside the listener's own limits, and how `h2` is told so. Every
//! number has its reason.

use h2::server::Builder;
use tidegate_core::limits::HeadLimits;

/// Streams open at once, those included that were reset and are still worked for: what RFC 9113 §6.5.2 asks for at
/// least.
pub(super) const STREAMS_MAX: u32 = 100;
/// What a client may send on a stream before we have taken it: the protocol's own, and what holds a retry's body.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// The same for all streams of a connection: what it may make us hold, within the bound of the process (`inbox`).
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// What `h2` keeps of an answer until it is written: four frames. What is kept for all streams is bounded in `outflow`.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// Streams reset by us that are remembered, so that what was on its way is not taken for an error: twice as many as may be open,
/// as a client whose uploads are all refused at once opens as many anew while the last bytes of the others still come.
const RESETS_REMEMBERED_MAX: usize = 2 * STREAMS_MAX as usize;
/// Streams that were reset before we have looked at them.
const RESETS_UNSEEN_MAX: usize = 20;
/// Malformed streams of a connection, and those we had to refuse: an honest client sends none.
const FAULTS_MAX: usize = 100;
/// Requests of a connection that were answered with a refusal before they were one.
pub(super) const REFUSED_MAX: u32 = 100;
/// The table of compressed fields we keep for a client: the protocol's own.
pub(super) const FIELD_TABLE_BYTES: u32 = 4 << 10;

/// What `h2` is told. It bounds CONTINUATION frames by the size of a head, and small DATA frames by the window.
pub(super) fn settings(head: &HeadLimits) -> Builder {
    let mut settings = Builder::new();
    settings
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(head.head_bytes_max as u32)
        .header_table_size(FIELD_TABLE_BYTES)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_concurrent_reset_streams(RESETS_REMEMBERED_MAX)
        .max_pending_accept_reset_streams(RESETS_UNSEEN_MAX)
        .max_local_error_reset_streams(Some(FAULTS_MAX));
    settings
}
