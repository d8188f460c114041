//! Signs tokens as an identity provider does, and publishes its keys. Holds its own code for both, so that it does not
//! share the gateway's mistakes.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::{SystemTime, UNIX_EPOCH};

/// A key that signs.
enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// One key of an issuer.
pub struct Issuer {
    /// The id of its key.
    pub kid: String,
    /// The algorithm it signs with.
    pub alg: &'static str,
    pair: Pair,
}

impl Issuer {
    /// A new key of the algorithm's kind.
    ///
    /// # Panics
    /// When no key can be made, or for an algorithm that is none of RS*, PS*, ES256, ES384 and EdDSA.
    pub fn new(kid: &str, alg: &'static str) -> Issuer {
        let pair = match alg {
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().expect("make a key")),
            "ES256" => Pair::Ec(
                EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).expect("make a key"),
            ),
            "ES384" => Pair::Ec(
                EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).expect("make a key"),
            ),
            _ => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("make a key")),
        };
        Issuer { kid: kid.into(), alg, pair }
    }

    /// The public half as a member of a JWK set.
    pub fn jwk(&self) -> String {
        let (kid, alg) = (&self.kid, self.alg);
        format!(r#"{{"kid":"{kid}","alg":"{alg}","use":"sig",{}}}"#, self.numbers())
    }

    /// The members of the key that are its kind and its numbers.
    pub fn numbers(&self) -> String {
        match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                let (n, e) = (text(n), text(e));
                format!(r#""kty":"RSA","n":"{n}","e":"{e}""#)
            }
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if self.alg == "ES256" { "P-256" } else { "P-384" };
                format!(r#""kty":"EC","crv":"{curve}","x":"{}","y":"{}""#, text(x), text(y))
            }
            Pair::Ed(pair) => {
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, text(pair.public_key().as_ref()))
            }
        }
    }

    /// A set of this key alone.
    pub fn jwks(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.jwk())
    }

    /// A token with these claims, as the text of a JSON object.
    pub fn token(&self, claims: &str) -> String {
        self.token_with(&format!(r#"{{"alg":"{}","kid":"{}","typ":"JWT"}}"#, self.alg, self.kid), claims)
    }

    /// A good token of an hour for that consumer, with further claims such as `,"scope":"a b"`.
    pub fn token_of(&self, consumer: &str, more: &str) -> String {
        self.token(&format!(r#"{{"sub":"{consumer}","exp":{}{more}}}"#, now() + 3600))
    }

    /// A token with this header, signed as the issuer signs whatever the header says.
    pub fn token_with(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", text(header.as_bytes()), text(claims.as_bytes()));
        format!("{signed}.{}", text(&self.sign(signed.as_bytes())))
    }

    /// The bytes of a signature.
    ///
    /// # Panics
    /// When the key cannot sign.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Ec(pair) => pair.sign(&random, message).expect("sign").as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let how: &'static dyn signature::RsaEncoding = match self.alg {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(how, &random, message, &mut out).expect("sign");
                out
            }
        }
    }
}

/// Modulus and exponent of a key as RFC 8017 §A.1.1 writes it: a sequence of two integers. One of 2048 bits has lengths
/// of three bytes each, and a zero before the modulus.
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let integers = &der[4..];
    let (n, e) = integers[5..].split_at(256);
    (n, &e[2..])
}

/// Bytes as JOSE writes them: base64url without padding.
pub fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
