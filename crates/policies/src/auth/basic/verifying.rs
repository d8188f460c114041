//! Passwords are verified on threads of their own: a hash that is good against guessing takes 50 ms and more, and no
//! worker may wait for it. Bounded: a flood of guesses is turned away, and slows nobody else. Who is next is said by
//! `queue`.

use super::queue::{Lane, Queue};
use super::users::Hash;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::task::{Poll, Waker};

/// Threads that verify: one core's worth of a small machine, whatever comes.
const THREADS: usize = 2;

pub(super) struct Job {
    hash: Arc<Hash>,
    password: Vec<u8>,
    outcome: Arc<Outcome>,
}

/// What came of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verified {
    Right,
    Wrong,
    /// It was not looked at: others waited, and its client had more waiting than they.
    TurnedAway,
}

/// What comes of a password; whoever shows the same one meanwhile waits for the same.
#[derive(Default)]
pub(super) struct Outcome {
    state: Mutex<(Option<Verified>, Vec<Waker>)>,
}

impl Outcome {
    fn state(&self) -> MutexGuard<'_, (Option<Verified>, Vec<Waker>)> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn tell(&self, verified: Verified) {
        let waiting = {
            let mut state = self.state();
            state.0 = Some(verified);
            std::mem::take(&mut state.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// What came of it, once that is known.
    pub(super) async fn told(&self) -> Verified {
        poll_fn(|cx| {
            let mut state = self.state();
            match state.0 {
                Some(verified) => Poll::Ready(verified),
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

/// Has a password verified for the client at an address.
///
/// Errors: too many wait already.
pub(super) fn begin(hash: Arc<Hash>, password: Vec<u8>, address: Option<IpAddr>) -> Option<Arc<Outcome>> {
    let outcome = Arc::new(Outcome::default());
    let job = Job { hash, password, outcome: outcome.clone() };
    let verifier = verifier().as_ref()?;
    let displaced = verifier.queue().push(Lane::of(address), job).ok()?;
    if let Some(job) = displaced {
        job.outcome.tell(Verified::TurnedAway);
    }
    verifier.has_more.notify_one();
    Some(outcome)
}

/// What the threads share.
#[derive(Default)]
struct Verifier {
    queue: Mutex<Queue<Job>>,
    has_more: Condvar,
}

impl Verifier {
    fn queue(&self) -> MutexGuard<'_, Queue<Job>> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The next job, once there is one.
    fn next(&self) -> (Lane, Job) {
        let mut queue = self.queue();
        loop {
            if let Some(next) = queue.next() {
                return next;
            }
            queue = self.has_more.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

/// The threads, which begin with the first password; `None` if the system gives none.
fn verifier() -> &'static Option<Arc<Verifier>> {
    static VERIFIER: OnceLock<Option<Arc<Verifier>>> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let verifier = Arc::<Verifier>::default();
        let begun = (0..THREADS).filter(|_| {
            let verifier = verifier.clone();
            let named = std::thread::Builder::new().name("tidegate-passwords".into());
            named.spawn(move || work(&verifier)).is_ok()
        });
        (begun.count() > 0).then_some(verifier)
    })
}

fn work(verifier: &Verifier) {
    loop {
        let (lane, Job { hash, password, outcome }) = verifier.next();
        // Nobody waits for it any more: whoever hangs up shall not have us work.
        if Arc::strong_count(&outcome) > 1 {
            // A panic over one password must not end the thread: whoever waits is told no.
            let is_right = std::panic::catch_unwind(|| hash.is_of(&password)).unwrap_or(false);
            outcome.tell(if is_right { Verified::Right } else { Verified::Wrong });
        }
        verifier.queue().done(&lane);
        // What waits of the same lane may be taken now, by a thread that sleeps.
        verifier.has_more.notify_one();
    }
}
