//! Records that cost their sender nothing: of a byte, or of none.

use super::{BIN, PATIENCE};
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::task::Poll;
use tidegate_testkit::authority::Authority;
use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::records::Records;
use tidegate_testkit::secure::Dialer;
use tidegate_testkit::{RawBackend, Setup};
use tidegate_wire::socket::Socket;
use tidegate_wire::tls::{Identity, Server, ServerSettings, Tickets, accept};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn records_without_data_end_a_connection_when_they_are_too_many_in_a_row() {
    let authority = Authority::new();
    let backend = RawBackend::answering(OK);
    let entry = authority.pair("site", &["site.example"]).entry();
    // No other bound ends the connection before we lose patience.
    let keys =
        format!("protocols: [h1], limits: {{ head_time: 5m, idle: 5m }}, tls: {{ certificates: [{entry}] }}");
    let gateway = Setup::new(BIN).listener_with("https", &keys).start(&everything_to(&[backend.address], ""));
    let dialer = Dialer::trusting(&authority);
    let mut client = Records::to(&dialer, gateway.listener("https"), "site.example", PATIENCE);
    let empty = |client: &mut Records, count: usize| (0..count).flat_map(|_| client.record(b"")).collect();
    for asked in 1..=3 {
        let few: Vec<u8> = empty(&mut client, 32);
        let request = client.by_bytes(REQUEST);
        client.socket.write_all(&[few, request].concat()).expect("send");
        await_true("the request arrives", PATIENCE, || backend.connections() > 0);
        await_true("it is counted", PATIENCE, || {
            gateway.metric("tidegate_requests_total", &["code=\"200\""]) == f64::from(asked)
        });
    }
    let many: Vec<u8> = empty(&mut client, 33);
    client.socket.write_all(&many).expect("send");
    // Answers lie there, and then the end.
    client.socket.read_to_end(&mut Vec::new()).expect("the connection ends");
    gateway.stop();
}

#[test]
fn a_turn_ends_after_so_many_records_however_little_is_in_them() {
    /// Far more than one turn; they fit into the kernel's buffers.
    const RECORDS: usize = 3000;
    /// What a turn is, and what begins before it is over.
    const TURN_RECORDS_MAX: usize = 130;
    let authority = Authority::new();
    let pair = authority.pair("site", &["site.example"]);
    let read = |path| std::fs::read(path).expect("read a file of a test");
    let identity = Identity::read(&read(&pair.cert), &read(&pair.key)).unwrap_or_else(|_| panic!("a pair"));
    let identity: &Identity = identity.made.get().expect("an identity of this crate");
    let server = Server::new(ServerSettings {
        identities: vec![(&[], identity.clone())],
        speaks_12: true,
        speaks_h1: true,
        speaks_h2: true,
        tickets: Tickets::new().expect("randomness"),
    })
    .expect("settings");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address");
    let dialer = Dialer::trusting(&authority);
    let client = std::thread::spawn(move || {
        let mut client = Records::to(&dialer, address, "site.example", PATIENCE);
        let records = client.by_bytes(&[b'x'; RECORDS]);
        client.socket.write_all(&records).expect("send");
        client
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_nonblocking(true).expect("set non-blocking");
        let socket: Socket = tokio::net::TcpStream::from_std(stream).expect("a stream").into();
        let mut socket = accept(socket, &server, PATIENCE, None).await.expect("a handshake").socket;
        let _client = client.join().expect("all is sent");
        let (total, most) = (Cell::new(0), Cell::new(0));
        let reading = poll_fn(|cx| {
            let mut room = [0; 32 << 10];
            let before = total.get();
            while let Poll::Ready(read) = socket.poll_read(cx, &mut room) {
                total.set(total.get() + read.expect("bytes"));
            }
            most.set(most.get().max(total.get() - before));
            if total.get() == RECORDS { Poll::Ready(()) } else { Poll::Pending }
        });
        let is_done = tokio::time::timeout(PATIENCE, reading).await.is_ok();
        assert!(is_done, "it goes on by itself: {} bytes", total.get());
        assert!(most.get() <= TURN_RECORDS_MAX, "{} records in one turn", most.get());
    });
}
