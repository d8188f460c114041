//! What a demo comes to, in words with numbers, and what to try next. Pure text; printed once at the end.

use std::fmt::Write;
use std::time::Duration;

use super::histogram::Histogram;
use super::load::{Phase, Tally};
use super::story::Record;
use super::visitors::Visit;
use super::words;

/// What there is to tell.
pub(super) struct Summary<'a> {
    /// How long requests were sent.
    pub(super) elapsed: Duration,
    /// What became of them.
    pub(super) tally: &'a Tally,
    /// What became of the instances.
    pub(super) record: &'a Record,
    /// Requests tried again on another instance and then answered.
    pub(super) retries_answered: u64,
    /// Where the gateway listened, as a URL.
    pub(super) gateway: &'a str,
    /// Where its admin listener was, as a URL.
    pub(super) admin: &'a str,
}

impl Summary<'_> {
    /// Requests without a right answer, those without any outcome among them.
    pub(super) fn failed(&self) -> u64 {
        self.tally.sent - self.tally.answered
    }

    /// All of it, lines with their ends.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\nWhat happened\n  {}\n", self.requests());
        if let Some(reason) = &self.tally.first_failure {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "  The first that failed: {reason}");
        }
        let outage = outage_sentences(self.record, self.retries_answered);
        for sentence in
            outage.into_iter().chain(visit_sentences(self.record)).chain(reload_sentences(self.record))
        {
            let _ = writeln!(text, "  {sentence}");
        }
        text + &self.table() + &self.next()
    }

    fn next(&self) -> String {
        format!(
            "\nNext\n  tidegate up 3000 3001      before services of your own, without a file\n  \
             tidegate demo              the same without an end; while it runs:\n    \
             curl {}/catalog/1\n    curl {}/metrics\n",
            self.gateway, self.admin
        )
    }

    fn requests(&self) -> String {
        format!(
            "{} sent in {}: {} answered, {} failed.",
            words::of(self.tally.sent, "request"),
            words::time(self.elapsed),
            words::count(self.tally.answered),
            words::count(self.failed()),
        )
    }

    fn table(&self) -> String {
        let parts =
            [("before", Phase::Before), ("while it was gone", Phase::During), ("after", Phase::After)];
        let mut text = format!("\n  {:<18} {:>9} {:>9} {:>9}\n", "", "answers", "p50", "p99");
        for (name, phase) in parts {
            let times: &Histogram = self.tally.times(phase);
            if times.count() > 0 {
                let (p50, p99) = (times.percentile(50), times.percentile(99));
                let (p50, p99) = (words::time_or_dash(p50), words::time_or_dash(p99));
                let _ = writeln!(text, "  {name:<18} {:>9} {p50:>9} {p99:>9}", words::count(times.count()));
            }
        }
        text
    }
}

/// What was killed, when it was taken out, when it was back; one sentence each, as far as it came.
fn outage_sentences(record: &Record, retries_answered: u64) -> Vec<String> {
    let mut said = Vec::new();
    if record.kills == 0 {
        return said;
    }
    let (kills, is_once) = (record.kills, record.kills == 1);
    said.push(match is_once {
        true => format!("At {} {} was killed.", words::clock(record.at), record.name),
        false => format!("{} instances were killed, one at a time.", words::count(kills)),
    });
    let out = words::time(record.taken_out.longest);
    said.push(match (record.taken_out.count, record.starts) {
        (0, 0) => "The end came before a request found it gone.".into(),
        (0, _) => "It was back before a request found it gone.".into(),
        _ if is_once => format!("Tidegate took it out {out} later."),
        _ => format!("Tidegate took each out within {out}."),
    });
    said.extend(retried(retries_answered));
    let back = words::time(record.back.longest);
    said.extend(match (record.starts, record.back.count, record.taken_out.count) {
        (0, ..) => Some("The end came before it was started again.".into()),
        (_, 0, 0) => None,
        (_, 0, _) => Some("It was started again, and the end came before it got requests.".into()),
        _ if is_once => {
            Some(format!("Started again, it was found after {back} and had its share of requests."))
        }
        _ => Some(format!("Started again, each was found within {back} and had its share of requests.")),
    });
    said
}

/// What became of those who asked for too much or for what is not theirs.
fn visit_sentences(record: &Record) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(Visit::Greedy { answered, limited, modest, modest_of }) = record.greedy {
        said.push(format!("A consumer over its limit got {answered} answers and {limited} times 429;"));
        said.push(format!("  another beside it got {modest} of {modest_of}."));
    }
    said.extend(
        record.attack.map(|status| format!("An SQL injection in a query was answered with {status}.")),
    );
    said
}

/// What became of the changes of the configuration.
fn reload_sentences(record: &Record) -> Vec<String> {
    let refused = record.refused.iter().map(|words| {
        format!("A configuration with a mistake was refused, and nothing changed:\n    {words}")
    });
    let longest = words::time(record.taken.longest);
    let taken = match record.taken.count {
        0 => None,
        1 => Some(format!("A good one was taken in {longest} while requests ran.")),
        count => Some(format!(
            "{} good ones were taken while requests ran, each within {longest}.",
            words::count(count)
        )),
    };
    refused.chain(taken).collect()
}

fn retried(count: u64) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 request found it gone and was answered by another instance.".into()),
        _ => Some(format!(
            "{} requests found it gone and were answered by another instance.",
            words::count(count)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::story::Toll;

    fn text(tally: &Tally, record: &Record, retries_answered: u64) -> String {
        let (gateway, admin) = ("http://127.0.0.1:8080", "http://127.0.0.1:9900");
        let elapsed = Duration::from_secs(30);
        Summary { elapsed, tally, record, retries_answered, gateway, admin }.text()
    }

    fn once() -> Record {
        let toll = |ms| Toll { count: 1, longest: Duration::from_millis(ms) };
        Record {
            name: "catalog 127.0.0.1:9001".into(),
            at: Duration::from_millis(7500),
            kills: 1,
            taken_out: toll(12),
            starts: 1,
            back: toll(800),
            greedy: Some(Visit::Greedy { answered: 20, limited: 40, modest: 5, modest_of: 5 }),
            attack: Some(403),
            refused: Some("6:3: unknown key `blance`, did you mean `balance`?".into()),
            taken: toll(4),
        }
    }

    #[test]
    fn the_story_is_told_in_lines_that_fit_a_terminal() {
        let mut tally = Tally::default();
        tally.sent = 1003;
        for (phase, ms) in [(Phase::Before, 3), (Phase::During, 30), (Phase::After, 4)] {
            tally.phase = phase;
            (0..334).for_each(|_| tally.record(Duration::from_millis(ms), Ok(0)));
        }
        tally.record(Duration::ZERO, Err("GET /orders/1: status 502".into()));
        let said = text(&tally, &once(), 3);
        let expected = "
What happened
  1,003 requests sent in 30.0 s: 1,002 answered, 1 failed.
  The first that failed: GET /orders/1: status 502
  At 0:07 catalog 127.0.0.1:9001 was killed.
  Tidegate took it out 12 ms later.
  3 requests found it gone and were answered by another instance.
  Started again, it was found after 800 ms and had its share of requests.
  A consumer over its limit got 20 answers and 40 times 429;
    another beside it got 5 of 5.
  An SQL injection in a query was answered with 403.
  A configuration with a mistake was refused, and nothing changed:
    6:3: unknown key `blance`, did you mean `balance`?
  A good one was taken in 4.0 ms while requests ran.

                       answers       p50       p99
  before                   334    3.0 ms    3.0 ms
  while it was gone        334     30 ms     30 ms
  after                    334    4.0 ms    4.0 ms

Next
  tidegate up 3000 3001      before services of your own, without a file
  tidegate demo              the same without an end; while it runs:
    curl http://127.0.0.1:8080/catalog/1
    curl http://127.0.0.1:9900/metrics
";
        assert_eq!(said, expected);
        assert!(said.lines().all(|line| line.len() < 80));
    }

    #[test]
    fn a_request_without_an_outcome_has_failed() {
        let mut tally = Tally::default();
        (tally.sent, tally.answered, tally.failed) = (10, 8, 1);
        assert!(text(&tally, &once(), 0).contains("10 requests sent in 30.0 s: 8 answered, 2 failed."));
    }

    #[test]
    fn an_end_before_the_end_of_the_story_is_said() {
        let nothing = Toll::default();
        let check = |record: Record, retries: u64, expected: &[&str]| {
            assert_eq!(outage_sentences(&record, retries), expected, "{record:?}");
        };
        let killed = "At 0:07 catalog 127.0.0.1:9001 was killed.";
        let gone = "The end came before it was started again.";
        let out = "Tidegate took it out 12 ms later.";
        let one = "1 request found it gone and was answered by another instance.";
        check(Record::default(), 0, &[]);
        let early = Record { taken_out: nothing, starts: 0, back: nothing, ..once() };
        check(early, 0, &[killed, "The end came before a request found it gone.", gone]);
        check(Record { starts: 0, back: nothing, ..once() }, 1, &[killed, out, one, gone]);
        let late = "It was started again, and the end came before it got requests.";
        check(Record { back: nothing, ..once() }, 0, &[killed, out, late]);
        let unnoticed = Record { taken_out: nothing, back: nothing, ..once() };
        check(unnoticed, 0, &[killed, "It was back before a request found it gone."]);
        let several = "2 instances were killed, one at a time.";
        let out = "Tidegate took each out within 12 ms.";
        let back = "Started again, each was found within 800 ms and had its share of requests.";
        check(Record { kills: 2, ..once() }, 1, &[several, out, one, back]);
    }
}
