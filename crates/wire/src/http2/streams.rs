//! The streams of a connection: one future each, all run by the connection's own task. A place stays taken until its
//! future has ended, so that a stream that was reset counts for as long as work is done for it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::inbox::Inbox;
use super::ready::{CONNECTION, Ready};

/// A stream's work.
type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Place {
    waker: Waker,
    work: Option<Work>,
    /// What comes of its body, if it has one.
    inbox: Option<Rc<RefCell<Inbox>>>,
}

/// The streams under way.
pub(super) struct Streams {
    places: Vec<Place>,
    free: Vec<usize>,
    ready: Arc<Ready>,
}

impl Streams {
    /// None yet.
    pub(super) fn new(ready: Arc<Ready>) -> Streams {
        Streams { places: Vec::new(), free: Vec::new(), ready }
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Begins a stream's work at the next turn. There must be fewer than parts that can be told apart.
    pub(super) fn add(&mut self, work: Work, inbox: Option<Rc<RefCell<Inbox>>>) {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = self.places.len();
            debug_assert!(index < CONNECTION);
            self.places.push(Place { waker: self.ready.waker(index), work: None, inbox: None });
            index
        });
        self.places[index].work = Some(work);
        self.places[index].inbox = inbox;
        self.ready.wake(index);
    }

    /// Takes over what has come of bodies that their streams did not take, so that it is counted. A stream whose bytes
    /// there is no room for is woken to end.
    pub(super) fn collect(&self) {
        for (index, place) in self.places.iter().enumerate() {
            let Some(inbox) = &place.inbox else { continue };
            let mut inbox = inbox.borrow_mut();
            let was_full = inbox.full.is_some();
            // Whatever follows wakes the stream, as if it had asked itself.
            inbox.pull(&mut Context::from_waker(&place.waker));
            if inbox.full.is_some() && !was_full {
                self.ready.wake(index);
            }
        }
    }

    /// Wakes all of them.
    pub(super) fn wake_all(&self) {
        for (index, place) in self.places.iter().enumerate() {
            if place.work.is_some() {
                self.ready.wake(index);
            }
        }
    }

    /// Runs those that were woken, at most so many. A panic ends the one stream it came from.
    pub(super) fn run(&mut self, most: usize) -> usize {
        for ran in 0..most {
            let Some(index) = self.ready.take_stream() else { return ran };
            let Some(place) = self.places.get_mut(index) else { continue };
            let Some(work) = &mut place.work else { continue };
            let mut cx = Context::from_waker(&place.waker);
            // What the future leaves behind is dropped with it; the rest of the worker keeps to itself.
            let turn = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut cx).is_ready()));
            if turn.unwrap_or(true) {
                let ended = (place.work.take(), place.inbox.take());
                self.free.push(index);
                let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::{pending, poll_fn};
    use std::task::Poll;

    #[test]
    fn a_panic_ends_its_stream_alone_and_its_place_is_used_again() {
        let ready = Ready::new();
        let mut streams = Streams::new(ready.clone());
        let done = Rc::new(Cell::new(0));
        let count = |done: &Rc<Cell<u32>>| {
            let done = done.clone();
            poll_fn(move |_| {
                done.set(done.get() + 1);
                Poll::Ready(())
            })
        };
        streams.add(Box::pin(count(&done)), None);
        streams.add(Box::pin(async { panic!("one stream's own fault") }), None);
        streams.add(Box::pin(pending()), None);
        assert_eq!((streams.run(2), streams.run(2)), (2, 1), "no more than it may in one go");
        assert_eq!((streams.count(), done.get()), (1, 1));
        assert_eq!(streams.run(9), 0, "nobody was woken");
        streams.add(Box::pin(count(&done)), None);
        streams.add(Box::pin(count(&done)), None);
        assert_eq!((streams.run(9), streams.count(), done.get()), (2, 1, 3));
        assert_eq!(streams.places.len(), 3);
    }
}
