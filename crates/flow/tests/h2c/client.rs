//! The client's side of these tests: the `h2` crate as it is, with whole answers for tests that ask and streams for
//! tests that do more. Every wait ends with the test's time.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use std::future::poll_fn;
use std::time::Duration;
use tidegate_testkit::{Framing, Message};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::gateway::Gateway;

/// A test that takes longer is stuck.
const TEST_TIME: Duration = Duration::from_secs(20);

/// Runs a test to its end, or to the end of its time.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("make a runtime");
    let ended = runtime.block_on(async { tokio::time::timeout(TEST_TIME, test).await });
    ended.expect("the test is stuck");
}

/// Waits until something holds that happens on another thread.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A request's head. Everybody asks `api.test`.
pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://api.test{path}");
    Request::builder().method(method).uri(uri).body(()).expect("a request")
}

/// One connection.
pub(crate) struct Client {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Client {
    /// Connects.
    pub(crate) async fn to(gateway: &Gateway) -> Client {
        let socket = TcpStream::connect(gateway.address).await.expect("connect to the gateway");
        socket.set_nodelay(true).expect("set TCP_NODELAY");
        let (requests, connection) = h2::client::handshake(socket).await.expect("shake hands");
        let driver = tokio::spawn(async {
            // How a connection ends shows in its streams.
            let _ = connection.await;
        });
        Client { requests, driver }
    }

    /// Sends a head without a body.
    pub(crate) async fn send(&self, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.requests.clone().ready().await.expect("room for another stream");
        ready.send_request(request, true).expect("send a request")
    }

    /// Sends a head whose body follows.
    pub(crate) async fn begin(&self, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.requests.clone().ready().await.expect("room for another stream");
        ready.send_request(request, false).expect("begin a request")
    }

    /// Asks without a body and reads the whole answer.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        Answer::to(self.send(request(method, path)).await.0).await
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn post(&self, request: Request<()>, body: &[u8]) -> Answer {
        let (response, mut stream) = self.begin(request).await;
        upload(&mut stream, body).await.expect("send the body");
        stream.send_data(Bytes::new(), true).expect("end the body");
        Answer::to(response).await
    }

    /// Ends the connection at once, with all its streams.
    pub(crate) fn cut(self) {
        self.driver.abort();
    }
}

/// Sends bytes as fast as the windows allow. An error is what has become of the stream.
pub(crate) async fn upload(stream: &mut SendStream<Bytes>, body: &[u8]) -> Result<(), h2::Error> {
    let mut left = body;
    while !left.is_empty() {
        stream.reserve_capacity(left.len());
        let granted = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(room) = granted.transpose()? else {
            return Err(Reason::STREAM_CLOSED.into());
        };
        let (now, later) = left.split_at(room.min(left.len()));
        stream.send_data(Bytes::copy_from_slice(now), false)?;
        left = later;
    }
    Ok(())
}

/// The next bytes of an answer, with the window opened again; `None` at its end.
pub(crate) async fn next(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    loop {
        match body.data().await {
            Some(Ok(bytes)) if bytes.is_empty() => {} // a frame that only ends the stream
            Some(Ok(bytes)) => {
                // Refused only for a stream that has ended meanwhile.
                let _ = body.flow_control().release_capacity(bytes.len());
                return Some(Ok(bytes));
            }
            end => return end,
        }
    }
}

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Empty when there were none.
    pub(crate) trailers: HeaderMap,
    /// Why the stream was reset before the answer had ended.
    pub(crate) broken: Option<Reason>,
}

impl Answer {
    /// Reads an answer, however it ends.
    pub(crate) async fn to(response: ResponseFuture) -> Answer {
        let (head, mut stream) = response.await.expect("an answer").into_parts();
        let mut answer = Answer {
            status: head.status,
            fields: head.headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            broken: None,
        };
        while let Some(bytes) = next(&mut stream).await {
            match bytes {
                Ok(bytes) => answer.body.extend_from_slice(&bytes),
                Err(error) => {
                    answer.broken = error.reason();
                    return answer;
                }
            }
        }
        match stream.trailers().await {
            Ok(trailers) => answer.trailers = trailers.unwrap_or_default(),
            Err(error) => answer.broken = error.reason(),
        }
        answer
    }

    /// The value of a field that stands there once; empty when it does not.
    pub(crate) fn value(&self, name: &str) -> &str {
        let mut values = self.fields.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().unwrap_or_default(),
            _ => "",
        }
    }

    /// The code of a problem document, which must be whole, in an answer that is whole too.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.broken, None, "{self:?}");
        let mut head = format!("HTTP/1.1 {}\r\n", self.status.as_u16()).into_bytes();
        for (name, value) in &self.fields {
            head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        head.extend_from_slice(b"\r\n");
        let (body, wire_body) = (self.body.clone(), self.body.clone());
        let framing = Framing::Length(body.len());
        let message = Message { head, body, wire_body, trailers: Vec::new(), framing };
        tidegate_testkit::problem::code(&message).unwrap_or_else(|wrong| panic!("{wrong}"))
    }
}
