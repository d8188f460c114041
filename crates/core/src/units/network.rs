//! Sets of addresses as operators write them: one address, or a network in CIDR notation (RFC 4632). Pure; asked
//! whether they hold an address.

use crate::settings::{Fault, Word};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network, or one address as a network of itself. Invariant: the bits of `address` beyond the prefix are zero, and
/// an IPv4 address is never in its IPv6 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address belongs to it. An IPv4 peer of an IPv6 socket (`::ffff:10.0.0.1`) is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => own == masked_v4(other, self.prefix),
            (IpAddr::V6(own), IpAddr::V6(other)) => own == masked_v6(other, self.prefix),
            _ => false,
        }
    }
}

/// How a client is told from another: IPv6 by its /64, which is what one customer is given.
pub fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        loopback if loopback.is_loopback() => loopback,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// The address with the bits beyond the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => masked_v4(v4, prefix).into(),
        IpAddr::V6(v6) => masked_v6(v6, prefix).into(),
    }
}

fn masked_v4(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let kept = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from(u32::from(address) & kept)
}

fn masked_v6(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let kept = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Ipv6Addr::from(u128::from(address) & kept)
}

/// The bits an address of this kind has.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.prefix == bits(self.address) {
            true => self.address.fmt(f),
            false => write!(f, "{}/{}", self.address, self.prefix),
        }
    }
}

impl Word for Network {
    const WHAT: &str = "an address such as `10.0.0.1`, or a network such as `10.0.0.0/8`";
    const PATTERN: &str = "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$";

    fn parse(text: &str) -> Result<Network, Fault> {
        const EXAMPLES: &str = "write an address or a network: `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(Fault::new("is not an address or a network").hint(EXAMPLES));
        };
        if address.to_canonical() != address {
            let fault = Fault::new("is an IPv4 address in IPv6 form");
            return Err(fault.hint(format!("write `{}`: it holds for both", address.to_canonical())));
        }
        let most = bits(address);
        let Some(prefix) = prefix else { return Ok(Network { address, prefix: most }) };
        let is_digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_digit());
        let Some(prefix) = prefix.parse::<u8>().ok().filter(|&prefix| is_digits && prefix <= most) else {
            let fault = Fault::new("has no length of prefix after its `/`");
            return Err(fault.hint(format!("write a number from 0 to {most}")));
        };
        let network = Network { address: masked(address, prefix), prefix };
        match network.address == address {
            true => Ok(network),
            false => {
                let fault = Fault::new("is an address within a network, with the network's prefix");
                Err(fault.hint(format!("write `{network}` for all of it, or `{address}` for the one")))
            }
        }
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }

    fn stand_in() -> Network {
        Network { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix: 32 }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;
    use crate::settings::Word;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("192.168.4.0/22", "192.168.7.255", true),
            ("192.168.4.0/22", "192.168.8.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("2001:db8::1/128", "2001:db8::2", false),
        ];
        for (network, address, is_in) in cases {
            let network = <Network as Word>::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), is_in, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_a_way_out() {
        let cases = [
            ("localhost", "is not an address or a network", "`10.0.0.1`"),
            ("10.0.0", "is not an address or a network", "`10.0.0.0/8`"),
            ("10.0.0.0/33", "has no length of prefix after its `/`", "from 0 to 32"),
            ("::/129", "has no length of prefix after its `/`", "from 0 to 128"),
            ("10.0.0.0/", "has no length of prefix after its `/`", "from 0 to 32"),
            ("10.0.0.0/+8", "has no length of prefix after its `/`", "from 0 to 32"),
            ("10.0.0.0/8/8", "has no length of prefix after its `/`", "from 0 to 32"),
            ("10.0.0.1/8", "is an address within a network", "write `10.0.0.0/8` for all of it"),
            ("::ffff:10.0.0.1", "is an IPv4 address in IPv6 form", "write `10.0.0.1`"),
        ];
        for (text, reason, hint) in cases {
            let fault = <Network as Word>::parse(text).unwrap_err();
            assert!(fault.reason.contains(reason), "{text}: {}", fault.reason);
            assert!(fault.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {:?}", fault.hint);
        }
    }

    #[test]
    fn networks_are_shown_as_they_are_written() {
        for text in ["10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert_eq!(<Network as Word>::parse(text).unwrap().to_string(), text);
        }
    }
}
