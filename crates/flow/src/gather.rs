//! Step 3b: as much of the request's body as the policies of the route want to see is gathered in memory, before they
//! look at it and before a backend is chosen. Routes whose policies look at no bodies never come here. What is held
//! is counted over the whole process and has a bound; it goes on to the backend through `held`.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::exchange::{Exchange, Fill};
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::limits::{GATHERED_BYTES_MAX, PIECES_MAX};
use tidegate_core::outcome::{Outcome, Refusal};
use tidegate_core::plan::RoutePlan;
use tidegate_core::policy::RequestBody;
use tidegate_wire::scratch::{self, Leased};

use crate::pump::Stopped;
use crate::receive::client_failure;
use crate::record::Record;
use crate::rescue::Failure;

/// A client may be silent for so long in all while its body is gathered. As long as `timeouts.idle` is by default.
const GATHER_TIME: Duration = Duration::from_secs(60);
/// Each byte that came gives it so much more: 1000 bytes a second are a listener's `min_rate` by default, and keep
/// also bodies without a stated length from being gathered for ever.
const GATHER_TIME_PER_BYTE: Duration = Duration::from_millis(1);
/// Bytes that are gathered before the other connections of the worker have their turn: 256 KiB are copied in some 20 µs
/// and read from a socket in some 60.
const TURN_BYTES: usize = 256 << 10;
/// Room that a body begins with, if that much of it is to come.
const ROOM_BYTES: usize = 4 << 10;

/// What all bodies in memory hold now.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A part of what the process may hold, given back when dropped.
#[derive(Default)]
struct Charge(usize);

impl Charge {
    /// Raises it to `bytes`, unless that would be too much.
    fn raise(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.0);
        if HELD.fetch_add(more, Relaxed) + more > GATHERED_BYTES_MAX {
            HELD.fetch_sub(more, Relaxed);
            return false;
        }
        self.0 += more;
        true
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Relaxed);
    }
}

/// The beginning of a body, or all of it.
#[derive(Default)]
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    charge: Charge,
    is_whole: bool,
}

impl Gathered {
    /// What was gathered.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether that is all there is, trailers aside.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What a policy is shown that asked for so many bytes.
    pub(crate) fn shown(&self, most: usize) -> RequestBody<'_> {
        let bytes = &self.bytes[..self.bytes.len().min(most)];
        RequestBody { bytes, is_whole: self.is_whole && bytes.len() == self.bytes.len() }
    }

    /// Makes room for `more` bytes; `false` when the process holds as much as it may.
    fn make_room(&mut self, more: usize, most: usize) -> bool {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let wanted =
                needed.max(2 * self.bytes.capacity()).max(ROOM_BYTES.min(most)).min(most.max(needed));
            if !self.charge.raise(wanted) {
                return false;
            }
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        // What was kept from an earlier body counts as well.
        self.charge.raise(self.bytes.capacity())
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
    record: &Record<'_>,
) -> Result<Option<Box<Gathered>>, Failure> {
    let Some(asked) = Asked::by(plan, request) else { return Ok(None) };
    let mut gathered = Box::new(Gathered::default());
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
    poll_fn(|cx| {
        if let Poll::Ready(result) = poll(cx, client, &mut owes_interim, &mut gathered, &asked) {
            return Poll::Ready(result);
        }
        let earned = GATHER_TIME_PER_BYTE * u32::try_from(gathered.bytes.len()).unwrap_or(u32::MAX);
        let due = begun.after(GATHER_TIME + earned);
        client.poll_deadline(cx, due.min(deadline)).map(|()| {
            Err(match deadline < due {
                true => Failure::new(504, Outcome::BackendTimeout),
                false => Failure::refused(Refusal::new(408, "the request body came too slowly")),
            })
        })
    })
    .await?;
    Ok(Some(gathered))
}

/// What the policies of a plan ask for.
struct Asked {
    bytes: usize,
    body_bytes_max: u64,
    /// All that ask only watch: without memory they see less, and the request goes on.
    is_observing: bool,
}

impl Asked {
    /// Of a request; `None` when they ask for nothing.
    fn by(plan: &RoutePlan, request: &RequestHead) -> Option<Asked> {
        let mut asked = Asked { bytes: 0, body_bytes_max: plan.body_bytes_max, is_observing: true };
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
) -> Poll<Result<(), Failure>> {
    if *owes_interim {
        ready!(client.poll_flush(cx)).map_err(|_| Failure::client_gone())?;
        *owes_interim = false;
    }
    let mut turn = 0;
    loop {
        let fill = ready!(client.poll_fill(cx)).map_err(|fault| client_failure(Stopped::Source(fault)))?;
        let left = asked.bytes - gathered.bytes.len();
        match fill {
            Fill::End => {
                gathered.is_whole = true;
                return Poll::Ready(Ok(()));
            }
            Fill::Data if left == 0 && asked.bytes as u64 == asked.body_bytes_max => {
                return Poll::Ready(Err(client_failure(Stopped::TooLarge)));
            }
            Fill::Data if left == 0 => return Poll::Ready(Ok(())),
            Fill::Data => {}
        }
        let Some(taken) = take(client, gathered, left, asked.bytes) else {
            return Poll::Ready(match asked.is_observing {
                true => Ok(()),
                false => Err(Failure::new(503, Outcome::Shed).with("retry-after", "1".into())),
            });
        };
        turn += taken;
        if turn >= TURN_BYTES {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }
}

/// Takes up to `left` of the bytes that lie ready, and says how many; `None` when there is no memory for them.
fn take<E: Exchange>(client: &mut E, gathered: &mut Gathered, left: usize, most: usize) -> Option<usize> {
    let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
    let count = client.pieces(&mut pieces);
    let ready: usize = pieces[..count].iter().map(|piece| piece.len()).sum();
    let wanted = ready.min(left);
    if !gathered.make_room(wanted, most) {
        return None;
    }
    let mut rest = wanted;
    for piece in &pieces[..count] {
        let n = piece.len().min(rest);
        gathered.bytes.extend_from_slice(&piece[..n]);
        rest -= n;
    }
    client.consume(wanted);
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_held_than_may_be_and_all_of_it_is_given_back() {
        let mut held: Vec<Gathered> = Vec::new();
        let before = HELD.load(Relaxed);
        loop {
            let mut one = Gathered::default();
            if !one.make_room(1 << 20, 1 << 20) {
                break;
            }
            held.push(one);
        }
        assert_eq!(held.len(), (GATHERED_BYTES_MAX - before) >> 20);
        assert!(!Gathered::default().make_room(GATHERED_BYTES_MAX, GATHERED_BYTES_MAX));
        drop(held);
        assert_eq!(HELD.load(Relaxed), before);
    }

    #[test]
    fn a_policy_is_shown_what_it_asked_for() {
        let mut gathered = Gathered::default();
        (gathered.bytes, gathered.is_whole) = (b"0123456789".to_vec(), true);
        for (most, shown, is_whole) in
            [(4, &b"0123"[..], false), (10, b"0123456789", true), (99, b"0123456789", true)]
        {
            let body = gathered.shown(most);
            assert_eq!((body.bytes, body.is_whole), (shown, is_whole));
        }
    }
}
