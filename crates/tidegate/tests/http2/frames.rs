//! A client of HTTP/2 that sends what it is told, frame by frame, its fields as HPACK literals without compression.
//! Understands of the answers what tests ask about: statuses, data, resets, the end.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tidegate_testkit::Connection;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// Longer than any answer takes here.
const PATIENCE: Duration = Duration::from_secs(10);

/// A name and a value, which may be anything.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Fields as literals that are not indexed (RFC 7541 §6.2.2).
pub(crate) fn block(fields: Fields<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            integer(&mut bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn integer(bytes: &mut Vec<u8>, mut number: usize) {
    if number < 127 {
        return bytes.push(number as u8);
    }
    bytes.push(127);
    number -= 127;
    while number >= 128 {
        bytes.push((number % 128 + 128) as u8);
        number /= 128;
    }
    bytes.push(number as u8);
}

/// What the gateway said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A head, and whether it ends the stream.
    Head(u32, u16, bool),
    /// Data.
    Data(u32, Vec<u8>, bool),
    /// A stream's reset with its code.
    Reset(u32, u32),
    /// The last stream and the code.
    GoAway(u32, u32),
    /// An answer to a PING.
    Pong,
    /// The connection has ended.
    End,
    /// Nothing, for as long as we were patient.
    Nothing,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a whole answer.
    Status(u16),
    /// With a reset.
    Reset(u32),
    /// With the connection.
    GoAway(u32),
    /// Without a word.
    Lost,
}

/// A connection.
pub(crate) struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
    next: u32,
    /// What may be sent beyond the windows that everything begins with: streams, 0 for the connection, and bytes.
    granted: Vec<(u32, usize)>,
}

impl Peer {
    /// Connects and shakes hands; the peer wants no compressed table.
    pub(crate) fn to(address: SocketAddr) -> Peer {
        Peer::with_settings(address, &[(1, 0)])
    }

    /// The same with settings of one's own.
    pub(crate) fn with_settings(address: SocketAddr, settings: &[(u16, u32)]) -> Peer {
        Peer::on(TcpStream::connect(address).expect("connect"), settings)
    }

    /// The same as `to`, from an address of this machine.
    pub(crate) fn from(source: IpAddr, address: SocketAddr) -> Peer {
        let connection = Connection::from(source, address);
        Peer::on(connection.stream().try_clone().expect("copy it"), &[(1, 0)])
    }

    fn on(stream: TcpStream, settings: &[(u16, u32)]) -> Peer {
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        let mut peer = Peer { stream, read: Vec::new(), next: 1, granted: Vec::new() };
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat());
        peer
    }

    /// Shakes hands in two pieces, the first of so many bytes, which are read before the second.
    pub(crate) fn in_pieces(address: SocketAddr, first: usize) -> Peer {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        let mut peer = Peer { stream, read: Vec::new(), next: 1, granted: Vec::new() };
        let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        let (first, second) = bytes.split_at(first);
        peer.send(first);
        std::thread::sleep(Duration::from_millis(20)); // a segment of its own, most likely
        peer.send(second);
        peer
    }

    /// Sends bytes. A connection that has ended shows when it is read.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The number of the next stream.
    pub(crate) fn stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Sends a request without a body, and says which stream it is on.
    pub(crate) fn get(&mut self, path: &str) -> u32 {
        let stream = self.stream();
        self.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&get(path))));
        stream
    }

    /// The next thing that is said, SETTINGS and WINDOW_UPDATE left out.
    pub(crate) fn next(&mut self) -> Said {
        self.next_within(PATIENCE)
    }

    /// The same with another patience.
    pub(crate) fn next_within(&mut self, time: Duration) -> Said {
        let deadline = Instant::now() + time;
        loop {
            if let Some((kind, flags, stream, payload)) = self.take_frame() {
                let window = *payload.first_chunk().unwrap_or(&[0; 4]);
                if let Some(said) = said(kind, flags, stream, payload) {
                    return said;
                }
                if kind == WINDOW_UPDATE {
                    self.granted.push((stream, u32::from_be_bytes(window) as usize));
                }
                if kind == SETTINGS && flags & ACK == 0 {
                    self.send(&frame(SETTINGS, ACK, 0, &[]));
                }
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Said::Nothing;
            }
            self.stream.set_read_timeout(Some(left)).expect("set a timeout");
            let mut room = [0; 64 << 10];
            match self.stream.read(&mut room) {
                Ok(0) => return Said::End,
                Ok(n) => self.read.extend_from_slice(&room[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Said::End,
            }
        }
    }

    fn take_frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head: [u8; 9] = *self.read.first_chunk()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.read.get(9..9 + length)?.to_vec();
        self.read.drain(..9 + length);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    /// How much may be sent in all, on a stream or (0) on the connection, for all that was said so far.
    pub(crate) fn window(&self, of: u32) -> usize {
        /// What RFC 9113 §6.9.2 begins with.
        const FIRST: usize = 65_535;
        FIRST + self.granted.iter().filter(|(stream, _)| *stream == of).map(|(_, bytes)| bytes).sum::<usize>()
    }

    /// How a stream ends; what is said of others is passed over. The answer's data with it.
    pub(crate) fn outcome(&mut self, wanted: u32) -> (Outcome, Vec<u8>) {
        let mut status = 0;
        let mut body = Vec::new();
        loop {
            match self.next() {
                Said::Head(stream, code, ended) if stream == wanted => {
                    status = if status == 0 || code >= 200 { code } else { status };
                    if ended {
                        return (Outcome::Status(status), body);
                    }
                }
                Said::Data(stream, bytes, ended) if stream == wanted => {
                    body.extend_from_slice(&bytes);
                    if ended {
                        return (Outcome::Status(status), body);
                    }
                }
                Said::Reset(stream, code) if stream == wanted => return (Outcome::Reset(code), body),
                Said::GoAway(last, code) if code != NO_ERROR || last < wanted => {
                    return (Outcome::GoAway(code), body);
                }
                Said::End | Said::Nothing => return (Outcome::Lost, body),
                _ => {}
            }
        }
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, path: &str) -> Outcome {
        let stream = self.get(path);
        self.outcome(stream).0
    }

    /// Everything up to the connection's end: the GOAWAYs among it.
    pub(crate) fn goodbye(&mut self) -> Vec<u32> {
        let mut codes = Vec::new();
        loop {
            match self.next() {
                Said::GoAway(_, code) => codes.push(code),
                Said::End => return codes,
                Said::Nothing => panic!("the connection is still open; said so far: {codes:?}"),
                _ => {}
            }
        }
    }
}

/// The usual fields of a request.
pub(crate) fn get(path: &str) -> [(&str, &str); 4] {
    [(":method", "GET"), (":scheme", "http"), (":authority", "api.test"), (":path", path)]
}

fn said(kind: u8, flags: u8, stream: u32, payload: Vec<u8>) -> Option<Said> {
    let number =
        |at: usize| payload.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let ended = flags & END_STREAM != 0;
    Some(match kind {
        HEADERS => Said::Head(stream, status(&payload), ended),
        DATA => Said::Data(stream, payload, ended),
        RST_STREAM => Said::Reset(stream, number(0)),
        GOAWAY => Said::GoAway(number(0) & 0x7fff_ffff, number(4)),
        PING if flags & ACK != 0 => Said::Pong,
        _ => return None,
    })
}

/// The status that a head begins with; 0 for trailers.
fn status(block: &[u8]) -> u16 {
    /// Entries 8 to 14 of the static table (RFC 7541 appendix A).
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // An update of the table's size may stand before it.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap_or(0);
    match &block[start..] {
        [indexed @ 0x88..=0x8e, ..] => KNOWN[usize::from(indexed - 0x88)],
        [0x08 | 0x18 | 0x48, 3, a, b, c, ..] => {
            [a, b, c].iter().fold(0, |n, digit| n * 10 + u16::from(**digit - b'0'))
        }
        [0x08 | 0x18 | 0x48, huffman @ 0x82..=0x83, rest @ ..] => {
            let bits =
                rest.iter().take(usize::from(huffman & 0x7f)).fold(0_u32, |n, b| n << 8 | u32::from(*b));
            digits(bits << (32 - 8 * u32::from(huffman & 0x7f)))
        }
        _ => 0,
    }
}

/// Three digits in Huffman code: 0 to 2 have five bits, the others six, beginning with 011 (RFC 7541 appendix B).
fn digits(mut bits: u32) -> u16 {
    let mut number = 0;
    for _ in 0..3 {
        let (digit, length) = match bits >> 27 {
            short @ 0..=2 => (short, 5),
            _ => ((bits >> 26) - 0b01_1001 + 3, 6),
        };
        number = number * 10 + digit as u16;
        bits <<= length;
    }
    number
}
