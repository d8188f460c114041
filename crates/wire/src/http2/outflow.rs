//! Data on its way from the streams through `h2` to the socket: the pieces it is handed over in, their memory from the
//! worker's own, and how much of it a connection has under way.

use bytes::Buf;
use std::cell::Cell;
use std::rc::Rc;

use crate::scratch;

/// What all streams of a connection may have handed to `h2` and not yet seen written: what a connection may hold of
/// ours. `h2` bounds it for each stream alone.
const UNDER_WAY_BYTES_MAX: usize = 256 << 10;

/// What a connection's streams have handed over.
#[derive(Default)]
pub(super) struct Outflow {
    under_way: Cell<usize>,
    /// A stream waits until less is under way.
    is_waited_for: Cell<bool>,
}

impl Outflow {
    /// How much more may be handed over. The caller is woken with all streams once there is room, if there is none.
    pub(super) fn room(&self) -> usize {
        let room = UNDER_WAY_BYTES_MAX.saturating_sub(self.under_way.get());
        self.is_waited_for.set(self.is_waited_for.get() || room == 0);
        room
    }

    /// Whether those who wait can go on. Said once.
    pub(super) fn has_room_again(&self) -> bool {
        let is_free = self.is_waited_for.get() && self.under_way.get() < UNDER_WAY_BYTES_MAX / 2;
        is_free && self.is_waited_for.replace(false)
    }

    /// The first `n` bytes of the pieces as one piece of data.
    pub(super) fn gather(self: &Rc<Outflow>, pieces: &[&[u8]], n: usize) -> Piece {
        let mut data = scratch::text();
        data.reserve_exact(n); // what is larger than need be is not kept
        for piece in pieces {
            data.extend_from_slice(&piece[..piece.len().min(n - data.len())]);
        }
        self.under_way.set(self.under_way.get() + data.len());
        Piece { counted: data.len(), data, at: 0, outflow: self.clone() }
    }
}

/// Data that `h2` owns until it is written.
pub(super) struct Piece {
    data: Vec<u8>,
    at: usize,
    counted: usize,
    outflow: Rc<Outflow>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.data.len() - self.at
    }

    fn chunk(&self) -> &[u8] {
        &self.data[self.at..]
    }

    fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.remaining());
        self.at = (self.at + n).min(self.data.len());
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let under_way = &self.outflow.under_way;
        under_way.set(under_way.get().saturating_sub(self.counted));
        scratch::give_back(&mut self.data);
    }
}
