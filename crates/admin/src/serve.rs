//! Connections of the admin listener: each begins in the lobby, and is let in with its first request that may be
//! asked, up to a bound. Library code
//! (hyper) reads and writes them; nothing here is on a worker.

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tower_service::Service;

use crate::lobby::{Entrance, Lobby};

/// Connections at a time that were let in. A dashboard opens six, a scraper one, an operator's tools a handful; more is
/// a mistake, and is answered with 503.
const CONNECTIONS_MAX: usize = 256;
/// Until a connection must be let in: clients send their first head with the connection, or as fast as they can.
const LOBBY_TIME: Duration = Duration::from_secs(2);
/// For each further request head, and between two requests. Operators and scrapers send theirs at once.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The read buffer, and so the largest head: twice what any of our own clients sends, cookies of others on
/// `localhost` included.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// After a failed accept, which means that descriptors ran out: long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket of the admin listener.
pub enum Listener {
    /// An address and port.
    Inet(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// What is known of the connection a request came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// The client's address; none on a Unix socket.
    pub(crate) client: Option<IpAddr>,
    /// Only this machine can reach the listener: it is on loopback, or a Unix socket.
    pub(crate) is_local: bool,
}

/// Serves the listener until it is dropped. Connections that are open then end with the runtime. Returns only when
/// the system can tell nothing of the socket.
pub async fn serve(listener: Listener, router: Router) -> std::io::Result<()> {
    let house = House { lobby: Arc::default(), places: Arc::new(Semaphore::new(CONNECTIONS_MAX)), router };
    match listener {
        Listener::Inet(listener) => {
            let is_local = listener.local_addr()?.ip().to_canonical().is_loopback();
            loop {
                match listener.accept().await {
                    Ok((stream, address)) => {
                        house.begin(stream, Door { client: Some(address.ip().to_canonical()), is_local });
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        }
        Listener::Unix(listener) => loop {
            match listener.accept().await {
                Ok((stream, _)) => house.begin(stream, Door { client: None, is_local: true }),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        },
    }
}

/// Where connections are, and what answers them.
struct House {
    lobby: Arc<Lobby>,
    places: Arc<Semaphore>,
    router: Router,
}

impl House {
    /// Serves a connection on a task of its own.
    fn begin<S>(&self, stream: S, door: Door)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (ticket, mut told) = self.lobby.enter(door.client);
        let entrance = Entrance::new(ticket, &self.places);
        let (router, own) = (self.router.clone(), entrance.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(door);
            request.extensions_mut().insert(entrance.clone());
            router.clone().call(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES_MAX);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // How it ended is the client's affair: what it asked for has been answered, or it left.
            tokio::select! {
                // A request that has come is answered, even if its connection is to go.
                biased;
                _ = &mut connection => return,
                () = tokio::time::sleep(LOBBY_TIME) => {}
                _ = &mut told => {}
            }
            // What it is told to go by may have been sent before it was let in, and come after.
            if own.is_inside() {
                let _ = connection.await;
            }
        });
    }
}
