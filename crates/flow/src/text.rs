//! Short texts written on the stack, where the standard library would allocate or cost more: addresses, and what
//! goes into Via.

use std::io::Write;
use std::net::IpAddr;

/// A few bytes on the stack: no allocation for a value of known shape.
pub(crate) struct Text {
    bytes: [u8; TEXT_BYTES],
    len: usize,
}

/// The longest value: a protocol version and a node name of at most 63 bytes.
const TEXT_BYTES: usize = 80;

impl Default for Text {
    fn default() -> Self {
        Text { bytes: [0; TEXT_BYTES], len: 0 }
    }
}

impl Text {
    /// What was written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = &mut self.bytes[self.len..];
        let n = bytes.len().min(room.len());
        room[..n].copy_from_slice(&bytes[..n]);
        self.len += n;
    }

    /// An address without its port, as the standard library writes it.
    pub(crate) fn address(&mut self, address: IpAddr) {
        self.len = 0;
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                for (index, octet) in v4.octets().into_iter().enumerate() {
                    if index > 0 {
                        self.push(b".");
                    }
                    self.decimal(octet);
                }
            }
            IpAddr::V6(v6) => {
                let mut room = &mut self.bytes[..];
                let before = room.len();
                // 45 bytes at most: it fits.
                let _ = write!(room, "{v6}");
                self.len = before - room.len();
            }
        }
    }

    /// An address as Forwarded has it: one of IPv6 in brackets and quotes (RFC 7239 §6).
    pub(crate) fn forwarded_for(&mut self, address: Option<IpAddr>) {
        let mut bare = Text::default();
        let (before, after): (&[u8], &[u8]) = match address.map(|address| address.to_canonical()) {
            Some(address @ IpAddr::V4(_)) => {
                bare.address(address);
                (b"for=", b"")
            }
            Some(address @ IpAddr::V6(_)) => {
                bare.address(address);
                (b"for=\"[", b"]\"")
            }
            None => (b"for=unknown", b""),
        };
        self.len = 0;
        self.push(before);
        self.push(bare.bytes());
        self.push(after);
    }

    fn decimal(&mut self, octet: u8) {
        if octet >= 100 {
            self.push(&[b'0' + octet / 100]);
        }
        if octet >= 10 {
            self.push(&[b'0' + octet / 10 % 10]);
        }
        self.push(&[b'0' + octet % 10]);
    }

    /// A protocol version and a name, as in Via.
    pub(crate) fn via(&mut self, version: &str, node: &str) {
        self.len = 0;
        self.push(version.as_bytes());
        self.push(b" ");
        self.push(node.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        for address in ["0.0.0.0", "9.10.99.100", "255.255.255.255", "::1", "2001:db8::ff00:42:8329"] {
            let mut text = Text::default();
            text.address(address.parse().unwrap());
            assert_eq!(text.bytes(), address.as_bytes());
        }
        let mut text = Text::default();
        text.address("::ffff:10.0.0.1".parse().unwrap());
        assert_eq!(text.bytes(), b"10.0.0.1", "an IPv4 client of an IPv6 socket is an IPv4 client");
    }
}
