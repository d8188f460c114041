//! One request and its answer with a client, whatever the protocol.
