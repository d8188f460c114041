//! A client of TLS that puts into each record what it is told, be it a byte or none: no library writes such records.
//! Its handshake is rustls's; from there on it encrypts by itself (RFC 8446 §5.2), and reads nothing.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::secure::Dialer;

/// A record's type: data of an application.
const DATA: u8 = 23;

/// See the file.
pub struct Records {
    /// The connection below.
    pub socket: TcpStream,
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Records {
    /// Connects and shakes hands.
    ///
    /// # Panics
    /// When the other side does not, in TLS 1.3.
    pub fn to(dialer: &Dialer, address: SocketAddr, name: &str, patience: Duration) -> Records {
        let mut secure = dialer.connect(address, name, patience);
        while secure.conn.is_handshaking() || secure.conn.wants_write() {
            secure.conn.complete_io(&mut secure.sock).expect("shake hands");
        }
        let (connection, socket) = secure.into_parts();
        let (sequence, secrets) = connection.dangerous_extract_secrets().expect("a dialer's connection").tx;
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => panic!("a suite that is not known"),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).expect("a key");
        let iv = iv.as_ref().try_into().expect("twelve bytes");
        Records { socket, key: LessSafeKey::new(key), iv, sequence }
    }

    /// One record with this text, to be sent behind those made before.
    ///
    /// # Panics
    /// When it is too long for one.
    pub fn record(&mut self, text: &[u8]) -> Vec<u8> {
        let mut inner = [text, &[DATA]].concat();
        let length = u16::try_from(inner.len() + self.key.algorithm().tag_len()).expect("one record");
        let [high, low] = length.to_be_bytes();
        let head = [DATA, 3, 3, high, low];
        let mut nonce = self.iv;
        for (byte, count) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= count;
        }
        self.sequence += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(head), &mut inner).expect("encrypt");
        [&head[..], &inner].concat()
    }

    /// The text with each byte in a record of its own.
    pub fn by_bytes(&mut self, text: &[u8]) -> Vec<u8> {
        text.iter().flat_map(|byte| self.record(&[*byte])).collect()
    }
}
