//! Wycheproof's signatures, each under the key it comes with, read as a key set would give it. They know what goes
//! wrong in the arithmetic: modified padding, numbers out of range, points at infinity, encodings that are not the
//! canonical one. What goes wrong around it, in headers and claims, is in `tests`.

use super::algorithm::Algorithm;
use super::keys::Keys;
use tidegate_testkit::issuer::text;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

/// A vector: its number, what is signed, the signature, and whether it is one.
struct Vector<'s> {
    id: usize,
    message: &'s [u8],
    signature: &'s [u8],
    result: TestResult,
}

/// How many were judged.
#[derive(Default)]
struct Judged {
    valid: usize,
    invalid: usize,
}

impl Judged {
    /// Judges vectors under one key, given as the members of a JWK.
    fn add<'s>(&mut self, algorithm: Algorithm, members: &str, vectors: impl Iterator<Item = Vector<'s>>) {
        let set = format!(r#"{{"keys":[{{{members},"alg":"{}"}}]}}"#, algorithm.name());
        let keys = Keys::parse(set.as_bytes(), None).unwrap_or_else(|why| panic!("{members}: {why}"));
        for Vector { id, message, signature, result } in vectors {
            let is_good =
                keys.candidates(None, algorithm).any(|key| key.verify_sig(message, signature).is_ok());
            match result {
                TestResult::Valid => {
                    assert!(is_good, "{} {id}: a valid one is refused", algorithm.name());
                    self.valid += 1;
                }
                // What they leave open (a padding without its NULL) is closed here.
                TestResult::Invalid | TestResult::Acceptable => {
                    assert!(!is_good, "{} {id}: an invalid one is accepted", algorithm.name());
                    self.invalid += 1;
                }
            }
        }
    }

    /// Fails if there was too little to judge for the test to mean anything.
    fn finish(self, what: &str) {
        println!("{what}: {} valid, {} invalid", self.valid, self.invalid);
        assert!(self.valid >= 80 && self.invalid >= 60, "{what}: {} and {}", self.valid, self.invalid);
    }
}

/// The vectors of a group, which every kind of signature has in a type of its own.
macro_rules! vectors {
    ($group:expr) => {
        $group.tests.iter().map(|test| Vector {
            id: test.tc_id,
            message: &test.msg,
            signature: &test.sig,
            result: test.result,
        })
    };
}

fn rsa(n: &[u8], e: &[u8]) -> String {
    let bare = |number: &[u8]| text(&number[number.iter().take_while(|&&byte| byte == 0).count()..]);
    format!(r#""kty":"RSA","n":"{}","e":"{}""#, bare(n), bare(e))
}

#[test]
fn rsa_with_pkcs1_padding() {
    use pkcs1::TestName::*;
    let mut judged = Judged::default();
    for (algorithm, names) in [
        (Algorithm::Rs256, &[Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256][..]),
        (Algorithm::Rs384, &[Rsa2048Sha384, Rsa3072Sha384, Rsa4096Sha384, Rsa8192Sha384]),
        (Algorithm::Rs512, &[Rsa2048Sha512, Rsa3072Sha512, Rsa4096Sha512, Rsa8192Sha512]),
    ] {
        for name in names {
            for group in pkcs1::TestSet::load(*name).unwrap().test_groups {
                judged.add(algorithm, &rsa(&group.key.n, &group.key.e), vectors!(group));
            }
        }
    }
    judged.finish("PKCS1");
}

#[test]
fn rsa_with_pss_padding() {
    use pss::TestName::*;
    let mut judged = Judged::default();
    for (algorithm, names) in [
        (
            Algorithm::Ps256,
            &[RsaPss2048Sha256Mgf1SaltLen32, RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32][..],
        ),
        (Algorithm::Ps384, &[RsaPss2048Sha384Mgf1SaltLen48, RsaPss4096Sha384Mgf1SaltLen48]),
        (Algorithm::Ps512, &[RsaPss4096Sha512Mgf1SaltLen64]),
    ] {
        for name in names {
            for group in pss::TestSet::load(*name).unwrap().test_groups {
                judged.add(algorithm, &rsa(&group.key.n, &group.key.e), vectors!(group));
            }
        }
    }
    judged.finish("PSS");
}

#[test]
fn ecdsa_in_the_form_of_tokens() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363};
    for (algorithm, curve, name) in [
        (Algorithm::Es256, "P-256", EcdsaSecp256r1Sha256P1363),
        (Algorithm::Es384, "P-384", EcdsaSecp384r1Sha384P1363),
    ] {
        let mut judged = Judged::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
            let members = format!(r#""kty":"EC","crv":"{curve}","x":"{}","y":"{}""#, text(x), text(y));
            judged.add(algorithm, &members, vectors!(group));
        }
        judged.finish(curve);
    }
}

#[test]
fn ed25519() {
    let mut judged = Judged::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let members = format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, text(&group.key.pk));
        judged.add(Algorithm::EdDsa, &members, vectors!(group));
    }
    judged.finish("Ed25519");
}
