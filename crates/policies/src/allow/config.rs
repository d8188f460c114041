//! What may be written under `allow`.

use tidegate_core::settings;
use tidegate_core::settings::Placed;
use tidegate_core::units::Network;

settings! {
    /// Who may pass: one of each key that is written.
    pub(crate) struct AllowSettings {
        /// Consumers, by their names. Needs `auth`.
        pub(crate) consumers: Placed<Vec<Placed<String>>> = Placed::default(Vec::new()),
        /// Scopes, one of which the credential has to be good for. Needs `auth`.
        pub(crate) scopes: Placed<Vec<Placed<String>>> = Placed::default(Vec::new()),
        /// Addresses of clients, or networks such as `10.0.0.0/8`. Behind a trusted proxy it is the client's own that counts.
        pub(crate) ips: Placed<Vec<Network>> = Placed::default(Vec::new()),
        /// Methods. `GET` lets `HEAD` pass too.
        pub(crate) methods: Placed<Vec<Placed<String>>> = Placed::default(Vec::new()),
    }
}
