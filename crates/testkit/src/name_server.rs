//! A name server on 127.0.0.1, over UDP and TCP, whose answers a test changes while it is asked. Answers what it was
//! told and nothing else; names it was not told of do not exist.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};

/// How long a thread waits before it looks whether the test is over.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a name is answered with.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These addresses, each question those of its kind, with this lifetime in seconds.
    Addresses(Vec<IpAddr>, u32),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failure,
    /// Nothing at all.
    Silence,
}

impl Reply {
    /// These addresses, with this lifetime in seconds.
    ///
    /// # Panics
    /// When one is no address.
    pub fn of(addresses: &[&str], ttl_s: u32) -> Reply {
        Reply::Addresses(addresses.iter().map(|ip| ip.parse().expect("an IP address")).collect(), ttl_s)
    }
}

/// The kinds of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A.
    V4,
    /// AAAA.
    V6,
}

#[derive(Default)]
struct Zone {
    replies: HashMap<(String, Kind), Reply>,
    /// Every question in the order of their coming, and whether it came by TCP.
    questions: Vec<(String, Kind, bool)>,
}

/// A name server. Ends when dropped.
pub struct NameServer {
    /// Where it listens, by both protocols.
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    is_stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl NameServer {
    /// One that knows no names.
    ///
    /// # Panics
    /// When no sockets can be had.
    pub fn start() -> NameServer {
        let (udp, tcp) = sockets();
        let address = tcp.local_addr().expect("learn the name server's address");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let is_stopping = Arc::new(AtomicBool::new(false));
        udp.set_read_timeout(Some(LOOK_EVERY)).expect("bound a wait");
        tcp.set_nonblocking(true).expect("look without waiting");
        let by_udp = std::thread::spawn({
            let (zone, is_stopping) = (zone.clone(), is_stopping.clone());
            move || serve_udp(&udp, &zone, &is_stopping)
        });
        let by_tcp = std::thread::spawn({
            let (zone, is_stopping) = (zone.clone(), is_stopping.clone());
            move || serve_tcp(&tcp, &zone, &is_stopping)
        });
        NameServer { address, zone, is_stopping, threads: vec![by_udp, by_tcp] }
    }

    /// Questions for this name are answered so from now on.
    pub fn set(&self, name: &str, reply: Reply) {
        self.set_kind(name, Kind::V4, reply.clone());
        self.set_kind(name, Kind::V6, reply);
    }

    /// The same for one kind of question.
    pub fn set_kind(&self, name: &str, kind: Kind, reply: Reply) {
        lock(&self.zone).replies.insert((name.to_owned(), kind), reply);
    }

    /// How often this was asked.
    pub fn count(&self, name: &str, kind: Kind) -> usize {
        let zone = lock(&self.zone);
        zone.questions.iter().filter(|(its, its_kind, _)| its == name && *its_kind == kind).count()
    }

    /// Whether anything was asked by TCP.
    pub fn was_asked_by_tcp(&self) -> bool {
        lock(&self.zone).questions.iter().any(|(_, _, is_tcp)| *is_tcp)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let joined = thread.join();
            assert!(std::thread::panicking() || joined.is_ok(), "the name server panicked");
        }
    }
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The same port by both protocols: TCP chooses, and seldom UDP has it taken.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a name server");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("learn the name server's address")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free by both protocols");
}

fn serve_udp(socket: &UdpSocket, zone: &Mutex<Zone>, is_stopping: &AtomicBool) {
    let mut packet = [0; 4096];
    while !is_stopping.load(Ordering::Relaxed) {
        let Ok((bytes, from)) = socket.recv_from(&mut packet) else { continue };
        let Ok(query) = Message::from_vec(&packet[..bytes]) else { continue };
        let Some(reply) = answer(&query, zone, false) else { continue };
        let mut bytes = reply.to_vec().expect("encode an answer");
        if bytes.len() > usize::from(query.max_payload()) {
            bytes = reply.truncate().to_vec().expect("encode an answer");
        }
        // Who has gone meanwhile misses nothing.
        let _ = socket.send_to(&bytes, from);
    }
}

fn serve_tcp(listener: &TcpListener, zone: &Mutex<Zone>, is_stopping: &AtomicBool) {
    while !is_stopping.load(Ordering::Relaxed) {
        match listener.accept() {
            // One after the other: a test that asks by TCP asks little.
            Ok((mut stream, _)) => while serve_one(&mut stream, zone).is_some() {},
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// One question on a connection; `None` when it is over.
fn serve_one(stream: &mut TcpStream, zone: &Mutex<Zone>) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).ok()?;
    let bytes = answer(&Message::from_vec(&packet).ok()?, zone, true)?.to_vec().ok()?;
    stream.write_all(&u16::try_from(bytes.len()).ok()?.to_be_bytes()).ok()?;
    stream.write_all(&bytes).ok()
}

/// What the zone says; `None` for silence.
fn answer(query: &Message, zone: &Mutex<Zone>, is_tcp: bool) -> Option<Message> {
    let question = query.queries.first()?;
    let kind = match question.query_type() {
        RecordType::A => Kind::V4,
        RecordType::AAAA => Kind::V6,
        _ => return None,
    };
    let name = question.name().to_ascii().to_ascii_lowercase();
    let name = name.trim_end_matches('.').to_owned();
    let mut zone = lock(zone);
    zone.questions.push((name.clone(), kind, is_tcp));
    let reply = zone.replies.get(&(name, kind)).cloned().unwrap_or(Reply::NoSuchName);
    let mut message = Message::response(query.metadata.id, OpCode::Query);
    message.metadata.recursion_desired = query.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.add_query(question.clone());
    match reply {
        Reply::Silence => return None,
        Reply::NoSuchName => message.metadata.response_code = ResponseCode::NXDomain,
        Reply::Failure => message.metadata.response_code = ResponseCode::ServFail,
        Reply::Addresses(addresses, ttl) => {
            let of_kind = addresses.iter().filter(|ip| ip.is_ipv4() == (kind == Kind::V4));
            message.add_answers(
                of_kind.map(|ip| Record::from_rdata(question.name().clone(), ttl, RData::from(*ip))),
            );
        }
    }
    Some(message)
}
