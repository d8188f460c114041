//! What may be written under `headers`.

use tidegate_core::header::{HeaderName, HeaderValue};
use tidegate_core::settings;
use tidegate_core::settings::Table;

settings! {
    /// Edits of header fields, on the way in and on the way out.
    pub(crate) struct HeadersSettings {
        /// Of the request, before a backend sees it. Fields whose names differ only by `_` for `-` count as the same.
        pub(crate) request: FieldEdits,
        /// Of the answer, before the client sees it, be it a backend's or the gateway's own.
        pub(crate) response: FieldEdits,
    }
}

settings! {
    /// Edits of one message: removed first, then set.
    pub(crate) struct FieldEdits {
        /// Fields to have exactly this value. `{host}`, `{path}`, `{client_ip}`, `{consumer}`, `{request_id}`, and the names of the route's path are filled in.
        pub(crate) set: Table<HeaderName, HeaderValue> = Table::default(),
        /// Fields to take away.
        pub(crate) remove: Vec<HeaderName> = Vec::new(),
    }
}
