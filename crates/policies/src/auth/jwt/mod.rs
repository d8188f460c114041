//! Finds out who asks by a signed token (RFC 7519), shown as RFC 6750 has it. Signatures are verified here; which keys
//! and algorithms count is the operator's to say, never the token's.

mod algorithm;
mod config;
mod issuer;
mod json;
mod keys;
mod seen;
mod token;
mod weak;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use super::bearer;
use config::JwtSettings;
use issuer::{Issuer, Trusted};
use std::sync::Arc;
use tidegate_core::auth::{Authenticator, Finding, Kind, NO_KEYS, SCOPE};
use tidegate_core::building::Building;
use tidegate_core::date;
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::name::Name;
use tidegate_core::node::Node;
use tidegate_core::policy::Reason;
use tidegate_core::problem::Problem;
use tidegate_core::settings::Setting;
use token::{Fault, Rules};

/// The member.
pub(crate) const KIND: Kind = Kind {
    name: "jwt",
    doc: "By a token that an issuer has signed, in `Authorization: Bearer`.",
    shape: JwtSettings::shape,
    build,
};

fn build(node: &Node, building: &mut Building<'_>) -> Option<Arc<dyn Authenticator>> {
    let settings = JwtSettings::read(node, building.problems);
    let algorithms = settings.algorithms.as_ref();
    if let Some(place) = algorithms.filter(|all| all.is_empty()).and_then(|all| all.place()) {
        building.problems.push(Problem::at(place, "no token could be signed"));
    }
    let issuer = Issuer::open(&settings.jwks, algorithms.map(|all| &all.value[..]), building)?;
    let rules = Rules {
        entry: building.part.name.clone(),
        issuer: settings.issuer,
        audience: settings.audience,
        consumer: settings.consumer.value.0,
        require: settings.require.iter().map(|row| (row.name.0.clone(), row.value.clone())).collect(),
        leeway_s: settings.leeway.as_secs(),
    };
    Some(Arc::new(Jwt { rules, issuer, is_kept: settings.keep }))
}

/// See the file.
struct Jwt {
    rules: Rules,
    issuer: Issuer,
    is_kept: bool,
}

/// The reason of a token by a key that nobody has published.
const UNKNOWN_KEY: &str = "unknown_key";

impl Jwt {
    /// Judges a token by the keys there are now; there may be none.
    fn judge<'f>(&self, token: &str) -> Finding<'f> {
        let Some(trusted) = self.issuer.trusted() else { return Finding::Unable(Reason::new(NO_KEYS)) };
        let Trusted { keys, seen } = &*trusted;
        let now = date::seconds();
        if let Some(identity) = seen.find(token, now) {
            return Finding::Known(identity);
        }
        match token::judge(token, keys, &self.rules, now) {
            Ok(good) => {
                let identity = good.identity.clone();
                seen.keep(token, good);
                Finding::Known(identity)
            }
            Err(Fault::Refused(reason)) => Finding::Refused(reason),
            Err(Fault::Forbidden(reason)) => Finding::Forbidden(reason),
        }
    }

    /// Judges it again once newer keys have come, if any are to come: an issuer that has changed its keys signs with those
    /// we have not seen, be it under a name of their own or without one.
    fn again<'a>(&'a self, token: &'a str, found: Finding<'a>) -> Finding<'a> {
        let Issuer::Published(document, _) = &self.issuer else { return found };
        let is_helped = match &found {
            Finding::Unable(_) => true,
            Finding::Refused(reason) => matches!(reason.code, UNKNOWN_KEY | token::SIGNATURE),
            _ => false,
        };
        if !is_helped || !document.wish() {
            return found;
        }
        Finding::Wait(Box::pin(async move {
            document.fetched().await;
            self.judge(token)
        }))
    }
}

impl Authenticator for Jwt {
    fn find<'a>(&'a self, request: &'a RequestHead, _: &'a Client) -> Finding<'a> {
        let token = match bearer::token(request) {
            bearer::Shown::Nothing => return Finding::Absent,
            bearer::Shown::Malformed => return Finding::Refused(Reason::new("malformed")),
            bearer::Shown::Token(token) => token,
        };
        self.again(token, self.judge(token))
    }

    fn challenge(&self, refused: Option<&Reason>, out: &mut String) {
        out.push_str("Bearer realm=\"");
        out.push_str(&self.rules.entry);
        out.push('"');
        match refused {
            None => {}
            Some(reason) if reason.code == SCOPE => {
                out.push_str(", error=\"insufficient_scope\", scope=\"");
                out.extend(
                    reason
                        .detail
                        .chars()
                        .filter(|c| c.is_ascii() && !c.is_ascii_control() && !"\"\\".contains(*c)),
                );
                out.push('"');
            }
            Some(_) => out.push_str(", error=\"invalid_token\""),
        }
    }

    fn field(&self) -> &str {
        Name::Authorization.text()
    }

    fn is_kept(&self) -> bool {
        self.is_kept
    }

    fn strip(&self, request: &mut RequestHead) {
        request.fields.remove(Name::Authorization);
    }

    fn describe(&self) -> String {
        let of = self.rules.issuer.as_ref().map_or(String::new(), |issuer| format!(" of {issuer}"));
        format!("a token{of} (`{}`)", self.rules.entry)
    }
}
