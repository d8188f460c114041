//! The reader of the access log: a thread that empties the workers' rings in batches and writes them where they
//! belong. It may be slow or stand still without anybody noticing but by the counter of dropped lines. Where lines
//! go is in `destination`.

mod destination;

pub use destination::{Destination, Rotate};

use crate::say;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_core::log::Log;

/// Between two looks while lines come: long enough for a batch that is worth a system call, short enough for a person
/// who watches, and for a ring to fill to a third at most.
const BATCH_TIME: Duration = Duration::from_millis(10);
/// How long it waits for a first line before it looks by itself, and after a failure before it tries again.
const IDLE_TIME: Duration = Duration::from_millis(500);
/// What is taken from the rings at a time, and kept while it cannot be written.
const BATCH_BYTES: usize = 256 << 10;

/// What the reader is told.
enum Order {
    /// From now on write there.
    To(Destination),
    /// The file may be another one: open it anew.
    Reopen,
    /// Nobody wants the log any more: write what still comes, and let the file go where it is taken.
    Off,
    /// Write what is left, until this moment at the latest, and end.
    Finish(Instant),
}

/// The access log as the gateway holds it. Nothing runs until it is turned on.
pub struct AccessLog {
    log: Arc<Log>,
    orders: Arc<Mutex<Vec<Order>>>,
    thread: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// One for these rings.
    pub fn new(log: Arc<Log>) -> AccessLog {
        AccessLog { log, orders: Arc::default(), thread: None }
    }

    /// From now on lines go there, those among them that were handed over before and are not written yet.
    ///
    /// Errors: no thread could be started.
    pub fn turn_to(&mut self, destination: Destination) -> io::Result<()> {
        self.tell(Order::To(destination));
        self.log.prepare();
        if self.thread.is_none() {
            let reader = Reader::new(self.log.clone(), self.orders.clone());
            let builder = std::thread::Builder::new().name("tidegate-log".into());
            self.thread = Some(builder.spawn(move || reader.run())?);
        }
        Ok(())
    }

    /// Opens the file anew, as after it was renamed; that is noticed within a second anyway.
    pub fn reopen(&self) {
        self.tell(Order::Reopen);
    }

    /// From now on workers write no lines, but for requests that are under way. What they still write goes where it
    /// went before.
    pub fn turn_off(&self) {
        self.tell(Order::Off);
    }

    /// Once nobody writes any more: waits until every line is written, or for so long.
    pub fn finish(self, most: Duration) {
        let Some(thread) = &self.thread else { return };
        let deadline = Instant::now() + most;
        self.tell(Order::Finish(deadline));
        // A little more than it needs to see by itself that its time is over.
        let deadline = deadline + IDLE_TIME;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn tell(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        self.log.wake();
    }
}

/// The thread's own state.
struct Reader {
    log: Arc<Log>,
    orders: Arc<Mutex<Vec<Order>>>,
    destination: Option<Destination>,
    /// Lines taken from the rings, and how far they are written. May begin within a line: the rest of one that was
    /// written in part.
    batch: Vec<u8>,
    written: usize,
    is_off: bool,
    finish_by: Option<Instant>,
}

impl Reader {
    fn new(log: Arc<Log>, orders: Arc<Mutex<Vec<Order>>>) -> Reader {
        Reader {
            log,
            orders,
            destination: None,
            batch: Vec::with_capacity(BATCH_BYTES),
            written: 0,
            is_off: false,
            finish_by: None,
        }
    }

    fn run(mut self) {
        loop {
            let is_any = self.take();
            // After it, so that a line that was handed over after an order is not written before it.
            self.follow_orders();
            let is_finishing = self.finish_by.is_some();
            match self.write() {
                Ok(()) if !is_any && is_finishing => return,
                Ok(()) if !is_any => self.log.wait(IDLE_TIME),
                // There may be more.
                Ok(()) if is_finishing || self.written < self.batch.len() => {}
                Ok(()) if self.batch.len() >= BATCH_BYTES => {}
                Ok(()) => std::thread::sleep(BATCH_TIME),
                Err(error) => match error.kind() {
                    // It has been waited for already.
                    io::ErrorKind::WouldBlock if !self.is_over() => {}
                    _ if is_finishing => return self.give_up(),
                    _ => self.log.pause(IDLE_TIME),
                },
            }
        }
    }

    fn is_over(&self) -> bool {
        self.finish_by.is_some_and(|due| Instant::now() >= due)
    }

    fn follow_orders(&mut self) {
        let orders = std::mem::take(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner));
        for order in orders {
            match order {
                Order::To(destination) => self.turn_to(destination),
                Order::Reopen => {
                    if self.destination.as_mut().is_some_and(Destination::reopen) {
                        self.skip_rest();
                    }
                }
                Order::Off => self.is_off = true,
                Order::Finish(deadline) => self.finish_by = Some(deadline),
            }
        }
    }

    fn turn_to(&mut self, destination: Destination) {
        self.skip_rest();
        self.destination = Some(destination);
        self.is_off = false;
    }

    /// The rest of a line that was written in part makes no sense elsewhere.
    fn skip_rest(&mut self) {
        if self.written > 0 && self.batch[self.written - 1] != b'\n' {
            let rest = self.batch[self.written..].iter().position(|byte| *byte == b'\n');
            self.written += rest.map_or(self.batch.len() - self.written, |end| end + 1);
            self.log.lose(1);
        }
    }

    /// Takes lines from the rings, unless a batch still waits; says whether there is one now.
    fn take(&mut self) -> bool {
        if self.written == self.batch.len() {
            self.batch.clear();
            self.written = 0;
            self.log.read(&mut self.batch, BATCH_BYTES);
        }
        !self.batch.is_empty()
    }

    /// Writes of the batch what its destination takes at once. What it does not take waits: the rings hold what comes
    /// meanwhile, and drop what they cannot.
    fn write(&mut self) -> io::Result<()> {
        if !self.is_off && self.destination.as_mut().is_some_and(Destination::look_after) {
            self.skip_rest();
        }
        let rest = &self.batch[self.written..];
        let Some(destination) = self.destination.as_mut().filter(|_| !rest.is_empty()) else { return Ok(()) };
        match destination.write(rest) {
            Ok(n) => self.written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A pipe whose reader is slow: nothing to tell.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                let details: say::Details<'_> = &[("to", &destination), ("error", &error)];
                say::warn("the access log cannot be written, lines will be dropped", details);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The time to finish is over.
    fn give_up(&mut self) {
        let mut lines = count_lines(&self.batch[self.written..]);
        loop {
            self.batch.clear();
            match self.log.read(&mut self.batch, BATCH_BYTES) {
                0 => break,
                more => lines += more,
            }
        }
        say::warn("the access log was not taken whole", &[("lines_lost", &lines)]);
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
