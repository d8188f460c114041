//! One timer wheel per worker thread behind one sleep. A deadline that is moved later costs one store: the
//! entry stays where it is and is put on again when its old place comes round. That is the life of nearly
//! every timeout, since nearly every request ends in time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};

/// Deadlines are met to within one tick. 8 ms: finer than any timeout a person writes.
const TICK_NS: u64 = 8_000_000;
/// 1,024 places of 8 ms are 8 s; what is later goes round once more.
const PLACES: usize = 1024;
const NOBODY: u32 = u32::MAX;

struct Entry {
    deadline: Nanos,
    /// The tick whose list holds this entry; `UNARMED` when in none.
    tick: u64,
    next: u32,
    previous: u32,
    waker: Option<Waker>,
}

const UNARMED: u64 = u64::MAX;

struct Wheel {
    entries: Vec<Entry>,
    free: Vec<u32>,
    heads: Box<[u32]>,
    /// Every tick up to this one has been looked at.
    done: u64,
    /// The tick the driver sleeps for, and how to wake it for an earlier one.
    planned: u64,
    driver: Option<Waker>,
    armed: usize,
}

thread_local! {
    static WHEEL: RefCell<Wheel> = RefCell::new(Wheel {
        entries: Vec::new(),
        free: Vec::new(),
        heads: vec![NOBODY; PLACES].into_boxed_slice(),
        done: 0,
        planned: UNARMED,
        driver: None,
        armed: 0,
    });
}

/// The first tick at which `deadline` has passed.
fn tick_of(deadline: Nanos) -> u64 {
    deadline.0.div_ceil(TICK_NS)
}

impl Wheel {
    fn insert(&mut self, key: u32, now: u64) {
        let entry = &mut self.entries[key as usize];
        if entry.deadline == Nanos::NEVER {
            return;
        }
        // Not further than one round, not in the past.
        let tick =
            tick_of(entry.deadline).clamp(self.done.max(now) + 1, self.done.max(now) + PLACES as u64 - 1);
        let place = (tick % PLACES as u64) as usize;
        let next = self.heads[place];
        entry.tick = tick;
        entry.next = next;
        entry.previous = NOBODY;
        if next != NOBODY {
            self.entries[next as usize].previous = key;
        }
        self.heads[place] = key;
        self.armed += 1;
        if tick < self.planned {
            self.planned = tick;
            if let Some(driver) = &self.driver {
                driver.wake_by_ref();
            }
        }
    }

    fn unlink(&mut self, key: u32) {
        let Entry { tick, next, previous, .. } = self.entries[key as usize];
        if tick == UNARMED {
            return;
        }
        match previous {
            NOBODY => self.heads[(tick % PLACES as u64) as usize] = next,
            before => self.entries[before as usize].next = next,
        }
        if next != NOBODY {
            self.entries[next as usize].previous = previous;
        }
        self.entries[key as usize].tick = UNARMED;
        self.armed -= 1;
    }

    /// Wakes what is due at `now`, and says when to look again.
    fn advance(&mut self, now: Nanos) -> Option<Nanos> {
        let now_tick = now.0 / TICK_NS;
        let first = (self.done + 1).max(now_tick.saturating_sub(PLACES as u64 - 1));
        for tick in first..=now_tick {
            self.done = tick;
            let mut key = std::mem::replace(&mut self.heads[(tick % PLACES as u64) as usize], NOBODY);
            while key != NOBODY {
                let entry = &mut self.entries[key as usize];
                let following = entry.next;
                entry.tick = UNARMED;
                self.armed -= 1;
                if entry.deadline <= now {
                    if let Some(waker) = &entry.waker {
                        waker.wake_by_ref();
                    }
                } else {
                    self.insert(key, now_tick);
                }
                key = following;
            }
        }
        self.done = self.done.max(now_tick);
        self.planned = match self.armed {
            0 => UNARMED,
            _ => (self.done + 1..=self.done + PLACES as u64)
                .find(|tick| self.heads[(tick % PLACES as u64) as usize] != NOBODY)
                .unwrap_or(UNARMED),
        };
        (self.planned != UNARMED).then(|| Nanos(self.planned * TICK_NS))
    }
}

/// One deadline of one task. Cheap to move, to ask and to keep; made once per connection.
pub struct Timer {
    key: u32,
    /// Belongs to this thread's wheel.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Timer {
    /// A timer without a deadline.
    pub fn new() -> Timer {
        let key = WHEEL.with_borrow_mut(|wheel| {
            let entry =
                Entry { deadline: Nanos::NEVER, tick: UNARMED, next: NOBODY, previous: NOBODY, waker: None };
            match wheel.free.pop() {
                Some(key) => {
                    wheel.entries[key as usize] = entry;
                    key
                }
                None => {
                    wheel.entries.push(entry);
                    (wheel.entries.len() - 1) as u32
                }
            }
        });
        Timer { key, _not_send: std::marker::PhantomData }
    }

    /// Sets the deadline; `Nanos::NEVER` takes it away.
    pub fn set(&self, deadline: Nanos) {
        WHEEL.with_borrow_mut(|wheel| {
            let entry = &mut wheel.entries[self.key as usize];
            entry.deadline = deadline;
            // Armed earlier or in time: it will find the new deadline when its place comes round.
            if entry.tick == UNARMED || tick_of(deadline) < entry.tick {
                let now = clock::coarse().0 / TICK_NS;
                wheel.unlink(self.key);
                wheel.insert(self.key, now);
            }
        });
    }

    /// Sets the deadline to a time from now.
    pub fn set_after(&self, wait: Duration) {
        self.set(clock::coarse().after(wait));
    }

    /// The deadline.
    pub fn deadline(&self) -> Nanos {
        WHEEL.with_borrow(|wheel| wheel.entries[self.key as usize].deadline)
    }

    /// Ready once the deadline has passed; otherwise the task is woken when it does.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        WHEEL.with_borrow_mut(|wheel| {
            let entry = &mut wheel.entries[self.key as usize];
            if entry.deadline <= clock::coarse() {
                return Poll::Ready(());
            }
            match &mut entry.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }
}

impl Default for Timer {
    fn default() -> Self {
        Timer::new()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = WHEEL.try_with(|wheel| {
            let mut wheel = wheel.borrow_mut();
            wheel.unlink(self.key);
            wheel.entries[self.key as usize].waker = None;
            wheel.free.push(self.key);
        });
    }
}

/// Wakes every task that waits for a deadline on this thread, due or not: something else has changed that each
/// must look at, such as that the gateway ends.
pub fn wake_all() {
    WHEEL.with_borrow(|wheel| {
        for waker in wheel.entries.iter().filter_map(|entry| entry.waker.as_ref()) {
            waker.wake_by_ref();
        }
    });
}

/// Turns the wheel of this thread. Every worker runs it as one task for as long as it lives.
pub async fn drive() {
    loop {
        let next = WHEEL.with_borrow_mut(|wheel| wheel.advance(clock::exact()));
        let mut sleep = std::pin::pin!(async {
            match next {
                Some(at) => tokio::time::sleep(at.since(clock::exact())).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|cx| {
            let is_overtaken = WHEEL.with_borrow_mut(|wheel| {
                wheel.driver = Some(cx.waker().clone());
                next.is_none_or(|at| wheel.planned < at.0 / TICK_NS) && wheel.planned != UNARMED
            });
            if is_overtaken { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn advance(to_ms: u64) -> Option<Nanos> {
        WHEEL.with_borrow_mut(|wheel| wheel.advance(Nanos(to_ms * 1_000_000)))
    }

    /// Sets a timer to each deadline in turn (ms), then turns the wheel to `until` in steps; returns when it woke.
    fn woken_at(deadlines_ms: &[u64], until_ms: u64) -> Option<u64> {
        // The wheel was turned ahead of the clock by whoever used it before on this thread.
        let turned_ms = WHEEL.with_borrow(|wheel| wheel.done) * TICK_NS / 1_000_000;
        let base = (clock::exact().0 / 1_000_000).max(turned_ms) + 1;
        advance(base);
        let timer = Timer::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        for ms in deadlines_ms {
            timer.set(Nanos((base + ms) * 1_000_000));
            assert!(timer.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        (0..=until_ms).find(|ms| {
            advance(base + ms);
            count.0.load(Relaxed) > 0
        })
    }

    #[test]
    fn a_deadline_wakes_its_task_within_a_tick() {
        for ms in [1, 7, 8, 9, 100, 5_000, 8_190, 8_200, 20_000, 60_000] {
            let woken = woken_at(&[ms], 70_000).expect("woken");
            assert!(woken >= ms && woken <= ms + 16, "deadline {ms} ms, woken at {woken} ms");
        }
    }

    #[test]
    fn a_moved_deadline_counts() {
        let later = woken_at(&[10, 500], 10_000).expect("woken");
        assert!((500..=516).contains(&later), "moved later: {later}");
        let earlier = woken_at(&[5_000, 40], 10_000).expect("woken");
        assert!((40..=56).contains(&earlier), "moved earlier: {earlier}");
    }

    #[test]
    fn a_dropped_timer_wakes_nobody_and_its_place_is_used_again() {
        let first = Timer::new();
        let key = first.key;
        first.set_after(Duration::from_millis(5));
        drop(first);
        assert_eq!(Timer::new().key, key);
        assert_eq!(WHEEL.with_borrow(|wheel| wheel.armed), 0);
    }
}
