//! What the program tells people while it runs: a line on standard error with time, level and a text, each once. WARN
//! means that it went on, ERROR that a person must look. Nothing here is about single requests: that is the access
//! log. Not for workers in their ordinary work, as standard error may be slow.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tidegate_core::clock::{self, Nanos};
use tidegate_core::date;

/// The same text is written again after so long at the soonest; what came between is counted.
const AGAIN_TIME: Duration = Duration::from_secs(10);

/// What belongs to a text: names and values.
pub type Details<'a> = &'a [(&'a str, &'a dyn Display)];

/// Tells that something has happened which somebody wanted, such as that a configuration was taken: each time, as it
/// does not come more often than they ask for it.
pub fn info(text: &str, details: Details<'_>) {
    each("INFO", text, details);
}

/// Tells each time that something went wrong and the gateway goes on: that a reload was refused, which comes as often as
/// somebody asks for one, or that a backend is down, which its caller bounds.
pub fn warn_each(text: &str, details: Details<'_>) {
    each("WARN", text, details);
}

/// Tells something at length, without a time: what is wrong with a file, or what answers who starts the program.
pub fn plainly(text: &dyn Display) {
    // `eprintln!` would panic if nobody listens any more.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Tells that something is wrong and the gateway went on.
pub fn warn(text: &'static str, details: Details<'_>) {
    say("WARN", text.to_owned(), text, details);
}

/// Tells that something is wrong with one of many, a host name for instance, each of which has lines of its own. There are
/// as many as are configured.
pub fn warn_of(subject: &str, text: &'static str, details: Details<'_>) {
    say("WARN", format!("{text} {subject}"), text, details);
}

/// Tells of one of many that what was wrong with it is right again.
pub fn well_again(subject: &str, text: &'static str, details: Details<'_>) {
    say("INFO", format!("{text} {subject}"), text, details);
}

/// From now on what is told each time it happens is not: somebody else has the screen.
pub fn leave_the_screen() {
    IS_SCREEN_LEFT.store(true, Relaxed);
}

static IS_SCREEN_LEFT: AtomicBool = AtomicBool::new(false);

/// Tells that something is wrong and a person must look.
pub fn error(text: &'static str, details: Details<'_>) {
    say("ERROR", text.to_owned(), text, details);
}

/// From now on a panic is told as an error, by place. With RUST_BACKTRACE its trace follows.
pub fn tell_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let thread = std::thread::current();
        let details: Details<'_> = &[
            ("thread", &thread.name().unwrap_or("")),
            ("at", &place),
            ("message", &panic.payload_as_str().unwrap_or("")),
        ];
        say("ERROR", place.clone(), "a thread panicked", details);
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(panic);
        }
    }));
}

fn each(level: &str, text: &str, details: Details<'_>) {
    if IS_SCREEN_LEFT.load(Relaxed) {
        return;
    }
    let line = line(&date::stamp(clock::exact()), level, text, details, 0);
    // Nobody is left to tell that nobody listens.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn say(level: &str, what: String, text: &str, details: Details<'_>) {
    // By text, with its subject if it has one, or, of panics, by place: as many as stand in the program and its
    // configuration.
    static SAID: Mutex<Option<HashMap<String, Said>>> = Mutex::new(None);
    let now = clock::exact();
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let said = said.get_or_insert_default().entry(what).or_default();
    if let Some(unsaid) = said.again(now) {
        let line = line(&date::stamp(now), level, text, details, unsaid);
        // Nobody is left to tell that nobody listens.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// When a text was written last, and how often it would have been since.
#[derive(Default)]
struct Said {
    at: Option<Nanos>,
    unsaid: u64,
}

impl Said {
    /// Whether it may be written now, and how often it was not since the last time.
    fn again(&mut self, now: Nanos) -> Option<u64> {
        if self.at.is_some_and(|at| now.since(at) < AGAIN_TIME) {
            self.unsaid += 1;
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

fn line(stamp: &date::Stamp, level: &str, text: &str, details: Details<'_>, unsaid: u64) -> String {
    let mut line = format!("{} {level} {text}", String::from_utf8_lossy(stamp));
    let repeats = (unsaid > 0).then_some(("repeats", &unsaid as &dyn Display));
    for (name, value) in details.iter().copied().chain(repeats) {
        let value = value.to_string();
        let is_word = |c: char| c.is_alphanumeric() || "-._:/+[]".contains(c);
        // Writing to a String cannot fail.
        let _ = match !value.is_empty() && value.chars().all(is_word) {
            true => write!(line, " {name}={value}"),
            false => write!(line, " {name}={value:?}"),
        };
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_its_details() {
        let stamp = date::stamp_of(1_709_164_799_000_001);
        let check = |details: Details<'_>, unsaid, expected: &str| {
            assert_eq!(line(&stamp, "WARN", "the state folder is slow", details, unsaid), expected);
        };
        check(&[], 0, "2024-02-28T23:59:59.000001Z WARN the state folder is slow\n");
        check(
            &[("path", &"/srv/a-1.log"), ("error", &"No space\nleft \"here\""), ("empty", &"")],
            3,
            "2024-02-28T23:59:59.000001Z WARN the state folder is slow path=/srv/a-1.log \
             error=\"No space\\nleft \\\"here\\\"\" empty=\"\" repeats=3\n",
        );
    }

    #[test]
    fn the_same_text_is_written_once_in_a_while_and_counted_meanwhile() {
        let at = |seconds: u64| Nanos(seconds * 1_000_000_000);
        let mut said = Said::default();
        assert_eq!(said.again(at(100)), Some(0));
        assert_eq!(said.again(at(101)), None);
        assert_eq!(said.again(at(109)), None);
        assert_eq!(said.again(at(110)), Some(2));
        assert_eq!(said.again(at(200)), Some(0));
    }
}
