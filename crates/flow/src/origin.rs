//! Who asks, when a trusted peer speaks for somebody: the client's address, its scheme and the request's id, as the
//! peer's forwarding fields have them. Pure; called once for a request from such a peer, never for others. What is
//! sent on of these fields is in `forward`.

use std::net::{IpAddr, SocketAddr};
use tidegate_core::exchange::Client;
use tidegate_core::head::{Fields, Span};
use tidegate_core::limits::{FORWARDED_ADDRESSES_MAX, HOST_BYTES_MAX, REQUEST_ID_BYTES_MAX};
use tidegate_core::name::Name;
use tidegate_core::trusted::Trusted;

/// The client behind a trusted peer; the peer itself where its fields say nothing that can be believed.
pub(crate) fn behind(peer: &Client, trusted: &Trusted, fields: &Fields) -> Client {
    Client {
        address: address(peer.address, trusted, fields),
        is_secure: scheme(trusted, fields)
            .map_or(peer.is_secure, |scheme| scheme.eq_ignore_ascii_case(b"https")),
        ..peer.clone()
    }
}

/// From the right, each proxy vouches for the address to its left. So the client is the first address that is not a
/// proxy of ours; what stands left of it is what it said itself and proves nothing. Where the list ends, or goes on
/// with what is no address, the last one that was vouched for is all that is known.
fn address(peer: Option<SocketAddr>, trusted: &Trusted, fields: &Fields) -> Option<SocketAddr> {
    if !trusted.fields.has(Name::XForwardedFor) {
        return peer;
    }
    let mut known = peer;
    let lines = fields.list().iter().rev().filter(|field| field.name == Name::XForwardedFor);
    let elements = lines.flat_map(|field| field.value.of(fields.text()).rsplit(|&b| b == b','));
    for element in
        elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).take(FORWARDED_ADDRESSES_MAX)
    {
        let Some(address) = parse_address(element) else { break };
        known = Some(address);
        if !trusted.has(known) {
            break;
        }
    }
    known
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn parse_address(element: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(element).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip.to_canonical(), 0)),
        Err(_) => text.parse::<SocketAddr>().ok(),
    }
}

/// The scheme the client used, if it is said once and is one.
fn scheme<'f>(trusted: &Trusted, fields: &'f Fields) -> Option<&'f [u8]> {
    only(trusted, fields, Name::XForwardedProto)
        .map(|value| value.of(fields.text()))
        .filter(|value| value.eq_ignore_ascii_case(b"https") || value.eq_ignore_ascii_case(b"http"))
}

/// Where the host stands that the client asked for, if it is said once and is one.
pub(crate) fn host(trusted: &Trusted, fields: &Fields) -> Option<Span> {
    /// A colon and a port after the longest name.
    const BYTES_MAX: usize = HOST_BYTES_MAX + 6;
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(b);
    only(trusted, fields, Name::XForwardedHost)
        .filter(|value| (1..=BYTES_MAX).contains(&value.len()) && value.of(fields.text()).iter().all(is_part))
}

/// The id the peer gave the request, if it is given once and can stand in a log, a field and a JSON text as it is.
pub(crate) fn request_id<'f>(trusted: &Trusted, fields: &'f Fields) -> Option<&'f [u8]> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    only(trusted, fields, Name::XRequestId)
        .map(|value| value.of(fields.text()))
        .filter(|value| (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.iter().all(is_part))
}

/// The value of a field that the peer is believed in and that is there once. Removed ones count: a Connection field that names it was written by the
/// client, who shall not take away what the peer says of it.
fn only(trusted: &Trusted, fields: &Fields, name: Name) -> Option<Span> {
    if !trusted.fields.has(name) {
        return None;
    }
    let mut values = fields.list().iter().filter(|field| field.name == name);
    let value = values.next()?.value;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::settings::Word;
    use tidegate_core::trusted::{FORWARDING, FieldSet};
    use tidegate_core::units::Network;

    fn trusting(fields: FieldSet) -> Trusted {
        let from = ["10.0.0.0/8", "2001:db8::/32"].map(|text| <Network as Word>::parse(text).unwrap());
        Trusted { from: from.into(), fields }
    }

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(name, value.as_bytes());
        }
        fields
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_not_trusted() {
        const FOR: &str = "x-forwarded-for";
        let trusted = trusting(FieldSet::USUAL);
        let many = vec!["10.0.0.1"; FORWARDED_ADDRESSES_MAX + 5].join(", ");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "10.0.0.9:70"),
            (&[(FOR, "203.0.113.7")], "203.0.113.7:0"),
            (&[(FOR, "1.1.1.1, 203.0.113.7")], "203.0.113.7:0"),
            (&[(FOR, "1.1.1.1"), (FOR, "203.0.113.7")], "203.0.113.7:0"),
            (&[(FOR, "1.1.1.1"), ("X-Forwarded-For", "203.0.113.7,10.0.0.2 , 10.0.0.3")], "203.0.113.7:0"),
            (&[(FOR, "203.0.113.7, 2001:db8::5")], "203.0.113.7:0"),
            (&[(FOR, "203.0.113.7, [2001:db8::5]:443")], "203.0.113.7:0"),
            (&[(FOR, "[2001:db9::5]")], "[2001:db9::5]:0"),
            (&[(FOR, "203.0.113.7:8080")], "203.0.113.7:8080"),
            (&[(FOR, "::ffff:203.0.113.7, ::ffff:10.1.1.1")], "203.0.113.7:0"),
            (&[(FOR, "10.0.0.4, 10.0.0.2")], "10.0.0.4:0"),
            (&[(FOR, "203.0.113.7, unknown, 10.0.0.2")], "10.0.0.2:0"),
            (&[(FOR, "203.0.113.7, _hidden")], "10.0.0.9:70"),
            (&[(FOR, "203.0.113.7, 127.1")], "10.0.0.9:70"),
            (&[(FOR, "203.0.113.7, 010.0.0.1")], "10.0.0.9:70"),
            (&[(FOR, ", 203.0.113.7, ,"), (FOR, "")], "203.0.113.7:0"),
            (&[(FOR, &many)], "10.0.0.1:0"),
            (&[("forwarded", "for=203.0.113.7"), ("x-real-ip", "203.0.113.7")], "10.0.0.9:70"),
        ];
        for (lines, expected) in cases {
            let known = address("10.0.0.9:70".parse().ok(), &trusted, &fields(lines));
            assert_eq!(known, expected.parse().ok(), "{lines:?}");
            let other = trusting(FieldSet::of(&[Name::XRealIp]));
            let unasked = address("10.0.0.9:70".parse().ok(), &other, &fields(lines));
            assert_eq!(unasked, "10.0.0.9:70".parse().ok(), "a peer that is not believed in it: {lines:?}");
        }
    }

    #[test]
    fn a_connection_field_does_not_hide_what_the_peer_says() {
        let trusted = trusting(FieldSet::USUAL);
        let mut fields = fields(&[("x-forwarded-for", "203.0.113.7"), ("connection", "x-forwarded-for")]);
        fields.remove_listed(Name::Connection);
        assert_eq!(fields.get(Name::XForwardedFor), None);
        let known = address("10.0.0.9:70".parse().ok(), &trusted, &fields);
        assert_eq!(known, "203.0.113.7:0".parse().ok());
    }

    #[test]
    fn scheme_host_and_id_are_taken_once_and_well_formed_or_not_at_all() {
        type Read = for<'f> fn(&Trusted, &'f Fields) -> Option<&'f [u8]>;
        let all = trusting(FieldSet::of(&FORWARDING));
        let check = |name: &str, read: Read, value: &str, is_taken: bool| {
            let one = fields(&[(name, value)]);
            assert_eq!(read(&all, &one), is_taken.then_some(value.as_bytes()), "{name}: {value}");
            assert_eq!(read(&all, &fields(&[(name, value), (name, value)])), None, "{name}: {value} twice");
            assert_eq!(read(&all, &fields(&[])), None, "{name}");
            assert_eq!(read(&trusting(FieldSet::default()), &one), None, "{name}: not believed");
        };
        for (value, is_taken) in
            [("https", true), ("HTTP", true), ("https,http", false), ("wss", false), ("", false)]
        {
            check("x-forwarded-proto", scheme, value, is_taken);
        }
        for (value, is_taken) in [
            ("api.example.com", true),
            ("[::1]:8080", true),
            ("a, b", false),
            ("a/b", false),
            ("<a>", false),
            ("", false),
        ] {
            check(
                "x-forwarded-host",
                |peer, fields| Some(host(peer, fields)?.of(fields.text())),
                value,
                is_taken,
            );
        }
        let longest = "x".repeat(REQUEST_ID_BYTES_MAX);
        for (value, is_taken) in [
            ("7f", true),
            ("01F8_a.b-C", true),
            (&longest, true),
            (&(longest.clone() + "x"), false),
            ("a b", false),
            ("a\"b", false),
            ("a;b", false),
            ("", false),
        ] {
            check("x-request-id", request_id, value, is_taken);
        }
    }
}
