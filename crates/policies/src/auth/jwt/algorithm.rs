//! The signatures that are understood (RFC 7518 §3.1, RFC 8037 §3.1). There is none without a signature and none with a
//! shared secret: those words are not known here.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters};
use tidegate_core::choice;

choice! {
    /// How a token is signed.
    pub(crate) enum Algorithm {
        /// RSA with PKCS1 v1.5 and SHA-256.
        Rs256 = "RS256",
        /// RSA with PKCS1 v1.5 and SHA-384.
        Rs384 = "RS384",
        /// RSA with PKCS1 v1.5 and SHA-512.
        Rs512 = "RS512",
        /// RSA with PSS and SHA-256.
        Ps256 = "PS256",
        /// RSA with PSS and SHA-384.
        Ps384 = "PS384",
        /// RSA with PSS and SHA-512.
        Ps512 = "PS512",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// ECDSA on P-384 with SHA-384.
        Es384 = "ES384",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

impl Algorithm {
    /// The one of that name. Names are compared with case (RFC 7515 §4.1.1).
    pub(super) fn of(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.iter().find(|(_, known)| *known == name).map(|(algorithm, _)| *algorithm)
    }

    /// The name.
    pub(super) fn name(self) -> &'static str {
        Algorithm::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
        }
    }
}

/// The numbers of a public key.
pub(super) enum Material {
    /// Modulus and exponent.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point of P-256, uncompressed.
    P256(Vec<u8>),
    /// A point of P-384, uncompressed.
    P384(Vec<u8>),
    /// A key of Ed25519.
    Ed25519(Vec<u8>),
}

impl Material {
    /// Every algorithm that a key of this kind could serve.
    pub(super) fn algorithms(&self) -> &'static [Algorithm] {
        use Algorithm::*;
        match self {
            Material::Rsa { .. } => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            Material::P256(_) => &[Es256],
            Material::P384(_) => &[Es384],
            Material::Ed25519(_) => &[EdDsa],
        }
    }

    /// The key ready to verify signatures of one algorithm. `None` if it is no key, or none of that algorithm.
    pub(super) fn key(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match (self, algorithm) {
            (Material::Rsa { n, e }, algorithm) => {
                PublicKeyComponents { n, e }.to_parsed_public_key(algorithm.rsa()?).ok()
            }
            (Material::P256(point), Algorithm::Es256) => {
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).ok()
            }
            (Material::P384(point), Algorithm::Es384) => {
                ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).ok()
            }
            (Material::Ed25519(key), Algorithm::EdDsa) => ParsedPublicKey::new(&signature::ED25519, key).ok(),
            _ => None,
        }
    }
}
