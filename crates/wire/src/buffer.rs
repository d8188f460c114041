//! Read buffers, leased from the worker's free list and given back when dropped. A worker is a thread, so
//! the list is the thread's own. An idle connection holds none.

use std::cell::RefCell;

/// Holds any ordinary head with a body of 16 KiB behind it, so that such a request is one read. Only the pages that
/// are touched cost memory.
pub const SMALL_BYTES: usize = 32 << 10;
/// For bodies in motion: fewer system calls per byte; two of them and a small one stay below the 256 KiB that a
/// connection may hold of ours.
pub const LARGE_BYTES: usize = 64 << 10;
/// Kept for reuse per worker: at most 4 MiB of each, enough for 128 active connections without an allocation.
const SMALL_KEPT: usize = 128;
const LARGE_KEPT: usize = 64;

#[derive(Default)]
struct FreeList {
    small: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
}

thread_local! {
    static FREE: RefCell<FreeList> = RefCell::default();
}

/// Bytes read and not yet used: `data[start..end]`. Without memory until something is about to be read.
#[derive(Default)]
pub struct Buffer {
    data: Box<[u8]>,
    start: usize,
    end: usize,
}

fn lease(bytes: usize) -> Box<[u8]> {
    let kept =
        FREE.with_borrow_mut(|free| if bytes == SMALL_BYTES { free.small.pop() } else { free.large.pop() });
    // Zeroed by the system when fresh: pages that are never touched cost nothing.
    kept.unwrap_or_else(|| vec![0; bytes].into_boxed_slice())
}

fn give_back(data: Box<[u8]>) {
    // At thread end the list may be gone already; then the memory is simply freed.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        match data.len() {
            SMALL_BYTES if free.small.len() < SMALL_KEPT => free.small.push(data),
            LARGE_BYTES if free.large.len() < LARGE_KEPT => free.large.push(data),
            _ => drop(data),
        }
    });
}

impl Buffer {
    /// What has been read and not yet used.
    pub fn bytes(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..self.end]
    }

    /// Moves what is left to the front, so that all the room there is lies behind it.
    pub fn pack(&mut self) {
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// How much of it there is.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes bytes from the front.
    pub fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.start += n;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room to read into, at least one byte unless the buffer is `LARGE_BYTES` full: leases memory when there is
    /// none, moves what is left to the front when the end is reached, and grows when all of it is in use.
    pub fn room(&mut self) -> &mut [u8] {
        if self.data.is_empty() {
            self.data = lease(SMALL_BYTES);
        }
        if self.end == self.data.len() {
            if self.start == 0 {
                self.grow();
            } else {
                self.data.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
        }
        &mut self.data[self.end..]
    }

    /// Says that so many bytes were read into `room`.
    pub fn filled(&mut self, n: usize) {
        self.end += n;
        debug_assert!(self.end <= self.data.len());
    }

    /// Takes the large size from now on, as there is more to come than the small one holds.
    pub fn grow(&mut self) {
        if self.data.len() < LARGE_BYTES {
            let mut larger = lease(LARGE_BYTES);
            larger[..self.len()].copy_from_slice(self.bytes());
            self.end -= self.start;
            self.start = 0;
            give_back(std::mem::replace(&mut self.data, larger));
        }
    }

    /// Whether the last read left no room: more is likely to be waiting.
    pub fn is_full(&self) -> bool {
        !self.data.is_empty() && self.end == self.data.len()
    }

    /// Gives the memory back, and with it whatever was unread.
    pub fn release(&mut self) {
        if !self.data.is_empty() {
            give_back(std::mem::take(&mut self.data));
        }
        self.start = 0;
        self.end = 0;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_moving_and_growing() {
        let mut buffer = Buffer::default();
        let first = buffer.room().len();
        buffer.room().fill(7);
        buffer.filled(first);
        buffer.consume(first - 1);
        let room = buffer.room();
        room[0] = 9;
        buffer.filled(1);
        assert_eq!(buffer.bytes(), [7, 9], "the unread byte moved to the front");
        buffer.consume(2);
        let small = buffer.room().len();
        assert_eq!(small, SMALL_BYTES);
        buffer.filled(small);
        assert!(buffer.is_full());
        assert_eq!(buffer.room().len(), LARGE_BYTES - SMALL_BYTES, "a full small buffer grows");
        assert_eq!(buffer.len(), SMALL_BYTES);
    }

    #[test]
    fn memory_is_leased_again() {
        let mut buffer = Buffer::default();
        let place = buffer.room().as_ptr();
        buffer.release();
        assert!(buffer.bytes().is_empty());
        let mut other = Buffer::default();
        assert_eq!(other.room().as_ptr(), place);
    }
}
