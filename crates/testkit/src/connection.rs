//! One TCP connection driven byte by byte, from either end: exact bytes out, whole messages or raw bytes in,
//! half closes and resets. Every wait ends after the connection's patience.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::message::{self, Framing, Message, Sender};

/// Longer than anything these tests wait for on purpose; a peer that is silent for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// A head longer than this is no head: the peer sends garbage.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Why nothing more could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The peer finished cleanly.
    Closed,
    /// The peer reset the connection.
    Reset,
    /// Nothing came for as long as the connection is patient.
    Silent,
    /// What came cannot be read in one way only.
    Malformed(&'static str),
}

/// A message that did not come, or not as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Why.
    pub how: How,
    /// What had come of it.
    pub partial: Vec<u8>,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after {} bytes: {:?}", self.how, self.partial.len(), shown(&self.partial))
    }
}

/// Bytes for the message of a failing test: escaped, and cut where it gets long.
pub fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(2000)];
    let more = if cut.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What was read from the socket; everything before `at` has been handed out.
    buffer: Vec<u8>,
    at: usize,
    patience: Duration,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn to(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Connection::of(stream)
    }

    /// Connects so that kernels hold little on the way here: small segments, a small buffer. A peer that sends some
    /// 100 KiB has to wait for the test to read.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn narrow(address: SocketAddr) -> Connection {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("make a socket");
        socket.set_tcp_mss(536).expect("set the segment size"); // what every host takes (RFC 9293 §3.7.1)
        socket.set_recv_buffer_size(4 << 10).expect("set the buffer size");
        socket.connect(&address.into()).unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Connection::of(socket.into())
    }

    /// Connects from another address of this machine: any of 127.0.0.0/8 is one.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn from(source: IpAddr, address: SocketAddr) -> Connection {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("make a socket");
        socket.bind(&SocketAddr::new(source, 0).into()).expect("take the address");
        socket.connect(&address.into()).unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Connection::of(socket.into())
    }

    /// Takes over a socket.
    ///
    /// # Panics
    /// When the socket is already dead.
    pub fn of(stream: TcpStream) -> Connection {
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        let connection = Connection { stream, buffer: Vec::new(), at: 0, patience: PATIENCE };
        connection.stream.set_write_timeout(Some(PATIENCE)).expect("set a write timeout");
        connection
    }

    /// Changes how long a read waits.
    pub fn with_patience(mut self, patience: Duration) -> Connection {
        self.patience = patience;
        self
    }

    /// Changes how long a read waits from now on; gives back what it was.
    pub fn set_patience(&mut self, patience: Duration) -> Duration {
        std::mem::replace(&mut self.patience, patience)
    }

    /// The socket, for options that only one test needs.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends all bytes. A peer that has closed is no error here: what a test expects of it shows in the answer.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Connection {
        let _ = self.try_send(bytes.as_ref());
        self
    }

    /// Sends all bytes, or says what stopped it.
    ///
    /// # Errors
    /// As `write` has them; `WouldBlock` when the peer takes nothing for as long as we are patient.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends the bytes in pieces of these sizes, a short pause after each so that they arrive apart.
    pub fn send_pieces(&mut self, bytes: &[u8], sizes: &[usize]) -> &mut Connection {
        let mut rest = bytes;
        for &size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            self.send(piece);
            // 200 µs: enough for a reader on another core to have read the piece before the next one.
            std::thread::sleep(Duration::from_micros(200));
            rest = after;
        }
        self.send(rest)
    }

    /// Says that nothing more will be sent (FIN), and goes on reading.
    pub fn finish(&mut self) -> &mut Connection {
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Reads one request.
    ///
    /// # Errors
    /// `Lost`, with what had come of it.
    pub fn request(&mut self) -> Result<Message, Lost> {
        self.message(Sender::Client)
    }

    /// Reads one response, interim ones included, to a request with this method.
    ///
    /// # Errors
    /// `Lost`, with what had come of it.
    pub fn response(&mut self, method: &str) -> Result<Message, Lost> {
        self.message(Sender::Server(method))
    }

    /// Reads the head of a request and leaves its body to `rest_of`.
    ///
    /// # Errors
    /// `Lost`, with what had come of it.
    pub fn request_head(&mut self) -> Result<Message, Lost> {
        self.message_head(Sender::Client)
    }

    /// Reads the head of a response to a request with this method and leaves its body to `rest_of`.
    ///
    /// # Errors
    /// `Lost`, with what had come of it.
    pub fn response_head(&mut self, method: &str) -> Result<Message, Lost> {
        self.message_head(Sender::Server(method))
    }

    /// Reads the body of a message whose head has been read.
    ///
    /// # Errors
    /// `Lost`, with what had come of the message.
    pub fn rest_of(&mut self, mut message: Message) -> Result<Message, Lost> {
        match self.body(&mut message) {
            Ok(()) => Ok(message),
            Err(lost) => {
                let partial = [message.bytes(), lost.partial].concat();
                Err(Lost { how: lost.how, partial })
            }
        }
    }

    /// Reads interim responses and the final one.
    ///
    /// # Errors
    /// `Lost`, with what had come of the response that broke off.
    pub fn final_response(&mut self, method: &str) -> Result<(Vec<Message>, Message), Lost> {
        let mut interim = Vec::new();
        loop {
            let response = self.response(method)?;
            match response.status() {
                100 | 102..=199 => interim.push(response),
                _ => return Ok((interim, response)),
            }
        }
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// `Lost`, with what had come of them.
    pub fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Lost> {
        while self.unread().len() < count {
            self.read_more()?;
        }
        Ok(self.take(count))
    }

    /// Reads until the peer is done or silent.
    pub fn rest(&mut self) -> Lost {
        loop {
            if let Err(how) = self.fill() {
                let partial = self.take(self.unread().len());
                return Lost { how, partial };
            }
        }
    }

    /// Whether the peer ends the connection within this time without another byte.
    pub fn is_ended_within(&mut self, time: Duration) -> bool {
        let patience = self.set_patience(time);
        let is_ended = self.unread().is_empty() && matches!(self.fill(), Err(How::Closed | How::Reset));
        self.set_patience(patience);
        is_ended
    }

    fn message(&mut self, sender: Sender<'_>) -> Result<Message, Lost> {
        let message = self.message_head(sender)?;
        self.rest_of(message)
    }

    fn message_head(&mut self, sender: Sender<'_>) -> Result<Message, Lost> {
        let head = self.head()?;
        match message::framing_of(&head, sender) {
            Ok(framing) => {
                Ok(Message { head, body: Vec::new(), wire_body: Vec::new(), trailers: Vec::new(), framing })
            }
            Err(reason) => Err(Lost { how: How::Malformed(reason), partial: head }),
        }
    }

    fn head(&mut self) -> Result<Vec<u8>, Lost> {
        let mut searched = 0;
        loop {
            let found = self.unread()[searched..].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(position) = found {
                return Ok(self.take(searched + position + 4));
            }
            searched = self.unread().len().saturating_sub(3);
            if searched > HEAD_BYTES_MAX {
                let partial = self.take(searched);
                return Err(Lost { how: How::Malformed("a head without end"), partial });
            }
            self.read_more()?;
        }
    }

    fn body(&mut self, message: &mut Message) -> Result<(), Lost> {
        match message.framing {
            Framing::None => {}
            Framing::Length(count) => message.wire_body = self.bytes(count)?,
            Framing::Chunked => return self.chunks(message),
            Framing::Close => match self.rest() {
                Lost { how: How::Closed, partial } => message.wire_body = partial,
                lost => return Err(lost),
            },
        }
        message.body = message.wire_body.clone();
        Ok(())
    }

    fn chunks(&mut self, message: &mut Message) -> Result<(), Lost> {
        loop {
            let line = self.line()?;
            message.wire_body.extend_from_slice(&line);
            let size = match message::chunk_size(&line[..line.len() - 2]) {
                Ok(size) => size,
                Err(reason) => return Err(Lost { how: How::Malformed(reason), partial: Vec::new() }),
            };
            if size == 0 {
                break;
            }
            let data = self.bytes(size + 2)?;
            message.wire_body.extend_from_slice(&data);
            match data.strip_suffix(b"\r\n") {
                Some(data) => message.body.extend_from_slice(data),
                None => {
                    let how = How::Malformed("a chunk longer than its size");
                    return Err(Lost { how, partial: Vec::new() });
                }
            }
        }
        loop {
            let line = self.line()?;
            message.wire_body.extend_from_slice(&line);
            if line == b"\r\n" {
                return Ok(());
            }
            message.trailers.extend_from_slice(&line);
        }
    }

    /// One line with its CRLF.
    fn line(&mut self) -> Result<Vec<u8>, Lost> {
        loop {
            if let Some(position) = self.unread().iter().position(|&b| b == b'\n') {
                let line = self.take(position + 1);
                let is_exact = line.ends_with(b"\r\n") && !line[..line.len() - 2].contains(&b'\r');
                let how = How::Malformed("a bare CR or LF");
                return if is_exact { Ok(line) } else { Err(Lost { how, partial: line }) };
            }
            self.read_more()?;
        }
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.unread()[..count].to_vec();
        self.at += count;
        taken
    }

    fn read_more(&mut self) -> Result<(), Lost> {
        self.fill().map_err(|how| Lost { how, partial: self.take(self.unread().len()) })
    }

    fn fill(&mut self) -> Result<(), How> {
        self.buffer.drain(..std::mem::take(&mut self.at));
        let deadline = Instant::now() + self.patience;
        let mut piece = [0; 64 << 10];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(How::Silent);
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(How::Closed),
                Ok(count) => {
                    self.buffer.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Err(How::Silent),
                    _ => return Err(How::Reset),
                },
            }
        }
    }
}
