//! Step 3b: as much of the request's body as the policies of the route want to see is gathered in memory, before they
//! look at it and before a backend is chosen. Routes whose policies look at no bodies never come here. What is held
//! is charged to the client and to the process (`charge`); it goes on to the backend through `held`.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidegate_core::charge::{Charge, Full, GATHERED};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{Exchange, Fill};
use tidegate_core::head::{Fields, Length, NO_FIELDS, RequestHead, ResponseHead};
use tidegate_core::limits::PIECES_MAX;
use tidegate_core::outcome::{Outcome, Refusal};
use tidegate_core::plan::RoutePlan;
use tidegate_core::policy::RequestBody;
use tidegate_wire::listen::counted_address;
use tidegate_wire::scratch::{self, Leased};

use crate::pump::Stopped;
use crate::receive::client_failure;
use crate::record::Record;
use crate::rescue::Failure;

/// A client may be silent for so long in all while its body is gathered. As long as `timeouts.idle` is by default.
const GATHER_TIME: Duration = Duration::from_secs(60);
/// Each byte that came gives it so much more: 1000 bytes a second are a listener's `min_rate` by default. Holds also
/// where that is off.
const GATHER_TIME_PER_BYTE: Duration = Duration::from_millis(1);
/// Bytes that are gathered before the other connections of the worker have their turn: 256 KiB are copied in some 20 µs
/// and read from a socket in some 60.
const TURN_BYTES: usize = 256 << 10;
/// Room that a body begins with, if that much of it is to come.
const ROOM_BYTES: usize = 4 << 10;

/// The beginning of a body, or all of it.
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    charge: Charge,
    is_whole: bool,
}

impl Gathered {
    fn of(charge: Charge) -> Gathered {
        Gathered { bytes: Vec::new(), charge, is_whole: false }
    }

    /// What was gathered.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether that is all there is, trailers aside.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What a policy is shown that asked for so many bytes.
    pub(crate) fn shown<'a>(&'a self, most: usize, trailers: &'a Fields) -> RequestBody<'a> {
        let bytes = &self.bytes[..self.bytes.len().min(most)];
        match self.is_whole && bytes.len() == self.bytes.len() {
            true => RequestBody { bytes, is_whole: true, trailers },
            false => RequestBody { bytes, is_whole: false, trailers: &NO_FIELDS },
        }
    }

    /// Makes room for `more` bytes of `most` in all. What is charged is what is used, or was made room for: a spare text
    /// that is larger has a bound of its own.
    fn make_room(&mut self, more: usize, most: usize) -> Result<(), Full> {
        let needed = self.bytes.len() + more;
        let room = self.bytes.capacity();
        if needed <= room {
            return self.charge.raise(needed);
        }
        // By a quarter: a body that stalls right behind a step holds little more than it has sent.
        let wanted = needed.max(room + room / 4).max(ROOM_BYTES).min(most.max(needed));
        self.charge.raise(wanted)?;
        self.bytes.reserve_exact(wanted - self.bytes.len());
        Ok(())
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        scratch::give_back(&mut self.bytes);
    }
}

/// Gathers what the policies want to see of this request's body; `None` when they want nothing of it.
pub(crate) async fn gather<E: Exchange>(
    plan: &RoutePlan,
    request: &RequestHead,
    client: &mut E,
    record: &mut Record<'_>,
) -> Result<Option<Box<Gathered>>, Failure> {
    let Some(asked) = Asked::by(plan, request, client.length()) else { return Ok(None) };
    // Behind a trusted proxy each of its clients has a share.
    let address = record.origin(client).client.address;
    let charge = Charge::of(&GATHERED, address.map(|address| counted_address(address.ip())));
    let mut gathered = Box::new(Gathered::of(charge));
    gathered.bytes = scratch::text();
    if client.length() == Length::Empty {
        gathered.is_whole = true;
        return Ok(Some(gathered));
    }
    // The codec's own copy is of no more use than this one.
    client.let_go();
    client.announce_trailers(request);
    let mut owes_interim = client.expects_continue();
    if owes_interim {
        let mut go_on: Leased<ResponseHead> = Leased::take();
        go_on.status = 100;
        client.interim(&go_on);
    }
    let begun = clock::coarse();
    let deadline = plan.timeout.map_or(Nanos::NEVER, |timeout| record.head_at().after(timeout));
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = poll(cx, client, &mut owes_interim, &mut gathered, &asked) {
            return Poll::Ready(result);
        }
        let earned = GATHER_TIME_PER_BYTE * u32::try_from(gathered.bytes.len()).unwrap_or(u32::MAX);
        let due = begun.after(GATHER_TIME + earned);
        client.poll_deadline(cx, due.min(deadline)).map(|()| {
            Err(Stop::Failed(match deadline < due {
                true => Failure::new(504, Outcome::BackendTimeout),
                false => Failure::refused(Refusal::new(408, "the request body came too slowly")),
            }))
        })
    })
    .await;
    match result {
        // Who only watches sees less.
        Ok(()) => Ok(Some(gathered)),
        Err(Stop::Full(_)) if asked.is_observing => Ok(Some(gathered)),
        Err(Stop::Full(full)) => Err(Failure::full(full)),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Why gathering ended before all was there.
enum Stop {
    Full(Full),
    Failed(Failure),
}

/// What the policies of a plan ask for.
struct Asked {
    bytes: usize,
    /// What can come of that at most.
    room: usize,
    body_bytes_max: u64,
    /// All that ask only watch: without memory they see less, and the request goes on.
    is_observing: bool,
}

impl Asked {
    /// Of a request whose body is so long; `None` when they ask for nothing.
    fn by(plan: &RoutePlan, request: &RequestHead, length: Length) -> Option<Asked> {
        let mut asked = Asked { bytes: 0, room: 0, body_bytes_max: plan.body_bytes_max, is_observing: true };
        for planned in &plan.policies {
            if let Some(bytes) = planned.body_bytes_max()
                && planned.policy.wants_body(request)
            {
                asked.bytes = asked.bytes.max(bytes);
                asked.is_observing &= planned.policy.is_observing();
            }
        }
        let most = usize::try_from(plan.body_bytes_max).unwrap_or(usize::MAX);
        asked.bytes = asked.bytes.min(most);
        asked.room = match length {
            Length::Exact(length) => usize::try_from(length).unwrap_or(usize::MAX).min(asked.bytes),
            Length::Empty | Length::Streamed => asked.bytes,
        };
        (asked.bytes > 0).then_some(asked)
    }
}

/// Ready when all that was asked for is there.
fn poll<E: Exchange>(
    cx: &mut Context<'_>,
    client: &mut E,
    owes_interim: &mut bool,
    gathered: &mut Gathered,
    asked: &Asked,
) -> Poll<Result<(), Stop>> {
    if *owes_interim {
        ready!(client.poll_flush(cx)).map_err(|_| Stop::Failed(Failure::client_gone()))?;
        *owes_interim = false;
    }
    let mut turn = 0;
    loop {
        let fill = ready!(client.poll_awaited(cx))
            .map_err(|fault| Stop::Failed(client_failure(Stopped::Source(fault))))?;
        let left = asked.bytes - gathered.bytes.len();
        match fill {
            Fill::End => {
                gathered.is_whole = true;
                return Poll::Ready(Ok(()));
            }
            Fill::Data if left == 0 && asked.bytes as u64 == asked.body_bytes_max => {
                return Poll::Ready(Err(Stop::Failed(client_failure(Stopped::TooLarge))));
            }
            Fill::Data if left == 0 => return Poll::Ready(Ok(())),
            Fill::Data => {}
        }
        turn += take(client, gathered, left, asked.room).map_err(Stop::Full)?;
        if turn >= TURN_BYTES {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }
}

/// Takes up to `left` of the bytes that lie ready, and says how many, unless there is no memory for them.
fn take<E: Exchange>(
    client: &mut E,
    gathered: &mut Gathered,
    left: usize,
    most: usize,
) -> Result<usize, Full> {
    let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
    let count = client.pieces(&mut pieces);
    let ready: usize = pieces[..count].iter().map(|piece| piece.len()).sum();
    let wanted = ready.min(left);
    gathered.make_room(wanted, most)?;
    let mut rest = wanted;
    for piece in &pieces[..count] {
        let n = piece.len().min(rest);
        gathered.bytes.extend_from_slice(&piece[..n]);
        rest -= n;
    }
    client.consume(wanted);
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobodys() -> Gathered {
        Gathered::of(Charge::of(&GATHERED, None))
    }

    #[test]
    fn a_body_is_charged_little_more_than_it_has_sent() {
        for piece in [1, 100, 4096, 16 << 10, 65_537] {
            let mut gathered = nobodys();
            while gathered.bytes.len() < 1 << 20 {
                gathered.make_room(piece, 2 << 20).unwrap();
                gathered.bytes.resize(gathered.bytes.len() + piece, 0);
                let (sent, charged) = (gathered.bytes.len(), gathered.charge.bytes());
                assert!(gathered.bytes.capacity() <= charged, "all there is room for is charged");
                assert!(charged <= sent + sent / 4 + ROOM_BYTES, "{charged} for {sent} in pieces of {piece}");
            }
        }
        let mut whole = nobodys();
        whole.make_room(10, 10).unwrap();
        assert_eq!(whole.charge.bytes(), 10, "what cannot come is not charged");
        let mut spare = nobodys();
        spare.bytes = Vec::with_capacity(16 << 10);
        spare.make_room(10, 1 << 20).unwrap();
        assert_eq!(spare.charge.bytes(), 10);
    }

    #[test]
    fn a_policy_is_shown_what_it_asked_for() {
        let mut gathered = nobodys();
        (gathered.bytes, gathered.is_whole) = (b"0123456789".to_vec(), true);
        for (most, shown, is_whole) in
            [(4, &b"0123"[..], false), (10, b"0123456789", true), (99, b"0123456789", true)]
        {
            let mut trailers = Fields::default();
            trailers.push("x-sum", b"1");
            let body = gathered.shown(most, &trailers);
            assert_eq!((body.bytes, body.is_whole), (shown, is_whole));
            assert_eq!(body.trailers.count() > 0, is_whole, "trailers come behind all of it");
        }
    }
}
