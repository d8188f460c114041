//! A backend that does exactly what a test says: it keeps every request with its bytes, answers with given
//! bytes, waits, closes, resets. One thread a connection.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::connection::{Connection, How, Lost};
use crate::message::Message;

/// An answer that fits every test that does not care.
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request that reached a backend, or the part of one before the connection ended.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Which connection of this backend, counted from 0.
    pub connection: usize,
    /// The request, or what came of it.
    pub request: Result<Message, Lost>,
}

/// One thing that a backend does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Does nothing for a while.
    Pause(Duration),
    /// Waits until the other side ends the connection or is silent for as long as we are patient.
    AwaitEnd,
    /// Ends the connection cleanly.
    Close,
    /// Ends the connection with a reset.
    Reset,
    /// Says that nothing more will be sent, and goes on reading.
    Finish,
}

/// What a backend remembers.
#[derive(Default)]
struct Log {
    arrivals: Vec<Arrival>,
    /// How each connection ended, by number; only those that have.
    ends: HashMap<usize, How>,
    connections: usize,
    /// Sockets of connections still served, so that the end of the test ends them.
    open: HashMap<usize, TcpStream>,
}

/// A listening backend. Ends with all its connections when dropped.
pub struct RawBackend {
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    is_stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

/// One connection as the backend's handler sees it.
pub struct Visit {
    /// The connection, for reading and writing raw bytes.
    pub connection: Connection,
    /// Which connection of this backend, counted from 0.
    pub number: usize,
    log: Arc<Mutex<Log>>,
    end: Option<How>,
}

impl RawBackend {
    /// Listens, and calls the handler once for each connection on a thread of its own. The connection closes
    /// when the handler returns.
    ///
    /// # Panics
    /// When no socket can be had.
    pub fn start(handler: impl Fn(&mut Visit) + Send + Sync + 'static) -> RawBackend {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a backend");
        // The library's 128 are fewer than a gateway opens at once in a flood, and who finds no place tries again after a second.
        rustix::net::listen(&listener, 4096).expect("lengthen the queue");
        RawBackend::on(listener, handler)
    }

    /// The same on a given listener.
    ///
    /// # Panics
    /// When the listener is dead.
    pub fn on(listener: TcpListener, handler: impl Fn(&mut Visit) + Send + Sync + 'static) -> RawBackend {
        let address = listener.local_addr().expect("learn the backend's address");
        let log = Arc::new(Mutex::new(Log::default()));
        let is_stopping = Arc::new(AtomicBool::new(false));
        let acceptor = std::thread::spawn({
            let (log, is_stopping) = (log.clone(), is_stopping.clone());
            move || accept(&listener, &log, &is_stopping, &Arc::new(handler))
        });
        RawBackend { address, log, is_stopping, acceptor: Some(acceptor) }
    }

    /// Answers every request with the same bytes and keeps the connection.
    pub fn answering(response: impl Into<Vec<u8>>) -> RawBackend {
        let response = response.into();
        RawBackend::by_request(move |_| vec![Act::Send(response.clone())])
    }

    /// Asks the script what to do on each request.
    pub fn by_request(script: impl Fn(&Message) -> Vec<Act> + Send + Sync + 'static) -> RawBackend {
        RawBackend::start(move |visit| {
            while let Some(request) = visit.request() {
                if !visit.play(script(&request)) {
                    return;
                }
            }
        })
    }

    /// Every request so far, and forgets them.
    pub fn take_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut lock(&self.log).arrivals)
    }

    /// How many connections have come so far.
    pub fn connections(&self) -> usize {
        lock(&self.log).connections
    }

    /// Waits until a connection has ended, and says how.
    ///
    /// # Panics
    /// When it has not ended in time.
    pub fn end_of(&self, connection: usize) -> How {
        self.ended_within(connection, Duration::from_secs(10))
            .unwrap_or_else(|| panic!("backend connection {connection} is still open"))
    }

    /// How a connection ended, if it does within this time.
    pub fn ended_within(&self, connection: usize, time: Duration) -> Option<How> {
        let deadline = Instant::now() + time;
        loop {
            let end = lock(&self.log).ends.get(&connection).copied();
            if end.is_some() || Instant::now() > deadline {
                return end;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for RawBackend {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in lock(&self.log).open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Visit {
    /// Reads and records the next request. `None` when there is none: the connection has ended, or what
    /// came is recorded as a part.
    pub fn request(&mut self) -> Option<Message> {
        let request = self.connection.request();
        let message = request.as_ref().ok().cloned();
        self.record(request);
        message
    }

    /// The same, and tells a client that waits for it to go on (100 Continue).
    pub fn request_continued(&mut self) -> Option<Message> {
        let head = self.connection.request_head();
        let request = head.and_then(|head| {
            if head.value("expect").eq_ignore_ascii_case("100-continue") {
                self.connection.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            self.connection.rest_of(head)
        });
        let message = request.as_ref().ok().cloned();
        self.record(request);
        message
    }

    /// Records an arrival that the handler read itself.
    pub fn record(&mut self, request: Result<Message, Lost>) {
        if let Err(lost) = &request {
            self.end = Some(lost.how);
            if lost.partial.is_empty() {
                return;
            }
        }
        lock(&self.log).arrivals.push(Arrival { connection: self.number, request });
    }

    /// Does the acts in order. False when the connection is over after them.
    pub fn play(&mut self, acts: Vec<Act>) -> bool {
        for act in acts {
            match act {
                Act::Send(bytes) => drop(self.connection.send(bytes)),
                Act::Pause(time) => std::thread::sleep(time),
                Act::Finish => drop(self.connection.finish()),
                Act::AwaitEnd => {
                    let lost = self.connection.rest();
                    self.record(Err(lost));
                    return false;
                }
                Act::Close => return false,
                Act::Reset => {
                    let _ = socket2::SockRef::from(self.connection.stream()).set_linger(Some(Duration::ZERO));
                    return false;
                }
            }
        }
        true
    }
}

/// A listener whose queue is full, for as long as the second part lives: the kernel neither takes another
/// connection nor refuses it.
///
/// # Panics
/// When no socket can be had, or the queue has no end.
pub fn full_listener() -> (SocketAddr, impl Sized) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("make a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("bind it");
    socket.listen(0).expect("listen without a queue");
    let address = TcpListener::from(socket.try_clone().expect("copy it")).local_addr().expect("its address");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue has no end");
    }
    (address, (socket, waiting))
}

fn accept<H>(listener: &TcpListener, log: &Arc<Mutex<Log>>, is_stopping: &AtomicBool, handler: &Arc<H>)
where
    H: Fn(&mut Visit) + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        if is_stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = {
            let mut log = lock(log);
            let number = log.connections;
            log.connections += 1;
            if let Ok(copy) = stream.try_clone() {
                log.open.insert(number, copy);
            }
            number
        };
        let (log, handler) = (log.clone(), handler.clone());
        std::thread::spawn(move || {
            let mut visit = Visit { connection: Connection::of(stream), number, log: log.clone(), end: None };
            handler(&mut visit);
            let end = visit.end.unwrap_or(How::Closed);
            // The copy goes first: a reset needs the last descriptor to be the one that is dropped.
            lock(&log).open.remove(&number);
            drop(visit);
            lock(&log).ends.insert(number, end);
        });
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_kept_with_their_bytes_and_connection() {
        let backend = RawBackend::answering(OK);
        let first = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
        let second =
            b"PUT /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nA: b\r\n\r\n";
        let mut client = Connection::to(backend.address);
        client.send_pieces(&[&first[..], &second[..]].concat(), &[1, 20, 30, 9]);
        assert_eq!(client.response("POST").unwrap().body, b"ok");
        assert_eq!(client.response("PUT").unwrap().body, b"ok");
        drop(client);
        Connection::to(backend.address).send(first).response("POST").unwrap();

        assert_eq!(backend.end_of(0), How::Closed);
        let arrivals = backend.take_arrivals();
        let seen: Vec<_> = arrivals.iter().map(|a| (a.connection, a.request.clone().unwrap())).collect();
        assert_eq!(seen.len(), 3);
        assert_eq!((seen[0].0, seen[1].0, seen[2].0), (0, 0, 1));
        assert_eq!(seen[0].1.bytes(), first);
        assert_eq!(seen[1].1.bytes(), second);
        assert_eq!(seen[1].1.body, b"ho");
        assert_eq!(seen[1].1.trailers, b"A: b\r\n");
        assert!(backend.take_arrivals().is_empty());
    }

    #[test]
    fn a_request_that_breaks_off_is_kept_as_a_part() {
        let backend = RawBackend::answering(OK);
        let part = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhi";
        Connection::to(backend.address).send(part).finish();
        assert_eq!(backend.end_of(0), How::Closed);
        match &backend.take_arrivals()[..] {
            [Arrival { request: Err(lost), .. }] => assert_eq!(lost.partial, part),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn acts_are_done_in_order_and_seen_by_the_client() {
        let backend = RawBackend::by_request(|request| match request.target() {
            "/close" => vec![Act::Send(OK.to_vec()), Act::Close],
            "/reset" => vec![Act::Send(OK[..10].to_vec()), Act::Pause(Duration::from_millis(20)), Act::Reset],
            "/finish" => vec![Act::Send(OK.to_vec()), Act::Finish, Act::AwaitEnd],
            _ => vec![Act::Send(OK.to_vec())],
        });
        let ask = |target: &str| {
            let mut client = Connection::to(backend.address).with_patience(Duration::from_millis(200));
            client.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
            client.rest()
        };
        assert_eq!(ask("/keep").how, How::Silent);
        assert_eq!(ask("/close"), Lost { how: How::Closed, partial: OK.to_vec() });
        assert_eq!(ask("/finish"), Lost { how: How::Closed, partial: OK.to_vec() });
        assert_eq!(ask("/reset").how, How::Reset);
        assert_eq!(backend.connections(), 4);
    }

    #[test]
    fn a_reset_by_the_client_is_told_from_a_close() {
        let backend = RawBackend::answering(OK);
        Connection::to(backend.address).reset();
        assert_eq!(backend.end_of(0), How::Reset);
    }
}
