//! What may be written under `basic`.

use std::path::PathBuf;
use tidegate_core::settings;
use tidegate_core::settings::Placed;

settings! {
    /// Names and passwords (RFC 7617), shown as `Authorization: Basic …`. Over TLS alone: they are readable on the way.
    pub(crate) struct BasicSettings {
        /// The file of users, as `htpasswd -B -C 12` writes it: a line `name:hash` each, with bcrypt or argon2id.
        pub(crate) file: Placed<PathBuf>,
        /// What a browser tells the person who is to type a password. Unless set, the entry's name.
        pub(crate) realm: Option<String>,
        /// Whether the backend sees the password where it is what let the client in.
        pub(crate) keep: bool = false,
    }
    short file;
}
