//! Passwords are verified on threads of their own: a hash that is good against guessing takes 50 ms and more, and no
//! worker may wait for it. Bounded: a flood of guesses is turned away, and slows nobody else.

use super::users::Hash;
use std::future::poll_fn;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Poll, Waker};

/// Threads that verify: one core's worth of a small machine, whatever comes.
const THREADS: usize = 2;
/// Passwords that wait for them; at 50 ms each the last waits under a second.
const WAITING_MAX: usize = 32;

struct Job {
    hash: Arc<Hash>,
    password: Vec<u8>,
    outcome: Arc<Outcome>,
}

/// What comes of a password; whoever shows the same one meanwhile waits for the same.
#[derive(Default)]
pub(super) struct Outcome {
    state: Mutex<(Option<bool>, Vec<Waker>)>,
}

impl Outcome {
    fn state(&self) -> MutexGuard<'_, (Option<bool>, Vec<Waker>)> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn tell(&self, is_right: bool) {
        let waiting = {
            let mut state = self.state();
            state.0 = Some(is_right);
            std::mem::take(&mut state.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether it is right, once that is known.
    pub(super) async fn told(&self) -> bool {
        poll_fn(|cx| {
            let mut state = self.state();
            match state.0 {
                Some(is_right) => Poll::Ready(is_right),
                None => {
                    if !state.1.iter().any(|waker| waker.will_wake(cx.waker())) {
                        state.1.push(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Has a password verified; `None` if too many wait already.
pub(super) fn begin(hash: Arc<Hash>, password: Vec<u8>) -> Option<Arc<Outcome>> {
    let outcome = Arc::new(Outcome::default());
    let job = Job { hash, password, outcome: outcome.clone() };
    queue().as_ref()?.try_send(job).ok()?;
    Some(outcome)
}

/// The way to the threads, which begin with the first password; `None` if the system gives none.
fn queue() -> &'static Option<SyncSender<Job>> {
    static QUEUE: OnceLock<Option<SyncSender<Job>>> = OnceLock::new();
    QUEUE.get_or_init(|| {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        let begun = (0..THREADS).filter(|_| {
            let receiver = receiver.clone();
            let named = std::thread::Builder::new().name("tidegate-passwords".into());
            named.spawn(move || work(&receiver)).is_ok()
        });
        (begun.count() > 0).then_some(sender)
    })
}

fn work(receiver: &Mutex<Receiver<Job>>) {
    loop {
        let job = receiver.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok(Job { hash, password, outcome }) = job else { return };
        // A panic over one password must not end the thread: whoever waits is told no.
        let is_right = std::panic::catch_unwind(|| hash.is_of(&password)).unwrap_or(false);
        outcome.tell(is_right);
    }
}
