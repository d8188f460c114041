//! What may be written under `jwt`.

use super::algorithm::Algorithm;
use std::time::Duration;
use tidegate_core::document::DocumentAt;
use tidegate_core::settings;
use tidegate_core::settings::{Fault, Placed, Table, Word};

settings! {
    /// Tokens that an issuer has signed (RFC 7519), shown as `Authorization: Bearer …`.
    pub(crate) struct JwtSettings {
        /// The issuer's public keys, a JWK set (RFC 7517): a URL, or a file. From a URL they are fetched ahead of need, and kept for a day while the issuer is away.
        pub(crate) jwks: Placed<DocumentAt>,
        /// Who must have issued a token: its `iss`, exactly. Any issuer with these keys without it.
        pub(crate) issuer: Option<String>,
        /// Whom a token must be for: one of these must be in its `aud`, exactly. Without it a token that is for somebody is refused.
        pub(crate) audience: Vec<String> = Vec::new(),
        /// The claim that names the consumer.
        pub(crate) consumer: Placed<ClaimName> = Placed::default(ClaimName(String::from("sub"))),
        /// Claims that a token must have besides, each with one of these values. Values of `scope` and `scp` are scopes.
        pub(crate) require: Table<ClaimName, Vec<String>> = Table::default(),
        /// How a token may be signed. By default all that are known here; then a key of RSA that does not say its own algorithm serves `RS256` alone.
        pub(crate) algorithms: Option<Placed<Vec<Algorithm>>>,
        /// How far the issuer's clock may be off.
        pub(crate) leeway: Placed<Duration> = Placed::default(Duration::from_secs(60)),
        /// Whether the backend sees the token where it is what let the client in.
        pub(crate) keep: bool = false,
    }
    short jwks;
}

/// The name of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClaimName(pub(crate) String);

impl Word for ClaimName {
    const WHAT: &str = "the name of a claim";
    const PATTERN: &str = "";

    fn parse(text: &str) -> Result<ClaimName, Fault> {
        match text {
            "" => Err(Fault::new("is no name")),
            text => Ok(ClaimName(text.to_owned())),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    fn stand_in() -> ClaimName {
        ClaimName(String::from("sub"))
    }
}
