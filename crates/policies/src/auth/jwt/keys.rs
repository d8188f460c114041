//! A set of public keys (RFC 7517), read from JSON. What a key may be used for is settled here, by the key and by the
//! operator: a token only says which of that it has used. Pure.

use super::algorithm::{Algorithm, Material};
use super::json::{Json, Members};
use super::weak::is_roca;
use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Largest set. A key with its certificates takes 5 KiB.
const SET_BYTES_MAX: usize = 1 << 20;
/// Most keys of a set. Large issuers have ten.
const KEYS_MAX: usize = 100;
/// Keys that are tried for a token that does not say which. Verifying takes some 30 µs each, and a worker must not be
/// held for 500 µs.
const TRIED_MAX: usize = 4;

/// See the file. Invariant: it has a key, and no two have the same id.
pub(super) struct Keys(Box<[Key]>);

struct Key {
    id: Option<Box<str>>,
    /// Ready for each algorithm it serves.
    serves: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Keys {
    /// Reads a set that an operator keeps. Keys for other uses, and of kinds that are not known here, are passed over
    /// (RFC 7517 §5); all others have to be right.
    ///
    /// Errors: what is wrong with it, as a phrase after its name.
    pub(super) fn parse(bytes: &[u8], wanted: Option<&[Algorithm]>) -> Result<Keys, String> {
        let (keys, said) = Keys::published(bytes, wanted)?;
        said?;
        keys.ok_or_else(|| String::from(NO_KEY))
    }

    /// Reads a set as its issuer publishes it: keys that are wrong are not used, and do not spoil the rest. Without
    /// any that can be used there are none: that is how an issuer takes all of them back.
    ///
    /// Errors: why it is no set. In what is read: what is wrong with some of its keys.
    pub(super) fn published(
        bytes: &[u8],
        wanted: Option<&[Algorithm]>,
    ) -> Result<(Option<Keys>, Result<(), String>), String> {
        if bytes.len() > SET_BYTES_MAX {
            return Err(String::from("is larger than 1 MiB"));
        }
        let set = Members::parse(bytes)?;
        let Some(Json::List(list)) = set.get("keys") else {
            return Err(String::from("has no list `keys`: it is no JWK set"));
        };
        if list.len() > KEYS_MAX {
            return Err(format!("has more than {KEYS_MAX} keys"));
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut said = Ok(());
        let mut twice = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let key = item.members().ok_or_else(|| String::from("is not a JSON object"));
            match key.and_then(|members| key_of(members, wanted)) {
                Ok(Some(key)) if key.id.is_some() && keys.iter().any(|known| known.id == key.id) => {
                    said = said.and_then(|()| Err(nth(index, "has the `kid` of an earlier one")));
                    twice.push(key.id);
                }
                Ok(Some(key)) => keys.push(key),
                Ok(None) => {}
                Err(why) => said = said.and_then(|()| Err(nth(index, &why))),
            }
        }
        // Which of them a token means nobody can tell.
        keys.retain(|key| !twice.contains(&key.id));
        if keys.is_empty() {
            return Ok((None, said.and_then(|()| Err(String::from(NO_KEY)))));
        }
        Ok((Some(Keys(keys.into())), said))
    }

    /// The keys that may have made a signature: those of that id; without an id, all; and for an id that none has, those
    /// that have none.
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &ParsedPublicKey> {
        let is_there = id.is_some_and(|id| self.0.iter().any(|key| key.id.as_deref() == Some(id)));
        let is_meant = move |key: &&Key| match id {
            Some(_) if is_there => key.id.as_deref() == id,
            Some(_) => key.id.is_none(),
            None => true,
        };
        let serving = move |key: &'_ Key| key.serves.iter().position(|(served, _)| *served == algorithm);
        let keys = self.0.iter().filter(is_meant);
        keys.filter_map(move |key| serving(key).map(|at| &key.serves[at].1)).take(TRIED_MAX)
    }
}

/// What is wrong with a set that leaves nothing to verify with.
const NO_KEY: &str = "has no key that could be used here";

fn nth(index: usize, why: &str) -> String {
    format!("key {}: {why}", index + 1)
}

/// One key. `None` if it is for something else.
fn key_of(members: &Members, wanted: Option<&[Algorithm]>) -> Result<Option<Key>, String> {
    let text = |name: &str| members.text(name).map_err(|()| format!("`{name}` is not a text"));
    let kind = text("kty")?.ok_or("has no `kty`")?;
    if kind == "oct" {
        return Err(String::from("is a shared secret (`oct`): whoever can verify with it can sign"));
    }
    if ["d", "p", "q", "k"].iter().any(|name| members.has(name)) {
        return Err(String::from("is a private key: only the public half belongs here"));
    }
    if text("use")?.is_some_and(|purpose| purpose != "sig") || !may_verify(members)? {
        return Ok(None);
    }
    let number = |name: &str| -> Result<Vec<u8>, String> {
        let written = text(name)?.ok_or_else(|| format!("has no `{name}`"))?;
        URL_SAFE_NO_PAD.decode(written).map_err(|_| format!("`{name}` is not base64url"))
    };
    let material = match (kind, text("crv")?) {
        ("RSA", _) => rsa(number("n")?, number("e")?)?,
        ("EC", Some("P-256")) => Material::P256(point(number("x")?, number("y")?, 32)?),
        ("EC", Some("P-384")) => Material::P384(point(number("x")?, number("y")?, 48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(number("x")?),
        _ => return Ok(None),
    };
    let own = match text("alg")? {
        Some(name) => match Algorithm::of(name) {
            Some(algorithm) if material.algorithms().contains(&algorithm) => Some(algorithm),
            Some(algorithm) => return Err(format!("a key of its kind cannot serve {}", algorithm.name())),
            None => return Ok(None),
        },
        None => None,
    };
    let algorithms = served(&material, own, wanted);
    let ready = |algorithm: Algorithm| material.key(algorithm).map(|key| (algorithm, key));
    let serves = algorithms.into_iter().map(ready).collect::<Option<Vec<_>>>();
    let serves = serves.ok_or("is not a key: its numbers do not fit")?;
    let id = text("kid")?.map(Box::from);
    Ok((!serves.is_empty()).then_some(Key { id, serves }))
}

/// What a key serves: what it says itself; else what is usual for its kind, or what the operator wants of it.
fn served(material: &Material, own: Option<Algorithm>, wanted: Option<&[Algorithm]>) -> Vec<Algorithm> {
    let possible = material.algorithms();
    match (own, wanted) {
        (Some(own), wanted) => {
            wanted.is_none_or(|all| all.contains(&own)).then_some(own).into_iter().collect()
        }
        (None, Some(wanted)) => possible.iter().copied().filter(|one| wanted.contains(one)).collect(),
        (None, None) => possible[..1].to_vec(),
    }
}

fn may_verify(members: &Members) -> Result<bool, String> {
    match members.get("key_ops") {
        None => Ok(true),
        Some(Json::List(all)) => Ok(all.iter().any(|one| *one == Json::Text(String::from("verify")))),
        Some(_) => Err(String::from("`key_ops` is not a list")),
    }
}

/// RSA of at least 2048 bits (RFC 7518 §3.3), and with an exponent that makes one: odd, and not 1.
fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Material, String> {
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    if bits < 2048 {
        return Err(format!(
            "is an RSA key of {bits} bits, which can be broken: its issuer has to make one of 2048 or more"
        ));
    }
    if is_roca(&n) {
        return Err(String::from(
            "is one that can be broken (ROCA, CVE-2017-15361): the issuer needs a new key",
        ));
    }
    match e.last() {
        Some(last) if last % 2 == 1 && e != [1] => Ok(Material::Rsa { n, e }),
        _ => Err(String::from("`e` is not the exponent of a key")),
    }
}

/// A point as SEC 1 §2.3.3 writes it: each number of full length (RFC 7518 §6.2.1.2).
fn point(x: Vec<u8>, y: Vec<u8>, bytes: usize) -> Result<Vec<u8>, String> {
    match x.len() == bytes && y.len() == bytes {
        true => Ok([&[4], &x[..], &y].concat()),
        false => Err(format!("`x` and `y` are not of {bytes} bytes")),
    }
}
