//! TLS for tests: a client that trusts an authority, and a server whose end is announced or not.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::authority::{Authority, Pair};

/// A client's connection. Its end is an error unless the peer has announced it.
pub type Secure = StreamOwned<ClientConnection, TcpStream>;

/// How a client connects; sessions are kept over its connections.
#[derive(Clone)]
pub struct Dialer(Arc<ClientConfig>);

impl Dialer {
    /// One that trusts this authority.
    ///
    /// # Panics
    /// When the authority's file is gone.
    pub fn trusting(authority: &Authority) -> Dialer {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(authority.ca()).expect("read the authority");
        roots.add(ca).expect("trust the authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("the usual versions").with_root_certificates(roots);
        let mut config = builder.with_no_client_auth();
        config.enable_secret_extraction = true; // for `records`
        Dialer(Arc::new(config))
    }

    /// A connection whose handshake is made with the first bytes. Waits `patience` for any of them.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(&self, address: SocketAddr, name: &str, patience: Duration) -> Secure {
        let socket = TcpStream::connect(address).expect("connect");
        socket.set_read_timeout(Some(patience)).expect("bound reads");
        socket.set_write_timeout(Some(patience)).expect("bound writes");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(self.0.clone(), name).expect("begin a handshake");
        StreamOwned::new(connection, socket)
    }
}

/// What keys were exchanged by in a handshake that is done, by the name it has in its registry.
pub fn key_exchange(connection: &Secure) -> String {
    let group = connection.conn.negotiated_key_exchange_group();
    group.map_or_else(String::new, |group| format!("{:?}", group.name()))
}

/// Answers every request with a body that lasts until the end of its connection, which is announced if the path begins
/// with `/whole`. For as long as the listener lives.
///
/// # Panics
/// When the pair cannot be read.
pub fn serve_until_the_end(listener: &TcpListener, pair: &Pair, body: &str) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_file(&pair.cert).expect("read the certificate")];
    let key = PrivateKeyDer::from_pem_file(&pair.key).expect("read the key");
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("the usual versions").with_no_client_auth();
    let config = Arc::new(builder.with_single_cert(chain, key).expect("a pair"));
    for socket in listener.incoming() {
        let Ok(socket) = socket else { return };
        let connection = ServerConnection::new(config.clone()).expect("begin a handshake");
        let mut stream = StreamOwned::new(connection, socket);
        let mut request = Vec::new();
        let mut room = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut room) {
                Ok(n) if n > 0 => request.extend_from_slice(&room[..n]),
                _ => break,
            }
        }
        // Whoever asked may have left.
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
        if request.starts_with(b"GET /whole") {
            stream.conn.send_close_notify();
        }
        let _ = stream.flush();
    }
}
