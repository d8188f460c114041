//! One request and its answer with a client, whatever the protocol: what the flow asks of a codec.
//! HTTP/1 implements it in `wire`; a second protocol needs nothing else to pass through the same flow.
//! Everything is poll-shaped, because both directions of a body move within one task.

use crate::charge::Full;
use crate::clock::Nanos;
use crate::head::{Fields, Length, RequestHead, ResponseHead};
use crate::outcome::Refusal;
use crate::tls::Door;
use crate::trusted::Trusted;
use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The protocol a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named by their texts
pub enum Protocol {
    Http10,
    Http11,
    Http2,
    Http3,
}

impl Protocol {
    /// As in the access log.
    pub const fn text(self) -> &'static str {
        match self {
            Protocol::Http10 => "HTTP/1.0",
            Protocol::Http11 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
            Protocol::Http3 => "HTTP/3",
        }
    }

    /// As in `Via` (RFC 9110 §7.6.3: the name is left out for HTTP).
    pub const fn version(self) -> &'static str {
        match self {
            Protocol::Http10 => "1.0",
            Protocol::Http11 => "1.1",
            Protocol::Http2 => "2",
            Protocol::Http3 => "3",
        }
    }
}

/// Who is at the other end of a client connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address; `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// The listener it came to.
    pub listener: Rc<str>,
    /// Whether it came over TLS.
    pub is_secure: bool,
    /// Whom this listener believes, and in what, if this is one of them.
    pub trusted: Option<Rc<Trusted>>,
    /// What its listener does to every request, if anything is.
    pub door: Option<Rc<Door>>,
}

/// Why bytes stopped moving on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closed or reset before the message was whole.
    Gone,
    /// What came is not HTTP. For a client it is the answer it gets.
    Malformed(Refusal),
    /// Slower than `min_rate`.
    Slow,
    /// There is no memory for more of it, or the client has its share.
    Full(Full),
}

/// What `Source::poll_fill` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// At least one byte lies ready.
    Data,
    /// The body is over, trailers included.
    End,
}

/// Where a body comes from.
pub trait Source {
    /// Waits until bytes of the body lie ready or its end is known. What was read beyond the body
    /// is kept for the next message.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>>;

    /// The bytes that lie ready, in order, as slices; returns how many slices were filled in. More may lie
    /// ready than fit.
    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize;

    /// Whether the bytes given by the last full `pieces` are the last of the body.
    fn is_last(&self) -> bool;

    /// Takes `n` of the ready bytes away.
    fn consume(&mut self, n: usize);

    /// The trailer fields, once the end was reached; empty when there were none.
    fn trailers(&self) -> &Fields;

    /// How many of the coming bytes may be moved by `poll_splice` because none lies ready and none needs looking at.
    fn spliceable(&self) -> u64 {
        0
    }

    /// Moves up to `max` coming bytes into a pipe without copying them.
    fn poll_splice(
        &mut self,
        _: &mut Context<'_>,
        _pipe: BorrowedFd<'_>,
        _max: usize,
    ) -> Poll<Result<usize, Fault>> {
        Poll::Ready(Err(Fault::Gone))
    }
}

/// Where a body goes.
pub trait Sink {
    /// Writes what is pending (a head, say) and all that lies ready in `from`, framed as the protocol has it.
    /// Ready once all of it is written.
    fn poll_send<S: Source>(&mut self, cx: &mut Context<'_>, from: &mut S) -> Poll<Result<(), Fault>>;

    /// Ends the body, with trailers if there are any and the protocol has them, and writes all that is pending.
    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &Fields) -> Poll<Result<(), Fault>>;

    /// Whether unframed bytes may go straight from a pipe to the socket now.
    fn accepts_splice(&self) -> bool {
        false
    }

    /// Moves up to `n` bytes from the pipe to the peer.
    fn poll_splice_out(
        &mut self,
        _: &mut Context<'_>,
        _pipe: BorrowedFd<'_>,
        _n: usize,
    ) -> Poll<Result<usize, Fault>> {
        Poll::Ready(Err(Fault::Gone))
    }
}

/// How the answer's body is framed for the client.
#[derive(Clone, Copy, Debug)]
pub struct AnswerBody {
    /// What follows the head.
    pub length: Length,
    /// The length the head states although no body follows (answers to HEAD, and 304).
    pub stated_length: Option<u64>,
}

/// One request with its client. The codec owns the sockets; the flow drives it.
pub trait Exchange: Source + Sink {
    /// Who asked.
    fn client(&self) -> &Client;

    /// In which protocol.
    fn protocol(&self) -> Protocol;

    /// `Source::poll_fill` while nothing goes on before the body has come, and what has come of it is held in memory: the
    /// client owes it, so that `min_rate` holds for it also if no length was stated.
    fn poll_awaited(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        self.poll_fill(cx)
    }

    /// How much request body is announced.
    fn length(&self) -> Length;

    /// Whether the client waits for 100 (Continue) before it sends the body.
    fn expects_continue(&self) -> bool;

    /// The protocol the client offers to switch to, as a span of the request head's text.
    fn upgrade(&self) -> Option<crate::head::Span>;

    /// Takes what still comes of a request body that nobody wants, and throws it away; ready when it is over, or was enough
    /// (`limits::DRAIN_TIME`, `DRAIN_BYTES_MAX`). An HTTP/2 stream does so behind its answer by itself: clients that are told
    /// to stop while they send may take the answer for lost. A client that waits for 100 (Continue) sends nothing.
    fn poll_drain(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Makes the request body start over for another try; `false` when part of it is no longer here.
    fn rewind(&mut self) -> bool;

    /// No further try will be made: bytes already taken need not be kept.
    fn let_go(&mut self);

    /// Bytes of request body taken so far.
    fn taken(&self) -> u64;

    /// Puts an interim (1xx) answer in front of the final one; written with the next flush, send or finish.
    fn interim(&mut self, head: &ResponseHead);

    /// Puts the final head; written with the next send or finish. `head.status` 101 starts a tunnel instead:
    /// from then on `Source` and `Sink` carry raw bytes.
    fn answer(&mut self, request: &RequestHead, head: &ResponseHead, body: AnswerBody);

    /// Says which trailers may follow the request's body: those that the head announces in Trailer. Others are
    /// dropped, for good. Before the body is looked at, and once more when policies have taken back some.
    fn announce_trailers(&mut self, head: &RequestHead);

    /// The connection ends after this answer. Before `answer`.
    fn close_after(&mut self);

    /// Writes what is pending.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>>;

    /// Ends our sending side of a tunnel, when the backend has ended its own.
    fn shutdown_write(&mut self);

    /// Ready once `at` has passed; until then this task is woken when it does. One deadline at a time: a later call
    /// replaces it. The exchange has a timer anyway; a request needs none of its own.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Nanos) -> Poll<()>;

    /// Ready when the request has to end whatever is waited for, and why: the client has reset the connection, and
    /// nobody is left to answer; or what comes of its body cannot be held. A client that only closed its sending side
    /// is not gone.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault>;
}

/// What runs requests: the flow, for real; anything, in tests of a codec.
pub trait Handler: 'static {
    /// Answers one request through the exchange. Whatever it leaves undone (no answer, half a body) ends the
    /// connection. Dropping the future is safe and cancels the work for the backend.
    fn handle<E: Exchange>(&self, request: &mut RequestHead, exchange: &mut E) -> impl Future<Output = ()>;

    /// Writes the answer to a request that the codec refused, and counts it. The connection closes after it.
    fn refuse(&self, client: &Client, refusal: Refusal, answer: &mut ResponseHead, body: &mut Vec<u8>);
}
