//! What a listener does to every request before a route is looked for: sends it to TLS, where it is there for nothing
//! else. Called by `steps`.

use tidegate_core::exchange::Client;
use tidegate_core::head::{RequestHead, ResponseHead};
use tidegate_core::name::Name;
use tidegate_core::outcome::Refusal;
use tidegate_core::plan::Redirect;
use tidegate_core::template::Origin;

use crate::reply;
use crate::rescue::Failure;

const SCHEME: &[u8] = b"https://";
/// The port of https (RFC 9110 §4.2.2): nobody writes it.
const OWN_PORT: &[u8] = b":443";

/// Where all requests to this listener are sent.
pub(crate) fn elsewhere(client: &Client) -> Option<&Redirect> {
    client.door.as_ref()?.redirect.as_ref()
}

/// Fills the head of the answer.
pub(crate) fn redirect(
    redirect: &Redirect,
    request: &RequestHead,
    response: &mut ResponseHead,
    origin: Origin<'_>,
) -> Result<(), Failure> {
    if request.path_bytes() == b"*" {
        return Err(Failure::refused(Refusal::bad("this listener only sends to https")));
    }
    reply::redirect(redirect, request, response, origin).map_err(Failure::refused)?;
    if let Some(short) = response.fields.get(Name::Location).and_then(without_own_port) {
        response.fields.set(Name::Location.text(), &short);
    }
    Ok(())
}

fn without_own_port(url: &[u8]) -> Option<Vec<u8>> {
    let rest = url.strip_prefix(SCHEME)?;
    let (authority, path) = rest.split_at(rest.iter().position(|&b| b == b'/')?);
    Some([SCHEME, authority.strip_suffix(OWN_PORT)?, path].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_https_is_left_out() {
        let check = |url: &str, expected: Option<&str>| {
            let short = without_own_port(url.as_bytes());
            assert_eq!(short.as_deref(), expected.map(str::as_bytes), "{url}");
        };
        check("https://a.example:443/b?c", Some("https://a.example/b?c"));
        check("https://[::443]:443/", Some("https://[::443]/"));
        check("https://a.example:8443/:443/", None);
        check("https://[::443]:8443/", None);
    }
}
