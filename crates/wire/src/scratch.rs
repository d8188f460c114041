//! Heads and texts that requests are read into and written from, kept from request to request on the worker's
//! thread, so that an ordinary request allocates none.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;
use tidegate_core::head::{RequestHead, ResponseHead};

/// Kept for reuse per worker and kind: both sides of 256 requests in flight.
const KEPT: usize = 512;
/// What grew beyond this is freed instead: one huge head must not be paid for ever.
const KEPT_BYTES_MAX: usize = 16 << 10;

thread_local! {
    static TEXTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static REQUESTS: RefCell<Vec<RequestHead>> = const { RefCell::new(Vec::new()) };
    static RESPONSES: RefCell<Vec<ResponseHead>> = const { RefCell::new(Vec::new()) };
}

/// What can be emptied and used again.
pub trait Reusable: Default + 'static {
    /// Empties it but keeps its memory; `false` if it is not worth keeping.
    fn reset(&mut self) -> bool;
    /// Where the thread keeps its spare ones.
    fn spares() -> &'static LocalKey<RefCell<Vec<Self>>>;
}

/// A reusable value that goes back to its thread's spares when dropped.
#[derive(Default)]
pub struct Leased<T: Reusable>(T);

impl<T: Reusable> Leased<T> {
    /// A spare one, or a new one.
    pub fn take() -> Leased<T> {
        Leased(T::spares().with_borrow_mut(Vec::pop).unwrap_or_default())
    }
}

impl<T: Reusable> Deref for Leased<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Reusable> DerefMut for Leased<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Reusable> Drop for Leased<T> {
    fn drop(&mut self) {
        let mut value = std::mem::take(&mut self.0);
        if !value.reset() {
            return;
        }
        // At thread end the list may be gone already; then the memory is simply freed.
        let _ = T::spares().try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < KEPT {
                spares.push(value);
            }
        });
    }
}

impl Reusable for Vec<u8> {
    fn reset(&mut self) -> bool {
        self.clear();
        self.capacity() > 0 && self.capacity() <= KEPT_BYTES_MAX
    }
    fn spares() -> &'static LocalKey<RefCell<Vec<Self>>> {
        &TEXTS
    }
}

impl Reusable for RequestHead {
    fn reset(&mut self) -> bool {
        self.clear();
        self.fields.text_capacity() <= KEPT_BYTES_MAX
    }
    fn spares() -> &'static LocalKey<RefCell<Vec<Self>>> {
        &REQUESTS
    }
}

impl Reusable for ResponseHead {
    fn reset(&mut self) -> bool {
        self.clear();
        self.fields.text_capacity() <= KEPT_BYTES_MAX
    }
    fn spares() -> &'static LocalKey<RefCell<Vec<Self>>> {
        &RESPONSES
    }
}
