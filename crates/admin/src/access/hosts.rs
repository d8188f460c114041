//! By which names the listener may be asked for. A page on a name that its owner suddenly points at this machine
//! (DNS rebinding) would otherwise be of the same origin as the listener, for the browser that opened it.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use std::net::{IpAddr, Ipv6Addr};
use tidegate_config::OwnName;

use crate::problem::Problem;

/// Lets pass what is asked for by an IP address, as `localhost`, or by a name that is set. A client that sends no
/// Host (HTTP/1.0) is no browser.
pub(super) fn check(request: &Request, names: &[OwnName]) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "there are several Host fields"));
    }
    // The target of the request may be a whole URL, and then its host counts (RFC 9112 §3.2.2).
    let host = match (request.uri().authority(), host) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(host)) => host.to_str().unwrap_or("?"),
        (None, None) => return Ok(()),
    };
    if is_allowed(host, names) {
        return Ok(());
    }
    let problem = Problem::new(StatusCode::MISDIRECTED_REQUEST, "the admin listener is not called that");
    Err(problem.hint("ask by an IP address or `localhost`, or list the name in `admin.hosts`"))
}

fn is_allowed(host: &str, names: &[OwnName]) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest
            .split_once(']')
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_known = name.eq_ignore_ascii_case("localhost")
        || matches!(name.parse(), Ok(IpAddr::V4(_)))
        || names.iter().any(|known| known.as_str().eq_ignore_ascii_case(name));
    is_known && is_port(port)
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::settings::Word;

    #[test]
    fn addresses_localhost_and_listed_names_are_allowed() {
        let names = [OwnName::parse("gateway.example.com").unwrap()];
        let check = |host: &str, expected: bool| assert_eq!(is_allowed(host, &names), expected, "{host}");
        check("127.0.0.1", true);
        check("127.0.0.1:9900", true);
        check("10.1.2.3:1", true);
        check("[::1]:9900", true);
        check("[::1]", true);
        check("localhost:9900", true);
        check("LocalHost.", true);
        check("gateway.example.com:9900", true);
        check("Gateway.Example.COM.", true);
        check("evil.example.com", false);
        check("gateway.example.com.evil.org", false);
        check("localhost.evil.org", false);
        check("evil.org:localhost", false);
        check("127.0.0.1.evil.org", false);
        check("127.0.0.1:9900:1", false);
        check("[::1].evil.org", false);
        check("[evil.org]", false);
        check("::1", false);
        check("user@localhost", false);
        check("", false);
        check(":9900", false);
    }
}
