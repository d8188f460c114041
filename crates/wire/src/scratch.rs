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
    static REQUESTS: RefCell<Spares<RequestHead>> = const { RefCell::new(Vec::new()) };
    static RESPONSES: RefCell<Spares<ResponseHead>> = const { RefCell::new(Vec::new()) };
}

/// Spare values of one kind.
#[allow(clippy::vec_box)] // the box is what is kept: a lease costs no allocation
pub type Spares<T> = Vec<Box<T>>;

/// What can be emptied and used again.
pub trait Reusable: Default + 'static {
    /// Empties it but keeps its memory; `false` if it is not worth keeping.
    fn reset(&mut self) -> bool;
    /// Where the thread keeps its spare ones.
    fn spares() -> &'static LocalKey<RefCell<Spares<Self>>>;
}

/// A reusable value that goes back to its thread's spares when dropped. Boxed, so that what holds it stays small
/// and cheap to move; the box is reused with the value.
pub struct Leased<T: Reusable>(Option<Box<T>>);

impl<T: Reusable> Leased<T> {
    /// A spare one, or a new one.
    pub fn take() -> Leased<T> {
        Leased(Some(T::spares().with_borrow_mut(Vec::pop).unwrap_or_default()))
    }
}

impl<T: Reusable> Deref for Leased<T> {
    type Target = T;
    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => unreachable!("only drop takes the value, and nobody can ask after it"),
        }
    }
}

impl<T: Reusable> DerefMut for Leased<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some(value) => value,
            None => unreachable!("only drop takes the value, and nobody can ask after it"),
        }
    }
}

impl<T: Reusable> Drop for Leased<T> {
    fn drop(&mut self) {
        let Some(mut value) = self.0.take() else { return };
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

/// An empty text with memory, if some was kept. Unlike a leased one it is bare: for holders that give it back by
/// themselves while they live on.
pub fn text() -> Vec<u8> {
    TEXTS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives a text back, and leaves an empty one without memory.
pub fn give_back(text: &mut Vec<u8>) {
    let mut text = std::mem::take(text);
    text.clear();
    if text.capacity() > 0 && text.capacity() <= KEPT_BYTES_MAX {
        // At thread end the list may be gone already; then the memory is simply freed.
        let _ = TEXTS.try_with(|texts| {
            let mut texts = texts.borrow_mut();
            if texts.len() < KEPT {
                texts.push(text);
            }
        });
    }
}

impl Reusable for RequestHead {
    fn reset(&mut self) -> bool {
        self.clear();
        self.fields.text_capacity() <= KEPT_BYTES_MAX
    }
    fn spares() -> &'static LocalKey<RefCell<Spares<Self>>> {
        &REQUESTS
    }
}

impl Reusable for ResponseHead {
    fn reset(&mut self) -> bool {
        self.clear();
        self.fields.text_capacity() <= KEPT_BYTES_MAX
    }
    fn spares() -> &'static LocalKey<RefCell<Spares<Self>>> {
        &RESPONSES
    }
}
