//! One instance of a demo service, as a process of its own: answers JSON after a time that fits its trade. Ends
//! when its standard input does, so it never outlives the demo, which holds the other end.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use super::shop::Trade;

/// What an instance writes once it serves. Any other first line says why it does not.
pub(super) const READY: &str = "ready";
/// Connections the kernel completes before we accept them: the gateway opens a few.
const BACKLOG: u32 = 1024;

/// Serves until standard input ends. Says on standard output that it serves, or why not.
pub(super) fn serve(trade: &'static Trade, port: u16) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = listen(address)?;
        println!("{READY}");
        let instance = Instance { trade, address: address.to_string(), requests: AtomicU64::new(0) };
        tokio::select! {
            ended = axum::serve(listener, router(Arc::new(instance))) => ended,
            _ = input_end() => Ok(()),
        }
    })
}

/// The port is bound by the demo as well, which holds it while this process is dead; reuse-port lets both do so.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Resolves when nobody holds the other end of standard input any more.
async fn input_end() {
    let (say, heard) = oneshot::channel();
    // A thread, as a read of standard input cannot be cancelled. It ends with the process.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = say.send(());
    });
    let _ = heard.await;
}

struct Instance {
    trade: &'static Trade,
    address: String,
    requests: AtomicU64,
}

fn router(instance: Arc<Instance>) -> axum::Router {
    let name = instance.trade.name;
    axum::Router::new()
        .route(&format!("/{name}"), get(all))
        .route(&format!("/{name}/{{id}}"), get(one))
        .with_state(instance)
}

async fn all(State(instance): State<Arc<Instance>>) -> Response {
    let records: Vec<Value> = (1..=5).filter_map(|id| instance.trade.record(id)).collect();
    instance.answer(StatusCode::OK, json!(records)).await
}

async fn one(State(instance): State<Arc<Instance>>, Path(id): Path<u64>) -> Response {
    match instance.trade.record(id) {
        Some(record) => instance.answer(StatusCode::OK, record).await,
        None => instance.answer(StatusCode::NOT_FOUND, Value::Null).await,
    }
}

impl Instance {
    async fn answer(&self, status: StatusCode, record: Value) -> Response {
        let number = self.requests.fetch_add(1, Relaxed);
        tokio::time::sleep(self.trade.answer_time(number)).await;
        let body = json!({ "service": self.trade.name, "instance": self.address, "record": record });
        (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
    }
}
