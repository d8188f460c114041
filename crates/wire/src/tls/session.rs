//! The protocol's state and the bytes it holds: drives rustls until a wish is met or it has to wait for the peer. No
//! I/O. Called by `Tls`.

use super::gather::Gather;
use super::turn::Turn;
use super::{RECORD_BYTES_MAX, RECORD_EXTRA_BYTES};
use crate::buffer::Buffer;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic};
use rustls::{CommonState, Error, HandshakeKind};
use std::fmt;

/// Either end.
pub(super) enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

/// Bytes on their way.
#[derive(Default)]
pub(super) struct Held {
    /// As the peer sent them.
    pub(super) incoming: Buffer,
    /// Some of those have not been looked at.
    pub(super) is_unread: bool,
    /// Decrypted, for want of room; at most what `incoming` can hold.
    pub(super) ready: Vec<u8>,
    /// As the peer shall get them.
    pub(super) outgoing: Buffer,
    /// The kernel did not take all of those.
    pub(super) is_blocked: bool,
    /// The peer has said that nothing more comes.
    pub(super) is_ended: bool,
    /// What the records so far have cost.
    pub(super) turn: Turn,
    /// What ended the session before its time: it must not be asked anything more.
    pub(super) failed: Option<Error>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in, {} out", self.incoming.len(), self.outgoing.len())
    }
}

impl Held {
    /// Takes what lies decrypted.
    pub(super) fn take_ready(&mut self, room: &mut [u8]) -> usize {
        let n = self.ready.len().min(room.len());
        if n > 0 {
            room[..n].copy_from_slice(&self.ready[..n]);
            match n == self.ready.len() {
                true => self.ready = Vec::new(),
                false => drop(self.ready.drain(..n)),
            }
        }
        n
    }

    /// Ends the session before its time.
    fn fail(&mut self, error: Error) -> Error {
        self.failed = Some(error.clone());
        error
    }

    /// Gives the memory back of what is empty.
    pub(super) fn let_go(&mut self) {
        if self.incoming.is_empty() {
            self.incoming.release();
        }
    }
}

/// What is asked of the protocol.
pub(super) enum Wish<'a, 'b> {
    ShakeHands,
    Read(&'a mut [u8]),
    Write(&'a mut Gather<'b>),
    Close,
}

/// How far it came.
#[derive(Debug)]
pub(super) enum Step {
    /// The peer has to send something first; or there is nothing to do.
    Waiting,
    /// So many bytes were put into the room.
    Read(usize),
    /// So many bytes were encrypted.
    Written(usize),
    /// The handshake is done.
    Shaken,
}

/// What both ends have, and rustls has twice.
trait End: std::ops::Deref<Target = rustls::unbuffered::UnbufferedConnectionCommon<Self::Data>> {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl End for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl End for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Session {
    pub(super) fn step(&mut self, held: &mut Held, wish: Wish<'_, '_>) -> Result<Step, Error> {
        match self {
            Session::Client(end) => step(end, held, wish),
            Session::Server(end) => step(end, held, wish),
        }
    }

    fn common(&self) -> &CommonState {
        match self {
            Session::Client(end) => end,
            Session::Server(end) => end,
        }
    }

    /// The protocol that was agreed on.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// Whether an earlier session was resumed.
    pub(super) fn is_resumed(&self) -> bool {
        self.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

fn step<C: End>(end: &mut C, held: &mut Held, mut wish: Wish<'_, '_>) -> Result<Step, Error> {
    if let Some(error) = &held.failed {
        return Err(error.clone());
    }
    loop {
        let is_handshaking = end.is_handshaking();
        let Held { incoming, ready, outgoing, is_ended, turn, .. } = held;
        let UnbufferedStatus { discard, state } = end.process(incoming.bytes_mut());
        let mut has_data = false;
        let done = match state {
            Err(error) => {
                incoming.consume(discard);
                alert(end, held);
                held.failed = Some(error.clone());
                return Err(error);
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut n = 0;
                while let Some(record) = traffic.next_record() {
                    has_data = true;
                    let payload = record?.payload;
                    let fits = match &mut wish {
                        Wish::Read(room) => {
                            let fits = payload.len().min(room.len() - n);
                            room[n..n + fits].copy_from_slice(&payload[..fits]);
                            n += fits;
                            fits
                        }
                        _ => 0,
                    };
                    ready.extend_from_slice(&payload[fits..]);
                }
                (n > 0).then_some(Step::Read(n))
            }
            Ok(ConnectionState::EncodeTlsData(data)) => {
                encode(data, outgoing)?;
                None
            }
            Ok(ConnectionState::TransmitTlsData(transmit)) => {
                // It lies in `outgoing`, in order: that is as good as sent.
                transmit.done();
                None
            }
            Ok(ConnectionState::PeerClosed) => {
                *is_ended = true;
                None
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => Some(match &mut wish {
                Wish::ShakeHands if is_handshaking => Step::Waiting,
                Wish::ShakeHands => Step::Shaken,
                Wish::Read(_) => Step::Waiting,
                Wish::Write(gather) => Step::Written(encrypt(&mut traffic, gather, outgoing)?),
                Wish::Close => {
                    let n = traffic.queue_close_notify(outgoing.room());
                    outgoing.filled(n.map_err(|_| Error::EncryptError)?);
                    Step::Waiting
                }
            }),
            // Blocked, or closed both ways. Early data is never accepted.
            Ok(_) => Some(Step::Waiting),
        };
        let is_borne = is_handshaking || turn.spend(&incoming.bytes()[..discard], has_data).is_ok();
        incoming.consume(discard);
        if !is_borne {
            return Err(held.fail(Error::General(String::from("too many records without data"))));
        }
        if let Some(done) = done {
            return Ok(done);
        }
    }
}

/// Encrypts as much as fits into what is left of one buffer.
fn encrypt<D>(
    traffic: &mut WriteTraffic<'_, D>,
    gather: &mut Gather<'_>,
    outgoing: &mut Buffer,
) -> Result<usize, Error> {
    /// A last record is not worth its cost for less.
    const WORTHWHILE: usize = 1 << 10;
    let mut taken = 0;
    outgoing.pack();
    while !gather.is_empty() {
        let room = outgoing.room();
        let most = room.len().saturating_sub(RECORD_EXTRA_BYTES).min(RECORD_BYTES_MAX);
        if most < WORTHWHILE {
            break;
        }
        let mut written = 0;
        taken += gather.take(most, |piece| {
            written = traffic.encrypt(piece, room).map_err(|_| Error::EncryptError)?;
            Ok::<(), Error>(())
        })?;
        outgoing.filled(written);
        if outgoing.is_full() {
            break;
        }
    }
    Ok(taken)
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, outgoing: &mut Buffer) -> Result<(), Error> {
    loop {
        match data.encode(outgoing.room()) {
            Ok(n) => {
                outgoing.filled(n);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(_)) if outgoing.len() < crate::buffer::SMALL_BYTES => {
                outgoing.pack();
                outgoing.grow();
            }
            // A chain of certificates that no client would take.
            Err(_) => return Err(Error::General(String::from("a handshake message is too long"))),
        }
    }
}

/// After an error: what the peer is told of it is put into `outgoing`. rustls gives that before it looks at the bytes
/// again, which must not happen.
fn alert<C: End>(end: &mut C, held: &mut Held) {
    while end.wants_write() {
        let state = end.process(held.incoming.bytes_mut()).state;
        let Ok(ConnectionState::EncodeTlsData(data)) = state else { return };
        // Without the room for it the peer sees an end without a reason.
        let _ = encode(data, &mut held.outgoing);
    }
}
