//! Connections of the admin listener: accepted up to a bound, each with a bound on the time of its heads. Library code
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

/// Connections at a time. A dashboard opens six, a scraper one, an operator's tools a handful; more is a mistake or
/// an attack, and is closed at once.
const CONNECTIONS_MAX: usize = 256;
/// For a whole request head, and between two requests. Operators and scrapers send theirs at once.
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
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    match listener {
        Listener::Inet(listener) => {
            let is_local = listener.local_addr()?.ip().to_canonical().is_loopback();
            loop {
                match listener.accept().await {
                    Ok((stream, address)) => {
                        let door = Door { client: Some(address.ip().to_canonical()), is_local };
                        begin(stream, door, &router, &places);
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        }
        Listener::Unix(listener) => loop {
            match listener.accept().await {
                Ok((stream, _)) => begin(stream, Door { client: None, is_local: true }, &router, &places),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        },
    }
}

/// Serves a connection on a task of its own, or drops it when there is no place for it.
fn begin<S>(stream: S, door: Door, router: &Router, places: &Arc<Semaphore>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(place) = places.clone().try_acquire_owned() else { return };
    let router = router.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(door);
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
        // How it ended is the client's affair: what it asked for has been answered, or it left.
        let _ = connection.await;
        drop(place);
    });
}
