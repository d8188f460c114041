//! Keeps documents that others publish: fetches each before it is too old, soon after somebody misses something in it,
//! and again and again, ever more slowly, while its publisher is away. Control plane; the documents themselves are in
//! `core`, and members of families read them there.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tidegate_core::document::{Document, DocumentBook};
use tidegate_telemetry::say;
use tidegate_wire::fetch::{self, Fetched};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::gateway::random_bits;

/// Largest document: a set of keys is of some KiB.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// How long a document is used before it is fetched anew, where its publisher says nothing: what most libraries take.
const AGE_USUAL: Duration = Duration::from_secs(600);
/// The same at least and at most, whatever it says: neither a flood nor a day's blindness is for others to ask for.
const AGE_MIN: Duration = Duration::from_secs(300);
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Pauses between tries while it cannot be fetched: each is twice the one before.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often wishes and new documents are looked for: a request may be waiting.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How often new ones are looked for while there are none: most gateways never have one.
const LOOK_EVERY_IDLE: Duration = Duration::from_millis(250);
/// How long a start or a reload waits for documents that are new.
const PREPARE_TIME_MAX: Duration = Duration::from_secs(5);

/// Looks after every document that somebody uses.
pub(crate) async fn run(book: Arc<DocumentBook>) {
    let mut kept: HashMap<Arc<str>, JoinHandle<()>> = HashMap::new();
    book.keep();
    loop {
        kept.retain(|_, task| !task.is_finished());
        for document in book.all() {
            if !kept.contains_key(document.url()) {
                let task = tokio::spawn(keep(Arc::downgrade(&document)));
                kept.insert(document.url().clone(), task);
            }
        }
        sleep(if kept.is_empty() { LOOK_EVERY_IDLE } else { LOOK_EVERY }).await;
    }
}

/// Waits until every document has been tried once, for a bounded time.
pub(crate) async fn prepare(book: &DocumentBook) {
    let end = Instant::now() + PREPARE_TIME_MAX;
    while Instant::now() < end && book.all().iter().any(|document| !document.is_tried()) {
        sleep(LOOK_EVERY).await;
    }
}

/// Looks after one document for as long as somebody uses it.
async fn keep(document: Weak<Document>) {
    let mut failures = 0;
    let mut complaint = None;
    loop {
        let Some(used) = document.upgrade() else { return };
        let url = used.url().clone();
        let is_there = used.is_there();
        let fetched = tokio::task::spawn_blocking(move || fetch(&used)).await;
        let pause = match fetched.unwrap_or_else(|_| Err(String::from("cannot be fetched"))) {
            Ok((fetched, said)) => {
                if failures > 0 {
                    say::well_again(&url, "a document is there again", &[("url", &url)]);
                }
                failures = 0;
                complain(&url, &mut complaint, said.err());
                match complaint {
                    None => until_next(&fetched),
                    // Its publisher will mend it.
                    Some(_) => jittered(AGE_MIN),
                }
            }
            Err(reason) => {
                // Each time: they become as rare as `PAUSE_MAX`, and whoever looks later sees that it is still so.
                let text = match is_there {
                    true => "a document cannot be had; the one that came last is used",
                    false => "a document cannot be had, and none has come before: what needs it is refused",
                };
                say::warn_of(&url, text, &[("url", &url), ("reason", &reason)]);
                failures += 1;
                jittered(PAUSE_MIN.saturating_mul(1 << failures.min(6)).min(PAUSE_MAX))
            }
        };
        let next = Instant::now() + pause;
        loop {
            sleep(LOOK_EVERY).await;
            match document.upgrade() {
                None => return,
                Some(used) if used.is_wished() => break,
                Some(_) if Instant::now() >= next => break,
                Some(_) => {}
            }
        }
    }
}

/// Fetches a document and hands it to its readers: what came, and what they say of it. Blocks.
fn fetch(document: &Document) -> Result<(Fetched, Result<(), String>), String> {
    let fetched = fetch::get(document.url(), DOCUMENT_BYTES_MAX);
    let said = document.put(fetched.as_ref().ok().map(|fetched| &fetched.content[..]));
    fetched.map(|fetched| (fetched, said))
}

/// Tells what is wrong with a document, once for as long as it stays the same.
fn complain(url: &Arc<str>, before: &mut Option<String>, now: Option<String>) {
    if *before == now {
        return;
    }
    match &now {
        Some(reason) => {
            let details: say::Details<'_> = &[("url", url), ("reason", reason)];
            say::warn_of(url, "something is wrong with a document", details);
        }
        None => say::well_again(url, "a document is right again", &[("url", url)]),
    }
    *before = now;
}

/// Ahead of its end, so that nobody ever waits for it.
fn until_next(fetched: &Fetched) -> Duration {
    let age = fetched.max_age.unwrap_or(AGE_USUAL).clamp(AGE_MIN, AGE_MAX);
    jittered(age * 4 / 5)
}

/// Up to a tenth less: many gateways do not ask at the same moment.
fn jittered(pause: Duration) -> Duration {
    pause - pause.mul_f64((random_bits() % 1000) as f64 / 10_000.0)
}
