//! A token from its text to an identity: taken apart, its signature verified, its claims judged (RFC 7515 §5.2, RFC 7519
//! §7.2, RFC 8725). Pure but for what it is given: keys, rules and the time.

use super::algorithm::Algorithm;
use super::json::{Json, Members};
use super::keys::Keys;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use tidegate_core::auth::SCOPE;
use tidegate_core::identity::{Consumer, Identity};
use tidegate_core::policy::Reason;

/// Longest token. It has to fit a line of a head, which is as long (8 KiB) unless an operator says other.
pub(super) const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Most scopes of a token that are kept. A dozen are usual; each is compared with those that a route wants.
const SCOPES_MAX: usize = 256;
/// Members of a header that would have us take keys from the token or from elsewhere, or understand what is not
/// understood here.
const REFUSED: [&str; 7] = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "zip"];

/// The reason of a token that none of the keys has signed.
pub(super) const SIGNATURE: &str = "signature";

/// What a token must be.
pub(super) struct Rules {
    /// The entry of `auth`.
    pub(super) entry: Arc<str>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Vec<String>,
    pub(super) consumer: String,
    /// Claims, and values of which each must have one.
    pub(super) require: Vec<(String, Vec<String>)>,
    pub(super) leeway_s: u64,
}

/// Why a token does not do.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// It is not good.
    Refused(Reason),
    /// It is, but not for this.
    Forbidden(Reason),
}

/// A good token.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) identity: Arc<Identity>,
    /// When it ceases to be one, in seconds since 1970, leeway included.
    pub(super) until: u64,
}

fn refused<T>(code: &'static str) -> Result<T, Fault> {
    Err(Fault::Refused(Reason::new(code)))
}

/// Judges a token at a moment, in seconds since 1970.
pub(super) fn judge(token: &str, keys: &Keys, rules: &Rules, now: u64) -> Result<Good, Fault> {
    let claims = verified(token, keys)?;
    let until = times(&claims, rules.leeway_s, now)?;
    parties(&claims, rules)?;
    let Ok(Some(name)) = claims.text(&rules.consumer) else { return refused("consumer") };
    let Some(consumer) = Consumer::new(name) else { return refused("consumer") };
    let scopes = scopes(&claims)?;
    for (claim, values) in &rules.require {
        required(&claims, &scopes, claim, values)?;
    }
    let identity = Identity { consumer, scopes: scopes.into(), by: rules.entry.clone() };
    Ok(Good { identity: Arc::new(identity), until })
}

/// The claims of a token that one of the keys has signed.
fn verified(token: &str, keys: &Keys) -> Result<Members, Fault> {
    if token.len() > TOKEN_BYTES_MAX {
        return refused("too_long");
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return refused("malformed");
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let object = |part: &str| Members::parse(&decoded(part)?).ok();
    let (Some(members), Some(signature)) = (object(header), decoded(signature)) else {
        return refused("malformed");
    };
    if REFUSED.iter().any(|name| members.has(name)) {
        return refused("header");
    }
    let (Ok(Some(algorithm)), Ok(id)) = (members.text("alg"), members.text("kid")) else {
        return refused("header");
    };
    let Some(algorithm) = Algorithm::of(algorithm) else { return refused("algorithm") };
    let mut candidates = keys.candidates(id, algorithm).peekable();
    if candidates.peek().is_none() {
        return refused(super::UNKNOWN_KEY);
    }
    let signed = &token.as_bytes()[..header.len() + 1 + claims.len()];
    if !candidates.any(|key| key.verify_sig(signed, &signature).is_ok()) {
        return refused(SIGNATURE);
    }
    object(claims).ok_or(Fault::Refused(Reason::new("malformed")))
}

/// Holds the times of a token against the clock; when it ends.
fn times(claims: &Members, leeway: u64, now: u64) -> Result<u64, Fault> {
    let (Ok(ends), Ok(begins), Ok(issued)) = (time(claims, "exp"), time(claims, "nbf"), time(claims, "iat"))
    else {
        return refused("claim");
    };
    let Some(ends) = ends else { return refused("no_expiry") };
    let until = ends.saturating_add(leeway);
    if until <= now {
        return refused("expired");
    }
    let is_early = |time: Option<u64>| time.is_some_and(|time| time > now.saturating_add(leeway));
    if is_early(begins) || is_early(issued) {
        return refused("early");
    }
    Ok(until)
}

/// Seconds beyond the year 9999 are milliseconds by mistake: a token that would never expire.
const TIME_END: u64 = 253_402_300_800;

/// A moment (RFC 7519 §2, NumericDate), in whole seconds. What is no number from 0 on is no moment.
fn time(claims: &Members, name: &str) -> Result<Option<u64>, ()> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Whole(seconds)) => {
            u64::try_from(*seconds).ok().filter(|time| *time < TIME_END).map(Some).ok_or(())
        }
        Some(Json::Fraction(seconds)) if (0.0..TIME_END as f64).contains(seconds) => {
            Ok(Some(*seconds as u64))
        }
        Some(_) => Err(()),
    }
}

/// Who issued it, and whom it is for.
fn parties(claims: &Members, rules: &Rules) -> Result<(), Fault> {
    let Ok(issuer) = claims.text("iss") else { return refused("claim") };
    if rules.issuer.as_deref().is_some_and(|wanted| issuer != Some(wanted)) {
        return refused("issuer");
    }
    let audience: Vec<&str> = match claims.get("aud") {
        None => Vec::new(),
        Some(Json::Text(one)) => vec![one],
        Some(Json::List(list)) => match texts(list) {
            Some(all) => all,
            None => return refused("claim"),
        },
        Some(_) => return refused("claim"),
    };
    // For somebody, and nobody says that it is us: RFC 7519 §4.1.3.
    let is_ours = match rules.audience.is_empty() {
        true => audience.is_empty(),
        false => rules.audience.iter().any(|wanted| audience.contains(&wanted.as_str())),
    };
    if is_ours { Ok(()) } else { refused("audience") }
}

/// `scope` is a text with blanks (RFC 8693 §4.2), `scp` a list, or the same.
fn scopes(claims: &Members) -> Result<Vec<Box<str>>, Fault> {
    let mut all: Vec<Box<str>> = Vec::new();
    for name in ["scope", "scp"] {
        match claims.get(name) {
            None => {}
            Some(Json::Text(text)) => {
                all.extend(text.split(' ').filter(|one| !one.is_empty()).map(Box::from))
            }
            Some(Json::List(list)) => match texts(list) {
                Some(list) => all.extend(list.into_iter().map(Box::from)),
                None => return refused("claim"),
            },
            Some(_) => return refused("claim"),
        }
    }
    if all.len() > SCOPES_MAX { refused("claim") } else { Ok(all) }
}

fn texts(list: &[Json]) -> Option<Vec<&str>> {
    let text = |one: &'_ Json| matches!(one, Json::Text(_));
    if !list.iter().all(text) {
        return None;
    }
    Some(
        list.iter()
            .filter_map(|one| if let Json::Text(text) = one { Some(text.as_str()) } else { None })
            .collect(),
    )
}

/// Whether a claim has one of the values.
fn required(claims: &Members, scopes: &[Box<str>], claim: &str, values: &[String]) -> Result<(), Fault> {
    let is_wanted = |text: &str| values.iter().any(|value| value == text);
    if claim == "scope" || claim == "scp" {
        return match scopes.iter().any(|scope| is_wanted(scope)) {
            true => Ok(()),
            false => Err(Fault::Forbidden(Reason::with(SCOPE, values.join(" ")))),
        };
    }
    let is_one = |value: &Json| match value {
        Json::Text(text) => is_wanted(text),
        Json::Bool(value) => is_wanted(if *value { "true" } else { "false" }),
        Json::Whole(number) => is_wanted(&number.to_string()),
        Json::Fraction(number) => is_wanted(&number.to_string()),
        Json::Null | Json::List(_) | Json::Map(_) => false,
    };
    let has = match claims.get(claim) {
        Some(Json::List(list)) => list.iter().any(is_one),
        Some(value) => is_one(value),
        None => false,
    };
    match has {
        true => Ok(()),
        false => Err(Fault::Forbidden(Reason::with("claim", claim.to_owned()))),
    }
}
