//! What has come of a stream's body and was not taken yet, out of `h2`'s hands and on the account of its connection.
//! The stream takes from it when its backend does; the connection fills it meanwhile, so that all that is held is
//! counted, and small frames lie together instead of each in what it was read in.

use bytes::Bytes;
use h2::RecvStream;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use tidegate_core::charge::{Charge, Full};
use tidegate_core::limits::PIECES_MAX;

/// What `h2` reads at a time: a frame that lies alone holds so much, however little of it is its own. Smaller ones are
/// copied together.
const READ_BYTES: usize = 8 << 10;
/// So much of small frames makes a piece.
const PIECE_BYTES: usize = 16 << 10;
/// So much of a body is kept for another try: as much as HTTP/1 keeps, and less than a client may send unasked.
const KEPT_BYTES_MAX: usize = 48 << 10;
/// A connection is charged by so much at a time: few steps for an upload, and little for one of some bytes.
const STEP_BYTES: usize = 16 << 10;

/// What a connection's streams hold of their bodies.
#[derive(Debug)]
pub(super) struct Account {
    charge: RefCell<Charge>,
    bytes: Cell<usize>,
}

impl Account {
    /// Nothing.
    pub(super) fn new(charge: Charge) -> Account {
        Account { charge: RefCell::new(charge), bytes: Cell::new(0) }
    }

    fn add(&self, bytes: usize) -> Result<(), Full> {
        let held = self.bytes.get() + bytes;
        let mut charge = self.charge.borrow_mut();
        if held > charge.bytes() {
            charge.raise(held.next_multiple_of(STEP_BYTES))?;
        }
        self.bytes.set(held);
        Ok(())
    }

    /// Whether there is room for copies, which others' first try would need else.
    fn is_ample(&self) -> bool {
        self.charge.borrow().is_ample()
    }

    fn sub(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }

    /// Gives back what is charged for no longer. Once in a turn, so that what comes and goes in it costs no step.
    pub(super) fn settle(&self) {
        self.charge.borrow_mut().lower(self.bytes.get().next_multiple_of(STEP_BYTES));
    }
}

/// Pieces of a body in their order.
#[derive(Default)]
struct Pieces {
    whole: VecDeque<Bytes>,
    /// Small ones behind them, copied together.
    tail: Vec<u8>,
    bytes: usize,
}

impl Pieces {
    fn push(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        if bytes.len() >= READ_BYTES {
            self.end_tail();
            return self.whole.push_back(bytes);
        }
        if self.tail.is_empty() {
            match self.whole.pop_back_if(|last| last.len() < READ_BYTES) {
                None => return self.whole.push_back(bytes),
                Some(last) => self.tail.extend_from_slice(&last),
            }
        }
        self.tail.extend_from_slice(&bytes);
        if self.tail.len() >= PIECE_BYTES {
            self.end_tail();
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.whole.push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        if self.whole.is_empty() {
            self.end_tail();
        }
        let bytes = self.whole.pop_front()?;
        self.bytes -= bytes.len();
        Some(bytes)
    }

    /// Whether the next one is small.
    fn begins_small(&self) -> bool {
        self.whole.front().map_or(self.tail.len(), Bytes::len) < READ_BYTES
    }
}

/// What follows what lies ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More, once it comes.
    Data,
    /// The end, trailers aside.
    End,
    /// Nothing: the stream was reset.
    Gone,
}

/// What has come of a stream's body.
pub(super) struct Inbox {
    pub(super) stream: RecvStream,
    queue: Pieces,
    /// Bytes that the stream has taken out to send them on.
    lent: usize,
    /// What was sent on, for another try; `None` when it is not wanted or no longer whole.
    kept: Option<Pieces>,
    /// What the account counts for all that.
    counted: usize,
    account: Rc<Account>,
    /// Who held too much when more came. It was thrown away, and the stream has to end.
    pub(super) full: Option<Full>,
}

impl Inbox {
    /// Of a stream that has a body.
    pub(super) fn new(stream: RecvStream, account: Rc<Account>) -> Inbox {
        let (queue, kept) = (Pieces::default(), Some(Pieces::default()));
        Inbox { stream, queue, lent: 0, kept, counted: 0, account, full: None }
    }

    /// Takes over what `h2` has.
    pub(super) fn pull(&mut self, cx: &mut Context<'_>) -> Next {
        loop {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.take(bytes),
                Poll::Ready(Some(Err(_))) => return Next::Gone,
                Poll::Ready(None) => return Next::End,
                Poll::Pending => return Next::Data,
            }
        }
    }

    fn take(&mut self, bytes: Bytes) {
        if self.full.is_some() || bytes.is_empty() {
            return;
        }
        self.queue.push(bytes);
        // Another try is worth less than the first.
        if self.recount().or_else(|_| self.let_go()).is_err_and(|full| self.full.replace(full).is_none()) {
            self.queue = Pieces::default();
            let _ = self.recount(); // it is less than before
        }
    }

    /// Whether nothing has come.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.bytes == 0
    }

    /// Hands out what may lie ready at once. Small pieces stay here behind a small one, where they lie together.
    pub(super) fn lend(&mut self, ready: &mut VecDeque<Bytes>) {
        while ready.len() < PIECES_MAX {
            if self.queue.begins_small() && ready.back().is_some_and(|last| last.len() < READ_BYTES) {
                break;
            }
            let Some(bytes) = self.queue.pop() else { break };
            self.lent += bytes.len();
            ready.push_back(bytes);
        }
    }

    /// A piece of what was lent was sent on.
    pub(super) fn keep(&mut self, bytes: Bytes) {
        self.lent -= bytes.len();
        match &mut self.kept {
            Some(kept) if kept.bytes + bytes.len() <= KEPT_BYTES_MAX && self.account.is_ample() => {
                kept.push(bytes);
            }
            kept => *kept = None,
        }
    }

    /// No other try will be made.
    pub(super) fn let_go(&mut self) -> Result<(), Full> {
        self.kept = None;
        self.recount()
    }

    /// Puts all that was sent on before what lies ready, if it is whole.
    pub(super) fn rewind(&mut self, ready: &mut VecDeque<Bytes>) -> bool {
        let Some(kept) = &mut self.kept else { return false };
        kept.end_tail();
        self.lent += kept.bytes;
        for bytes in std::mem::take(kept).whole.into_iter().rev() {
            ready.push_front(bytes);
        }
        true
    }

    /// Has the account count what is held now.
    pub(super) fn recount(&mut self) -> Result<(), Full> {
        let bytes = self.queue.bytes + self.lent + self.kept.as_ref().map_or(0, |kept| kept.bytes);
        let counted = if bytes == 0 { 0 } else { bytes + READ_BYTES };
        match counted.checked_sub(self.counted) {
            Some(more) => self.account.add(more)?,
            None => self.account.sub(self.counted - counted),
        }
        self.counted = counted;
        Ok(())
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.account.sub(self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::charge::UNTAKEN;
    use tidegate_core::limits::UNTAKEN_BYTES_MAX;

    #[test]
    fn small_pieces_lie_together_and_all_keep_their_order() {
        let mut next = 0_u8;
        let mut sent = Vec::new();
        let mut pieces = Pieces::default();
        for length in [1, 1, 1, READ_BYTES, 1, READ_BYTES * 2, 100, 100, READ_BYTES - 1, READ_BYTES - 1, 5, 5]
        {
            next += 1;
            sent.extend(vec![next; length]);
            pieces.push(Bytes::from(vec![next; length]));
            assert_eq!(pieces.bytes, sent.len());
        }
        let popped: Vec<Bytes> = std::iter::from_fn(|| pieces.pop()).collect();
        assert_eq!(popped.concat(), sent);
        let lengths: Vec<usize> = popped.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [3, READ_BYTES, 1, READ_BYTES * 2, READ_BYTES * 2 + 198, 10]);
        assert_eq!((pieces.bytes, pieces.pop()), (0, None));
    }

    #[test]
    fn a_connection_is_charged_in_steps_and_gives_back_at_the_end_of_a_turn() {
        let account = Account::new(Charge::of(&UNTAKEN, None));
        let charged = || account.charge.borrow().bytes();
        for (bytes, expected) in [(1, 1), (STEP_BYTES - 1, 1), (1, 2), (STEP_BYTES, 3)] {
            assert_eq!(account.add(bytes), Ok(()));
            assert_eq!(charged(), expected * STEP_BYTES);
        }
        account.sub(2 * STEP_BYTES);
        assert_eq!(charged(), 3 * STEP_BYTES);
        account.settle();
        assert_eq!(charged(), STEP_BYTES);
        assert_eq!(account.add(UNTAKEN_BYTES_MAX), Err(Full::Process));
        account.sub(1);
        account.settle();
        assert_eq!((account.bytes.get(), charged()), (0, 0));
    }
}
